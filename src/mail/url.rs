//! What `--mail` and `--mail-from` can say.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lettre::message::Mailbox;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::smtp::{Encryption, Login, SmtpServer};

/// Where mail goes: `smtp://`, `smtp+starttls://` or `smtps://` and a mail server, or `file:` and a
/// folder.
#[derive(Clone, PartialEq, Eq)]
pub enum MailUrl {
    /// To a mail server.
    Smtp(SmtpServer),
    /// Into `.eml` files of this folder.
    Folder(PathBuf),
}

/// Why a text does not say where mail goes. It does not repeat the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMailUrl(&'static str);

const FORMS: InvalidMailUrl = InvalidMailUrl(
    "it is smtp://HOST, smtp+starttls://HOST or smtps://HOST, with USER:PASSWORD@ before the host and \
     :PORT behind it if need be, or file:FOLDER",
);

impl fmt::Debug for MailUrl {
    /// A login is never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Smtp(server) => server.fmt(f),
            Self::Folder(folder) => write!(f, "file:{}", folder.display()),
        }
    }
}

impl FromStr for MailUrl {
    type Err = InvalidMailUrl;

    fn from_str(text: &str) -> Result<Self, InvalidMailUrl> {
        if let Some(folder) = text.strip_prefix("file:") {
            // Three slashes are how others write the path of a file as a URL.
            let folder = folder.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(folder);
            return if folder.is_empty() { Err(FORMS) } else { Ok(Self::Folder(folder.into())) };
        }
        let url = Url::parse(text).map_err(|_| FORMS)?;
        let (encryption, port) = match url.scheme() {
            "smtp" => (Encryption::Offered, 25),
            "smtp+starttls" => (Encryption::StartTls, 587),
            "smtps" => (Encryption::FromTheStart, 465),
            _ => return Err(FORMS),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidMailUrl(
                "nothing can stand behind the host and port; characters such as / in a password are written \
                 as % and two digits, or the password is kept in a file",
            ));
        }
        let host = match url.host() {
            Some(Host::Domain(host)) if !host.is_empty() => decoded(host)?,
            // Without the brackets of the URL.
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(Host::Ipv4(address)) => address.to_string(),
            _ => return Err(FORMS),
        };
        let login = match (url.username(), url.password()) {
            ("", None) => None,
            ("", Some(_)) => return Err(InvalidMailUrl("a password needs a user before it")),
            (user, password) => {
                Some(Login { user: decoded(user)?, password: password.map(decoded).transpose()? })
            }
        };
        Ok(Self::Smtp(SmtpServer {
            host,
            port: url.port().unwrap_or(port),
            encryption,
            login,
            trusted: None,
        }))
    }
}

fn decoded(text: &str) -> Result<String, InvalidMailUrl> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| FORMS)?;
    if decoded.chars().any(char::is_control) { Err(FORMS) } else { Ok(decoded.into_owned()) }
}

/// The sender of an option: an address, or a name and an address as in `Acme <no-reply@acme.example>`.
///
/// # Errors
/// A sentence that says what it should be.
pub fn sender(text: &str) -> Result<Mailbox, String> {
    if text.chars().any(char::is_control) {
        return Err("a sender has no control characters".to_owned());
    }
    let (name, address) = match text.trim().strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, address)) => (Some(name.trim().trim_matches('"').to_owned()), address),
        None => (None, text.trim()),
    };
    let address = address.parse().map_err(
        |_| "a sender is an address, or a name and an address like 'Acme <no-reply@acme.example>'",
    )?;
    Ok(Mailbox::new(name.filter(|name| !name.is_empty()), address))
}

/// The sender when none is said: `no-reply` at the host of the public URL, if that is a name.
pub fn default_sender(public_url: &str) -> Option<Mailbox> {
    let url = Url::parse(public_url).ok()?;
    match url.host()? {
        Host::Domain(host) => format!("no-reply@{host}").parse().ok(),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> SmtpServer {
        match text.parse() {
            Ok(MailUrl::Smtp(server)) => server,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn each_scheme_has_its_encryption_and_its_port() {
        for (text, encryption, port) in [
            ("smtp://mail.example", Encryption::Offered, 25),
            ("smtp+starttls://mail.example", Encryption::StartTls, 587),
            ("smtps://mail.example/", Encryption::FromTheStart, 465),
            ("smtps://mail.example:2465", Encryption::FromTheStart, 2465),
        ] {
            let server = server(text);
            assert_eq!(
                (server.host.as_str(), server.encryption, server.port),
                ("mail.example", encryption, port)
            );
            assert!(server.login.is_none());
        }
        assert_eq!(server("smtp://[::1]:2525").host, "::1");
        assert_eq!(server("smtp://127.0.0.1:2525").host, "127.0.0.1");
    }

    #[test]
    fn a_login_may_have_any_characters_and_the_password_may_come_from_elsewhere() {
        let login = server("smtps://ada%40example.com:p%2Fw%40%3A1@mail.example").login.unwrap();
        assert_eq!((login.user.as_str(), login.password.as_deref()), ("ada@example.com", Some("p/w@:1")));
        let login = server("smtps://ada@mail.example").login.unwrap();
        assert_eq!((login.user.as_str(), login.password), ("ada", None));
    }

    #[test]
    fn a_folder_is_a_path_after_file() {
        for (text, path) in [("file:mail", "mail"), ("file:/a/b", "/a/b"), ("file:///a/b", "/a/b")] {
            assert_eq!(text.parse(), Ok(MailUrl::Folder(path.into())));
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_being_repeated() {
        for wrong in [
            "",
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp:mail.example",
            "file:",
            "smtp://:tellnobody@mail.example",
            "smtp://user:tellnobody@mail.example/path",
            "smtp://user:tellnobody@mail.example?tls=no",
            "smtp://user:tell/nobody@mail.example",
            "smtp://user:tellnobody%0d%0aQUIT@mail.example",
            "smtp://user:tellnobody@mail.example:port",
        ] {
            let error = wrong.parse::<MailUrl>().unwrap_err().to_string();
            assert!(!error.contains("tellnobody") && !error.is_empty(), "{wrong}: {error}");
        }
    }

    #[test]
    fn no_debug_print_shows_a_login() {
        let shown = format!("{:?}", "smtps://ada:tellnobody@mail.example".parse::<MailUrl>());
        assert!(shown.contains("mail.example") && !shown.contains("tellnobody"), "{shown}");
        assert!(!shown.contains("ada"), "{shown}");
    }

    #[test]
    fn the_sender_is_said_or_made_from_the_public_url() {
        assert_eq!(sender("a@b.example").unwrap().to_string(), "a@b.example");
        assert_eq!(sender("Acme, Inc. <a@b.example>").unwrap().name.unwrap(), "Acme, Inc.");
        assert_eq!(sender("\"Acme\" <a@b.example>").unwrap().name.unwrap(), "Acme");
        for wrong in ["", "nobody", "a@b.example\r\nBcc: c@d.example", "<>"] {
            assert!(sender(wrong).is_err(), "{wrong:?}");
        }
        let made = |url: &str| default_sender(url).map(|sender| sender.to_string());
        assert_eq!(made("https://users.example.com/directory").unwrap(), "no-reply@users.example.com");
        assert_eq!(made("http://localhost:8080").unwrap(), "no-reply@localhost");
        assert_eq!(made("http://127.0.0.1:8080"), None);
        assert_eq!(made("http://[::1]:8080"), None);
    }
}
