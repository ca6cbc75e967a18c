//! Mail to a mail server.

use std::error::Error as _;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::SendError;

/// How long a mail may take, from the connection to the server's last word.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A mail server, and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpServer {
    /// Its name or address.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// When the connection is encrypted.
    pub encryption: Encryption,
    /// Who sends, if the server wants to know.
    pub login: Option<Login>,
    /// Certificates, as PEM, that are trusted beside those that the system trusts.
    pub trusted: Option<PathBuf>,
}

/// When the connection to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// If the server offers it (STARTTLS). With a login it must.
    Offered,
    /// Always, after a greeting in the open (STARTTLS).
    StartTls,
    /// Always, and from the first byte.
    FromTheStart,
}

/// Who sends.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password, if it was said in the URL.
    pub password: Option<String>,
}

impl fmt::Debug for SmtpServer {
    /// A login is never shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpServer({}:{}, {:?}, login hidden)", self.host, self.port, self.encryption)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(hidden)")
    }
}

/// The way to a mail server. Each mail has a connection of its own.
pub(super) struct Smtp(AsyncSmtpTransport<Tokio1Executor>);

impl Smtp {
    /// The way to `server`, for a client that calls itself `name`.
    pub(super) fn new(server: &SmtpServer, name: &str) -> Result<Self> {
        let tls = match (server.encryption, &server.login) {
            // Whoever could show a forged certificate here could as well hide that the server
            // offers encryption: it only keeps out those who merely listen.
            (Encryption::Offered, None) => Tls::Opportunistic(
                TlsParameters::builder(server.host.clone())
                    .certificate_store(CertificateStore::None)
                    .dangerous_accept_invalid_certs(true)
                    .dangerous_accept_invalid_hostnames(true)
                    .build()?,
            ),
            // A password never travels in the open.
            (Encryption::Offered, Some(_)) | (Encryption::StartTls, _) => Tls::Required(checked(server)?),
            (Encryption::FromTheStart, _) => Tls::Wrapper(checked(server)?),
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .hello_name(ClientId::Domain(name.to_owned()))
            .timeout(Some(TIMEOUT));
        if let Some(Login { user, password }) = &server.login {
            let password = password.clone().context("the mail server's user has no password")?;
            transport = transport.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self(transport.build()))
    }

    pub(super) async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Result<(), SendError> {
        match tokio::time::timeout(TIMEOUT, self.0.send_raw(envelope, bytes)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(SendError::Temporary("the mail server did not answer in time".to_owned())),
        }
    }
}

/// TLS with a server whose certificate must be good.
fn checked(server: &SmtpServer) -> Result<TlsParameters> {
    let mut tls = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.trusted {
        let unread = || format!("the certificates {} cannot be read", path.display());
        let pem = fs::read(path).with_context(unread)?;
        tls = tls.add_root_certificate(Certificate::from_pem(&pem).with_context(unread)?);
    }
    tls.build().context("the certificates that the system trusts cannot be used")
}

/// What went wrong, in words that hold no address.
fn told(error: &SmtpError) -> SendError {
    if let Some(code) = error.status() {
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        let codes = [code.to_string(), enhanced_code(&reason)].join(" ");
        let codes = codes.trim_end();
        // 530, 534, 535 and 538 are about the login, which the operator can put right.
        return if error.is_permanent() && !matches!(u16::from(code), 530 | 534 | 535 | 538) {
            SendError::Permanent(format!("the mail server refused the mail for good ({codes})"))
        } else if error.is_permanent() {
            SendError::Temporary(format!("the mail server refused the user or the password ({codes})"))
        } else {
            SendError::Temporary(format!("the mail server refused the mail for now ({codes})"))
        };
    }
    // What is left comes from this side: the system, TLS, and what lettre misses in the server.
    let mut reason = error.to_string();
    if error.is_response() {
        "the mail server does not speak SMTP".clone_into(&mut reason);
    }
    if reason.contains("SMTPUTF8") {
        return SendError::Permanent(
            "the mail server does not take addresses with letters beyond ASCII (SMTPUTF8)".to_owned(),
        );
    }
    SendError::Temporary(format!("the mail server was not reached: {reason}"))
}

/// The code such as 5.1.1 that a server may begin its words with (RFC 3463); else nothing.
fn enhanced_code(words: &str) -> String {
    let code = words.split(' ').next().unwrap_or_default();
    let is_code = code.len() <= 9
        && code.split('.').count() == 3
        && code.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_code { code.to_owned() } else { String::new() }
}
