//! What is a tenant's to choose, with what it is where nothing was chosen.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::event::names;

/// For how long a link or a code may work, in seconds: a minute to seven days.
pub const EXPIRIES: std::ops::RangeInclusive<u64> = 60..=7 * 86_400;
/// How many requests may be allowed in a span of time.
const RATES: std::ops::RangeInclusive<u32> = 1..=10_000;
/// The longest span in which requests are counted.
pub const COUNTED_FOR: Duration = Duration::from_secs(3_600);
/// The longest name that is shown, in characters.
const MAX_NAME_LENGTH: usize = 100;

names! {
    /// By what an email is proved.
    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    Means {
        /// A link in the mail.
        Link = "link",
        /// A code in the mail.
        Code = "code",
        /// Either.
        Both = "both",
    }
}

impl Means {
    /// Whether there is a link.
    pub fn has_link(self) -> bool {
        self != Self::Code
    }

    /// Whether there is a code.
    pub fn has_code(self) -> bool {
        self != Self::Link
    }
}

/// Declares the settings: for each its field, its default, and how it is read from a text.
macro_rules! settings {
    ($($(#[$meta:meta])* $name:ident: $type:ty = $default:expr, $read:expr;)+) => {
        /// What a tenant has chosen. A setting that is not kept has its default.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Settings { $($(#[$meta])* pub $name: $type,)+ }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Settings {
            /// The names of all settings.
            pub const NAMES: &[&str] = &[$(stringify!($name),)+];

            /// The settings that are kept. While servers of two versions run on one store, a newer one keeps
            /// some that this one does not know: those it leaves. One with a value that it does not know counts
            /// as not chosen.
            pub fn read(kept: &Chosen) -> Self {
                Self { $($name: kept.value(stringify!($name)).unwrap_or_else(|| $default),)+ }
            }

            /// One setting as it is kept.
            fn kept(&self, name: &str) -> Value {
                match name {
                    $(stringify!($name) => json!(self.$name),)+
                    _ => Value::Null,
                }
            }

            /// Every setting by name, as text.
            pub fn shown(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), self.$name.to_string()),)+]
            }

            /// Chooses a setting.
            ///
            /// # Errors
            /// A sentence that says which settings there are, or what this one can be.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => self.$name = $read(value)?,)+
                    _ => return Err(format!("there is no setting `{name}`; there are {}", Self::NAMES.join(", "))),
                }
                Ok(())
            }
        }
    };
}

settings! {
    /// The name in which pages and mails speak; the host of the public URL where it is empty.
    display_name: String = String::new(), display_name;
    /// By what emails are proved. Phone numbers are proved by codes.
    proof_means: Means = Means::Link, means;
    /// For how many seconds a link works.
    link_expiry: u64 = 86_400, expiry;
    /// For how many seconds a code works.
    code_expiry: u64 = 600, expiry;
    /// How many proofs of one address can be started, and resets mailed to it, in a minute.
    proofs_per_address_and_minute: u32 = 1, rate;
    /// How many in an hour.
    proofs_per_address_and_hour: u32 = 5, rate;
    /// How many proofs of one user's addresses can be started, and resets mailed to them, in an hour.
    proofs_per_user_and_hour: u32 = 10, rate;
    /// Whether the first proof on an account drops what nobody has vouched for, in place of flagging it.
    purge_unproven: bool = false, flag;
}

/// A tenant's settings as they are kept, by name: those that were chosen, whichever version of the program knows
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chosen(Map<String, Value>);

impl Chosen {
    /// The value of a setting, if one is kept that this program knows.
    fn value<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Option<T> {
        self.0.get(name).and_then(|value| T::deserialize(value).ok())
    }
}

impl FromStr for Chosen {
    type Err = serde_json::Error;

    fn from_str(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        json!(self).fmt(f)
    }
}

/// What is chosen at one time: settings by name, each with a value that it can have, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(Vec<(String, Value)>);

impl Choices {
    /// These choices.
    ///
    /// # Errors
    /// As [`Settings::set`], for the first that cannot be made, which is named.
    pub fn new(choices: Vec<(String, String)>) -> Result<Self, String> {
        let value = |(name, value): (String, String)| {
            let mut settings = Settings::default();
            settings.set(&name, &value).map_err(|reason| format!("{name}={value}: {reason}"))?;
            let kept = settings.kept(&name);
            Ok((name, kept))
        };
        choices.into_iter().map(value).collect::<Result<_, String>>().map(Self)
    }

    /// Makes them, and leaves all that they do not name as it is kept.
    pub fn apply(&self, kept: &mut Chosen) {
        kept.0.extend(self.0.iter().cloned());
    }
}

