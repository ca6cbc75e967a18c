//! What every store does alike: one suite of tests, run on each implementation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::index::{Term, terms};
use super::*;
use crate::directory::event::{Actor, Context, EventType, Origin};
use crate::directory::group::{GroupPatch, NewGroup, Wanted};
use crate::directory::user::{NewUser, User};
use crate::id::{RequestId, SeededRandom};
use crate::secret::{PlainKey, PlainToken};

/// Runs every test of the contract on the stores that `$open` makes: an async function without
/// arguments that gives a store and what must be kept alive beside it.
macro_rules! contract {
    ($open:path) => {
        $crate::store::contract::contract! { $open:
            a_user_is_read_as_it_was_kept
            a_change_on_an_old_version_conflicts_and_keeps_nothing
            a_deleted_user_is_gone_and_can_neither_be_changed_nor_deleted
            a_verified_address_belongs_to_one_user_of_a_tenant
            unverified_addresses_do_not_block_each_other
            a_freed_address_can_be_verified_by_another
            a_username_belongs_to_one_user_of_a_tenant
            tenants_do_not_see_or_block_each_other
            what_fails_beside_others_fails_alone
            pages_follow_the_sort_and_never_overlap
            the_total_counts_creations_and_deletions
            events_come_back_whole_in_the_order_they_were_kept
            a_users_events_are_found_among_all_even_when_the_user_is_gone
            memberships_are_among_a_users_events
            a_group_is_read_as_it_was_kept
            a_change_of_a_group_on_an_old_version_conflicts
            a_name_belongs_to_one_group_of_a_tenant
            members_are_counted_as_they_come_and_go
            a_membership_needs_its_user_and_its_group
            a_new_user_joins_the_groups_that_take_every_new_user_or_is_not_kept
            what_is_deleted_leaves_no_memberships
            pages_of_groups_follow_each_sort
            pages_of_members_and_memberships_follow_the_sort
            groups_of_tenants_do_not_see_or_block_each_other
            a_key_is_found_by_its_id_until_it_is_revoked
            a_key_needs_its_tenant
            a_tenant_is_made_once
            a_password_is_kept_with_the_change_that_sets_it
            a_hash_gives_way_to_another_only_while_it_is_the_one_kept
            tries_of_a_password_count_for_a_while_and_until_it_is_set
            a_reset_token_is_found_by_its_id_until_another_one_or_a_password_ends_it
            the_secrets_of_a_deleted_user_are_gone
            a_closed_store_refuses_changes
        }
    };
    ($open:path: $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, _kept) = $open().await;
                $crate::store::contract::$name(&*store).await;
                store.close().await;
            }
        )+
    };
}
pub(crate) use contract;

/// Makes users and changes of them, without an app.
struct Maker {
    random: SeededRandom,
    origin: Origin,
    now: Timestamp,
}

impl Maker {
    fn new(tenant: &TenantId) -> Self {
        let random = SeededRandom::new(7);
        let origin = Origin {
            tenant: tenant.clone(),
            actor: Actor { key_id: PlainKey::new(&random).id(), key_name: "contract".to_owned() },
            request_id: RequestId::new(&random),
            remote_address: Some([192, 0, 2, 1].into()),
            user_agent: Some("contract/1".to_owned()),
            reason: Some("to see".to_owned()),
        };
        Self { random, origin, now: Timestamp(1_000) }
    }

    fn context(&self) -> Context<'_> {
        Context { now: self.now, random: &self.random, origin: &self.origin }
    }

    fn user(&self, new: NewUser) -> (User, UserChange) {
        let (mut user, events) = User::create(new, &self.context()).unwrap();
        let change = UserChange::create(&self.origin.tenant, &mut user, Vec::new(), events.into());
        (user, change)
    }

    fn with_email(&self, email: &str, verified: bool) -> (User, UserChange) {
        self.user(NewUser { email: Some(email.to_owned()), email_verified: verified, ..NewUser::default() })
    }

    /// The change that `rule` makes of `user`, decided on `version`.
    fn change(
        &self,
        user: &mut User,
        version: i64,
        rule: impl FnOnce(&mut User, &Context) -> Vec<Event>,
    ) -> UserChange {
        let before = user.clone();
        let events = rule(user, &self.context());
        user.last_updated = self.now;
        UserChange::replace(&self.origin.tenant, Version(version), &before, user, events.into())
    }

    fn group(&self, name: &str, is_auto_assigned: bool) -> (Group, GroupChange) {
        let new = NewGroup { name: Some(name.to_owned()), is_auto_assigned, ..NewGroup::default() };
        let (group, events) = Group::create(new, &self.context()).unwrap();
        (group.clone(), self.group_change(group.group_id, GroupKept::Create(group), events))
    }

    fn group_change(&self, group_id: GroupId, kept: GroupKept, events: Vec<Event>) -> GroupChange {
        GroupChange { tenant: self.origin.tenant.clone(), group_id, kept, events }
    }

    /// The change that gives a group, decided on as it was at `version`, another name.
    fn rename(&self, group: &Group, version: i64, name: &str) -> GroupChange {
        let mut group = group.clone();
        let patch = GroupPatch { name: Wanted::Set(name.to_owned()), ..GroupPatch::default() };
        let events = group.patch(&patch, &self.context()).unwrap();
        group.last_updated = self.now;
        self.group_change(group.group_id, GroupKept::Replace(Version(version), group), events)
    }

    fn membership(&self, user_id: UserId, group_id: GroupId, joins: bool) -> MembershipChange {
        let kind = if joins { EventType::GroupUserAdded } else { EventType::GroupUserRemoved };
        let event = self.context().group_event(kind, group_id, Some(user_id));
        MembershipChange { tenant: self.origin.tenant.clone(), user_id, group_id, joins, event }
    }

    fn delete(&self, user: &User, version: i64) -> UserChange {
        let events = vec![self.context().event(EventType::UserDeleted, user.user_id, None, None)];
        UserChange::delete(&self.origin.tenant, Version(version), user, events)
    }
}

