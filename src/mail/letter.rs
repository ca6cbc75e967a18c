//! What the mails say, by the templates in `templates/mail/`.

use std::time::Duration;

use minijinja::{Value, context};

use super::Message;
use crate::directory::email::EmailAddress;
use crate::templates::{TemplateError, Templates, shown, spoken};

/// A link or a code, and for how long it works from now on.
#[derive(Clone, Copy)]
pub struct Expiring<'a> {
    /// It, as its owner is to use it.
    pub text: &'a str,
    /// For how long it works.
    pub expires_in: Duration,
}

/// A mail by which its reader can prove to have the address: with a link, a code, or both.
#[derive(Clone, Copy)]
pub struct VerifyMail<'a> {
    /// Whose directory it is, as people know it.
    pub tenant_name: &'a str,
    /// The address that is proved, and that the mail goes to.
    pub address: &'a EmailAddress,
    /// The link to a page with a button.
    pub link: Option<Expiring<'a>>,
    /// The code to type in where it was asked for.
    pub code: Option<Expiring<'a>>,
}

/// A mail by which its reader can set another password.
#[derive(Clone, Copy)]
pub struct ResetMail<'a> {
    /// Whose directory it is, as people know it.
    pub tenant_name: &'a str,
    /// The address that the mail goes to.
    pub address: &'a EmailAddress,
    /// The link to a page that asks for the new password.
    pub link: Expiring<'a>,
}

/// What previews and trials offer.
const SAMPLE_LINK: Expiring<'_> = Expiring {
    text: "https://users.example.com/verify/0123456789ab_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG",
    expires_in: Duration::from_secs(24 * 60 * 60),
};
const SAMPLE_CODE: Expiring<'_> = Expiring { text: "123456", expires_in: Duration::from_secs(10 * 60) };

impl Templates {
    /// The mail that asks for a proof.
    ///
    /// # Errors
    /// A template of the operator's that does not work with these values.
    pub fn verify(&self, mail: &VerifyMail) -> Result<Message, TemplateError> {
        let values = context! {
            tenant => shown(mail.tenant_name),
            address => shown(mail.address.as_str()),
            link => mail.link.map(value_of),
            code => mail.code.map(value_of),
        };
        self.letter(mail.address, "verify", values)
    }

    /// The mail with the link to reset a password.
    ///
    /// # Errors
    /// As [`Templates::verify`].
    pub fn reset(&self, mail: &ResetMail) -> Result<Message, TemplateError> {
        let values = context! {
            tenant => shown(mail.tenant_name),
            address => shown(mail.address.as_str()),
            link => value_of(mail.link),
        };
        self.letter(mail.address, "reset", values)
    }

    fn letter(&self, to: &EmailAddress, name: &str, values: Value) -> Result<Message, TemplateError> {
        let template = format!("mail/{name}.txt");
        let text = self.render(&template, values.clone())?;
        let (subject, text) = text
            .strip_prefix("Subject: ")
            .and_then(|text| text.split_once("\n\n"))
            .filter(|(subject, _)| !subject.trim().is_empty())
            .ok_or_else(|| {
                TemplateError::because(
                    &template,
                    "it must begin with `Subject: `, the subject and an empty line",
                )
            })?;
        let html = self.render(&format!("mail/{name}.html"), values)?;
        Ok(Message::new(to.clone(), subject, text.to_owned(), html))
    }

    /// The mail that asks for a proof by link and code, with sample values.
    ///
    /// # Errors
    /// As [`Templates::verify`].
    pub fn sample_verify(&self) -> Result<Message, TemplateError> {
        self.verify(&VerifyMail {
            tenant_name: "Example",
            address: &sample_address(),
            link: Some(SAMPLE_LINK),
            code: Some(SAMPLE_CODE),
        })
    }

    /// The mail to reset a password, with sample values.
    ///
    /// # Errors
    /// As [`Templates::verify`].
    pub fn sample_reset(&self) -> Result<Message, TemplateError> {
        self.reset(&ResetMail { tenant_name: "Example", address: &sample_address(), link: SAMPLE_LINK })
    }

    /// Writes a mail of each kind, as a trial.
    pub(crate) fn try_mails(&self) -> Result<(), TemplateError> {
        let address = sample_address();
        for (link, code) in [(Some(SAMPLE_LINK), None), (None, Some(SAMPLE_CODE))] {
            self.verify(&VerifyMail { tenant_name: "Example", address: &address, link, code })?;
        }
        self.sample_verify()?;
        self.sample_reset()?;
        Ok(())
    }
}

