//! `bonafide config`, and the file of settings.
//!
//! What can be set is said once, by the options of `bonafide serve`: each that can come from the
//! environment can come from the file, too, under the name of its field. Other commands that have an
//! option of the same name get it from the file as well.

mod check;
mod example;
mod file;

use clap::{ArgMatches, Args as _, Subcommand};

pub(super) use file::File;

use super::print;
use super::serve;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print a file of settings, with each explained and at its default
    Example,
    /// Tell what is wrong with a file of settings, or what a server would have, and from where
    ///
    /// With options of `serve` it tells what a server with these would have. It shows no password.
    Check(Box<check::Options>),
}

impl Command {
    /// The file that the command is about, if it names one.
    pub(super) fn file(&self) -> Option<&std::path::Path> {
        match self {
            Self::Example => None,
            Self::Check(options) => options.file(),
        }
    }
}

/// Runs the command; `matches` are its own words.
pub(super) fn run(command: &Command, matches: &ArgMatches, file: Option<&File>) -> anyhow::Result<()> {
    match command {
        Command::Example => print(&example::text()),
        Command::Check(options) => {
            let words = matches.subcommand_matches("check").unwrap_or(matches);
            check::run(options, words, file)
        }
    }
}

/// Every setting, as the option of `bonafide serve` that it is.
fn settings() -> Vec<clap::Arg> {
    let serve = serve::Options::augment_args(clap::Command::new("serve"));
    serve.get_arguments().filter(|option| option.get_env().is_some()).cloned().collect()
}

/// What is written for a setting.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    /// `true` or `false`.
    Switch,
}

impl Form {
    fn of(setting: &clap::Arg) -> Self {
        use std::any::TypeId;
        let numbers = [
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
        ];
        if matches!(setting.get_action(), clap::ArgAction::SetTrue) {
            Self::Switch
        } else if numbers.iter().any(|number| setting.get_value_parser().type_id() == *number) {
            Self::Number
        } else {
            Self::Text
        }
    }

    /// A value of this form, as it is written in the file.
    fn written(self, value: &str) -> String {
        match self {
            Self::Text => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
            Self::Number | Self::Switch => value.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Otherwise its key would be another word than its option, or it could not be in the file.
    #[test]
    fn every_option_of_serve_is_a_setting_whose_three_names_are_the_same() {
        let serve = serve::Options::augment_args(clap::Command::new("serve"));
        assert!(serve.get_arguments().count() >= 19);
        for option in serve.get_arguments() {
            let key = option.get_id().as_str();
            assert_eq!(option.get_long(), Some(key.replace('_', "-").as_str()), "{key}");
            let env = option.get_env().unwrap_or_else(|| panic!("{key} cannot come from the environment"));
            assert_eq!(env.to_str(), Some(format!("BONAFIDE_{}", key.to_uppercase()).as_str()));
        }
    }

    #[test]
    fn every_setting_is_explained_in_the_documentation_of_options() {
        let documentation = include_str!("../../../docs/configuration.md");
        let serve = documentation.split("\n## ").find(|part| part.starts_with("`bonafide serve`")).unwrap();
        for setting in settings() {
            let (long, env) = (setting.get_long().unwrap(), setting.get_env().unwrap().to_str().unwrap());
            let row = serve.lines().find(|line| {
                line.starts_with(&format!("| `--{long} ")) || line.starts_with(&format!("| `--{long}`"))
            });
            let row = row.unwrap_or_else(|| panic!("docs/configuration.md has no row for --{long}"));
            assert!(row.contains(&format!("`{env}`")), "{row}");
            for default in setting.get_default_values() {
                let default = format!("| `{}` |", default.to_str().unwrap());
                assert!(Form::of(&setting) == Form::Switch || row.contains(&default), "{row}");
            }
        }
    }
}
