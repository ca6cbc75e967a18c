//! Logs: the part of the record that the compatible vocabulary has a code for, in its words
//! (semantics section 9). What has no code here is told among the events only.

mod wording;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::event::{Actor, EventType, Method, Recorded, Word};
use crate::id::{EventId, Malformed, RequestId};
use crate::time::Timestamp;
pub use wording::{ActorType, LogCategory, LogCode, LogType, TargetType, WORDINGS, Wording};

/// The id of a log: the position of its event, written as 16 hexadecimal digits, so that texts are
/// in the order of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogId(i64);

impl LogId {
    /// The id of the log of the event at this position.
    pub fn of_position(position: i64) -> Self {
        Self(position)
    }

    /// The position of the event.
    pub fn position(self) -> i64 {
        self.0
    }

    /// The id a request's path names. Text that is no id becomes position 0, where no event is, so
    /// that it is looked for, and not found, like any other unknown one.
    pub fn from_path(text: &str) -> Self {
        text.parse().unwrap_or(Self(0))
    }
}

impl FromStr for LogId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 16 || !text.bytes().all(is_digit) {
            return Err(Malformed);
        }
        i64::from_str_radix(text, 16).map(Self).map_err(|_| Malformed)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Writes a value as the text it is shown with.
fn as_text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// One thing that happened, in the compatible vocabulary. What is personal is `null` where it was
/// not known or has been erased.
#[derive(Clone, Serialize, ToSchema)]
pub struct Log {
    /// The log's id. Later logs have greater ones.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "0000000000000001")]
    id: LogId,
    /// When it happened.
    #[schema(value_type = i64)]
    time_stamp: Timestamp,
    /// What it is about.
    category: LogCategory,
    /// What happened, in a few words; the same for every log of the code.
    #[schema(example = "User created")]
    name: &'static str,
    /// What happened, as a sentence; the same for every log of the code.
    description: &'static str,
    /// How it ended.
    r#type: LogType,
    /// What happened.
    code: LogCode,
    /// Always `null`: the description says it all.
    #[schema(value_type = Option<String>)]
    message: (),
    /// The process that gives this answer.
    system: LogSystem,
    /// The request by which it was done.
    request: LogRequest,
    /// Always `null`: the actor says where it came from.
    #[schema(value_type = Option<String>)]
    source: (),
    /// Who did it.
    actor: LogActor,
    /// What it was done to.
    targets: Vec<LogTarget>,
    /// Always `null`: there are no applications.
    #[schema(value_type = Option<Object>)]
    client: (),
    /// What else is known of it.
    details: LogDetails,
}

/// The process that gives an answer. Which one recorded an event is not kept: they all write to one
/// record.
#[derive(Clone, Serialize, ToSchema)]
pub struct LogSystem {
    /// Always `null`: the request has its own id.
    #[schema(value_type = Option<String>)]
    activity_id: (),
    /// Its number on the machine that it runs on.
    process_id: u32,
    /// The address that it listens on; `0.0.0.0` or `::` where it is every one of the machine's.
    local_ip: LogIpDetails,
}

impl LogSystem {
    /// The process of this number, which listens on this address.
    pub fn new(process_id: u32, listens_on: IpAddr) -> Self {
        Self { activity_id: (), process_id, local_ip: listens_on.into() }
    }
}

/// An address of the internet protocol.
#[derive(Clone, Serialize, ToSchema)]
pub struct LogIpDetails {
    /// The address.
    #[schema(value_type = String, example = "192.0.2.1")]
    ip: IpAddr,
    /// Which version of the protocol it is of.
    #[schema(value_type = String, example = "IPv4")]
    version: &'static str,
}

impl From<IpAddr> for LogIpDetails {
    fn from(ip: IpAddr) -> Self {
        Self { ip, version: if ip.is_ipv4() { "IPv4" } else { "IPv6" } }
    }
}

/// The request by which something was done.
#[derive(Clone, Serialize, ToSchema)]
pub struct LogRequest {
    /// Its id, as in the header `x-request-id` of its answer.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = Option<String>, example = "3e371dec4bb20726dd01f5e71f56da21")]
    trace_id: RequestId,
    /// What the client called itself.
    user_agent: Option<String>,
    /// The address it came from.
    remote_ip: Option<LogIpDetails>,
    /// Where that address is.
    location: LogLocation,
}

