//! All that is kept of one person: what is told when they ask for it, and what is left when it is erased.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::event::{Context, Event, EventType, Method, Personal, Recorded, Word};
use super::group::Membership;
use super::mail::Mail;
use super::proof::{AddressId, AddressKind, Standing};
use super::user::User;
use crate::id::UserId;
use crate::time::Timestamp;

/// What is kept of a person, but for the record of what happened.
pub struct Person {
    /// The document, unless the user was deleted.
    pub document: Option<Bytes>,
    /// The groups that the user is in.
    pub groups: Vec<Membership>,
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
pub struct AddressHistory {
    /// Which address.
    pub address: AddressId,
    /// The address as it was typed, unless that was erased.
    pub typed: Option<String>,
    /// Whether it begins with the import of the user, which has vouched for the address.
    pub begins_with_import: bool,
    /// How many changes of its trust there are in the record.
    pub changes: usize,
    /// In which pages of the record they are, the newest first.
    pub pages: Vec<usize>,
}

/// The histories of all addresses of a user.
pub struct Histories {
    /// Each address, those first that came first.
    pub addresses: Vec<AddressHistory>,
    /// The event by which the user was imported, if the first of the user's is there and was that.
    pub import: Option<Recorded>,
}

impl Histories {
    /// The addresses in their order, as many together as are told while the record is gone through once: of all
    /// but the first of them the changes must be held until it is their turn, and those are `most` at most.
    pub fn together(&self, most: usize) -> impl Iterator<Item = &[AddressHistory]> {
        let mut left = self.addresses.as_slice();
        std::iter::from_fn(move || {
            let (_, others) = left.split_first()?;
            let mut held = 0;
            let fitting = others.iter().take_while(|history| {
                held += history.changes;
                held <= most
            });
            let (together, rest) = left.split_at(1 + fitting.count());
            left = rest;
            Some(together)
        })
    }
}

/// In which pages of the record the changes of these addresses are, the oldest first.
pub fn pages_of(together: &[AddressHistory]) -> Vec<usize> {
    let pages: BTreeSet<usize> = together.iter().flat_map(|history| &history.pages).copied().collect();
    pages.into_iter().rev().collect()
}

/// Whether an address that came with its user was trusted from the beginning: what became of its trust first
/// tells, or else whether it is verified.
pub fn came_trusted(first_change: Option<EventType>, is_verified: bool) -> bool {
    first_change
        .map_or(is_verified, |kind| matches!(kind, EventType::EmailUnverified | EventType::PhoneUnverified))
}

/// Of which address an event changes the trust, if of any.
pub fn trust_changed(event: &Recorded) -> Option<AddressId> {
    let kind = event.kind.known()?;
    address_of(event).filter(|_| is_trust(*kind))
}

/// Of which address an event tells, if of one.
fn address_of(event: &Recorded) -> Option<AddressId> {
    let address: fn(_) -> _ = match event.kind.known()? {
        EventType::EmailAdded
        | EventType::EmailRemoved
        | EventType::EmailVerified
        | EventType::EmailUnverified => AddressId::email,
        EventType::PhoneAdded
        | EventType::PhoneRemoved
        | EventType::PhoneVerified
        | EventType::PhoneUnverified => AddressId::phone,
        _ => return None,
    };
    event.identifier_id.map(address)
}

fn is_trust(kind: EventType) -> bool {
    matches!(
        kind,
        EventType::EmailVerified
            | EventType::EmailUnverified
            | EventType::PhoneVerified
            | EventType::PhoneUnverified
    )
}

/// What the record of a user tells of addresses: gathered from the newest event to the oldest, page by page, so
/// that the events themselves need not be held.
#[derive(Default)]
pub struct Gathering {
    addresses: HashMap<AddressId, Told>,
    /// By what the user was made: the oldest such event.
    created: Option<Recorded>,
}

/// What is told of one address.
#[derive(Default)]
struct Told {
    /// The position of the oldest event.
    first: i64,
    typed: Option<String>,
    was_added: bool,
    /// What first became of its trust.
    first_change: Option<EventType>,
    changes: usize,
    pages: Vec<usize>,
}

impl Gathering {
    /// Takes note of an event, which is older than all before.
    pub fn note(&mut self, page: usize, position: i64, event: &Recorded) {
        if event.kind == EventType::UserCreated {
            self.created = Some(event.clone());
        }
        let Some(address) = address_of(event) else { return };
        let told = self.addresses.entry(address).or_default();
        told.first = position;
        told.typed = event.personal.address.clone().or(told.typed.take());
        told.was_added |= matches!(event.kind, Word::Known(EventType::EmailAdded | EventType::PhoneAdded));
        if let Word::Known(kind) = event.kind
            && is_trust(kind)
        {
            told.first_change = Some(kind);
            told.changes += 1;
            if told.pages.last() != Some(&page) {
                told.pages.push(page);
            }
        }
    }

