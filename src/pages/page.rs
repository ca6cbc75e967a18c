//! What the pages say, by the templates in `templates/pages/`.

use minijinja::{Value, context};

use crate::mail::Stored;
use crate::templates::{TemplateError, Templates, shown, spoken};
use crate::time::Timestamp;

/// A page.
pub(super) enum Page<'a> {
    /// Whether this address is the visitor's, with a button.
    Verify {
        tenant: &'a str,
        address: &'a str,
        form: &'a str,
        /// Whether the button was pressed on a page too old.
        again: bool,
    },
    /// The address is verified.
    Verified { tenant: &'a str, address: &'a str },
    /// The address is verified for somebody else.
    Taken { tenant: &'a str, address: &'a str },
    /// The link is good for nothing, with a button to ask for another if there can be one.
    Ended { form: Option<&'a str> },
    /// Another mail may be on its way.
    Asked,
    /// Asks for a new password.
    Reset {
        tenant: &'a str,
        form: &'a str,
        /// Whether the button was pressed on a page too old.
        again: bool,
        /// What is wrong with the password that was tried, as sentences.
        faults: &'a [String],
    },
    /// The new password is set.
    ResetDone { tenant: &'a str },
    /// The visitor has asked too often, and may again after so long.
    TooOften { seconds: u64 },
    /// Anything else that went wrong.
    Failed { reason: &'a str, request_id: &'a str },
    /// The mails that were sent.
    Mailbox { mails: &'a [Stored] },
    /// One of them.
    Mail { mail: &'a Stored },
}

impl Templates {
    /// A page as HTML.
    pub(super) fn page(&self, page: &Page) -> Result<String, TemplateError> {
        let (name, values) = match page {
            Page::Verify { tenant, address, form, again } => (
                "verify",
                context! { tenant => shown(tenant), address => shown(address), form => *form, again => *again },
            ),
            Page::Verified { tenant, address } => {
                ("verified", context! { tenant => shown(tenant), address => shown(address) })
            }
            Page::Taken { tenant, address } => {
                ("taken", context! { tenant => shown(tenant), address => shown(address) })
            }
            Page::Ended { form } => ("ended", context! { tenant => (), form => *form }),
            Page::Asked => ("asked", context! { tenant => () }),
            Page::Reset { tenant, form, again, faults } => (
                "reset",
                context! { tenant => shown(tenant), form => *form, again => *again, faults => faults.to_vec() },
            ),
            Page::ResetDone { tenant } => ("reset_done", context! { tenant => shown(tenant) }),
            Page::TooOften { seconds } => {
                let wait = spoken(std::time::Duration::from_secs(*seconds));
                ("too_often", context! { tenant => (), wait })
            }
            Page::Failed { reason, request_id } => {
                ("failed", context! { tenant => (), reason => *reason, request_id => *request_id })
            }
            Page::Mailbox { mails } => {
                let mails: Vec<Value> = mails.iter().map(value_of).collect();
                ("mailbox", context! { tenant => (), mails })
            }
            Page::Mail { mail } => {
                ("mail", context! { tenant => (), mail => value_of(mail), words => words(&mail.text) })
            }
        };
        self.render(&format!("pages/{name}.html"), values)
    }

    /// Makes a page of each kind, as a trial.
    pub(crate) fn try_pages(&self) -> Result<(), TemplateError> {
        let mail = Stored {
            name: "000000000000-abcdefgh".to_owned(),
            from: "no-reply@example.com".to_owned(),
            to: "ada@example.com".to_owned(),
            subject: "Hello".to_owned(),
            sent_at: Timestamp(0),
            text: "See https://example.com/".to_owned(),
            html: String::new(),
        };
        let (tenant, address, form) = ("Example", "ada@example.com", "0.field-of-a-trial");
        let faults = ["A password has at least 8 characters.".to_owned()];
        for page in [
            Page::Verify { tenant, address, form, again: true },
            Page::Verify { tenant, address, form, again: false },
            Page::Verified { tenant, address },
            Page::Taken { tenant, address },
            Page::Ended { form: Some(form) },
            Page::Ended { form: None },
            Page::Asked,
            Page::Reset { tenant, form, again: true, faults: &faults },
            Page::Reset { tenant, form, again: false, faults: &[] },
            Page::ResetDone { tenant },
            Page::TooOften { seconds: 60 },
            Page::Failed { reason: "It failed.", request_id: "0" },
            Page::Mailbox { mails: &[] },
            Page::Mailbox { mails: std::slice::from_ref(&mail) },
            Page::Mail { mail: &mail },
        ] {
            let html = self.page(&page)?;
            let (Page::Verify { .. } | Page::Reset { .. }) = page else { continue };
            if !html.contains(form) || !["\"form\"", "'form'", "=form"].iter().any(|name| html.contains(name))
            {
                let name = if matches!(page, Page::Reset { .. }) { "reset" } else { "verify" };
                return Err(TemplateError::because(
                    &format!("pages/{name}.html"),
                    "its form must have the hidden field `form` with the value `{{ form }}`, without which nothing is done",
                ));
            }
        }
        Ok(())
    }
}

fn value_of(mail: &Stored) -> Value {
    let sent_at = jiff::Timestamp::from_second(mail.sent_at.0).unwrap_or_default();
    context! {
        name => mail.name.as_str(),
        from => shown(&mail.from),
        to => shown(&mail.to),
        subject => shown(&mail.subject),
        sent_at => sent_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    }
}

/// The text cut where links begin and end. Put together, the parts are the text.
fn words(text: &str) -> Vec<Value> {
    let is_link = |word: &str| word.starts_with("http://") || word.starts_with("https://");
    text.split_inclusive(char::is_whitespace)
        .flat_map(|word| {
            let visible = word.trim_end();
            [(visible, is_link(visible)), (&word[visible.len()..], false)]
        })
        .map(|(text, is_link)| context! { text, is_link })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "<script>alert(1)</script>\"'&{{ style }}\u{202e}";

    fn html(page: &Page) -> String {
        Templates::embedded().page(page).unwrap()
    }

    #[test]
    fn names_and_addresses_are_text_and_never_markup() {
        let faults = [HOSTILE.to_owned()];
        for page in [
            Page::Verify { tenant: HOSTILE, address: HOSTILE, form: HOSTILE, again: true },
            Page::Verified { tenant: HOSTILE, address: HOSTILE },
            Page::Taken { tenant: HOSTILE, address: HOSTILE },
            Page::Reset { tenant: HOSTILE, form: HOSTILE, again: true, faults: &faults },
            Page::ResetDone { tenant: HOSTILE },
        ] {
            let html = html(&page);
            assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
            assert!(html.contains("{{ style }}"));
        }
    }

    #[test]
    fn a_page_has_a_language_a_title_a_heading_and_nothing_from_elsewhere() {
        let tenant = "شركة المثال";
        for page in [
            Page::Verify { tenant, address: "ada@example.com", form: "field", again: false },
            Page::Reset { tenant, form: "field", again: false, faults: &[] },
            Page::Ended { form: Some("field") },
            Page::TooOften { seconds: 30 },
        ] {
            let html = html(&page);
            assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
            assert_eq!((html.matches("<h1").count(), html.matches("<title>").count()), (1, 1));
            assert!(html.contains("name=\"viewport\"") && html.contains("prefers-color-scheme: dark"));
            for foreign in ["http:", "https:", "//", "<script", "<link", "<img", " onclick", "style=\""] {
                let found = html.find(foreign).map(|place| &html[place..(place + 60).min(html.len())]);
                assert_eq!(found, None);
            }
        }
    }

    #[test]
    fn the_style_in_a_page_is_the_one_that_the_browser_is_told_of() {
        use base64::Engine;
        use sha2::Digest;
        let templates = Templates::embedded();
        let html = templates.page(&Page::Asked).unwrap();
        let (_, rest) = html.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(style));
        assert_eq!(templates.style_hash(), hash);
    }

    #[test]
    fn every_input_has_a_label_and_faults_are_told_to_screen_readers() {
        let faults = ["A password has at least 8 characters.".to_owned()];
        let html = html(&Page::Reset { tenant: "Acme", form: "field", again: false, faults: &faults });
        for name in ["password", "repeated"] {
            assert!(html.contains(&format!("<label for=\"{name}\">")));
            assert!(html.contains(&format!("id=\"{name}\" name=\"{name}\" autocomplete=\"new-password\"")));
        }
        assert!(html.contains("role=\"alert\"") && html.contains("aria-describedby=\"faults\""));
    }

    #[test]
    fn links_in_a_mail_can_be_followed_and_nothing_else_in_it_can() {
        let mail = Stored {
            name: "1-a".to_owned(),
            from: "no-reply@localhost".to_owned(),
            to: "ada@example.com".to_owned(),
            subject: "Hello <b>".to_owned(),
            sent_at: Timestamp(1_640_975_400),
            text: "Open\n\n    http://localhost/verify/a?x=1&y=2\r\njavascript:alert(1) <a href=x>\n"
                .to_owned(),
            html: String::new(),
        };
        let html = html(&Page::Mail { mail: &mail });
        assert!(html.contains(
            "<a href=\"http://localhost/verify/a?x=1&amp;y=2\">http://localhost/verify/a?x=1&amp;y=2</a>\r\n"
        ));
        assert!(!html.contains("href=\"javascript") && html.contains("&lt;a href=x&gt;"));
        assert!(html.contains("2021-12-31 18:30:00 UTC") && html.contains("Hello &lt;b&gt;"));
    }
}
