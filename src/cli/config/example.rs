//! `bonafide config example`: a file of settings, written from the options themselves.

use super::{Form, settings};

/// How long a line is at most.
const WIDTH: usize = 100;

/// What stands above the settings.
const HEADER: &str = "\
The settings of Bonafide. `bonafide serve --config FILE` reads such a file, and so does every other command; \
without --config it is bonafide.toml in the folder in which the program is started, if there is one. Paths are \
meant from that folder.

Each setting is shown with its default: take the # away to give it another value. An empty text is as none.

A setting has three names: mail_from here, BONAFIDE_MAIL_FROM in the environment, which goes before this \
file, and --mail-from as an option, which goes before both. `bonafide config check` tells what counts, and \
`bonafide doctor` whether it works.";

/// What stands above the settings that belong to nothing in particular.
const NO_HEADING: &str = "The server";

/// The file.
pub(super) fn text() -> String {
    let mut lines = commented(HEADER);
    let mut section = None;
    for setting in &settings() {
        let heading = setting.get_help_heading().unwrap_or(NO_HEADING);
        if section.as_deref() != Some(heading) {
            lines.extend([String::new(), String::new(), format!("# == {heading} ==")]);
            section = Some(heading.to_owned());
        }
        let help = setting.get_long_help().or(setting.get_help()).map(ToString::to_string);
        lines.push(String::new());
        lines.extend(commented(&in_words_of_the_file(&help.unwrap_or_default())));
        lines.push(line(setting));
    }
    lines.join("\n") + "\n"
}

/// The line that sets the default.
fn line(setting: &clap::Arg) -> String {
    let form = Form::of(setting);
    let default = setting.get_default_values().first().and_then(|value| value.to_str());
    let default = default.unwrap_or(if form == Form::Switch { "false" } else { "" });
    format!("#{} = {}", setting.get_id(), form.written(default))
}

/// What an option says of others, by the names that these have in the file.
fn in_words_of_the_file(help: &str) -> String {
    let mut names: Vec<_> = settings().iter().map(|setting| setting.get_id().to_string()).collect();
    // The longest first: one may begin with another.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names.iter().fold(help.to_owned(), |help, name| {
        help.replace(&format!("--{}", name.replace('_', "-")), &format!("`{name}`"))
    })
}

/// The text in lines that are comments, with an empty one between paragraphs.
fn commented(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split("\n\n") {
        if !lines.is_empty() {
            lines.push("#".to_owned());
        }
        let mut line = "#".to_owned();
        for word in paragraph.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH {
                lines.push(std::mem::replace(&mut line, "#".to_owned()));
            }
            line.push(' ');
            line += word;
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings that stand in the example, with their lines.
    fn lines() -> Vec<String> {
        let is_setting = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
        text().lines().filter(is_setting).map(|line| line[1..].to_owned()).collect()
    }

    #[test]
    fn the_example_has_every_setting_once_with_its_explanation_above() {
        let lines = lines();
        let settings = settings();
        assert_eq!(lines.len(), settings.len());
        for setting in settings {
            let begin = format!("{} = ", setting.get_id());
            assert_eq!(lines.iter().filter(|line| line.starts_with(&begin)).count(), 1, "{begin}");
            let text = text();
            let above = text.lines().take_while(|line| !line.starts_with(&format!("#{begin}"))).last();
            assert!(above.unwrap().starts_with("# "), "{begin} is not explained");
        }
        assert!(text().lines().all(|line| line.len() <= WIDTH));
        assert!(!text().contains("--store-password-file") && text().contains("--mail-from as an option"));
    }

    #[test]
    fn the_example_is_the_defaults_as_it_is_and_with_every_line_taken_for_true() {
        use clap::{Args as _, FromArgMatches as _};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bonafide.toml");
        let serve = || {
            // What this test's own environment says is not to count.
            crate::cli::serve::Options::augment_args(clap::Command::new("serve"))
                .mut_args(|option| option.env(clap::builder::Resettable::Reset))
        };
        let shown = |command: clap::Command| {
            let matches = command.try_get_matches_from(["serve"]).unwrap();
            crate::cli::serve::Options::from_arg_matches(&matches).unwrap();
            let values = settings().into_iter().map(|setting| {
                let raw = matches.get_raw(setting.get_id().as_str()).map(Iterator::collect::<Vec<_>>);
                (setting.get_id().to_string(), format!("{raw:?}"))
            });
            values.collect::<Vec<_>>()
        };
        for text in [text(), lines().join("\n")] {
            std::fs::write(&path, text).unwrap();
            let file = super::super::File::find(Some(&path)).unwrap().unwrap();
            assert_eq!(shown(file.under(serve())), shown(serve()));
        }
    }
}
