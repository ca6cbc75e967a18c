//! What others reach the server by, and what it reaches: mail, TLS and the public URL.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio_rustls::rustls::client::verify_server_name;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::server::ParsedCertificate;

use super::Finding;
use crate::cli::serve;
use crate::console::Transport;
use crate::mail::MailUrl;
use crate::server::tls::CertificateFiles;
use crate::server::validity::Validity;
use crate::time::Timestamp;

/// How long the mail server may take to greet.
const PATIENCE: Duration = Duration::from_secs(15);
/// A certificate that ends within this many days was not renewed when it should have been.
const RENEWED_BEFORE: i64 = 7;
const DAY: i64 = 24 * 60 * 60;

/// Where mail goes, and whether it would be taken. None is sent.
pub(super) async fn mail(options: &serve::Options) -> Finding {
    const WHAT: &str = "mail";
    let look = async {
        let server = match options.mail.url(None)? {
            None if options.dev => {
                return Ok(Finding::ok(WHAT, "goes into a folder beside the store, for trying out"));
            }
            None => {
                return Ok(Finding::not_configured(
                    WHAT,
                    "nobody is sent a link or a code: name a mail server by --mail",
                ));
            }
            Some(MailUrl::Folder(folder)) => {
                return Ok(Finding::ok(
                    WHAT,
                    format!("goes into files of {} and nowhere else", folder.display()),
                ));
            }
            Some(MailUrl::Smtp(server)) => server,
        };
        let url = options.public_url.as_ref().map_or("", url::Url::as_str);
        let from = options.mail.sender(url)?;
        let shown = server.shown();
        let is_encrypted =
            server.greet(from.email.domain(), PATIENCE).await.with_context(|| shown.clone())?;
        let login = if server.login.is_some() { ", and has taken the login" } else { "" };
        let encrypted = if is_encrypted { "encrypted" } else { "in the open" };
        Ok(Finding::ok(WHAT, format!("{shown} answers, {encrypted}{login}; mail comes from {}", from.email)))
    };
    Finding::or_broken(WHAT, look.await)
}

/// The certificate, if the server speaks TLS itself.
pub(super) fn tls(options: &serve::Options, now: Timestamp) -> Finding {
    const WHAT: &str = "TLS";
    let look = || match options.tls.named()? {
        None if options.tls.is_self_signed() => {
            Ok(Finding::ok(WHAT, "with a certificate of the server's own making, for trying out"))
        }
        None => Ok(Finding::not_configured(
            WHAT,
            "the server speaks http: beyond this machine put a proxy before it that does TLS, or give --tls-cert and --tls-key",
        )),
        Some(files) => certificate(&files, options, now),
    };
    Finding::or_broken(WHAT, look())
}

fn certificate(files: &CertificateFiles, options: &serve::Options, now: Timestamp) -> Result<Finding> {
    const WHAT: &str = "TLS";
    // That it belongs to the key is looked at here.
    files.acceptor()?;
    let chain = files.chain()?;
    let shown = files.certificate.display();
    let leaf = chain.first().context("there is no certificate")?;
    let validity = Validity::of(leaf).with_context(|| format!("{shown} cannot be understood"))?;
    let days = (validity.until.0 - now.0) / DAY;
    if validity.until < now {
        return Ok(Finding::broken(
            WHAT,
            format!("{shown} has expired: renew it, and start the server again"),
        ));
    }
    if validity.from > now {
        return Ok(Finding::broken(
            WHAT,
            format!("{shown} does not count yet: look at its dates, and at the clock"),
        ));
    }
    if days < RENEWED_BEFORE {
        return Ok(Finding::broken(
            WHAT,
            format!("{shown} expires in {days} days: renew it, and start the server again"),
        ));
    }
    // Behind a proxy the public URL is the proxy's.
    let host = options.public_url.as_ref().and_then(url::Url::host_str);
    if let Some(host) = host.filter(|_| options.client_address_header.is_none()) {
        let name = ServerName::try_from(host.trim_matches(['[', ']']))
            .context("the host of --public-url is no name")?;
        let parsed =
            ParsedCertificate::try_from(leaf).with_context(|| format!("{shown} cannot be understood"))?;
        if verify_server_name(&parsed, &name).is_err() {
            return Ok(Finding::broken(
                WHAT,
                format!("{shown} is not for {host}, the host of --public-url: get one that is"),
            ));
        }
    }
    Ok(Finding::ok(WHAT, format!("{shown} belongs to its key and counts for another {days} days")))
}

/// The URL in links.
pub(super) fn public_url(options: &serve::Options) -> Finding {
    const WHAT: &str = "public URL";
    let Some(url) = &options.public_url else {
        return Finding::not_configured(
            WHAT,
            "links lead to the address that the server listens on: give the one that people reach by --public-url",
        );
    };
    let shown = url.as_str();
    match Transport::of(shown) {
        Transport::Secure => Finding::ok(WHAT, shown),
        Transport::Loopback => Finding::ok(WHAT, format!("{shown}, which only this machine can reach")),
        Transport::Open => Finding::broken(
            WHAT,
            format!(
                "{shown} can be read on the way, and nobody can sign in to the console there: it must be https"
            ),
        ),
    }
}