fn verify(user: &mut User, ctx: &Context) -> Vec<Event> {
    user.verify_email(user.emails[0].id, ctx).unwrap()
}

fn unverify(user: &mut User, ctx: &Context) -> Vec<Event> {
    user.unverify_email(user.emails[0].id, ctx).unwrap()
}

fn sorted(sort: SortKey, descending: bool, offset: u64, limit: u32) -> List {
    List { filter: None, place: Place::Sorted { sort, descending, offset }, limit }
}

fn default() -> TenantId {
    TenantId::default_tenant()
}

const EVERYTHING: EventList = EventList { after: 0, limit: 1000, user_id: None, kind: None };

async fn events(store: &dyn Store, wanted: EventList) -> Vec<(i64, Event)> {
    until_told(store).await;
    store.events(&default(), wanted).await.unwrap().events
}

/// Waits until everything is on record that has happened: a store may commit events some moments
/// before it can tell their order. It has when it tells of something later, in another tenant.
async fn until_told(store: &dyn Store) {
    static MARKERS: AtomicU64 = AtomicU64::new(0);
    let elsewhere: TenantId = "elsewhere".parse().unwrap();
    store.create_tenant(&elsewhere, Timestamp(1)).await.unwrap();
    let seed = MARKERS.fetch_add(1, Ordering::Relaxed);
    let maker = Maker { random: SeededRandom::new(seed), ..Maker::new(&elsewhere) };
    let (group, change) = maker.group(&format!("marker {seed}"), false);
    store.keep_group(change).await.unwrap();
    let is_told = async || {
        let told = store.events(&elsewhere, EVERYTHING).await.unwrap().events;
        told.iter().any(|(_, event)| event.group_id == Some(group.group_id))
    };
    for _ in 0..3_000 {
        if is_told().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("what has happened is not told of");
}

async fn count_events(store: &dyn Store) -> usize {
    events(store, EVERYTHING).await.len()
}

pub(crate) async fn a_user_is_read_as_it_was_kept(store: &dyn Store) {
    let (mut user, change) = Maker::new(&default()).with_email("Käthe@example.com", true);
    assert_eq!(store.user(&default(), user.user_id).await.unwrap(), None);
    store.keep(change).await.unwrap();
    let kept = store.user(&default(), user.user_id).await.unwrap().unwrap();
    assert_eq!(kept.version, Version(1));
    assert_eq!(kept.document, user.to_document());
    assert_eq!(User::from_document(&kept.document).unwrap().to_document(), kept.document);
}

pub(crate) async fn a_change_on_an_old_version_conflicts_and_keeps_nothing(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    store.keep(maker.change(&mut user.clone(), 1, verify)).await.unwrap();
    let kept = store.user(&default(), user.user_id).await.unwrap().unwrap();
    let events = count_events(store).await;

    let late = maker.change(&mut user, 1, |user, ctx| {
        user.add_email(crate::directory::email::EmailAddress::parse("b@example.com").unwrap(), true, ctx)
            .unwrap()
    });
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    assert_eq!(store.user(&default(), user.user_id).await.unwrap().unwrap(), kept);
    assert_eq!(count_events(store).await, events);
    let (_, other) = maker.with_email("b@example.com", true);
    store.keep(other).await.unwrap();
}

pub(crate) async fn a_deleted_user_is_gone_and_can_neither_be_changed_nor_deleted(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    store.keep(maker.delete(&user, 1)).await.unwrap();
    assert_eq!(store.user(&default(), user.user_id).await.unwrap(), None);
    assert!(matches!(store.keep(maker.delete(&user, 1)).await, Err(KeepError::Conflict)));
    let late = maker.change(&mut user, 1, unverify);
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    // Its address is free again.
    store.keep(maker.with_email("a@example.com", true).1).await.unwrap();
}

pub(crate) async fn a_verified_address_belongs_to_one_user_of_a_tenant(store: &dyn Store) {
    let maker = Maker::new(&default());
    store.keep(maker.with_email("a@example.com", true).1).await.unwrap();
    let taken = store.keep(maker.with_email("A@EXAMPLE.com", true).1).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Email))), "{taken:?}");

    let (mut other, change) = maker.with_email("a@Example.com", false);
    store.keep(change).await.unwrap();
    let kept = store.user(&default(), other.user_id).await.unwrap();
    let events = count_events(store).await;
    let taken = store.keep(maker.change(&mut other, 1, verify)).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Email))), "{taken:?}");
    assert_eq!(store.user(&default(), other.user_id).await.unwrap(), kept);
    assert_eq!(count_events(store).await, events);
}

pub(crate) async fn unverified_addresses_do_not_block_each_other(store: &dyn Store) {
    let maker = Maker::new(&default());
    for _ in 0..3 {
        store.keep(maker.with_email("a@example.com", false).1).await.unwrap();
    }
    store.keep(maker.with_email("a@example.com", true).1).await.unwrap();
}

pub(crate) async fn a_freed_address_can_be_verified_by_another(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut first, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    let (mut second, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    store.keep(maker.change(&mut first, 1, unverify)).await.unwrap();
    store.keep(maker.change(&mut second, 1, verify)).await.unwrap();
    let taken = store.keep(maker.change(&mut first, 2, verify)).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Email))), "{taken:?}");
}

