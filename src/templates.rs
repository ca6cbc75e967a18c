//! The texts of mails and pages: embedded in the program, and each replaceable by a file of the
//! operator's. They are strict: a name that a template uses and is not given is an error.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minijinja::{Environment, Output, State, UndefinedBehavior, Value, escape_formatter};
use sha2::{Digest, Sha256};

use crate::directory::text::reaches_beyond;

/// Names the files of `templates/`, each once, and embeds them.
macro_rules! embedded {
    ($($name:literal)+) => {
        [$(($name, include_str!(concat!("../templates/", $name)))),+]
    };
}

/// Every template, by the name of its file.
const EMBEDDED: [(&str, &str); 18] = embedded! {
    "mail/layout.html"
    "mail/reset.html"
    "mail/reset.txt"
    "mail/verify.html"
    "mail/verify.txt"
    "pages/asked.html"
    "pages/ended.html"
    "pages/failed.html"
    "pages/layout.html"
    "pages/mail.html"
    "pages/mailbox.html"
    "pages/reset.html"
    "pages/reset_done.html"
    "pages/style.css"
    "pages/taken.html"
    "pages/too_often.html"
    "pages/verified.html"
    "pages/verify.html"
};

/// The style of the pages, which stands in each of them.
const STYLE: &str = "pages/style.css";

/// The texts of mails and pages.
pub struct Templates {
    environment: Environment<'static>,
    style_hash: String,
}

/// Why a template gave no text: which, and at which line. It repeats no value.
#[derive(Debug, thiserror::Error)]
#[error("the template {name} cannot be used: {reason}, line {line}")]
pub struct TemplateError {
    name: String,
    reason: String,
    line: usize,
}

impl TemplateError {
    pub(crate) fn of(template: &str, error: &minijinja::Error) -> Self {
        // An error in what a template includes or extends is told where it is.
        let name = error.name().unwrap_or(template).to_owned();
        // Details may quote a value, but for faults of syntax, which come without values.
        let detail = match error.kind() {
            minijinja::ErrorKind::SyntaxError | minijinja::ErrorKind::TemplateNotFound => error.detail(),
            _ => None,
        };
        let reason = match detail {
            Some(detail) => format!("{}: {detail}", error.kind()),
            None => error.kind().to_string(),
        };
        Self { name, reason, line: error.line().unwrap_or(1) }
    }

    /// What is wrong with a template beyond its language.
    pub(crate) fn because(template: &str, reason: &str) -> Self {
        Self { name: template.to_owned(), reason: reason.to_owned(), line: 1 }
    }
}

impl Templates {
    /// The templates of the program.
    pub fn embedded() -> Self {
        Self::load(None).expect("a test renders every embedded template")
    }

    /// The templates of the program, but for those that `folder` has under the same name. Each is
    /// tried out, so that one that cannot be used is found now and not with the first mail.
    ///
    /// # Errors
    /// A file that cannot be read, is no template's, or does not work, by name and line.
    pub fn load(folder: Option<&Path>) -> Result<Self> {
        if let Some(folder) = folder {
            check_names(folder)?;
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_formatter(write_value);
        let mut style_hash = String::new();
        for (name, embedded) in EMBEDDED {
            let text = match folder.map(|folder| folder.join(name)).filter(|path| path.exists()) {
                Some(path) => {
                    fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?
                }
                None => embedded.to_owned(),
            };
            if name == STYLE {
                style_hash = BASE64_STANDARD.encode(Sha256::digest(text.trim_end()));
                // It is not for the template language, in which braces mean something else.
                environment.add_global("style", Value::from_safe_string(text.trim_end().to_owned()));
            } else {
                let added = environment.add_template_owned(name, text);
                added.map_err(|error| TemplateError::of(name, &error))?;
            }
        }
        let templates = Self { environment, style_hash };
        templates.try_mails()?;
        templates.try_pages()?;
        Ok(templates)
    }

    /// The SHA-256 of the pages' style, by which a browser is told to apply it and no other.
    pub(crate) fn style_hash(&self) -> &str {
        &self.style_hash
    }

    /// The text that a template makes of these values.
    pub(crate) fn render(&self, template: &str, values: Value) -> Result<String, TemplateError> {
        let rendered = self.environment.get_template(template).and_then(|template| template.render(values));
        rendered.map_err(|error| TemplateError::of(template, &error))
    }
}

/// Writes a value into a template, escaped where the template is HTML. A slash needs no escaping there,
/// and links are better to read with theirs.
pub(crate) fn write_value(
    out: &mut Output,
    state: &mut State,
    value: &Value,
) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            for (number, part) in text.split('/').enumerate() {
                if number > 0 {
                    out.write_str("/")?;
                }
                escape_formatter(out, state, &part.into())?;
            }
            Ok(())
        }
        _ => escape_formatter(out, state, value),
    }
}

