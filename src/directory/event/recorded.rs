//! Events as they are read from the record. While the servers of one store are upgraded one after the other,
//! a newer one writes words that an older one does not know: what is read tells them as they are kept.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Actor, Event, EventType, Method, Name};

/// An event of the record. Rules make an [`Event`], which has no words but those of this program.
pub type Recorded = Event<Word<EventType>, Word<Method>, Word<Actor>, Value>;

/// One of the things that have a word in the record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Word<T> {
    /// One that this program knows.
    Known(T),
    /// The word of one that it does not know: a newer program has written it.
    Unknown(String),
}

impl<T> Word<T> {
    /// What it is, if this program knows.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(known) => Some(known),
            Self::Unknown(_) => None,
        }
    }
}

impl<T: PartialEq> PartialEq<T> for Word<T> {
    /// What is not known is none of those that are.
    fn eq(&self, other: &T) -> bool {
        matches!(self, Self::Known(known) if known == other)
    }
}

impl<T: Name> Word<T> {
    /// The word as it is kept.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(known) => known.name(),
            Self::Unknown(word) => word,
        }
    }
}

impl<T: Name> FromStr for Word<T> {
    type Err = std::convert::Infallible;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(T::named(word).map_or_else(|| Self::Unknown(word.to_owned()), Self::Known))
    }
}

impl<T: Name> fmt::Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<T: Name> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<Event> for Recorded {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            kind: Word::Known(event.kind),
            time: event.time,
            user_id: event.user_id,
            identifier_id: event.identifier_id,
            group_id: event.group_id,
            method: Word::Known(event.method),
            actor: Word::Known(event.actor),
            request_id: event.request_id,
            details: event.details.map(|details| serde_json::json!(details)),
            personal: event.personal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_told_as_it_is_kept_whether_it_is_known_or_not() {
        for (text, known) in
            [("user.created", Some(EventType::UserCreated)), ("user.moved", None), ("", None)]
        {
            let Ok(word) = text.parse::<Word<EventType>>();
            assert_eq!((word.as_str(), word.to_string().as_str()), (text, text));
            assert_eq!(serde_json::json!(word), text);
            assert_eq!(word == EventType::UserCreated, known.is_some());
            assert_eq!(word.known(), known.as_ref());
        }
    }
}
