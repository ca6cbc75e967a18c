//! How often an API key may be used.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::event::names;

names! {
    /// The span in which requests are counted.
    Span {
        /// Each second by itself.
        Second = "second",
        /// Each minute by itself.
        Minute = "minute",
    }
}

impl Span {
    /// How many seconds it has.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
        }
    }
}

/// The largest number of requests that a limit can be.
const MAX_REQUESTS: u32 = 1_000_000;

/// How many requests there may be in a span: written like `600/minute`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RateLimit {
    requests: u32,
    per: Span,
}

/// A text that is no limit. It says what one is.
#[derive(Debug, thiserror::Error)]
#[error(
    "not a limit: it is how many requests a second or a minute, 1 to 1000000, like 50/second or 600/minute"
)]
pub struct MalformedLimit;

impl RateLimit {
    /// How many requests there may be, one at least.
    pub fn requests(self) -> u32 {
        self.requests
    }

    /// The span in which they are counted.
    pub fn per(self) -> Span {
        self.per
    }
}

impl FromStr for RateLimit {
    type Err = MalformedLimit;

    fn from_str(text: &str) -> Result<Self, MalformedLimit> {
        let (requests, per) = text.split_once('/').ok_or(MalformedLimit)?;
        let per = Span::from_name(per).ok_or(MalformedLimit)?;
        let is_number = requests.bytes().all(|digit| digit.is_ascii_digit());
        match requests.parse() {
            Ok(requests) if is_number && (1..=MAX_REQUESTS).contains(&requests) => Ok(Self { requests, per }),
            _ => Err(MalformedLimit),
        }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, self.per)
    }
}

impl TryFrom<String> for RateLimit {
    type Error = MalformedLimit;

    fn try_from(text: String) -> Result<Self, MalformedLimit> {
        text.parse()
    }
}

impl From<RateLimit> for String {
    fn from(limit: RateLimit) -> Self {
        limit.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_and_a_span() {
        for text in ["1/second", "600/minute", "1000000/minute"] {
            assert_eq!(text.parse::<RateLimit>().unwrap().to_string(), text);
        }
        let wrong = [
            "",
            "600",
            "/minute",
            "0/second",
            "1000001/second",
            "+1/second",
            "1.5/second",
            "1/hour",
            "1/ second",
        ];
        for text in wrong {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
    }
}
