//! Logs: the part of the record that the compatible vocabulary has a code for, in its words
//! (semantics section 9). What has no code here is told among the events only.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::event::{Actor, Event, EventType, Method, names};
use crate::id::{EventId, Malformed, RequestId};
use crate::time::Timestamp;

names! {
    /// What happened, in the compatible vocabulary. The order is that of the texts.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = EventCodes)]
    LogCode {
        /// A mail could not be sent, and will not be tried again.
        EmailSendingFailed = "email_sending_failed",
        /// A group came to be.
        GroupCreated = "group_created",
        /// A group was removed.
        GroupDeleted = "group_deleted",
        /// A group was given other settings.
        GroupUpdated = "group_updated",
        /// A mail with a link to reset a password was sent.
        PasswordResetEmailSendingSucceeded = "password_reset_email_sending_succeeded",
        /// A block of a user was ended.
        UserAccountUnblocked = "user_account_unblocked",
        /// A user became a member of a group.
        UserAddedToGroup = "user_added_to_group",
        /// A user came to be.
        UserCreated = "user_created",
        /// A user was removed.
        UserDeleted = "user_deleted",
        /// The owner of an account has followed a link and given it another password.
        UserPasswordResetSucceeded = "user_password_reset_succeeded",
        /// A user is no longer a member of a group.
        UserRemovedFromGroup = "user_removed_from_group",
        /// A mail by which an email can be proved was sent to it.
        VerificationEmailSendingSucceeded = "verification_email_sending_succeeded",
    }
}

names! {
    /// What a log is about.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = LogCategories)]
    LogCategory {
        /// Who is kept from signing in.
        Blocks = "blocks",
        /// Groups.
        Groups = "groups",
        /// Mail.
        Notifications = "notifications",
        /// Users, their passwords, and which groups they are in.
        Users = "users",
    }
}

names! {
    /// How it ended.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = EventTypes)]
    LogType {
        /// It was not done: a mail was not sent. What was refused leaves no event.
        Failure = "failure",
        /// It was done.
        Success = "success",
    }
}

names! {
    /// What somebody is who did something.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = ActorTypes)]
    ActorType {
        /// A service with a key of this API.
        ApiKey = "api_key",
        /// This server.
        System = "system",
        /// The owner of an address: who has what was sent to it.
        User = "user",
    }
}

impl ActorType {
    /// What whoever has done something is.
    fn of(actor: &Actor) -> Self {
        match actor {
            Actor::Key { .. } => Self::ApiKey,
            Actor::Owner => Self::User,
            Actor::Server => Self::System,
        }
    }
}

names! {
    /// What something is that was acted on.
    #[derive(Serialize, ToSchema)]
    #[serde(rename_all = "snake_case")]
    #[schema(as = TargetTypes)]
    TargetType {
        /// A group.
        Group = "group",
        /// A user.
        User = "user",
    }
}

/// What is said of every event of one type.
#[derive(Debug)]
pub struct Wording {
    /// The type of the events.
    pub event: EventType,
    /// Their code.
    pub code: LogCode,
    /// What they are about.
    pub category: LogCategory,
    /// How they ended.
    pub r#type: LogType,
    /// By whom they are always done: so filters ask no event for its actor.
    pub actor: ActorType,
    /// The code in plain words. Names sort as their codes do.
    pub name: &'static str,
    /// A sentence that says what happened.
    pub description: &'static str,
    /// What they act on.
    pub targets: &'static [TargetType],
}

impl Wording {
    /// What is said of an event of this type, if it has a code.
    pub fn of(kind: EventType) -> Option<&'static Self> {
        WORDINGS.iter().find(|wording| wording.event == kind)
    }
}

