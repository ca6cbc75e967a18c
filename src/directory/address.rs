//! What emails and phone numbers have in common: each user has a list of them, oldest first; at
//! most one is primary, and exactly one where there is any; each is known to be the user's, or not.
//! Semantics sections 3 and 4.

use super::event::{Context, Event, EventType};
use super::user::Provider;
use crate::error::{Error, InvalidFields, Missing, Refusal};
use crate::id::{IdentifierId, UserId};

/// How many addresses of one kind a user may have. People have a few: the bound is there so that documents and
/// answers about many users stay within bounds.
const MOST_OF_A_KIND: usize = 100;

/// What a change of one kind of address is called in the record.
pub(super) struct EventTypes {
    pub(super) added: EventType,
    pub(super) removed: EventType,
    pub(super) primary_set: EventType,
    pub(super) verified: EventType,
    pub(super) unverified: EventType,
}

/// An address of a user.
pub(super) trait Address {
    const EVENTS: EventTypes;
    const MISSING: Missing;
    const DUPLICATE: Refusal;
    /// The field by which one is given.
    const FIELD: &str;
    /// What a user has at most, in words.
    const TOO_MANY: &str;

    fn id(&self) -> IdentifierId;
    /// The address as typed.
    fn text(&self) -> &str;
    /// The form in which two addresses are the same one.
    fn canonical(&self) -> String;
    fn is_primary(&self) -> bool;
    fn set_primary(&mut self, primary: bool);
    fn is_verified(&self) -> bool;
    /// Notes who has proved the address, or that nobody has.
    fn set_proved_by(&mut self, provider: Option<Provider>);

    /// The event that something happened to this address of a user.
    fn event(&self, kind: EventType, user_id: UserId, ctx: &Context) -> Event {
        ctx.event(kind, user_id, Some(self.id()), Some(self.text()))
    }
}

/// Adds an address that no other of the list is the same as, while there are not too many. The first one
/// becomes primary.
///
/// That nobody else has it verified is for the store to say, which alone sees all users.
pub(super) fn add<A: Address>(
    list: &mut Vec<A>,
    mut address: A,
    user_id: UserId,
    ctx: &Context,
) -> Result<Vec<Event>, Error> {
    let canonical = address.canonical();
    if list.iter().any(|other| other.canonical() == canonical) {
        return Err(A::DUPLICATE.into());
    }
    if list.len() >= MOST_OF_A_KIND {
        return Err(InvalidFields::one(A::FIELD, A::TOO_MANY).into());
    }
    address.set_primary(list.is_empty());
    let mut events = vec![address.event(A::EVENTS.added, user_id, ctx)];
    if address.is_verified() {
        events.push(address.event(A::EVENTS.verified, user_id, ctx));
    }
    list.push(address);
    Ok(events)
}

/// Removes an address. If it was the primary one, the oldest verified one becomes primary, else the
/// oldest.
pub(super) fn remove<A: Address>(
    list: &mut Vec<A>,
    id: IdentifierId,
    user_id: UserId,
    ctx: &Context,
) -> Result<Vec<Event>, Error> {
    let address = list.remove(position(list, id)?);
    if address.is_primary() {
        let heir = list.iter().position(A::is_verified).unwrap_or(0);
        if let Some(heir) = list.get_mut(heir) {
            heir.set_primary(true);
        }
    }
    Ok(vec![address.event(A::EVENTS.removed, user_id, ctx)])
}

/// Makes an address the primary one, verified or not. No events: it was already.
pub(super) fn set_primary<A: Address>(
    list: &mut [A],
    id: IdentifierId,
    user_id: UserId,
    ctx: &Context,
) -> Result<Vec<Event>, Error> {
    let position = position(list, id)?;
    if list[position].is_primary() {
        return Ok(Vec::new());
    }
    for address in list.iter_mut() {
        address.set_primary(address.id() == id);
    }
    Ok(vec![list[position].event(A::EVENTS.primary_set, user_id, ctx)])
}

/// Marks an address as known to be the user's. No events: it was already, and who proved it stays.
///
/// That nobody else has it verified is for the store to say, which alone sees all users.
pub(super) fn verify<A: Address>(
    list: &mut [A],
    id: IdentifierId,
    user_id: UserId,
    ctx: &Context,
) -> Result<Vec<Event>, Error> {
    let position = position(list, id)?;
    let address = &mut list[position];
    if address.is_verified() {
        return Ok(Vec::new());
    }
    address.set_proved_by(Some(Provider::Monocloud));
    Ok(vec![address.event(A::EVENTS.verified, user_id, ctx)])
}

/// Marks an address as not known to be the user's. It stays primary if it is. No events: it was
/// unverified already.
pub(super) fn unverify<A: Address>(
    list: &mut [A],
    id: IdentifierId,
    user_id: UserId,
    ctx: &Context,
) -> Result<Vec<Event>, Error> {
    let position = position(list, id)?;
    let address = &mut list[position];
    if !address.is_verified() {
        return Ok(Vec::new());
    }
    address.set_proved_by(None);
    Ok(vec![address.event(A::EVENTS.unverified, user_id, ctx)])
}

/// Where in the list the address of this id is.
pub(super) fn position<A: Address>(list: &[A], id: IdentifierId) -> Result<usize, Error> {
    list.iter().position(|address| address.id() == id).ok_or(Error::NotFound(A::MISSING))
}
