//! Mail to a mail server.

use std::error::Error as _;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use lettre::address::Envelope;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, Tls, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use super::SendError;

/// How long a mail may take, from the connection to the server's word that it has it.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long is waited for the server's answer to the farewell.
const FAREWELL: Duration = Duration::from_secs(1);

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

impl SmtpServer {
    /// The server without its login, to name it in a message.
    pub fn shown(&self) -> String {
        let scheme = match self.encryption {
            Encryption::Offered => "smtp",
            Encryption::StartTls => "smtp+starttls",
            Encryption::FromTheStart => "smtps",
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("{scheme}://{host}:{}", self.port)
    }

    /// Greets the server as for a mail, encrypted and logged in as it is wanted, and sends none. The
    /// client calls itself `name`. Gives whether the connection was encrypted.
    ///
    /// # Errors
    /// Why no mail would be taken, in words that hold no address.
    pub async fn greet(&self, name: &str, within: Duration) -> Result<bool> {
        let smtp = Smtp::new(self, name)?;
        let connected = tokio::time::timeout(within, smtp.connect()).await;
        let connected = connected.context("the mail server did not answer in time")?;
        let mut connection = connected.map_err(|error| told(&error, Stage::Before))?;
        let is_encrypted = connection.is_encrypted();
        // It has answered: how it takes the farewell does not matter.
        let _ = tokio::time::timeout(FAREWELL, connection.abort()).await;
        Ok(is_encrypted)
    }
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
pub(super) struct Smtp {
    host: String,
    port: u16,
    tls: Tls,
    /// What this client calls itself.
    name: ClientId,
    login: Option<Credentials>,
}

/// How far a mail has come when the server refuses it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The server has not been told yet to whom it goes.
    Before,
    /// The server has just been told.
    Recipient,
    /// The server takes mail for this address.
    After,
}

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
        let login = match &server.login {
            Some(Login { user, password }) => {
                let password = password.clone().context("the mail server's user has no password")?;
                Some(Credentials::new(user.clone(), password))
            }
            None => None,
        };
        let name = ClientId::Domain(name.to_owned());
        Ok(Self { host: server.host.clone(), port: server.port, tls, name, login })
    }

    pub(super) async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Result<(), SendError> {
        let sent = async {
            let mut connection = self.connect().await.map_err(|error| told(&error, Stage::Before))?;
            let taken = hand_over(&mut connection, envelope, bytes).await;
            Ok::<_, SendError>((connection, taken))
        };
        let in_time = tokio::time::timeout(TIMEOUT, sent).await;
        let (mut connection, taken) = in_time
            .map_err(|_| SendError::Temporary("the mail server did not answer in time".to_owned()))??;
        // Whether the server has the mail is settled, whatever becomes of the farewell.
        let _ = tokio::time::timeout(FAREWELL, connection.abort()).await;
        taken
    }

    /// A new connection, encrypted and logged in as it is wanted.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let from_the_start = match &self.tls {
            Tls::Wrapper(tls) => Some(tls.clone()),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(TIMEOUT), &self.name, from_the_start, None)
                .await?;
        match &self.tls {
            Tls::Opportunistic(tls) if connection.can_starttls() => {
                connection.starttls(tls.clone(), &self.name).await?;
            }
            Tls::Required(tls) => connection.starttls(tls.clone(), &self.name).await?,
            _ => {}
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        Ok(connection)
    }
}

/// Hands a mail over. When this returns `Ok`, the server has it.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    bytes: &[u8],
) -> Result<(), SendError> {
    let mut parameters = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
            return Err(SendError::Permanent(
                "the mail server does not take addresses with letters beyond ASCII (SMTPUTF8)".to_owned(),
            ));
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    // Only such addresses are written as they are, and who takes them takes this, too (RFC 6531).
    if !bytes.is_ascii() {
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let at = |stage| move |error: SmtpError| told(&error, stage);
    let sender = Mail::new(envelope.from().cloned(), parameters);
    connection.command(sender).await.map_err(at(Stage::Before))?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(at(Stage::Recipient))?;
    }
    connection.command(Data).await.map_err(at(Stage::After))?;
    connection.message(bytes).await.map_err(at(Stage::After))?;
    Ok(())
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
fn told(error: &SmtpError, stage: Stage) -> SendError {
    if let Some(code) = error.status() {
        let reason = error.source().map(ToString::to_string).unwrap_or_default();
        let enhanced = enhanced_code(&reason);
        let code = u16::from(code);
        let codes = format!("{code} {enhanced}");
        let codes = codes.trim_end();
        return if is_about_the_address(code, &enhanced, stage) {
            SendError::Permanent(format!("the mail server refused the mail for good ({codes})"))
        } else if matches!(code, 530 | 534 | 535 | 538) {
            SendError::Temporary(format!("the mail server refused the user or the password ({codes})"))
        } else if error.is_permanent() {
            SendError::Temporary(format!("the mail server refused, but not because of the address ({codes})"))
        } else {
            SendError::Temporary(format!("the mail server refused the mail for now ({codes})"))
        };
    }
    // What is left comes from this side: the system, TLS, and what lettre misses in the server.
    let mut reason = error.to_string();
    if error.is_response() {
        "the mail server does not speak SMTP".clone_into(&mut reason);
    }
    SendError::Temporary(format!("the mail server was not reached: {reason}"))
}

/// Whether a refusal is about the address that the mail goes to: then another time would be told the
/// same. What a server has against this one, its sender or its words, the operators can put right.
fn is_about_the_address(code: u16, enhanced: &str, stage: Stage) -> bool {
    match enhanced {
        // RFC 3463, section 3.2, and RFC 7505. 5.1.7 and 5.1.8 are about the sender.
        "5.1.1" | "5.1.2" | "5.1.3" | "5.1.4" | "5.1.6" | "5.1.10" => stage != Stage::Before,
        "" | "5.1.0" => stage == Stage::Recipient && matches!(code, 550 | 551 | 553),
        _ => false,
    }
}

/// The code such as 5.1.1 that a server may begin its words with (RFC 3463); else nothing.
fn enhanced_code(words: &str) -> String {
    let code = words.split(' ').next().unwrap_or_default();
    let is_code = code.len() <= 9
        && code.split('.').count() == 3
        && code.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    if is_code { code.to_owned() } else { String::new() }
}