/// Where an address is. It is not known: everything is `null`.
#[derive(Clone, Default, Serialize, ToSchema)]
pub struct LogLocation {
    /// The region.
    #[schema(value_type = Option<String>)]
    region: (),
    /// The region's code.
    #[schema(value_type = Option<String>)]
    region_code: (),
    /// The city.
    #[schema(value_type = Option<String>)]
    city: (),
    /// The country.
    #[schema(value_type = Option<String>)]
    country: (),
    /// The continent.
    #[schema(value_type = Option<String>)]
    continent: (),
    /// The latitude.
    #[schema(value_type = Option<String>)]
    latitude: (),
    /// The longitude.
    #[schema(value_type = Option<String>)]
    longitude: (),
    /// The time zone.
    #[schema(value_type = Option<String>)]
    time_zone: (),
    /// The postal code.
    #[schema(value_type = Option<String>)]
    zip_code: (),
}

/// Who did something.
#[derive(Clone, Serialize, ToSchema)]
pub struct LogActor {
    /// What they are.
    r#type: ActorType,
    /// The public part of the key, if it is one. Who owns an address is not known by an id: the targets
    /// say whose account it is.
    id: Option<String>,
    /// The name the key was given, if it is one.
    name: Option<String>,
    /// Always `null`: a key has no email, phone number or username.
    #[schema(value_type = Option<String>)]
    identifier: (),
    /// Always `null`: nobody has a session.
    #[schema(value_type = Option<String>)]
    session_id: (),
}

impl LogActor {
    /// Whoever has done something, which is always done by those of this type.
    fn of(actor: Word<Actor>, always: ActorType) -> Self {
        let (r#type, id, name) = match actor {
            Word::Known(actor) => {
                let r#type = ActorType::of(&actor);
                match actor {
                    Actor::Key { key_id, key_name } => (r#type, Some(key_id.to_string()), Some(key_name)),
                    Actor::Owner | Actor::Server => (r#type, None, None),
                }
            }
            Word::Unknown(_) => (always, None, None),
        };
        Self { r#type, id, name, identifier: (), session_id: () }
    }
}

/// What something was done to. It need not be there any more.
#[derive(Clone, Serialize, ToSchema)]
pub struct LogTarget {
    /// What it is.
    r#type: TargetType,
    /// Its id.
    id: Option<String>,
    /// Always `null`: the record names things by id.
    #[schema(value_type = Option<String>)]
    name: (),
    /// Always `null`, likewise.
    #[schema(value_type = Option<String>)]
    identifier: (),
}

impl LogTarget {
    /// What of an event is the target of this type.
    fn of(event: &Recorded, r#type: TargetType) -> Self {
        let id = match r#type {
            TargetType::Group => event.group_id.map(|id| id.to_string()),
            TargetType::User => event.user_id.map(|id| id.to_string()),
        };
        Self { r#type, id, name: (), identifier: () }
    }
}

/// What else is known of something that happened.
#[derive(Clone, Serialize, ToSchema)]
pub struct LogDetails {
    /// The id of the event, as `/v1/events` has it.
    #[schema(value_type = uuid::Uuid)]
    event_id: EventId,
    /// Its type, likewise.
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "user.created")]
    event_type: EventType,
    /// By what means it was done.
    #[schema(value_type = String, example = "admin_api")]
    method: Word<Method>,
    /// Why it was done, in the words of who did it.
    reason: Option<String>,
}

impl Log {
    /// The log of an event, as this process tells it; nothing if there is no code for its type.
    pub fn of(id: LogId, event: Recorded, system: &LogSystem) -> Option<Self> {
        let wording = Wording::of(*event.kind.known()?)?;
        let targets = wording.targets.iter().map(|target| LogTarget::of(&event, *target)).collect();
        Some(Self {
            id,
            time_stamp: event.time,
            category: wording.category,
            name: wording.name,
            description: wording.description,
            r#type: wording.r#type,
            code: wording.code,
            message: (),
            system: system.clone(),
            request: LogRequest {
                trace_id: event.request_id,
                user_agent: event.personal.user_agent,
                remote_ip: event.personal.remote_address.map(LogIpDetails::from),
                location: LogLocation::default(),
            },
            source: (),
            actor: LogActor::of(event.actor, wording.actor),
            targets,
            client: (),
            details: LogDetails {
                event_id: event.id,
                event_type: wording.event,
                method: event.method,
                reason: event.personal.reason,
            },
        })
    }
}