/// The types of events that there are logs of, by code. An administrator who sets a password does
/// not reset it, and the vocabulary has no other code for that; so it is with all that is not here.
pub const WORDINGS: &[Wording] = &[
    Wording {
        event: EventType::EmailMailGivenUp,
        code: LogCode::EmailSendingFailed,
        category: LogCategory::Notifications,
        r#type: LogType::Failure,
        actor: ActorType::System,
        name: "Email sending failed",
        description: "A mail could not be sent, and will not be tried again.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::GroupCreated,
        code: LogCode::GroupCreated,
        category: LogCategory::Groups,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "Group created",
        description: "A group was created.",
        targets: &[TargetType::Group],
    },
    Wording {
        event: EventType::GroupDeleted,
        code: LogCode::GroupDeleted,
        category: LogCategory::Groups,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "Group deleted",
        description: "A group was deleted, with its memberships.",
        targets: &[TargetType::Group],
    },
    Wording {
        event: EventType::GroupUpdated,
        code: LogCode::GroupUpdated,
        category: LogCategory::Groups,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "Group updated",
        description: "The settings of a group were changed.",
        targets: &[TargetType::Group],
    },
    Wording {
        event: EventType::PasswordResetMailSent,
        code: LogCode::PasswordResetEmailSendingSucceeded,
        category: LogCategory::Notifications,
        r#type: LogType::Success,
        actor: ActorType::System,
        name: "Password reset email sending succeeded",
        description: "A mail with a link to reset a password was sent.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::UserUnblocked,
        code: LogCode::UserAccountUnblocked,
        category: LogCategory::Blocks,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User account unblocked",
        description: "A user who was blocked may sign in again.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::GroupUserAdded,
        code: LogCode::UserAddedToGroup,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User added to group",
        description: "A user became a member of a group.",
        targets: &[TargetType::User, TargetType::Group],
    },
    Wording {
        event: EventType::UserCreated,
        code: LogCode::UserCreated,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User created",
        description: "A user was created.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::UserDeleted,
        code: LogCode::UserDeleted,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User deleted",
        description: "A user was deleted, with everything that was theirs.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::PasswordReset,
        code: LogCode::UserPasswordResetSucceeded,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::User,
        name: "User password reset succeeded",
        description: "A user who has followed a link to reset it was given another password.",
        targets: &[TargetType::User],
    },
    Wording {
        event: EventType::GroupUserRemoved,
        code: LogCode::UserRemovedFromGroup,
        category: LogCategory::Users,
        r#type: LogType::Success,
        actor: ActorType::ApiKey,
        name: "User removed from group",
        description: "A user is no longer a member of a group.",
        targets: &[TargetType::User, TargetType::Group],
    },
    Wording {
        event: EventType::EmailProofMailSent,
        code: LogCode::VerificationEmailSendingSucceeded,
        category: LogCategory::Notifications,
        r#type: LogType::Success,
        actor: ActorType::System,
        name: "Verification email sending succeeded",
        description: "A mail by which an email can be proved was sent to it.",
        targets: &[TargetType::User],
    },
];

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