pub(crate) async fn a_username_belongs_to_one_user_of_a_tenant(store: &dyn Store) {
    let maker = Maker::new(&default());
    let named = |name: &str| NewUser { username: Some(name.to_owned()), ..NewUser::default() };
    store.keep(maker.user(named("alice")).1).await.unwrap();
    let taken = store.keep(maker.user(named("ALICE")).1).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Username))), "{taken:?}");
}

pub(crate) async fn tenants_do_not_see_or_block_each_other(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    let (ours, change) = Maker::new(&default()).with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    let theirs_maker = Maker::new(&acme);
    let (theirs, change) = theirs_maker.with_email("a@example.com", true);
    // The same seed gave both the same id: even then they are two users.
    assert_eq!(theirs.user_id, ours.user_id);
    store.keep(change).await.unwrap();
    store.keep(theirs_maker.delete(&theirs, 1)).await.unwrap();
    assert!(store.user(&default(), ours.user_id).await.unwrap().is_some());
    assert_eq!(store.user(&acme, ours.user_id).await.unwrap(), None);
    assert_eq!(count_events(store).await, 3);
    let all = || sorted(SortKey::CreationTime, true, 0, 10);
    assert_eq!(store.users(&acme, all()).await.unwrap().documents.len(), 0);
    assert_eq!(store.users(&default(), all()).await.unwrap().documents.len(), 1);
}

pub(crate) async fn what_fails_beside_others_fails_alone(store: &dyn Store) {
    let maker = Maker::new(&default());
    store.keep(maker.with_email("taken@example.com", true).1).await.unwrap();
    let changes: Vec<_> = (0..40)
        .map(|number| match number % 4 {
            0 => maker.with_email("taken@example.com", true).1,
            _ => maker.with_email(&format!("free{number}@example.com"), true).1,
        })
        .collect();
    let users: Vec<_> = changes.iter().map(|change| change.user_id).collect();
    let kept = futures_util::future::join_all(changes.into_iter().map(|change| store.keep(change))).await;
    for (number, (user_id, kept)) in users.into_iter().zip(kept).enumerate() {
        let found = store.user(&default(), user_id).await.unwrap();
        if number % 4 == 0 {
            assert!(matches!(kept, Err(KeepError::Taken(IdentifierKind::Email))), "{kept:?}");
            assert_eq!(found, None);
        } else {
            kept.unwrap();
            assert!(found.is_some());
        }
    }
    let all = || sorted(SortKey::CreationTime, true, 0, 100);
    assert_eq!(store.users(&default(), all()).await.unwrap().total, 31);
}

pub(crate) async fn pages_follow_the_sort_and_never_overlap(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let mut made = Vec::new();
    for number in 0..25 {
        // Several of each second, so that ids must break ties.
        maker.now = Timestamp(1_000 + number / 4);
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        made.push((user.creation_time, user.user_id));
    }
    // The first of them is changed last.
    maker.now = Timestamp(9_000);
    let first = made[0].1;
    let mut user =
        User::from_document(&store.user(&default(), first).await.unwrap().unwrap().document).unwrap();
    store.keep(maker.change(&mut user, 1, verify)).await.unwrap();

    made.sort_unstable();
    for descending in [false, true] {
        let mut listed = Vec::new();
        for page in 0..4 {
            let list = sorted(SortKey::CreationTime, descending, page * 7, 7);
            let page = store.users(&default(), list).await.unwrap();
            assert_eq!(page.total, 25);
            listed
                .extend(page.documents.iter().map(|document| User::from_document(document).unwrap().user_id));
            assert_eq!(page.has_next, listed.len() < 25);
        }
        let mut expected: Vec<_> = made.iter().map(|(_, id)| *id).collect();
        if descending {
            expected.reverse();
        }
        assert_eq!(listed, expected);
    }
    let list = sorted(SortKey::LastUpdated, true, 0, 1);
    let newest = &store.users(&default(), list).await.unwrap().documents[0];
    assert_eq!(User::from_document(newest).unwrap().user_id, first);
    let beyond = sorted(SortKey::LastUpdated, true, 1_000, 10);
    let beyond = store.users(&default(), beyond).await.unwrap();
    assert!(beyond.documents.is_empty() && !beyond.has_next);
}

pub(crate) async fn the_total_counts_creations_and_deletions(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (user, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    store.keep(maker.with_email("b@example.com", true).1).await.unwrap();
    assert!(store.keep(maker.with_email("b@example.com", true).1).await.is_err());
    store.keep(maker.delete(&user, 1)).await.unwrap();
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.users).collect::<Vec<_>>(), [1]);
}

pub(crate) async fn events_come_back_whole_in_the_order_they_were_kept(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let mut expected = change.events.clone();
    store.keep(change).await.unwrap();
    for (version, rule) in [(1, verify as fn(&mut User, &Context) -> Vec<Event>), (2, unverify), (3, verify)]
    {
        let change = maker.change(&mut user, version, rule);
        expected.extend(change.events.clone());
        store.keep(change).await.unwrap();
    }
    let events = events(store, EVERYTHING).await;
    assert!(events.is_sorted_by(|one, next| one.0 < next.0));
    let rest =
        store.events(&default(), EventList { after: events[1].0, limit: 2, ..EVERYTHING }).await.unwrap();
    assert_eq!((rest.events.as_slice(), rest.next), (&events[2..4], Some(events[3].0)));
    let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    assert_eq!(events, expected);
    assert_eq!(events[2].personal.reason.as_deref(), Some("to see"));
    assert_eq!(events[2].personal.address.as_deref(), Some("a@example.com"));
}

