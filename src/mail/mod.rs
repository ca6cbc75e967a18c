//! Mail: what is written in one, and how it leaves the server. Whose it is and when it is due is
//! not known here.

mod folder;
mod letter;
mod message;
mod smtp;
mod url;

use std::path::PathBuf;
use std::sync::Arc;

use lettre::message::Mailbox;

use crate::id::{MailId, Random};
use crate::time::Clock;

pub use crate::templates::Templates;
pub use folder::{Stored, mail_of, mails_in, make_folder};
pub use letter::{Expiring, ResetMail, VerifyMail};
pub use message::Message;
pub use smtp::SmtpServer;
pub use url::{MailUrl, default_sender, sender};

/// Sends mail, in the name of one sender.
pub struct Mailer {
    way: Way,
    from: Mailbox,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// How mail leaves the server.
enum Way {
    /// To a mail server.
    Smtp(smtp::Smtp),
    /// Into files of this folder.
    Folder(PathBuf),
}

/// Why a mail was not sent. It repeats no address, and nothing that the mail server said but its
/// codes: servers quote the address they refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Trying again later may help.
    #[error("{0}")]
    Temporary(String),
    /// The address is refused for good: trying again would be told the same.
    #[error("{0}")]
    Permanent(String),
}

impl Mailer {
    /// Mail by SMTP. Nothing is connected to before there is a mail.
    ///
    /// # Errors
    /// Certificates that cannot be read.
    pub fn smtp(
        server: &SmtpServer,
        from: Mailbox,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> anyhow::Result<Self> {
        let way = Way::Smtp(smtp::Smtp::new(server, from.email.domain())?);
        Ok(Self { way, from, clock, random })
    }

    /// Mail into `.eml` files of a folder, which is made if it is not there.
    pub fn folder(folder: PathBuf, from: Mailbox, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { way: Way::Folder(folder), from, clock, random }
    }

    /// Sends a mail. When this returns `Ok`, it is another's to deliver: the mail server has taken it,
    /// or it is a file. One that is sent twice, because nobody knew whether it was, has the same `id`
    /// both times, so that its reader's mail program can tell.
    ///
    /// # Errors
    /// [`SendError`], which says whether trying again can help.
    pub async fn send(&self, id: MailId, message: &Message) -> Result<(), SendError> {
        let now = self.clock.now();
        let (envelope, bytes) = message.to_wire(id, &self.from, now, &*self.random)?;
        match &self.way {
            Way::Smtp(smtp) => smtp.send(&envelope, &bytes).await,
            Way::Folder(folder) => folder::write(folder.clone(), now, bytes, &*self.random).await,
        }
    }
}