impl From<Actor> for LogActor {
    fn from(actor: Actor) -> Self {
        let r#type = ActorType::of(&actor);
        let (id, name) = match actor {
            Actor::Key { key_id, key_name } => (Some(key_id.to_string()), Some(key_name)),
            Actor::Owner | Actor::Server => (None, None),
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
    fn of(event: &Event, r#type: TargetType) -> Self {
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
    #[serde(serialize_with = "as_text")]
    #[schema(value_type = String, example = "admin_api")]
    method: Method,
    /// Why it was done, in the words of who did it.
    reason: Option<String>,
}

impl Log {
    /// The log of an event, as this process tells it; nothing if there is no code for its type.
    pub fn of(id: LogId, event: Event, system: &LogSystem) -> Option<Self> {
        let wording = Wording::of(event.kind)?;
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
            actor: event.actor.into(),
            targets,
            client: (),
            details: LogDetails {
                event_id: event.id,
                event_type: event.kind,
                method: event.method,
                reason: event.personal.reason,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::directory::event::{Context, Origin, Personal};
    use crate::id::{GroupId, SeededRandom, TenantId, UserId};
    use crate::secret::PlainKey;

    fn with_context<T>(test: impl FnOnce(&Context) -> T) -> T {
        let random = SeededRandom::new(1);
        let origin = Origin {
            tenant: TenantId::default_tenant(),
            actor: Actor::Key { key_id: PlainKey::new(&random).id(), key_name: "test".to_owned() },
            method: Method::AdminApi,
            request_id: RequestId::new(&random),
            remote_address: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into()),
            user_agent: Some("test/1".to_owned()),
            reason: Some("asked".to_owned()),
        };
        test(&Context { now: Timestamp(7), random: &random, origin: &origin })
    }

    fn system() -> LogSystem {
        LogSystem::new(5, [127, 0, 0, 1].into())
    }

    /// The JSON of the log of an event.
    fn log(event: Event) -> serde_json::Value {
        serde_json::to_value(Log::of(LogId::of_position(255), event, &system()).unwrap()).unwrap()
    }

    #[test]
    fn a_log_says_in_the_vocabularys_words_what_its_event_says() {
        with_context(|ctx| {
            let (user, group) = (UserId::new(ctx.random), GroupId::new(ctx.random));
            let event = ctx.group_event(EventType::GroupUserAdded, group, Some(user));
            let Actor::Key { key_id, .. } = &ctx.origin.actor else { panic!("{:?}", ctx.origin.actor) };
            let nowhere = json!({
                "region": null, "region_code": null, "city": null, "country": null, "continent": null,
                "latitude": null, "longitude": null, "time_zone": null, "zip_code": null
            });
            let expected = json!({
                "id": "00000000000000ff",
                "time_stamp": 7,
                "category": "users",
                "name": "User added to group",
                "description": "A user became a member of a group.",
                "type": "success",
                "code": "user_added_to_group",
                "message": null,
                "system": {
                    "activity_id": null,
                    "process_id": 5,
                    "local_ip": {"ip": "127.0.0.1", "version": "IPv4"}
                },
                "request": {
                    "trace_id": ctx.origin.request_id.to_string(),
                    "user_agent": "test/1",
                    "remote_ip": {"ip": "2001:db8::1", "version": "IPv6"},
                    "location": nowhere
                },
                "source": null,
                "actor": {
                    "type": "api_key",
                    "id": key_id.as_str(),
                    "name": "test",
                    "identifier": null,
                    "session_id": null
                },
                "targets": [
                    {"type": "user", "id": user.to_string(), "name": null, "identifier": null},
                    {"type": "group", "id": group.to_string(), "name": null, "identifier": null}
                ],
                "client": null,
                "details": {
                    "event_id": event.id.to_string(),
                    "event_type": "user.group.added",
                    "method": "admin_api",
                    "reason": "asked"
                }
            });
            assert_eq!(log(event), expected);
        });
    }

    #[test]
    fn what_is_personal_is_null_when_it_was_erased() {
        with_context(|ctx| {
            let mut event = ctx.event(EventType::UserCreated, UserId::new(ctx.random), None, None);
            event.personal = Personal::default();
            let log = log(event);
            assert_eq!(
                [&log["request"]["user_agent"], &log["request"]["remote_ip"], &log["details"]["reason"]],
                [&json!(null); 3]
            );
        });
    }

    #[test]
    fn the_owner_of_an_address_and_the_server_have_no_id_and_no_name() {
        with_context(|ctx| {
            for (actor, kind, r#type) in [
                (Actor::Owner, EventType::PasswordReset, "user"),
                (Actor::Server, EventType::EmailMailGivenUp, "system"),
            ] {
                let event = ctx.event(kind, UserId::new(ctx.random), None, None);
                let log = log(Event { actor, ..event });
                let expected =
                    json!({"type": r#type, "id": null, "name": null, "identifier": null, "session_id": null});
                assert_eq!(log["actor"], expected);
            }
        });
    }

    #[test]
    fn there_is_no_log_of_what_has_no_code() {
        with_context(|ctx| {
            for kind in EventType::ALL {
                let event = ctx.event(*kind, UserId::new(ctx.random), None, None);
                let told = Log::of(LogId::of_position(1), event, &system()).is_some();
                assert_eq!(told, WORDINGS.iter().any(|wording| wording.event == *kind), "{kind}");
            }
            for kind in [EventType::EmailVerified, EventType::PasswordSet, EventType::UserDisabled] {
                assert!(Wording::of(kind).is_none(), "{kind}");
            }
        });
    }

    #[test]
    fn every_code_has_one_wording_and_names_sort_as_codes_do() {
        let events: BTreeSet<_> = WORDINGS.iter().map(|wording| wording.event).collect();
        assert_eq!(events.len(), WORDINGS.len());
        let codes: Vec<_> = WORDINGS.iter().map(|wording| wording.code).collect();
        assert_eq!(codes, LogCode::ALL);
        assert!(WORDINGS.is_sorted_by(|one, next| one.code.as_str() < next.code.as_str()));
        assert!(WORDINGS.is_sorted_by(|one, next| one.name < next.name));
        for wording in WORDINGS {
            assert_eq!(wording.name.to_lowercase().replace(' ', "_"), wording.code.as_str());
        }
    }

    #[test]
    fn a_name_is_on_the_wire_as_it_is_in_the_vocabulary() {
        let wire = |value: serde_json::Value| value.as_str().unwrap().to_owned();
        for wording in WORDINGS {
            assert_eq!(wire(json!(wording.code)), wording.code.as_str());
            assert_eq!(wire(json!(wording.category)), wording.category.as_str());
            assert_eq!(wire(json!(wording.r#type)), wording.r#type.as_str());
            assert_eq!(wire(json!(wording.actor)), wording.actor.as_str());
            for target in wording.targets {
                assert_eq!(wire(json!(target)), target.as_str());
            }
        }
    }

    #[test]
    fn ids_sort_as_positions_do_and_have_one_form() {
        let positions = [1, 9, 10, 255, 256, 1 << 40, i64::MAX];
        let texts = positions.map(|position| LogId::of_position(position).to_string());
        assert!(texts.is_sorted());
        for (text, position) in texts.iter().zip(positions) {
            assert_eq!(text.parse::<LogId>().unwrap().position(), position);
        }
        for wrong in [
            "",
            "1",
            "00000000000000FF",
            "+000000000000001",
            "ffffffffffffffff",
            "00000000000000001",
            "000000000000000g",
        ] {
            assert!(wrong.parse::<LogId>().is_err(), "{wrong}");
            assert_eq!(LogId::from_path(wrong).position(), 0);
        }
    }
}
