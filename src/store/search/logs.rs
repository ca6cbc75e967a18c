//! The fields of logs, and how their values compare.

use std::ops::Bound;

use super::{Operand, Range, Search, field};
use crate::directory::event::EventType;
use crate::directory::filter::{Clause, Condition, FilterError, Value};
use crate::directory::log::{ActorType, LogId, TargetType, WORDINGS, Wording};
use crate::directory::text::fold;
use crate::id::{GroupId, RequestId, UserId};
use crate::secret::KeyId;

/// A search for logs.
pub type LogSearch = Search<LogLeaf>;

/// One condition on a log, or on the event that it tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogLeaf {
    /// The event is of one of these types.
    Event(Vec<EventType>),
    /// It happened within bounds.
    Time(Range),
    /// Its position is within bounds.
    Position(Range),
    /// It was done with this key.
    Actor(KeyId),
    /// It was done with a key whose name, folded, is within bounds.
    ActorName(Range),
    /// It was done to this user.
    User(UserId),
    /// It was done to this group, or with it.
    Group(GroupId),
    /// It was done by this request.
    Request(RequestId),
}

const FIELDS: [&str; 12] = [
    "id",
    "time_stamp",
    "category",
    "code",
    "type",
    "name",
    "actor.id",
    "actor.name",
    "actor.type",
    "targets.id",
    "targets.type",
    "request.trace_id",
];

/// Reads a filter; `None` if it asks for nothing.
///
/// # Errors
/// A filter that is malformed, names an unknown field, or compares a field with what it cannot be:
/// each with its place.
pub fn parse(text: &str) -> Result<Option<LogSearch>, FilterError> {
    Search::parse(text, clause)
}