fn sample_address() -> EmailAddress {
    EmailAddress::parse("ada@example.com").expect("it is an address")
}

fn value_of(offer: Expiring) -> Value {
    context! { text => offer.text, expires_in => spoken(offer.expires_in) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const LINK: Expiring<'_> = Expiring { text: "https://users.example.com/verify/abc_DEF", expires_in: DAY };
    const CODE: Expiring<'_> = Expiring { text: "042857", expires_in: Duration::from_secs(600) };

    fn address(text: &str) -> EmailAddress {
        EmailAddress::parse(text).unwrap()
    }

    fn verify(tenant_name: &str, typed: &str, link: Option<Expiring>, code: Option<Expiring>) -> Message {
        let mail = VerifyMail { tenant_name, address: &address(typed), link, code };
        Templates::embedded().verify(&mail).unwrap()
    }

    #[test]
    fn both_parts_of_a_mail_say_what_was_sent_and_for_how_long_it_works() {
        for (link, code) in [(Some(LINK), None), (None, Some(CODE)), (Some(LINK), Some(CODE))] {
            let mail = verify("Acme", "ada@example.com", link, code);
            assert_eq!(mail.subject(), "Verify your email address for Acme");
            assert_eq!(mail.to().as_str(), "ada@example.com");
            for part in [mail.text(), mail.html()] {
                assert_eq!(part.contains(LINK.text), link.is_some());
                assert_eq!(part.contains("24 hours"), link.is_some());
                assert_eq!(part.contains(CODE.text), code.is_some());
                assert_eq!(part.contains("10 minutes"), code.is_some());
                assert!(part.contains("ada@example.com") && part.contains("Acme"));
                assert!(!part.contains("{%") && !part.contains("{{"));
            }
        }
    }

    #[test]
    fn a_mail_to_reset_a_password_has_the_link_in_both_parts() {
        let to = address("ada@example.com");
        let mail = Templates::embedded()
            .reset(&ResetMail { tenant_name: "Acme", address: &to, link: LINK })
            .unwrap();
        assert_eq!(mail.subject(), "Set a new password for Acme");
        assert!([mail.text(), mail.html()].iter().all(|part| part.contains(LINK.text)));
    }

    #[test]
    fn the_texts_are_short_of_gaps_and_long_lines() {
        let mail = verify("Acme", "ada@example.com", Some(LINK), Some(CODE));
        assert!(!mail.text().contains("\n\n\n") && mail.text().lines().all(|line| line.len() <= 90));
        insta::assert_snapshot!("verify_text", mail.text());
    }

    #[test]
    fn names_and_addresses_are_text_and_never_markup() {
        let hostile = "<script>alert(1)</script>\"'&{{ link }}";
        let mail = verify(hostile, "o'neil&{{7*7}}@example.com", Some(LINK), Some(CODE));
        assert!(!mail.html().contains("<script") && !mail.html().contains("49@"));
        assert!(mail.html().contains("&lt;script&gt;") && mail.html().contains("&amp;{{7*7}}@example.com"));
        assert!(mail.text().contains(hostile) && mail.subject().contains(hostile));
    }

    #[test]
    fn a_name_cannot_reach_beyond_its_place() {
        let mail =
            verify("Acme\r\nBcc: eve\n\nSubject: x\u{202e}evil\u{2067}", "ada@example.com", Some(LINK), None);
        assert_eq!(mail.subject(), "Verify your email address for AcmeBcc: eveSubject: xevil");
        for part in [mail.text(), mail.html()] {
            assert!(!part.contains(['\u{202e}', '\u{2067}', '\r']));
            assert!(part.contains("AcmeBcc: eveSubject: xevil"));
        }
    }

    #[test]
    fn names_of_any_script_and_length_are_written() {
        for name in ["شركة المثال", "חברה לדוגמה", "例え株式会社", "नमूना", "👩\u{200d}💻 Co"]
        {
            let mail = verify(name, "ada@example.com", Some(LINK), Some(CODE));
            assert!(mail.html().contains(&format!("<bdi>{name}</bdi>")) && mail.text().contains(name));
            assert!(mail.subject().ends_with(name));
        }
        let long = "n".repeat(10_000);
        let mail = verify(&long, &format!("{}@example.com", "a".repeat(64)), Some(LINK), Some(CODE));
        assert!(mail.html().len() < 8_000 && mail.text().len() < 4_000 && mail.subject().len() <= 150);
    }
}