    /// The history of each address that the user has, if they are there, or that was told of, in the order in
    /// which the addresses came.
    pub fn histories(mut self, user: Option<&User>) -> Histories {
        // Those that came with the user, of which there may be no event, came before all others.
        let mut all = Vec::new();
        for (address, typed) in user.into_iter().flat_map(addresses) {
            if self.addresses.get(&address).is_none_or(|told| !told.was_added) {
                let told = self.addresses.remove(&address).unwrap_or_default();
                all.push((address, Told { typed: Some(typed.to_owned()), ..told }));
            }
        }
        let mut others: Vec<_> = self.addresses.into_iter().collect();
        others.sort_by_key(|(_, told)| told.first);
        all.append(&mut others);
        let import = self.created.filter(|event| event.method == Method::Import);
        let history = |(address, told): (AddressId, Told)| {
            let is_verified = user.is_some_and(|user| user.has_verified(address).unwrap_or(false));
            let came_trusted = !told.was_added && came_trusted(told.first_change, is_verified);
            let begins_with_import = import.is_some() && came_trusted;
            let Told { typed, changes, pages, .. } = told;
            AddressHistory { address, typed, begins_with_import, changes, pages }
        };
        Histories { addresses: all.into_iter().map(history).collect(), import }
    }
}

/// Each address of a user, as it was typed.
fn addresses(user: &User) -> impl Iterator<Item = (AddressId, &str)> {
    let emails = user.emails.iter().map(|email| (AddressId::email(email.id), email.email.as_str()));
    emails.chain(user.phone_numbers.iter().map(|phone| (AddressId::phone(phone.id), phone.phone.as_str())))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{IdentifierId, SeededRandom};

    /// Addresses with so many changes each.
    fn histories(changes: &[usize]) -> Histories {
        let random = SeededRandom::new(1);
        let history = |(page, changes): (usize, &usize)| AddressHistory {
            address: AddressId::email(IdentifierId::new(&random)),
            typed: None,
            begins_with_import: false,
            changes: *changes,
            pages: vec![page + 1, page],
        };
        Histories { addresses: changes.iter().enumerate().map(history).collect(), import: None }
    }

    fn together(changes: &[usize], most: usize) -> Vec<Vec<usize>> {
        let histories = histories(changes);
        let told = histories.together(most);
        told.map(|together| together.iter().map(|history| history.changes).collect()).collect()
    }

    #[test]
    fn a_hundred_addresses_with_some_changes_each_are_told_in_one_go() {
        assert_eq!(together(&[50; 100], 5_000).len(), 1);
        assert_eq!(together(&[], 5_000).len(), 0);
        assert_eq!(together(&[0, 0], 0), [[0, 0]]);
    }

    #[test]
    fn of_no_more_than_so_many_changes_must_be_held_and_none_of_the_first() {
        assert_eq!(together(&[9, 4, 6, 1, 20, 3], 10), [vec![9, 4, 6], vec![1], vec![20, 3]]);
        // However they are spread: one go for every half of what may be held, and one.
        for most in 1..30 {
            let changes: Vec<usize> = (0..100).map(|number| number * 7_919 % 23).collect();
            let told = together(&changes, most);
            assert_eq!(told.concat(), changes);
            assert!(told.iter().all(|together| together[1..].iter().sum::<usize>() <= most));
            assert!(told.len() <= 2 * changes.iter().sum::<usize>() / most + 1);
        }
    }

    #[test]
    fn each_page_with_changes_is_read_once_for_all_that_are_told_together() {
        assert_eq!(pages_of(&histories(&[5, 5, 5]).addresses), [3, 2, 1, 0]);
    }
}
