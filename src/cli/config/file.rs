//! A file of settings: one `key = value` a line, as TOML.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::{Arg, Args as _};
use toml::de::{DeTable, DeValue};

use super::{Form, settings};
use crate::cli::serve;

/// The file that is read if none is named, where the program is started.
const USUAL: &str = "bonafide.toml";

/// A file of settings that can be used.
pub(in crate::cli) struct File {
    path: PathBuf,
    settings: Vec<Setting>,
}

/// A line of it.
struct Setting {
    key: String,
    /// As it would stand on a command line.
    value: String,
    line: usize,
}

impl File {
    /// The file that is named, or else the usual one if it is there.
    ///
    /// # Errors
    /// All that is wrong with it, a line each.
    pub(in crate::cli) fn find(named: Option<&Path>) -> Result<Option<Self>> {
        match named {
            Some(path) => Self::read(path).map(Some),
            None if Path::new(USUAL).exists() => Self::read(Path::new(USUAL)).map(Some),
            None => Ok(None),
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("the file of settings {shown} cannot be read"))?;
        match parse(&text) {
            Ok(settings) => Ok(Self { path: path.to_owned(), settings }),
            Err(faults) => {
                let told = faults.iter().fold(String::new(), |mut told, (line, fault)| {
                    // Writing to a string never fails.
                    let _ = write!(told, "\n  line {line}: {fault}");
                    told
                });
                bail!("the file of settings {shown} cannot be used:{told}")
            }
        }
    }

    /// Where it is.
    pub(in crate::cli) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a URL with a password in it.
    pub(in crate::cli) fn holds_password(&self) -> bool {
        self.settings.iter().any(|setting| has_password(&setting.value))
    }

    /// The line that a key stands in, if it has a value there.
    pub(super) fn line(&self, key: &str) -> Option<usize> {
        self.setting(key).map(|setting| setting.line)
    }

    fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// The command with the values of this file as its defaults: so options and the environment go
    /// before them.
    pub(in crate::cli) fn under(&self, command: clap::Command) -> clap::Command {
        command
            .mut_args(|option| match self.setting(option.get_id().as_str()) {
                // An argument of the same name that is no setting cannot be set in the environment.
                Some(setting) if is_setting(&option) => option.default_value(setting.value.clone()),
                _ => option,
            })
            .mut_subcommands(|command| self.under(command))
    }
}

/// Whether this is a URL with a password in it: before the host, or hosts, or as a parameter. It is not
/// read as strictly as by those who use it, for it need not be in order to be secret.
fn has_password(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let login = place.rsplit_once('@').map_or("", |(login, _)| login);
    login.split_once(':').is_some_and(|(_, password)| !password.is_empty())
        || url::form_urlencoded::parse(parameters.as_bytes())
            .any(|(name, value)| name == "password" && !value.is_empty())
}

/// Whether an option is a setting, as those of `serve` are.
fn is_setting(option: &Arg) -> bool {
    let name = format!("BONAFIDE_{}", option.get_id().as_str().to_uppercase());
    option.get_env().is_some_and(|env| env == name.as_str())
}

/// The settings of a file, or what is wrong with it: the lines, and words that repeat no text, which
/// may be a secret.
fn parse(text: &str) -> Result<Vec<Setting>, Vec<(usize, String)>> {
    let line_at = |offset: usize| text.as_bytes()[..offset].split(|byte| *byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start.min(text.len())));
        vec![(line, format!("this is not TOML: {}", error.message()))]
    })?;
    let known = settings();
    let (mut settings, mut faults) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref() {
        let line = line_at(key.span().start);
        match value_of(&known, key.get_ref(), value.get_ref()) {
            Ok(None) => {}
            Ok(Some(value)) => settings.push(Setting { key: key.get_ref().to_string(), value, line }),
            Err(fault) => faults.push((line, fault)),
        }
    }
    faults.sort_by_key(|(line, _)| *line);
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}

/// The value as it would stand on a command line, if there is one.
fn value_of(known: &[Arg], key: &str, value: &DeValue) -> Result<Option<String>, String> {
    if matches!(value, DeValue::Table(_)) {
        return Err(format!("`{key}` is a section, and there are none: every key stands by itself"));
    }
    let Some(setting) = known.iter().find(|setting| setting.get_id() == key) else {
        let meant = key.trim_start_matches('-').replace('-', "_");
        let hint = if known.iter().any(|setting| setting.get_id() == meant.as_str()) {
            format!("it is written `{meant}`")
        } else {
            "`bonafide config example` shows all keys".to_owned()
        };
        return Err(format!("there is no key `{key}`; {hint}"));
    };
    let text = match (Form::of(setting), value) {
        (Form::Text, DeValue::String(text)) => text.to_string(),
        (Form::Number, DeValue::Integer(number)) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            read.map_err(|_| format!("`{key}` is too large a number"))?.to_string()
        }
        (Form::Switch, DeValue::Boolean(is_on)) => is_on.to_string(),
        (Form::Text, _) => return Err(format!("`{key}` is a text: write it in quotation marks")),
        (Form::Number, _) => {
            return Err(format!("`{key}` is a whole number: write it without quotation marks"));
        }
        (Form::Switch, _) => return Err(format!("`{key}` is true or false, without quotation marks")),
    };
    // As with a variable of the environment.
    if text.is_empty() {
        return Ok(None);
    }
    match refusal(setting, &text) {
        Some(reason) => Err(format!("`{key}` cannot be this: {reason}")),
        None => Ok(Some(text)),
    }
}