/// What one clause searches for.
fn clause(clause: &Clause) -> Result<LogSearch, FilterError> {
    let Some(field) = &clause.field else { return Ok(bare(&clause.condition)) };
    let condition = &clause.condition;
    let search = match field.name.as_str() {
        "id" => position(clause)?,
        "time_stamp" => Search::Is(LogLeaf::Time(field::times(clause)?)),
        "category" => events(condition, |wording| vec![wording.category.as_str()]),
        "code" => events(condition, |wording| vec![wording.code.as_str()]),
        "type" => events(condition, |wording| vec![wording.r#type.as_str()]),
        "name" => events(condition, |wording| vec![wording.name]),
        "targets.type" => {
            events(condition, |wording| wording.targets.iter().copied().map(TargetType::as_str).collect())
        }
        "actor.type" => events(condition, |wording| vec![wording.actor.as_str()]),
        "actor.id" | "actor.name" if *condition == Condition::Present => return Ok(by_keys()),
        "actor.name" => Search::Is(LogLeaf::ActorName(field::texts(condition, fold))),
        "actor.id" => whole(clause, actor)?,
        "targets.id" => whole(clause, target)?,
        "request.trace_id" => whole(clause, request)?,
        _ => return Err(field::unknown(field, FIELDS, "")),
    };
    // Every log has every other field.
    Ok(if *condition == Condition::Present { Search::All } else { search })
}

/// A bare word or phrase: a whole code or name, a whole name of an actor, or a whole id.
fn bare(condition: &Condition) -> LogSearch {
    let mut found = vec![
        events(condition, |wording| vec![wording.code.as_str(), wording.name]),
        Search::Is(LogLeaf::ActorName(field::texts(condition, fold))),
    ];
    if let Condition::Equals(value) = condition {
        let ids = [actor(&value.text), target(&value.text), request(&value.text)];
        found.extend(ids.into_iter().flatten().map(Search::Is));
    }
    Search::Or(found)
}

/// Events of the types that are done with keys: nobody else has an id and a name.
fn by_keys() -> LogSearch {
    let by_key = WORDINGS.iter().filter(|wording| wording.actor == ActorType::ApiKey);
    Search::Is(LogLeaf::Event(by_key.map(|wording| wording.event).collect()))
}

/// Events of the types of which one of the texts is within the condition.
fn events(condition: &Condition, texts: impl Fn(&Wording) -> Vec<&str>) -> LogSearch {
    let wanted = field::texts(condition, fold);
    let is_wanted = |wording: &&Wording| texts(wording).into_iter().any(|text| wanted.holds(&fold(text)));
    Search::Is(LogLeaf::Event(WORDINGS.iter().filter(is_wanted).map(|wording| wording.event).collect()))
}

fn position(clause: &Clause) -> Result<LogSearch, FilterError> {
    let refused = || FilterError::new(clause.span.start, "An id of a log has 16 hexadecimal digits.");
    let operand = |value: &Value| {
        let id = value.text.parse().map_err(|_| refused());
        id.map(|id: LogId| Operand::Number(id.position()))
    };
    let end = |bound: &Bound<Value>| {
        Ok(match bound {
            Bound::Included(value) => Bound::Included(operand(value)?),
            Bound::Excluded(value) => Bound::Excluded(operand(value)?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    let positions = match &clause.condition {
        Condition::Equals(value) => match operand(value) {
            Ok(position) => Range::only(position),
            // What is no id is nothing's.
            Err(_) => return Ok(Search::Or(Vec::new())),
        },
        Condition::Prefix(_) => return Err(refused()),
        Condition::Present => Range::any(),
        Condition::Range { lower, upper } => Range { lower: end(lower)?, upper: end(upper)? },
    };
    Ok(Search::Is(LogLeaf::Position(positions)))
}

/// An id, which is looked for as a whole.
fn whole(clause: &Clause, leaf: fn(&str) -> Option<LogLeaf>) -> Result<LogSearch, FilterError> {
    match &clause.condition {
        // What is no id is nothing's.
        Condition::Equals(value) => Ok(leaf(&value.text).map_or(Search::Or(Vec::new()), Search::Is)),
        Condition::Present => Ok(Search::All),
        Condition::Prefix(_) | Condition::Range { .. } => {
            Err(FilterError::new(clause.span.start, "This id is looked for as a whole."))
        }
    }
}

fn actor(text: &str) -> Option<LogLeaf> {
    text.parse().ok().map(LogLeaf::Actor)
}

fn target(text: &str) -> Option<LogLeaf> {
    let user = text.parse().ok().map(LogLeaf::User);
    user.or_else(|| text.parse().ok().map(LogLeaf::Group))
}

fn request(text: &str) -> Option<LogLeaf> {
    RequestId::from_hex(text).map(LogLeaf::Request)
}

impl LogSearch {
    /// The bounds in time and position that every log is within that can match; everything if there are
    /// none.
    #[must_use]
    pub fn bounds(&self) -> Self {
        match self {
            Self::Is(LogLeaf::Time(_) | LogLeaf::Position(_)) => self.clone(),
            Self::And(parts) => {
                let mut bounds: Vec<_> = parts.iter().map(Self::bounds).collect();
                bounds.retain(|bound| *bound != Self::All);
                if bounds.is_empty() { Self::All } else { Self::And(bounds) }
            }
            _ => Self::All,
        }
    }

    /// Whether every log of events of this type matches, or none does; nothing where it depends on
    /// more than the type.
    pub fn settled(&self, kind: EventType) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::And(parts) => {
                let settled: Vec<_> = parts.iter().map(|part| part.settled(kind)).collect();
                if settled.contains(&Some(false)) {
                    return Some(false);
                }
                settled.iter().all(Option::is_some).then_some(true)
            }
            Self::Or(parts) => {
                let settled: Vec<_> = parts.iter().map(|part| part.settled(kind)).collect();
                if settled.contains(&Some(true)) {
                    return Some(true);
                }
                settled.iter().all(Option::is_some).then_some(false)
            }
            Self::Not(part) => part.settled(kind).map(|matches| !matches),
            Self::Is(LogLeaf::Event(kinds)) => Some(kinds.contains(&kind)),
            Self::Is(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filter: &str) -> LogSearch {
        parse(filter).unwrap().unwrap()
    }

    /// The codes of the logs that match by their type alone, and of those that may.
    fn codes(filter: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let search = read(filter);
        let of = |wanted| {
            let settled = |wording: &&Wording| search.settled(wording.event) == wanted;
            WORDINGS.iter().filter(settled).map(|wording| wording.code.as_str()).collect()
        };
        (of(Some(true)), of(None))
    }

    #[test]
    fn what_depends_on_the_code_alone_is_settled_by_it() {
        let all: Vec<_> = WORDINGS.iter().map(|wording| wording.code.as_str()).collect();
        let groups = ["group_created", "group_deleted", "group_updated"];
        let mails = [
            "email_sending_failed",
            "password_reset_email_sending_succeeded",
            "verification_email_sending_succeeded",
        ];
        let reset = ["user_password_reset_succeeded"];
        let is_by_key = |code: &&str| !mails.contains(code) && !reset.contains(code);
        let by_keys: Vec<_> = all.iter().copied().filter(is_by_key).collect();
        for (filter, expected) in [
            ("category:groups", &groups[..]),
            ("category:GROUPS", &groups),
            ("code:group_c*", &groups[..1]),
            ("name:\"group created\"", &groups[..1]),
            ("code:[group_created TO group_deleted]", &groups[..2]),
            ("category:groups AND NOT code:group_created", &groups[1..]),
            ("targets.type:group AND NOT targets.type:user", &groups),
            ("group_created", &groups[..1]),
            ("category:notifications", &mails),
            ("type:success", &all[1..]),
            ("type:failure", &mails[..1]),
            ("actor.type:api_key", &by_keys),
            ("actor.type:user", &reset),
            ("actor.type:system", &mails),
            ("actor.type:client", &[]),
            ("code:user_password_reset_succeeded", &reset),
            // Codes of the vocabulary that nothing here has are none the less codes.
            ("code:user_sign_in_succeeded", &[]),
            ("category:tokens", &[]),
            ("*", &all),
            ("time_stamp:* id:* actor.type:* targets.id:*", &all),
            ("actor.name:*", &by_keys),
            ("actor.id:*", &by_keys),
            (
                "NOT actor.id:*",
                &[
                    "email_sending_failed",
                    "password_reset_email_sending_succeeded",
                    "user_password_reset_succeeded",
                    "verification_email_sending_succeeded",
                ],
            ),
            ("NOT request.trace_id:*", &[]),
        ] {
            assert_eq!(codes(filter).0, expected, "{filter}");
        }
        assert_eq!(codes("category:blocks AND time_stamp:>5"), (Vec::new(), vec!["user_account_unblocked"]));
        assert_eq!(codes("category:blocks OR time_stamp:>5").0, ["user_account_unblocked"]);
    }

    #[test]
    fn an_id_is_looked_for_as_a_whole_and_what_is_none_is_nothings() {
        let nothing = Search::Or(Vec::new());
        for filter in ["id:x", "actor.id:x", "targets.id:x", "request.trace_id:x"] {
            assert_eq!(read(filter), nothing, "{filter}");
        }
        assert!(matches!(read("targets.id:UOtBaOybB6dTpIJNrnkRw"), Search::Is(LogLeaf::User(_))));
        assert!(matches!(
            read("targets.id:8c8ee7ee-6c6f-4f3c-9b1c-0a3f5a3f2d11"),
            Search::Is(LogLeaf::Group(_))
        ));
        assert!(matches!(
            read("request.trace_id:3E371DEC4BB20726DD01F5E71F56DA21"),
            Search::Is(LogLeaf::Request(_))
        ));
        let (lower, upper) = (Bound::Excluded(Operand::Number(255)), Bound::Unbounded);
        assert_eq!(read("id:>00000000000000ff"), Search::Is(LogLeaf::Position(Range { lower, upper })));
    }

    #[test]
    fn an_unknown_field_and_a_value_that_cannot_be_are_pointed_at() {
        for (filter, position) in [
            ("shoe_size:5", 0),
            ("a OR actor.identifier:red", 5),
            ("id:0*", 0),
            ("id:>5", 0),
            ("time_stamp:yesterday", 0),
            ("a actor.id:abc*", 2),
            ("targets.id:[a TO b]", 0),
        ] {
            assert_eq!(parse(filter).unwrap_err().position, position, "{filter}");
        }
    }
}