pub(crate) async fn a_users_events_are_found_among_all_even_when_the_user_is_gone(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    for version in 1..=5 {
        store.keep(maker.with_email("b@example.com", false).1).await.unwrap();
        let rule = if version % 2 == 1 { verify } else { unverify };
        store.keep(maker.change(&mut user, version, rule)).await.unwrap();
    }
    let of_user = EventList { user_id: Some(user.user_id), ..EVERYTHING };
    let expected = || async {
        let all = events(store, EVERYTHING).await;
        all.into_iter().filter(|(_, event)| event.user_id == Some(user.user_id)).collect::<Vec<_>>()
    };
    assert_eq!(events(store, of_user).await, expected().await);
    store.keep(maker.delete(&user, 6)).await.unwrap();
    store.keep(maker.with_email("c@example.com", false).1).await.unwrap();
    let expected = expected().await;
    assert_eq!(expected.len(), 8);
    assert_eq!(events(store, of_user).await, expected);

    let mut walked = Vec::new();
    let mut after = Some(0);
    while let Some(position) = after {
        let page =
            store.events(&default(), EventList { after: position, limit: 3, ..of_user }).await.unwrap();
        walked.extend(page.events);
        after = page.next;
    }
    assert_eq!(walked, expected);
    let verified = EventList { kind: Some(EventType::EmailVerified), ..of_user };
    assert_eq!(events(store, verified).await.len(), 3);
    let nobody = EventList { user_id: Some(crate::id::UserId::new(&SeededRandom::new(99))), ..EVERYTHING };
    assert_eq!(events(store, nobody).await, []);
}

pub(crate) async fn memberships_are_among_a_users_events(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (group, change) = maker.group("a", true);
    store.keep_group(change).await.unwrap();
    let (mut user, mut change) = maker.with_email("a@example.com", false);
    let joined = maker.membership(user.user_id, group.group_id, true);
    change.events.push(joined.event.clone());
    let DocumentChange::Create(_, groups) = &mut change.document else { unreachable!() };
    groups.push(group.group_id);
    store.keep(change).await.unwrap();
    // Changes of the user are decided beside those of memberships: none is in the way of another.
    for (version, rule) in [(1, verify as fn(&mut User, &Context) -> Vec<Event>), (2, unverify)] {
        for joins in [false, true] {
            let change = maker.membership(user.user_id, group.group_id, joins);
            assert!(store.keep_membership(change).await.unwrap());
        }
        // Nothing happens, and nothing is recorded.
        assert!(!store.keep_membership(joined.clone()).await.unwrap());
        store.keep(maker.change(&mut user, version, rule)).await.unwrap();
    }
    store.keep_group(maker.rename(&group, 1, "b")).await.unwrap();
    let of_user = EventList { user_id: Some(user.user_id), ..EVERYTHING };
    let told = async || {
        let all = events(store, EVERYTHING).await;
        let expected: Vec<_> =
            all.into_iter().filter(|(_, event)| event.user_id == Some(user.user_id)).collect();
        assert_eq!(events(store, of_user).await, expected);
        expected.len()
    };
    assert_eq!(told().await, 3 + 2 * 3);
    store.keep(maker.delete(&user, 3)).await.unwrap();
    assert_eq!(told().await, 3 + 2 * 3 + 1);
    assert!(!store.keep_membership(joined).await.unwrap());
}

async fn group(store: &dyn Store, group: &Group) -> Option<(Version, Group)> {
    store.group(&default(), group.group_id).await.unwrap()
}

async fn users_assigned(store: &dyn Store, of: &Group) -> u64 {
    group(store, of).await.unwrap().1.users_assigned
}

pub(crate) async fn a_group_is_read_as_it_was_kept(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (made, change) = maker.group("Käthes Gruppe", true);
    assert_eq!(group(store, &made).await, None);
    let expected = change.events.clone();
    store.keep_group(change).await.unwrap();
    assert_eq!(group(store, &made).await, Some((Version(1), made)));
    let kept = events(store, EVERYTHING).await.into_iter().map(|(_, event)| event);
    assert_eq!(kept.collect::<Vec<_>>(), expected);
}

pub(crate) async fn a_change_of_a_group_on_an_old_version_conflicts(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (made, change) = maker.group("a", false);
    let gone = maker.group_change(made.group_id, GroupKept::Delete, Vec::new());
    assert!(matches!(store.keep_group(gone.clone()).await, Err(KeepError::Conflict)));
    store.keep_group(change).await.unwrap();
    store.keep_group(maker.rename(&made, 1, "b")).await.unwrap();
    let kept = group(store, &made).await;
    let events = count_events(store).await;
    let late = store.keep_group(maker.rename(&made, 1, "c")).await;
    assert!(matches!(late, Err(KeepError::Conflict)), "{late:?}");
    assert_eq!(group(store, &made).await, kept);
    assert_eq!(count_events(store).await, events);
    store.keep_group(gone).await.unwrap();
    assert_eq!(group(store, &made).await, None);
    assert!(matches!(store.keep_group(maker.rename(&made, 2, "c")).await, Err(KeepError::Conflict)));
}

pub(crate) async fn a_name_belongs_to_one_group_of_a_tenant(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (first, change) = maker.group("Straße", false);
    store.keep_group(change).await.unwrap();
    let taken = store.keep_group(maker.group("STRASSE", false).1).await;
    assert!(matches!(taken, Err(KeepError::NameTaken)), "{taken:?}");
    let (other, change) = maker.group("b", false);
    store.keep_group(change).await.unwrap();
    let events = count_events(store).await;
    let taken = store.keep_group(maker.rename(&other, 1, "strasse")).await;
    assert!(matches!(taken, Err(KeepError::NameTaken)), "{taken:?}");
    assert_eq!(count_events(store).await, events);
    store.keep_group(maker.rename(&first, 1, "STRASSE")).await.unwrap();
    store.keep_group(maker.rename(&first, 2, "c")).await.unwrap();
    store.keep_group(maker.rename(&other, 1, "Straße")).await.unwrap();
}

