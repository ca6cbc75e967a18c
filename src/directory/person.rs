//! All that is kept of one person: what is told when they ask for it, and what is left when it is erased.

use bytes::Bytes;

use super::event::{Context, Event, EventType, Method, Personal, Recorded, Word};
use super::group::Membership;
use super::mail::Mail;
use super::proof::{AddressId, AddressKind, Standing};
use super::user::User;
use crate::id::UserId;
use crate::time::Timestamp;

/// All that is kept of a person.
pub struct Person {
    /// The document, unless the user was deleted.
    pub document: Option<Bytes>,
    /// The groups that the user is in.
    pub groups: Vec<Membership>,
    /// What happened to the user, oldest first, each with its position in the record.
    pub events: Vec<(i64, Recorded)>,
    /// The proofs of the user's addresses, and what is known of the password.
    pub standing: Standing,
    /// What else there is.
    pub traces: Traces,
}

/// What is kept of a user beside the document, the secrets, the proofs and the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traces {
    /// Mail that waits to be sent, the oldest first.
    pub mails: Vec<Mail>,
    /// What was asked to be sent to addresses of the user of late, the oldest first.
    pub requests: Vec<Asked>,
    /// When old passwords were tried of late, and how often in that second; the oldest first.
    pub password_tries: Vec<(Timestamp, u32)>,
}

/// That something was asked to be sent to an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    /// When.
    pub at: Timestamp,
    /// To what kind of address.
    pub kind: AddressKind,
    /// The address in the form in which it is compared.
    pub canonical: String,
    /// How often in that second.
    pub times: u32,
}

impl std::fmt::Debug for Asked {
    /// Addresses are personal: only the time is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asked({} {})", self.kind, self.at)
    }
}

/// How an address that a user has, or once had, came to be trusted or not.
pub struct AddressHistory<'a> {
    /// Which address.
    pub address: AddressId,
    /// The address as it was typed, unless that was erased.
    pub typed: Option<&'a str>,
    /// Each change of its trust, oldest first.
    pub changes: Vec<&'a Recorded>,
}

/// Whether an address that came with its user was trusted from the beginning: what became of its trust first
/// tells, or else whether it is verified.
pub fn came_trusted<'a>(changes: impl IntoIterator<Item = &'a Recorded>, is_verified: bool) -> bool {
    changes.into_iter().next().map_or(is_verified, |event| {
        matches!(event.kind, Word::Known(EventType::EmailUnverified | EventType::PhoneUnverified))
    })
}

/// The event by which a user was imported, if these begin with the first of the user's and there is one.
pub fn import_of(events: &[(i64, Recorded)]) -> Option<&Recorded> {
    let mut events = events.iter().map(|(_, event)| event);
    events.find(|event| event.kind == EventType::UserCreated).filter(|event| event.method == Method::Import)
}

/// The history of each address that a user has, if they are there, or that events of theirs tell of, in the
/// order in which the addresses came.
pub fn histories<'a>(user: Option<&'a User>, events: &'a [(i64, Recorded)]) -> Vec<AddressHistory<'a>> {
    let was_added = |address: AddressId| {
        events.iter().any(|(_, event)| {
            matches!(event.kind, Word::Known(EventType::EmailAdded | EventType::PhoneAdded))
                && event.identifier_id == Some(address.id)
        })
    };
    let mut histories = told_of(events);
    // Those that came with the user, of which there may be no event, came before all others.
    let came: Vec<AddressHistory<'_>> = user
        .into_iter()
        .flat_map(addresses)
        .filter(|(address, _)| !was_added(*address))
        .map(|(address, typed)| {
            let told = histories.iter().position(|history| history.address == address);
            let changes = told.map(|place| histories.remove(place).changes).unwrap_or_default();
            AddressHistory { address, typed: Some(typed), changes }
        })
        .collect();
    histories.splice(0..0, came);
    let Some(import) = import_of(events) else { return histories };
    for history in histories.iter_mut().filter(|history| !was_added(history.address)) {
        let is_verified = user.is_some_and(|user| user.has_verified(history.address).unwrap_or(false));
        if came_trusted(history.changes.iter().copied(), is_verified) {
            history.changes.insert(0, import);
        }
    }
    histories
}

/// Each address of a user, as it was typed.
fn addresses(user: &User) -> impl Iterator<Item = (AddressId, &str)> {
    let emails = user.emails.iter().map(|email| (AddressId::email(email.id), email.email.as_str()));
    emails.chain(user.phone_numbers.iter().map(|phone| (AddressId::phone(phone.id), phone.phone.as_str())))
}

/// What events tell of each address.
fn told_of(events: &[(i64, Recorded)]) -> Vec<AddressHistory<'_>> {
    let mut histories: Vec<AddressHistory<'_>> = Vec::new();
    for (_, event) in events {
        let Word::Known(told) = event.kind else { continue };
        let (kind, is_change) = match told {
            EventType::EmailAdded | EventType::EmailRemoved => (AddressKind::Email, false),
            EventType::EmailVerified | EventType::EmailUnverified => (AddressKind::Email, true),
            EventType::PhoneAdded | EventType::PhoneRemoved => (AddressKind::Phone, false),
            EventType::PhoneVerified | EventType::PhoneUnverified => (AddressKind::Phone, true),
            _ => continue,
        };
        let Some(id) = event.identifier_id else { continue };
        let address = AddressId { kind, id };
        let place = histories.iter().position(|history| history.address == address);
        let place = place.unwrap_or_else(|| {
            histories.push(AddressHistory { address, typed: None, changes: Vec::new() });
            histories.len() - 1
        });
        let history = &mut histories[place];
        history.typed = history.typed.or(event.personal.address.as_deref());
        history.changes.extend(is_change.then_some(event));
    }
    histories
}

/// What is on record of a user who is removed and erased. It holds nothing personal, nor of who asked for
/// it.
pub fn removed_and_erased(user_id: UserId, ctx: &Context) -> Vec<Event> {
    let removed = ctx.event(EventType::UserDeleted, user_id, None, None);
    vec![Event { personal: Personal::default(), ..removed }, erased(user_id, ctx)]
}

/// What is on record of the erasing of a user. It holds nothing personal, nor of who asked for it.
pub fn erased(user_id: UserId, ctx: &Context) -> Event {
    Event { personal: Personal::default(), ..ctx.event(EventType::UserErased, user_id, None, None) }
}