fn display_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.chars().count() > MAX_NAME_LENGTH || name.chars().any(char::is_control) {
        return Err(format!("a name has at most {MAX_NAME_LENGTH} characters and is one line"));
    }
    Ok(name.to_owned())
}

fn means(text: &str) -> Result<Means, String> {
    Means::from_name(text).ok_or_else(|| "this is link, code or both".to_owned())
}

fn expiry(text: &str) -> Result<u64, String> {
    let (least, most) = EXPIRIES.into_inner();
    let seconds = text.parse().ok().filter(|seconds| EXPIRIES.contains(seconds));
    seconds.ok_or_else(|| format!("this is a number of seconds from {least} to {most}"))
}

fn rate(text: &str) -> Result<u32, String> {
    let (least, most) = RATES.into_inner();
    let count = text.parse().ok().filter(|count| RATES.contains(count));
    count.ok_or_else(|| format!("this is a number from {least} to {most}"))
}

fn flag(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "this is true or false".to_owned())
}

/// How many times something may be asked for within a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What the requests have in common that are counted together.
    pub of: Counted,
    /// The span of time.
    pub within: Duration,
    /// How many there may be.
    pub most: u32,
}

/// What requests have in common that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The address, whoever's it is.
    Address,
    /// The user.
    User,
}

impl Settings {
    /// How often proofs can be started, and resets mailed.
    pub fn limits(&self) -> Vec<Limit> {
        let (minute, hour) = (Duration::from_secs(60), COUNTED_FOR);
        vec![
            Limit { of: Counted::Address, within: minute, most: self.proofs_per_address_and_minute },
            Limit { of: Counted::Address, within: hour, most: self.proofs_per_address_and_hour },
            Limit { of: Counted::User, within: hour, most: self.proofs_per_user_and_hour },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_set() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("display_name", " Acme "),
            ("proof_means", "both"),
            ("link_expiry", "3600"),
            ("code_expiry", "60"),
            ("proofs_per_address_and_minute", "2"),
            ("proofs_per_address_and_hour", "6"),
            ("proofs_per_user_and_hour", "11"),
            ("purge_unproven", "true"),
        ] {
            settings.set(name, value).unwrap();
            assert!(settings.shown().contains(&(name, value.trim().to_owned())), "{name}");
        }
        assert_eq!(settings.shown().len(), Settings::NAMES.len());
        let mut again = Settings::default();
        for (name, value) in settings.shown() {
            again.set(name, &value).unwrap();
        }
        assert_eq!(again, settings);
    }

    #[test]
    fn choices_leave_what_they_do_not_name_and_are_all_good_or_none() {
        let choice = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let choices = Choices::new(vec![choice("proof_means", "code"), choice("code_expiry", "60")]).unwrap();
        let mut kept: Chosen = r#"{"display_name": "Acme"}"#.parse().unwrap();
        choices.apply(&mut kept);
        let settings = Settings::read(&kept);
        let chosen = (&*settings.display_name, settings.proof_means, settings.code_expiry);
        assert_eq!(chosen, ("Acme", Means::Code, 60));
        let told = Choices::new(vec![choice("proof_means", "code"), choice("code_expiry", "6")]).unwrap_err();
        assert_eq!(told, "code_expiry=6: this is a number of seconds from 60 to 604800");
    }

    #[test]
    fn what_a_setting_cannot_be_is_told() {
        let mut settings = Settings::default();
        for (name, value, told) in [
            ("colour", "red", "proof_means"),
            ("proof_means", "pigeon", "link, code or both"),
            ("link_expiry", "59", "from 60 to 604800"),
            ("code_expiry", "604801", "from 60 to 604800"),
            ("proofs_per_user_and_hour", "0", "from 1"),
            ("purge_unproven", "yes", "true or false"),
            ("display_name", "a\nb", "one line"),
        ] {
            let error = settings.set(name, value).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn settings_of_another_version_are_read_as_far_as_they_are_known_and_stay() {
        let mut kept: Chosen =
            r#"{"newer": {"a": [5]}, "proof_means": "pigeon", "purge_unproven": true, "code_expiry": 60}"#
                .parse()
                .unwrap();
        let settings = Settings { purge_unproven: true, code_expiry: 60, ..Settings::default() };
        assert_eq!(Settings::read(&kept), settings);
        Choices::new(vec![("code_expiry".to_owned(), "61".to_owned())]).unwrap().apply(&mut kept);
        assert_eq!(Settings::read(&kept), Settings { code_expiry: 61, ..settings });
        let expected =
            json!({"newer": {"a": [5]}, "proof_means": "pigeon", "purge_unproven": true, "code_expiry": 61});
        assert_eq!(serde_json::from_str::<Value>(&kept.to_string()).unwrap(), expected);
    }
}