pub(crate) async fn members_are_counted_as_they_come_and_go(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (made, change) = maker.group("a", false);
    store.keep_group(change).await.unwrap();
    let mut users = Vec::new();
    for number in 0..20 {
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        users.push(user.user_id);
    }
    maker.now = Timestamp(2_000);
    let twice = users.iter().chain(&users).map(|user| maker.membership(*user, made.group_id, true));
    let kept = futures_util::future::join_all(twice.map(|change| store.keep_membership(change))).await;
    assert_eq!(kept.into_iter().filter(|kept| *kept.as_ref().unwrap()).count(), 20);
    let (version, now) = group(store, &made).await.unwrap();
    assert_eq!((version, now.users_assigned, now.last_assigned), (Version(1), 20, Timestamp(2_000)));
    assert_eq!(now.last_updated, made.last_updated);
    maker.now = Timestamp(3_000);
    for expected in [true, false] {
        let change = maker.membership(users[0], made.group_id, false);
        assert_eq!(store.keep_membership(change).await.unwrap(), expected);
    }
    let now = group(store, &made).await.unwrap().1;
    assert_eq!((now.users_assigned, now.last_assigned), (19, Timestamp(2_000)));
    // A change of the group leaves what is counted.
    store.keep_group(maker.rename(&made, 1, "b")).await.unwrap();
    assert_eq!(users_assigned(store, &made).await, 19);
    assert_eq!(count_events(store).await, 1 + 40 + 20 + 1 + 1);
}

pub(crate) async fn a_membership_needs_its_user_and_its_group(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (made, change) = maker.group("a", false);
    let (user, user_change) = maker.with_email("a@example.com", false);
    let joins = maker.membership(user.user_id, made.group_id, true);
    assert!(!store.keep_membership(joins.clone()).await.unwrap());
    store.keep_group(change).await.unwrap();
    assert!(!store.keep_membership(joins.clone()).await.unwrap());
    let recorded = count_events(store).await;
    assert_eq!(users_assigned(store, &made).await, 0);
    store.keep(user_change).await.unwrap();
    assert!(store.keep_membership(joins).await.unwrap());
    let found = store.membership(&default(), user.user_id, made.group_id).await.unwrap().unwrap();
    assert_eq!((found.creation_time, found.group_name), (maker.now, made.name.clone()));
    let all = events(store, EVERYTHING).await;
    assert_eq!(all.len(), recorded + 3);
    let event = &all.last().unwrap().1;
    assert_eq!((event.user_id, event.group_id), (Some(user.user_id), Some(made.group_id)));
}

pub(crate) async fn a_new_user_joins_the_groups_that_take_every_new_user_or_is_not_kept(store: &dyn Store) {
    let maker = Maker::new(&default());
    store.keep_group(maker.group("other", false).1).await.unwrap();
    let mut expected = Vec::new();
    for name in ["a", "b"] {
        let (group, change) = maker.group(name, true);
        store.keep_group(change).await.unwrap();
        expected.push(group);
    }
    expected.sort_unstable_by_key(|group| group.group_id);
    let joined = store.auto_assigned(&default()).await.unwrap();
    assert_eq!(joined, expected.iter().map(|group| group.group_id).collect::<Vec<_>>());
    let (mut user, change) = maker.with_email("a@example.com", true);
    let mut joining =
        |joined| UserChange::create(&default(), &mut user, joined, change.events.clone().into());
    for wrong in [Vec::new(), joined[..1].to_vec()] {
        assert!(matches!(store.keep(joining(wrong)).await, Err(KeepError::Conflict)));
        assert_eq!(store.user(&default(), change.user_id).await.unwrap(), None);
    }
    store.keep(joining(joined)).await.unwrap();
    for group in &expected {
        assert_eq!(users_assigned(store, group).await, 1);
    }
}

pub(crate) async fn what_is_deleted_leaves_no_memberships(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (kept, change) = maker.group("kept", false);
    store.keep_group(change).await.unwrap();
    let (deleted, change) = maker.group("deleted", false);
    store.keep_group(change).await.unwrap();
    let mut users = Vec::new();
    for number in 0..3 {
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        for group in [&kept, &deleted] {
            assert!(
                store.keep_membership(maker.membership(user.user_id, group.group_id, true)).await.unwrap()
            );
        }
        users.push(user);
    }
    store.keep(maker.delete(&users[0], 1)).await.unwrap();
    assert_eq!((users_assigned(store, &kept).await, users_assigned(store, &deleted).await), (2, 2));
    let gone = maker.group_change(deleted.group_id, GroupKept::Delete, Vec::new());
    store.keep_group(gone).await.unwrap();
    let all = Sorted { sort: MembershipSortKey::CreationTime, descending: true, offset: 0, limit: 10 };
    for (user, groups) in users.iter().zip([0, 1, 1]) {
        let page = store.memberships(&default(), user.user_id, all).await.unwrap();
        assert_eq!((page.total, page.documents.len() as u64), (groups, groups));
    }
    let all = Sorted { sort: SortKey::CreationTime, descending: true, offset: 0, limit: 10 };
    assert!(store.members(&default(), deleted.group_id, all).await.unwrap().is_none());
    let members = store.members(&default(), kept.group_id, all).await.unwrap().unwrap();
    assert_eq!((members.total, members.documents.len()), (2, 2));
}

