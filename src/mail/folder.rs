//! Mail as files of a folder, for trying out: written one a mail, and read back for the mailbox page.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mail_parser::MessageParser;

use super::SendError;
use crate::id::{Random, random_text};
use crate::private_file;
use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Makes the folder if it is not there, for its owner only: its mails hold links that are secrets.
///
/// # Errors
/// A folder that cannot be made.
pub fn make_folder(folder: &Path) -> Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("the folder {} for mail cannot be made", folder.display()))
}

/// Writes a mail. Its file's name begins with the time, so that names sort by it.
pub(super) async fn write(
    folder: PathBuf,
    now: Timestamp,
    mail: Vec<u8>,
    random: &dyn Random,
) -> Result<(), SendError> {
    let random: [u8; 8] = random_text(random, ALPHABET);
    let name = format!("{:012}-{}.eml", now.0, String::from_utf8_lossy(&random));
    let written = tokio::task::spawn_blocking(move || {
        make_folder(&folder)?;
        private_file::write(&folder.join(name), &String::from_utf8_lossy(&mail))
    });
    match written.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(SendError::Temporary(format!("{error:#}"))),
        Err(error) => Err(SendError::Temporary(error.to_string())),
    }
}

/// A mail that lies in the folder.
pub struct Stored {
    /// The file's name, without `.eml`.
    pub name: String,
    /// Who sent it.
    pub from: String,
    /// To whom it went.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// It as plain text.
    pub text: String,
    /// It as HTML.
    pub html: String,
}

/// The mails of a folder, newest first, as many as `most`. Files that are no mails are passed over.
///
/// # Errors
/// A folder that cannot be read; one that is not there has no mails.
pub fn mails_in(folder: &Path, most: usize) -> Result<Vec<Stored>> {
    let unread = || format!("the folder {} cannot be read", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(unread)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.with_context(unread)?.file_name();
        names.extend(name.to_str().and_then(|name| name.strip_suffix(".eml")).map(str::to_owned));
    }
    names.sort_unstable_by(|one, other| other.cmp(one));
    Ok(names.iter().filter_map(|name| mail_of(folder, name)).take(most).collect())
}

/// The mail of this name, if there is one.
pub fn mail_of(folder: &Path, name: &str) -> Option<Stored> {
    // No name of ours leads out of the folder.
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return None;
    }
    let bytes = fs::read(folder.join(format!("{name}.eml"))).ok()?;
    let mail = MessageParser::default().parse(&bytes)?;
    let address = |list: Option<&mail_parser::Address>| {
        let address = list.and_then(|list| list.first()).and_then(|first| first.address());
        address.unwrap_or_default().to_owned()
    };
    Some(Stored {
        name: name.to_owned(),
        from: address(mail.from()),
        to: address(mail.to()),
        subject: mail.subject().unwrap_or_default().to_owned(),
        sent_at: Timestamp(mail.date().map_or(0, mail_parser::DateTime::to_timestamp)),
        text: mail.body_text(0).unwrap_or_default().into_owned(),
        html: mail.body_html(0).unwrap_or_default().into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use super::*;
    use crate::directory::email::EmailAddress;
    use crate::id::{MailId, SeededRandom};
    use crate::mail::{Mailer, Message};
    use crate::time::ManualClock;

    fn message(subject: &str) -> Message {
        let to = EmailAddress::parse("ada@example.com").unwrap();
        let text = "A line – and one more:\n\n    https://users.example.com/verify/token\n";
        Message::new(to, subject, text.to_owned(), "<p>ä</p>".to_owned())
    }

    #[tokio::test]
    async fn what_is_written_is_read_back_newest_first_and_private() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("mail");
        let clock = Arc::new(ManualClock::at(Timestamp(1_640_975_400)));
        let (from, random) = ("no-reply@localhost".parse().unwrap(), Arc::new(SeededRandom::new(1)));
        let mailer = Mailer::folder(folder.clone(), from, clock.clone(), random);
        assert!(mails_in(&folder, 10).unwrap().is_empty());
        for subject in ["One", "Zwei – mit Strich", "Three"] {
            mailer.send(MailId::new(&SeededRandom::new(1)), &message(subject)).await.unwrap();
            clock.advance(1);
        }
        fs::write(folder.join("notes.txt"), "no mail").unwrap();
        let mails = mails_in(&folder, 2).unwrap();
        let subjects: Vec<_> = mails.iter().map(|mail| mail.subject.as_str()).collect();
        assert_eq!(subjects, ["Three", "Zwei – mit Strich"]);
        let mail = mail_of(&folder, &mails[1].name).unwrap();
        assert_eq!((mail.to.as_str(), mail.from.as_str()), ("ada@example.com", "no-reply@localhost"));
        assert_eq!(mail.sent_at, Timestamp(1_640_975_401));
        assert_eq!(mail.text.replace("\r\n", "\n"), message("").text());
        assert_eq!(mail.html.trim_end(), "<p>ä</p>");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let file = folder.join(format!("{}.eml", mail.name));
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    }

    #[test]
    fn a_name_leads_to_no_other_folder() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("mail");
        make_folder(&folder).unwrap();
        fs::write(home.path().join("secret.eml"), "Subject: secret\r\n\r\nsecret").unwrap();
        for name in ["../secret", "..%2fsecret", "", ".", "a/../../secret"] {
            assert!(mail_of(&folder, name).is_none(), "{name}");
        }
        assert!(mails_in(&home.path().join("none"), 10).unwrap().is_empty());
    }
}