/// Why an option does not take a value, if it does not.
fn refusal(setting: &Arg, value: &str) -> Option<String> {
    use std::error::Error as _;
    if Form::of(setting) == Form::Switch {
        return None;
    }
    let argument = format!("--{}={value}", setting.get_long().unwrap_or_default());
    let command = serve::Options::augment_args(clap::Command::new("serve").no_binary_name(true))
        .mut_args(|option| option.env(Resettable::Reset));
    let error = command.try_get_matches_from([argument]).err()?;
    match error.kind() {
        ErrorKind::ValueValidation => error.source().map(ToString::to_string),
        ErrorKind::InvalidValue => Some("it is not one of the values that there are".to_owned()),
        // What belongs together is looked at when all is known.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(usize, String)> {
        parse(text).err().unwrap_or_default()
    }

    #[test]
    fn values_are_read_with_their_lines_and_empty_ones_are_none() {
        let text =
            "# one\nlisten = \"[::]:80\"\n\npool_size = 1_6 # more\ntls_self_signed = true\nmail = \"\"\n";
        let settings = parse(text).unwrap_or_else(|faults| panic!("{faults:?}"));
        let read: Vec<_> =
            settings.iter().map(|set| (set.key.as_str(), set.value.as_str(), set.line)).collect();
        let expected = [("listen", "[::]:80", 2), ("pool_size", "16", 4), ("tls_self_signed", "true", 5)];
        assert_eq!(read, expected);
    }

    #[test]
    fn everything_that_is_wrong_is_told_by_line_and_key() {
        let text = "listen = 8080\npool_size = \"8\"\ndev = \"yes\"\nmail-from = \"a@b.example\"\ncolour = 1\n\
                    public_url = \"users\"\npool_size_ = 1\nlog = \"inof\"\nmax_connections = 0\n[mail]\nx = 1\n";
        let told = faults(text);
        let lines: Vec<usize> = told.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "{told:?}");
        for ((_, told), expected) in told.iter().zip([
            "`listen` is a text",
            "`pool_size` is a whole number",
            "`dev` is true or false",
            "it is written `mail_from`",
            "`bonafide config example`",
            "`public_url` cannot be this: relative URL without a base",
            "there is no key `pool_size_`",
            "the levels are error, warn",
            "`max_connections` cannot be this: 0 is not in 1..",
            "`mail` is a section",
        ]) {
            assert!(told.contains(expected), "{told} should say {expected}");
        }
    }

    #[test]
    fn a_password_is_noticed_wherever_a_url_can_have_one() {
        for text in [
            "smtps://ada:hush@mail.example",
            "postgres://me:hush@db.example/users",
            "postgres://me:hush@one:5433,two:5434/users",
            "postgres://me:hu/sh@one/users",
            "postgresql://me@db.example/users?sslmode=require&password=hush",
            "postgres://db.example/users?user=me&%70assword=hush",
            "https://ada:hush@users.example.com",
        ] {
            assert!(has_password(text), "{text}");
        }
        for text in [
            "sqlite:data/bonafide.db",
            "postgres://me@one:5433,two:5434/users?application_name=a:b@c",
            "smtps://ada@mail.example:465",
            "https://users.example.com:8443",
            "Acme <no-reply@acme.example>",
        ] {
            assert!(!has_password(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_toml_is_told_by_line_without_being_repeated() {
        for text in [
            "listen = \"x\"\nmail = tellnobody\n",
            "listen = \"x\"\nmail = \"smtp://u:tellnobody@host\n",
            "listen = \"x\"\nmail \"tellnobody\"\n",
            "mail = \"smtp://host\"\nmail = \"smtp://u:tellnobody@host\"\n",
        ] {
            let told = faults(text);
            assert!(told.len() == 1 && told[0].0 == 2, "{text}: {told:?}");
            assert!(told[0].1.contains("not TOML") && !told[0].1.contains("tellnobody"), "{told:?}");
        }
    }
}