pub(crate) async fn pages_of_groups_follow_each_sort(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let mut groups = Vec::new();
    for (number, name) in ["b", "D", "a", "C", "é", "e"].into_iter().enumerate() {
        maker.now = Timestamp(1_000 + number.cast_signed() as i64 / 2);
        let (group, change) = maker.group(name, false);
        store.keep_group(change).await.unwrap();
        if number % 3 == 0 {
            assert!(
                store.keep_membership(maker.membership(user.user_id, group.group_id, true)).await.unwrap()
            );
        }
        groups.push(group.group_id);
    }
    let mut kept = Vec::new();
    for id in groups {
        kept.push(store.group(&default(), id).await.unwrap().unwrap().1);
    }
    for key in GroupSortKey::ALL {
        let place = |group: &Group| match key {
            GroupSortKey::Name => (group.name.canonical(), 0),
            GroupSortKey::UsersAssigned => (String::new(), group.users_assigned.cast_signed()),
            GroupSortKey::LastAssigned => (String::new(), group.last_assigned.0),
            GroupSortKey::CreationTime => (String::new(), group.creation_time.0),
            GroupSortKey::LastUpdated => (String::new(), group.last_updated.0),
            GroupSortKey::Type | GroupSortKey::ClientsAssigned => (String::new(), 0),
        };
        kept.sort_by_key(|group| (place(group), group.group_id));
        for descending in [false, true] {
            let mut listed = Vec::new();
            for page in 0..2 {
                let list = Sorted { sort: *key, descending, offset: page * 4, limit: 4 };
                let page = store.groups(&default(), list).await.unwrap();
                listed.extend(page.documents);
                assert_eq!((page.total, page.has_next), (6, listed.len() < 6), "{key}");
            }
            if descending {
                listed.reverse();
            }
            assert_eq!(listed, kept, "{key}");
        }
    }
}

pub(crate) async fn pages_of_members_and_memberships_follow_the_sort(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (many, change) = maker.group("many", false);
    store.keep_group(change).await.unwrap();
    let (few, change) = maker.group("few", false);
    store.keep_group(change).await.unwrap();
    let mut made = Vec::new();
    for number in 0..60 {
        maker.now = Timestamp(1_000 + number / 4);
        let (user, change) = maker.with_email(&format!("u{number}@example.com"), false);
        store.keep(change).await.unwrap();
        made.push((user.creation_time, user.user_id));
    }
    // Joined in another order than made; so few and so many that either is found in its own way.
    for (number, (_, user)) in made.iter().enumerate().rev() {
        maker.now = Timestamp(5_000 - number.cast_signed() as i64);
        assert!(store.keep_membership(maker.membership(*user, many.group_id, true)).await.unwrap());
        if number % 10 == 0 {
            assert!(store.keep_membership(maker.membership(*user, few.group_id, true)).await.unwrap());
        }
    }
    let some: Vec<_> = made.iter().copied().step_by(10).collect();
    for (group, mut expected) in [(&many, made.clone()), (&few, some)] {
        expected.sort_unstable();
        for descending in [false, true] {
            let mut listed = Vec::new();
            while listed.len() < expected.len() {
                let list =
                    Sorted { sort: SortKey::CreationTime, descending, offset: listed.len() as u64, limit: 5 };
                let page = store.members(&default(), group.group_id, list).await.unwrap().unwrap();
                listed.extend(page.documents.iter().map(|user| User::from_document(user).unwrap().user_id));
                assert_eq!(
                    (page.total, page.has_next),
                    (expected.len() as u64, listed.len() < expected.len())
                );
            }
            if descending {
                listed.reverse();
            }
            assert_eq!(listed, expected.iter().map(|(_, id)| *id).collect::<Vec<_>>());
        }
    }
    for descending in [false, true] {
        let list = Sorted { sort: MembershipSortKey::CreationTime, descending, offset: 0, limit: 1 };
        let page = store.memberships(&default(), made[0].1, list).await.unwrap();
        let later = many.group_id.max(few.group_id);
        assert_eq!((page.total, page.has_next), (2, true));
        assert_eq!(page.documents[0].group_id == later, descending);
    }
}

pub(crate) async fn groups_of_tenants_do_not_see_or_block_each_other(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    let (ours, theirs) = (Maker::new(&default()), Maker::new(&acme));
    let (group, change) = ours.group("a", true);
    store.keep_group(change).await.unwrap();
    let (same, change) = theirs.group("A", false);
    // The same seed gave both the same id: even then they are two groups.
    assert_eq!(same.group_id, group.group_id);
    store.keep_group(change).await.unwrap();
    assert_eq!(store.auto_assigned(&acme).await.unwrap(), []);
    let (user, change) = theirs.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    // Their user is not ours, whatever the group.
    assert!(!store.keep_membership(ours.membership(user.user_id, group.group_id, true)).await.unwrap());
    assert!(store.keep_membership(theirs.membership(user.user_id, group.group_id, true)).await.unwrap());
    assert_eq!(users_assigned(store, &group).await, 0);
    assert_eq!(store.membership(&default(), user.user_id, group.group_id).await.unwrap(), None);
    let gone = ours.group_change(group.group_id, GroupKept::Delete, Vec::new());
    store.keep_group(gone).await.unwrap();
    assert!(store.membership(&acme, user.user_id, group.group_id).await.unwrap().is_some());
    let all = Sorted { sort: GroupSortKey::Name, descending: false, offset: 0, limit: 10 };
    assert_eq!(store.groups(&default(), all).await.unwrap().total, 0);
    assert_eq!(store.groups(&acme, all).await.unwrap().total, 1);
}

