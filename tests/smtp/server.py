"""A mail server for tests: real SMTP on a free port of loopback.

The one argument is JSON with how it behaves, each key optional:
  port               the one to listen on, instead of a free one
  certificate, key   files, as PEM: STARTTLS is offered with them
  from_the_start     TLS from the first byte instead of STARTTLS
  login              [user, password]: nothing is taken without it
  ascii              addresses beyond ASCII are not taken
  refuse             [stage, answer]: "connection", "sender", "recipient" or "mail", and what is answered
                     there
  pause              the seconds after which a recipient is answered
  hang               the recipient that is never answered
  no_farewell        QUIT is never answered

It prints the port, then each mail that it took as a line of JSON.
"""

import asyncio
import base64
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

HOW = json.loads(sys.argv[1])


def tell(what):
    print(json.dumps(what), flush=True)


def refuses(stage):
    return HOW.get("refuse", [None])[0] == stage


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if refuses("sender"):
            return HOW["refuse"][1]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        await asyncio.sleep(HOW.get("pause", 0))
        if address == HOW.get("hang"):
            await asyncio.Event().wait()
        if refuses("recipient"):
            return HOW["refuse"][1]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if refuses("mail"):
            return HOW["refuse"][1]
        tell({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "mail": base64.b64encode(envelope.original_content).decode(),
            "encrypted": session.ssl is not None or bool(HOW.get("from_the_start")),
            "authenticated": session.authenticated,
            "smtputf8": bool(envelope.smtp_utf8),
        })
        return "250 OK"


class Server(SMTP):
    async def push(self, status):
        is_greeting = self.session.host_name is None and str(status).startswith("220 localhost ")
        if is_greeting and refuses("connection"):
            status = HOW["refuse"][1]
        return await super().push(status)

    async def smtp_QUIT(self, arg):
        if HOW.get("no_farewell"):
            await asyncio.Event().wait()
        await super().smtp_QUIT(arg)


def login(server, session, envelope, mechanism, data):
    wanted = tuple(text.encode() for text in HOW["login"])
    # What is not handled here is refused with 535 by the library.
    return AuthResult(success=(data.login, data.password) == wanted, handled=False)


async def main():
    context = None
    if "certificate" in HOW:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(HOW["certificate"], HOW["key"])
    from_the_start = bool(HOW.get("from_the_start"))

    def protocol():
        return Server(
            Handler(),
            enable_SMTPUTF8=not HOW.get("ascii"),
            hostname="localhost",
            tls_context=None if from_the_start else context,
            auth_required="login" in HOW,
            # TLS from the start is unknown to this library, which would refuse logins over it.
            auth_require_tls=not from_the_start,
            authenticator=login if "login" in HOW else None,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        protocol, "127.0.0.1", HOW.get("port", 0), ssl=context if from_the_start else None
    )
    tell(server.sockets[0].getsockname()[1])
    await server.serve_forever()


asyncio.run(main())
