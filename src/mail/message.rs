//! One mail, and its form on the wire (RFC 5322).

use std::time::{Duration, UNIX_EPOCH};

use lettre::Address;
use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};

use super::SendError;
use crate::directory::email::EmailAddress;
use crate::directory::text::reaches_beyond;
use crate::id::{MailId, Random, random_text};
use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The most that a subject has, in characters; what is longer is cut.
const MAX_SUBJECT: usize = 150;
/// RFC 3834, section 5.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// A mail to one address, as text and as HTML.
#[derive(Clone)]
pub struct Message {
    to: EmailAddress,
    subject: String,
    text: String,
    html: String,
}

impl std::fmt::Debug for Message {
    /// What is written is for the addressee alone.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message(hidden)")
    }
}

impl Message {
    /// A mail. Characters of the subject that reach beyond it, line ends among them,
    /// become spaces.
    pub fn new(to: EmailAddress, subject: &str, text: String, html: String) -> Self {
        let visible: String = subject
            .chars()
            .map(|character| if reaches_beyond(character) { ' ' } else { character })
            .collect();
        let words: Vec<&str> = visible.split_whitespace().collect();
        Self { to, subject: words.join(" ").chars().take(MAX_SUBJECT).collect(), text, html }
    }

    /// To whom it goes.
    pub fn to(&self) -> &EmailAddress {
        &self.to
    }

    /// What it is about, in one line.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// It as plain text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// It as HTML.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// What the mail server is told, and the mail as it is sent.
    ///
    /// # Errors
    /// [`SendError::Permanent`] for an address that SMTP cannot say.
    pub(super) fn to_wire(
        &self,
        id: MailId,
        from: &Mailbox,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<(Envelope, Vec<u8>), SendError> {
        let unwritable = || SendError::Permanent("the address cannot be written in a mail".to_owned());
        let (local, domain) = self.to.for_mail().ok_or_else(unwritable)?;
        let to = Address::new(local, domain).map_err(|_| unwritable())?;
        let boundary: [u8; 26] = random_text(random, ALPHABET);
        let date = UNIX_EPOCH + Duration::from_secs(now.0.unsigned_abs());
        let parts = MultiPart::alternative()
            .boundary(String::from_utf8_lossy(&boundary))
            .singlepart(SinglePart::plain(self.text.clone()))
            .singlepart(SinglePart::html(self.html.clone()));
        let envelope = Envelope::new(Some(from.email.clone()), vec![to.clone()]).map_err(|_| unwritable())?;
        let built = lettre::Message::builder()
            // Said and not read back from the headers, which does not work for every address.
            .envelope(envelope.clone())
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(&self.subject)
            .date(date)
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            // Robots that answer mail, such as those of people on holiday, leave this one alone.
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            .multipart(parts)
            .map_err(|_| unwritable())?;
        Ok((envelope, built.formatted()))
    }
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;
    use crate::id::SeededRandom;
    use crate::mail::sender;

    const NOW: Timestamp = Timestamp(1_640_975_400);

    fn wire(to: &str, subject: &str, text: &str) -> Result<(Envelope, String), SendError> {
        let to = EmailAddress::parse(to).unwrap();
        let from = sender("Acme, \"Inc. <no-reply@users.example.com>").unwrap();
        let message = Message::new(to, subject, text.to_owned(), format!("<p>{text}</p>"));
        let (envelope, bytes) =
            message.to_wire(MailId::new(&SeededRandom::new(2)), &from, NOW, &SeededRandom::new(1))?;
        Ok((envelope, String::from_utf8(bytes).unwrap()))
    }

    #[test]
    fn a_mail_has_a_date_an_id_and_both_parts() {
        let (envelope, mail) = wire("ada@example.com", "Grüße aus Bücherdorf", "Zeile – eins\nzwei").unwrap();
        assert_eq!(envelope.from().unwrap().to_string(), "no-reply@users.example.com");
        assert_eq!(envelope.to()[0].to_string(), "ada@example.com");
        assert!(mail.is_ascii());
        let parsed = MessageParser::default().parse(&mail).unwrap();
        assert_eq!(parsed.date().unwrap().to_timestamp(), NOW.0);
        assert_eq!(parsed.subject(), Some("Grüße aus Bücherdorf"));
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), "Zeile – eins\nzwei");
        assert!(parsed.body_html(0).unwrap().contains("<p>Zeile – eins"));
        assert!(parsed.message_id().unwrap().ends_with("@users.example.com"));
        assert_eq!(parsed.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
        assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("Acme, \"Inc."));
    }

    #[test]
    fn a_subject_cannot_bring_headers_of_its_own() {
        for hostile in [
            "Hello\r\nBcc: eve@example.com",
            "Hello\nBcc: eve@example.com",
            "Hello\rBcc: eve@example.com",
            "Hello\u{2028}Bcc: eve@example.com\u{85}X: y",
            "Hellö\r\n\r\nBcc: eve@example.com",
        ] {
            let (envelope, mail) = wire("ada@example.com", hostile, "text").unwrap();
            assert_eq!(envelope.to().len(), 1);
            let parsed = MessageParser::default().parse(&mail).unwrap();
            assert!(parsed.bcc().is_none() && parsed.header_raw("X").is_none(), "{mail}");
            assert!(parsed.subject().unwrap().contains("Bcc: eve@example.com"));
        }
        let (_, mail) = wire("ada@example.com", &"ä".repeat(5000), "text").unwrap();
        assert!(mail.lines().all(|line| line.len() < 998));
    }

    #[test]
    fn a_text_with_long_lines_and_lone_dots_stays_as_it_is() {
        let text = format!("{}\n.\n..\nFrom me", "x".repeat(5000));
        let (_, mail) = wire("ada@example.com", "Hello", &text).unwrap();
        assert!(mail.lines().all(|line| line.len() < 998));
        let parsed = MessageParser::default().parse(&mail).unwrap();
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n"), text);
    }

    #[test]
    fn an_address_reaches_the_wire_as_mail_servers_know_it() {
        for (typed, sent) in [
            ("Ada@BÜCHER.example", "Ada@xn--bcher-kva.example"),
            ("straße@example.com", "straße@example.com"),
            ("\"john doe\"@example.com", "\"john doe\"@example.com"),
            ("o'neil!#$%&*+-/=?^_`{|}~@example.com", "o'neil!#$%&*+-/=?^_`{|}~@example.com"),
        ] {
            let (envelope, mail) =
                wire(typed, "Hello", "text").unwrap_or_else(|error| panic!("{typed}: {error}"));
            assert_eq!(envelope.to()[0].to_string(), sent);
            assert!(mail.contains(&format!("To: {sent}\r\n")), "{mail}");
        }
    }

    #[test]
    fn an_address_of_marks_that_are_no_letters_is_refused_in_plain_words() {
        let refused = wire("संपर्क@example.com", "Hello", "text").unwrap_err();
        assert_eq!(refused, SendError::Permanent("the address cannot be written in a mail".to_owned()));
    }

    #[test]
    fn no_debug_print_shows_a_mail() {
        let to = EmailAddress::parse("ada@example.com").unwrap();
        let message = Message::new(to, "Hello", "text".to_owned(), String::new());
        assert_eq!(format!("{message:?}"), "Message(hidden)");
    }
}