/// Refuses files that no template has the name of: a name with a slip would be without effect.
fn check_names(folder: &Path) -> Result<()> {
    for part in ["", "mail", "pages"] {
        let path = if part.is_empty() { folder.to_owned() } else { folder.join(part) };
        if !part.is_empty() && !path.exists() {
            continue;
        }
        let unread = || format!("the folder {} cannot be read", path.display());
        for entry in fs::read_dir(&path).with_context(unread)? {
            let entry = entry.with_context(unread)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // The console's pages cannot be replaced, and lie beside the others for who copies them all.
            let is_folder = part.is_empty() && matches!(name.as_str(), "mail" | "pages" | "console");
            let is_template = EMBEDDED.iter().any(|(known, _)| *known == format!("{part}/{name}"));
            // A folder of settings that is mounted has entries with a dot of its own.
            if !is_folder && !is_template && !name.starts_with('.') {
                let known: Vec<&str> = EMBEDDED.iter().map(|(known, _)| *known).collect();
                bail!("{} is no template; they are {}", entry.path().display(), known.join(", "));
            }
        }
    }
    Ok(())
}

/// A text of people's as it is shown among others: characters that would reach beyond it are left
/// out, and what is very long is cut.
pub(crate) fn shown(text: &str) -> String {
    /// The most that is shown, in characters.
    const MOST: usize = 320;
    text.chars().filter(|character| !reaches_beyond(*character)).take(MOST).collect()
}

/// A span as people say it, in its largest unit that is there at least twice, rounded down. A mail that
/// leaves some seconds after its link was made still says what the link was made for.
pub(crate) fn spoken(span: Duration) -> String {
    /// What does not count, in seconds.
    const SLACK: u64 = 5;
    let seconds = span.as_secs();
    for (unit, length) in [("days", 24 * 60 * 60), ("hours", 60 * 60), ("minutes", 60)] {
        if seconds + SLACK >= 2 * length {
            return format!("{} {unit}", (seconds + SLACK) / length);
        }
    }
    format!("{seconds} seconds")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The templates with one file of the operator's.
    fn load_with(name: &str, text: &str) -> Result<Templates> {
        let folder = tempfile::tempdir().unwrap();
        for part in ["mail", "pages"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        fs::write(folder.path().join(name), text).unwrap();
        Templates::load(Some(folder.path()))
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let files = ["mail", "pages"].into_iter().flat_map(|part| {
            fs::read_dir(folder.join(part))
                .unwrap()
                .map(move |entry| format!("{part}/{}", entry.unwrap().file_name().to_string_lossy()))
        });
        let embedded = EMBEDDED.iter().map(|(name, _)| (*name).to_owned());
        assert_eq!(files.collect::<BTreeSet<_>>(), embedded.collect());
        Templates::load(None).unwrap();
        Templates::load(Some(&folder)).unwrap();
    }

    #[test]
    fn a_file_of_the_operators_takes_the_place_of_one() {
        let templates =
            load_with("mail/layout.html", "Acme {{ tenant }} {% block content %}{% endblock %}").unwrap();
        let html = templates.render("mail/reset.html", minijinja::context! {
            tenant => "A", address => "a@b.example", link => minijinja::context! { text => "L", expires_in => "1" },
        });
        assert!(html.unwrap().starts_with("Acme A "));
    }

    #[test]
    fn a_template_that_does_not_work_is_told_by_name_and_line_before_a_mail_needs_it() {
        for (name, text, told) in [
            (
                "mail/verify.html",
                "one\n{{ tennant }}",
                "mail/verify.html cannot be used: undefined value, line 2",
            ),
            ("mail/verify.html", "one\n\n{% if %}", "line 3"),
            ("mail/verify.html", "{% extends \"mail/layuot.html\" %}", "mail/layuot.html"),
            ("mail/verify.txt", "Dear you", "it must begin with `Subject: `"),
            ("mail/verify.txt", "Subject: \n\nDear you", "it must begin with `Subject: `"),
            ("mail/reset.txt", "Subject: {{ code.text }}\n\nDear you", "mail/reset.txt"),
            ("pages/verify.html", "<form method=post><button>Yes</button></form>", "the hidden field `form`"),
            ("pages/reset.html", "<form method=post><input name=\"form\"></form>", "the hidden field `form`"),
            (
                "pages/verify.html",
                "<form method=post><input value=\"{{ form }}\"></form>",
                "the hidden field `form`",
            ),
            ("mail/verfiy.html", "", "mail/verfiy.html is no template; they are mail/layout.html"),
            ("mail.html", "", "is no template"),
        ] {
            let error = format!("{:#}", load_with(name, text).err().unwrap());
            assert!(error.contains(told), "{name}: {error}");
        }
        let error = Templates::load(Some(Path::new("/nowhere/at/all"))).err().unwrap();
        assert!(format!("{error:#}").contains("/nowhere/at/all"));
    }

    #[test]
    fn spans_are_said_in_their_largest_unit() {
        let said = |seconds| spoken(Duration::from_secs(seconds));
        for (seconds, words) in [
            (30, "30 seconds"),
            (114, "114 seconds"),
            (120, "2 minutes"),
            (3600, "60 minutes"),
            (7200, "2 hours"),
            (86_400, "24 hours"),
            (86_395, "24 hours"),
            (86_394, "23 hours"),
            (604_800, "7 days"),
            (604_000, "6 days"),
        ] {
            assert_eq!(said(seconds), words);
        }
    }
}
