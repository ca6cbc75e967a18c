//! `bonafide config check`: what a server would have, and from where.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args};

use super::{File, Form, settings};
use crate::cli::{print, serve};

// The group that clap makes of this name would meet that of `serve`.
#[derive(Args)]
#[group(skip)]
pub(in crate::cli) struct Options {
    /// The file to check; that of --config if not given
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    serve: serve::Options,
}

impl Options {
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

/// Prints every setting with where it comes from. What is wrong with the file by itself has been told
/// by now.
pub(super) fn run(options: &Options, words: &ArgMatches, file: Option<&File>) -> Result<()> {
    let mut lines = String::new();
    for setting in settings() {
        let line = format!("{} = {}", setting.get_id(), value(options, words, &setting));
        writeln!(lines, "{line:<58} # {}", source(words, file, &setting))?;
    }
    print(&lines)?;
    let faults = options.serve.faults();
    if faults.is_empty() {
        return Ok(());
    }
    let mut told = String::from("a server would not start with these settings:");
    for (key, reason) in faults {
        let setting = settings().into_iter().find(|setting| setting.get_id() == key);
        let source = setting.map(|setting| source(words, file, &setting)).unwrap_or_default();
        write!(told, "\n  {key} ({source}): {reason:#}")?;
    }
    bail!(told)
}

/// The value as it would be written in the file, without what is secret in it.
fn value(options: &Options, words: &ArgMatches, setting: &Arg) -> String {
    let (key, form) = (setting.get_id().as_str(), Form::of(setting));
    if form == Form::Switch {
        return words.get_flag(key).to_string();
    }
    let Some(value) = words.get_raw(key).and_then(|mut values| values.next()) else {
        return form.written("");
    };
    if setting.is_hide_env_values_set() {
        return match options.serve.without_secret(key) {
            Some(shown) => form.written(&shown),
            None => "\"\" (hidden)".to_owned(),
        };
    }
    form.written(&value.to_string_lossy())
}

/// Where the value of a setting comes from.
fn source(words: &ArgMatches, file: Option<&File>, setting: &Arg) -> String {
    let key = setting.get_id().as_str();
    match words.value_source(key) {
        Some(ValueSource::CommandLine) => format!("--{}", setting.get_long().unwrap_or_default()),
        Some(ValueSource::EnvVariable) => {
            setting.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        }
        _ => match file.and_then(|file| Some((file.path(), file.line(key)?))) {
            Some((path, line)) => format!("{}, line {line}", path.display()),
            None => "default".to_owned(),
        },
    }
}