fn key(tenant: &str, seed: u64) -> ApiKey {
    let plain = PlainKey::new(&SeededRandom::new(seed));
    ApiKey {
        id: plain.id(),
        tenant: tenant.parse().unwrap(),
        name: "a \"name\"".to_owned(),
        hash: plain.hash(),
        scopes: vec![
            crate::directory::api_key::Scope::UsersRead,
            crate::directory::api_key::Scope::EmailsVerify,
        ],
        created_at: Timestamp(5),
        expires_at: Some(Timestamp(6)),
        revoked_at: None,
        last_used_at: None,
    }
}

pub(crate) async fn a_key_is_found_by_its_id_until_it_is_revoked(store: &dyn Store) {
    let key = key("default", 1);
    assert!(store.key(key.id).await.unwrap().is_none());
    assert!(!store.revoke_key(key.id, Timestamp(7)).await.unwrap());
    assert!(store.create_key(key.clone()).await.unwrap());
    let found = store.key(key.id).await.unwrap().unwrap();
    assert!(found.hash.matches(&PlainKey::new(&SeededRandom::new(1))));
    assert_eq!(
        (found.name, found.scopes, found.created_at, found.expires_at, found.revoked_at, found.last_used_at),
        (key.name, key.scopes, key.created_at, key.expires_at, None, None)
    );
    store.touch_key(key.id, Timestamp(8)).await.unwrap();
    store.touch_key(key.id, Timestamp(7)).await.unwrap();
    assert!(store.revoke_key(key.id, Timestamp(9)).await.unwrap());
    assert!(store.revoke_key(key.id, Timestamp(10)).await.unwrap());
    let found = store.key(key.id).await.unwrap().unwrap();
    assert_eq!((found.last_used_at, found.revoked_at), (Some(Timestamp(8)), Some(Timestamp(9))));
    assert_eq!(store.keys().await.unwrap().len(), 1);
}

pub(crate) async fn a_key_needs_its_tenant(store: &dyn Store) {
    assert!(!store.create_key(key("nobody", 1)).await.unwrap());
    assert!(store.keys().await.unwrap().is_empty());
}

pub(crate) async fn a_tenant_is_made_once(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    assert!(!store.create_tenant(&acme, Timestamp(2)).await.unwrap());
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants.iter().map(|tenant| tenant.id.as_str()).collect::<Vec<_>>(), ["acme", "default"]);
    assert_eq!(tenants[0].created_at, Timestamp(1));
}

/// What a store takes for a hash; it does not look into it.
fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

/// A user, and the change that gives them a password.
fn with_password(maker: &Maker, version: i64, user: &mut User, text: &str) -> UserChange {
    let change = maker.change(user, version, |user, ctx| user.set_password(hash(text), false, ctx).events);
    UserChange { secret: SecretChange::Set(hash(text)), ..change }
}

pub(crate) async fn a_password_is_kept_with_the_change_that_sets_it(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let id = user.user_id;
    store.keep(UserChange { secret: SecretChange::Set(hash("first")), ..change }).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("first")));
    store.keep(maker.change(&mut user, 1, verify)).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("first")));

    // A change that is not kept keeps no password either.
    let late = with_password(&maker, 1, &mut user.clone(), "late");
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    let (_, taken) = maker.with_email("a@example.com", true);
    let other = taken.user_id;
    let taken = UserChange { secret: SecretChange::Set(hash("taken")), ..taken };
    assert!(matches!(store.keep(taken).await, Err(KeepError::Taken(_))));
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("first")));
    assert_eq!(store.password(&default(), other).await.unwrap(), None);

    store.keep(with_password(&maker, 2, &mut user, "second")).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("second")));
    let acme: TenantId = "acme".parse().unwrap();
    assert_eq!(store.password(&acme, id).await.unwrap(), None);
    let removal = maker.change(&mut user, 3, |user, ctx| user.remove_password(ctx).events);
    store.keep(UserChange { secret: SecretChange::Remove, ..removal }).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), None);
}

pub(crate) async fn a_hash_gives_way_to_another_only_while_it_is_the_one_kept(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let id = user.user_id;
    store.keep(change).await.unwrap();
    store.keep(with_password(&maker, 1, &mut user, "old")).await.unwrap();
    let kept = store.user(&default(), id).await.unwrap();
    assert!(!store.rehash_password(&default(), id, hash("other"), hash("new")).await.unwrap());
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("old")));
    assert!(store.rehash_password(&default(), id, hash("old"), hash("new")).await.unwrap());
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("new")));
    assert_eq!(store.user(&default(), id).await.unwrap(), kept);
}

pub(crate) async fn tries_of_a_password_count_for_a_while_and_until_it_is_set(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let tried = async |user_id, now: i64| {
        let attempt = PasswordTry { now: Timestamp(now), since: Timestamp(now - 60), most: 3 };
        store.count_password_try(&default(), user_id, attempt).await.unwrap()
    };
    let id = user.user_id;
    for now in [1_000, 1_000, 1_005] {
        assert_eq!(tried(id, now).await, None);
    }
    assert_eq!(tried(id, 1_005).await, Some(Timestamp(1_000)));
    assert_eq!(tried(id, 1_059).await, Some(Timestamp(1_000)));
    for (now, counted) in [(1_060, true), (1_060, true), (1_064, false), (1_065, true), (1_065, false)] {
        assert_eq!(tried(id, now).await.is_none(), counted, "{now}");
    }
    store.keep(with_password(&maker, 1, &mut user, "new")).await.unwrap();
    assert_eq!(tried(id, 1_065).await, None);
    // Nothing is counted for nobody.
    let nobody = UserId::new(&maker.random);
    assert!(tried(nobody, 1_065).await.is_some());
}

/// The change that makes this the token of the user.
fn with_token(maker: &Maker, version: i64, user: &mut User, token: &PlainToken) -> UserChange {
    let decided = user.start_password_reset(token, Timestamp(5_000), &maker.context());
    let change = maker.change(user, version, |_, _| decided.events);
    UserChange { secret: decided.secret, ..change }
}

