//! Mail: what one is, how it is made from what is to be said, and how it leaves.

use std::path::PathBuf;
use std::time::Duration;

use crate::directory::email::EmailAddress;

/// A mail, ready to be sent.
#[derive(Clone)]
pub struct Message {
    /// Whom it is to.
    pub to: EmailAddress,
    /// What it is about; one line.
    pub subject: String,
    /// What it says, as text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

impl std::fmt::Debug for Message {
    /// A mail holds a secret and an address: nothing that prints for debugging shows one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message(hidden)")
    }
}

/// Why a mail was not sent. The text names no address and nothing of the mail.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Trying again later may help.
    #[error("{0}")]
    Temporary(String),
    /// It never will be: the address or the mail is refused.
    #[error("{0}")]
    Permanent(String),
}

/// How mail leaves.
pub enum Mailer {
    /// Into files of this folder, `.eml` each: for trying out.
    Folder(PathBuf),
}

impl Mailer {
    /// The mailer that a URL names.
    ///
    /// # Errors
    /// A sentence for the operator when the URL is none of those that are known.
    pub fn from_url(url: &str) -> anyhow::Result<Self> {
        match url.strip_prefix("file:") {
            Some(folder) if !folder.is_empty() => Ok(Self::Folder(folder.into())),
            _ => anyhow::bail!("`{url}` is no way to send mail: it is `file:` and the path of a folder"),
        }
    }

    /// Sends a mail. It is out of our hands when this returns.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        match self {
            Self::Folder(folder) => write(folder, message)
                .await
                .map_err(|error| SendError::Temporary(format!("{}: {error}", folder.display()))),
        }
    }
}

async fn write(folder: &std::path::Path, message: &Message) -> std::io::Result<()> {
    let (folder, message) = (folder.to_owned(), message.clone());
    let written = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        let mut number = 1;
        loop {
            let path = folder.join(format!("{number:06}.eml"));
            match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                opened => {
                    let text = format!(
                        "To: {}\r\nSubject: {}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}",
                        message.to.as_str(),
                        message.subject,
                        message.text
                    );
                    return std::io::Write::write_all(&mut opened?, text.as_bytes());
                }
            }
        }
    });
    written.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

/// A link or a code, and for how long it works.
#[derive(Clone, Copy)]
pub struct Expiring<'a> {
    /// The link or the code.
    pub text: &'a str,
    /// For how long it works.
    pub expires_in: Duration,
}

/// What the mail says by which an address is proved. There is a link, a code, or both.
#[derive(Clone, Copy)]
pub struct VerifyMail<'a> {
    /// In whose name it is sent.
    pub tenant_name: &'a str,
    /// The address to be proved, to which it goes.
    pub address: &'a EmailAddress,
    /// The link to follow.
    pub link: Option<Expiring<'a>>,
    /// The code to enter.
    pub code: Option<Expiring<'a>>,
}

/// What the mail says by which a password is reset.
#[derive(Clone, Copy)]
pub struct ResetMail<'a> {
    /// In whose name it is sent.
    pub tenant_name: &'a str,
    /// The user's primary address, to which it goes.
    pub address: &'a EmailAddress,
    /// The link to follow.
    pub link: Expiring<'a>,
}

/// The texts of mails.
pub struct Templates(());

impl Templates {
    /// The texts that the program brings along.
    ///
    /// # Errors
    /// None yet.
    pub fn load() -> anyhow::Result<Self> {
        Ok(Self(()))
    }

    /// The mail by which an address is proved.
    ///
    /// # Errors
    /// None yet.
    pub fn verify(&self, mail: &VerifyMail<'_>) -> anyhow::Result<Message> {
        let lines = [mail.link, mail.code].into_iter().flatten().map(|way| format!("{}\r\n", way.text));
        Ok(self.message(mail.address, "Confirm your email address", mail.tenant_name, lines.collect()))
    }

    /// The mail by which a password is reset.
    ///
    /// # Errors
    /// None yet.
    pub fn reset(&self, mail: &ResetMail<'_>) -> anyhow::Result<Message> {
        let link = format!("{}\r\n", mail.link.text);
        Ok(self.message(mail.address, "Set a new password", mail.tenant_name, link))
    }

    #[expect(clippy::unused_self, reason = "the texts are to be loaded")]
    fn message(&self, to: &EmailAddress, subject: &str, tenant_name: &str, text: String) -> Message {
        let html = format!("<pre>{text}</pre>");
        Message { to: to.clone(), subject: format!("{subject} - {tenant_name}"), text, html }
    }
}