pub(crate) async fn a_reset_token_is_found_by_its_id_until_another_one_or_a_password_ends_it(
    store: &dyn Store,
) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let tokens: Vec<PlainToken> = (0..3).map(|_| PlainToken::new(&maker.random)).collect();
    let is_kept = async |token: &PlainToken| store.reset_token(token.id()).await.unwrap().is_some();
    store.keep(with_token(&maker, 1, &mut user, &tokens[0])).await.unwrap();
    let found = store.reset_token(tokens[0].id()).await.unwrap().unwrap();
    assert!(found.hash.matches_token(&tokens[0]) && !found.hash.matches_token(&tokens[1]));
    assert_eq!(
        (found.id, found.tenant, found.user_id, found.expires_at),
        (tokens[0].id(), default(), user.user_id, Timestamp(5_000))
    );
    store.keep(with_token(&maker, 2, &mut user, &tokens[1])).await.unwrap();
    assert!(!is_kept(&tokens[0]).await && is_kept(&tokens[1]).await);
    // Another change leaves it, one that sets the password does not.
    store.keep(maker.change(&mut user, 3, verify)).await.unwrap();
    assert!(is_kept(&tokens[1]).await);
    store.keep(with_password(&maker, 4, &mut user, "new")).await.unwrap();
    assert!(!is_kept(&tokens[1]).await);
    store.keep(with_token(&maker, 5, &mut user, &tokens[2])).await.unwrap();
    let removal = maker.change(&mut user, 6, |user, ctx| user.remove_password(ctx).events);
    store.keep(UserChange { secret: SecretChange::Remove, ..removal }).await.unwrap();
    assert!(!is_kept(&tokens[2]).await);
}

pub(crate) async fn the_secrets_of_a_deleted_user_are_gone(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let id = user.user_id;
    store.keep(change).await.unwrap();
    store.keep(with_password(&maker, 1, &mut user, "old")).await.unwrap();
    let token = PlainToken::new(&maker.random);
    store.keep(with_token(&maker, 2, &mut user, &token)).await.unwrap();
    store.keep(maker.delete(&user, 3)).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), None);
    assert!(store.reset_token(token.id()).await.unwrap().is_none());
}

pub(crate) async fn a_closed_store_refuses_changes(store: &dyn Store) {
    store.ping().await.unwrap();
    store.close().await;
    let (_, change) = Maker::new(&default()).with_email("a@example.com", true);
    assert!(matches!(store.keep(change).await, Err(KeepError::Failed(Error::Unavailable(_)))));
}

/// A user's terms are what the store was told to index, one for each searchable value.
#[test]
fn terms_follow_the_fields_of_a_user() {
    let maker = Maker::new(&default());
    let (mut user, _) = maker.with_email("Alice@Bücher.example", false);
    user.private_data.insert(
        "plan".to_owned(),
        serde_json::json!({"Name": "GOLD", "seats": 3, "trial": false, "tags": ["a", "B"], "long": "x".repeat(257)}),
    );
    let shown: Vec<String> =
        terms(&user).iter().map(|Term { field, value }| format!("{field}={value}")).collect();
    assert_eq!(
        shown,
        [
            "*=alice",
            "*=alice@bücher.example",
            "*=bücher",
            "*=example",
            "emails.domain=xn--bcher-kva.example",
            "emails.email=alice@bücher.example",
            "emails.email=alice@xn--bcher-kva.example",
            "private_data.plan.Name=gold",
            "private_data.plan.seats#=c008000000000000",
            "private_data.plan.tags=a",
            "private_data.plan.tags=b",
        ]
    );
    let verified = maker.change(&mut user, 1, verify);
    assert_eq!(verified.removed_terms, []);
    assert_eq!(verified.added_terms, [Term { field: "emails.verified".into(), value: "true".to_owned() }]);
}

#[test]
fn no_debug_print_of_a_change_shows_anything_personal() {
    let maker = Maker::new(&default());
    let (user, change) = maker.user(NewUser {
        email: Some("alice@example.com".to_owned()),
        username: Some("alice".to_owned()),
        phone_number: Some("+4915112345".to_owned()),
        ..NewUser::default()
    });
    let shown = format!("{change:?} {user:?} {:?}", terms(&user)).to_lowercase();
    assert!(shown.contains(user.user_id.as_str().to_lowercase().as_str()));
    for personal in ["alice", "4915112345", "contract/1", "192.0.2.1", "to see"] {
        assert!(!shown.contains(personal), "{shown}");
    }
}

/// The suite wants a store that nobody else uses.
pub(crate) async fn sqlite() -> (Arc<dyn Store>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = super::sqlite::SqliteStore::open(&folder.path().join("contract.db"), Timestamp(0)).unwrap();
    (Arc::new(store), folder)
}

mod on_sqlite {
    super::contract!(super::sqlite);
}

/// A store on a database of its own.
pub(crate) async fn postgres() -> (Arc<dyn Store>, super::postgres::testing::Database) {
    use super::postgres::{Options, PostgresStore, migrate, testing::Database};
    let options = |url: &str| Options {
        connections: 4,
        // Longer than usual: other tests want the processors too.
        statement_timeout: std::time::Duration::from_secs(30),
        ..Options::new(url)
    };
    let database = Database::prepared(async |url| {
        migrate(&options(url), Timestamp(0)).await.unwrap();
    })
    .await;
    let store = PostgresStore::open(&options(&database.url), Timestamp(0)).await.unwrap();
    (Arc::new(store), database)
}

mod on_postgres {
    super::contract!(super::postgres);
}
