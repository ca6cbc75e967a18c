//! What every store does alike: one suite of tests, run on each implementation. The tests are in
//! files by their noun, and listed by it in `contract!`.

mod answers;
mod bulk;
mod changes;
mod events;
mod groups;
mod identifiers;
mod keys;
mod logs;
mod mails;
mod maker;
mod memberships;
mod order;
mod person;
mod proofs;
mod search;
mod secrets;
mod tenants;
mod users;
pub(in crate::store) mod ways;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::index::{Term, terms};
use super::postgres::testing::Database;
use super::postgres::{Options, PostgresStore, migrate};
use super::*;
use crate::directory::event::{Context, EventType, Word};
use crate::directory::user::{NewUser, User};
use crate::id::SeededRandom;
use crate::secret::{PlainKey, PlainToken};
pub(crate) use maker::document;
use maker::{Maker, unverify, verify};
pub(crate) use person::erase_one_of_two;

/// Runs every test of the contract on the stores that `$open` makes: an async function without
/// arguments that gives a store and what must be kept alive beside it.
macro_rules! contract {
    ($open:path) => {
        $crate::store::contract::contract! { $open:
            users {
                a_user_is_read_as_it_was_kept
                of_many_who_are_read_at_once_each_gets_the_user_asked_for
                a_change_on_an_old_version_conflicts_and_keeps_nothing
                a_deleted_user_is_gone_and_can_neither_be_changed_nor_deleted
                what_fails_beside_others_fails_alone
                pages_follow_the_sort_and_never_overlap
                texts_of_any_kind_are_kept_and_found
                a_closed_store_refuses_changes
            }
            bulk {
                changes_that_are_kept_at_once_are_each_kept_or_refused
                a_group_of_an_id_that_is_there_is_told
                a_new_user_brings_memberships_and_when_they_were_proved
                an_identifier_has_an_owner_while_it_is_somebodys_alone
                an_export_has_all_that_was_there_at_one_moment
            }
            search {
                users_are_sorted_by_each_key
                a_filter_finds_whom_it_describes
                a_filter_finds_groups_that_it_describes
                the_users_of_a_group_are_sorted_and_filtered_as_all_are
            }
            identifiers {
                a_verified_address_belongs_to_one_user_of_a_tenant
                unverified_addresses_do_not_block_each_other
                a_freed_address_can_be_verified_by_another
                a_username_belongs_to_one_user_of_a_tenant
            }
            events {
                events_come_back_whole_in_the_order_they_were_kept
                an_event_tells_who_did_it_how_and_what_else_came_of_it
                a_users_events_are_found_among_all_even_when_the_user_is_gone
                the_events_of_an_address_are_found_among_all_of_its_user
                all_that_happened_to_a_user_is_told_once_its_places_were_waited_for
                memberships_are_among_a_users_events
                the_newest_events_come_first_and_pages_lead_back_to_the_oldest
                the_newest_events_are_counted_by_day_and_type
            }
            logs {
                logs_follow_each_sort_and_pages_never_overlap
                a_filter_finds_the_logs_that_it_describes
                a_log_is_found_by_its_id
                tenants_do_not_see_each_others_logs
            }
            groups {
                a_group_is_read_as_it_was_kept
                a_change_of_a_group_on_an_old_version_conflicts
                a_name_belongs_to_one_group_of_a_tenant
                pages_of_groups_follow_each_sort
                groups_of_tenants_do_not_see_or_block_each_other
            }
            memberships {
                members_are_counted_as_they_come_and_go
                a_membership_needs_its_user_and_its_group
                a_new_user_joins_the_groups_that_take_every_new_user_or_is_not_kept
                what_is_deleted_leaves_no_memberships
                pages_of_members_and_memberships_follow_the_sort
            }
            keys {
                a_key_is_found_by_its_id_until_it_is_revoked
                a_key_has_two_secrets_and_bounds
                a_change_of_a_key_is_kept_with_its_event_or_neither_is
                a_tenants_keys_are_walked_over_by_their_ids
                a_key_needs_its_tenant
            }
            tenants {
                a_tenant_is_made_once
                tenants_do_not_see_or_block_each_other
                the_total_counts_creations_and_deletions
                what_a_tenant_has_chosen_is_kept_for_that_tenant
                of_many_who_choose_at_once_each_choice_is_kept
            }
            secrets {
                a_password_is_kept_with_the_change_that_sets_it
                a_hash_gives_way_to_another_only_while_it_is_the_one_kept
                tries_of_a_password_count_for_a_while_and_until_it_is_set
                a_reset_token_is_found_by_its_id_until_another_one_or_a_password_ends_it
                a_mailed_reset_token_ends_with_the_trust_of_its_email_and_with_its_removal
                mailed_resets_are_counted_with_proofs_of_the_address
                secrets_alone_are_kept_on_the_version_they_were_decided_on
                a_token_that_ends_without_events_is_seen_by_who_decides_at_the_same_time
                a_password_can_lose_the_trust_in_it_and_get_it_back
                the_secrets_of_a_deleted_user_are_gone
            }
            proofs {
                a_proof_is_read_as_it_was_kept_until_the_next_one_of_its_address
                a_proof_ends_with_the_trust_of_its_address_and_with_its_removal
                a_proof_is_used_once_and_with_the_change_that_uses_it
                the_first_proof_ends_the_others_of_its_user
                a_proof_that_ends_is_gone_with_its_event
                tries_of_a_code_are_counted_before_and_after_all_that_happens_at_once
                proofs_are_started_as_often_as_the_limits_allow
                of_several_limits_that_stand_in_the_way_the_longest_is_told
                requests_are_forgotten_when_it_is_time
            }
            person {
                what_waits_for_a_user_is_told_of_that_user_alone
                nothing_personal_is_left_of_a_user_who_is_erased_and_the_record_stays
                the_record_of_a_user_who_was_deleted_is_erased_once
                a_life_after_an_erased_one_is_told_and_erased_like_the_first
                events_are_erased_while_they_wait_for_their_places
            }
            mails {
                a_mail_waits_with_the_change_that_sends_it
                a_mail_is_claimed_by_one_and_comes_back_when_its_time_is_over
                a_mail_is_kept_for_longer_by_who_has_it_and_touched_by_nobody_who_had_it_before
                what_waits_is_due_at_once_when_it_is_hurried_unless_it_is_being_tried
                a_mail_that_was_sent_or_is_given_up_goes_with_an_event
            }
            answers {
                an_answer_is_found_as_it_was_kept_with_its_change
                a_request_of_the_same_name_changes_nothing_for_a_day
                names_of_one_key_are_none_of_another
                of_many_requests_of_one_name_at_once_one_is_done
                what_an_answer_tells_of_a_user_goes_with_the_user
                an_answer_of_many_keeps_nothing_of_who_was_erased_before_or_meanwhile
                a_change_of_a_key_is_kept_with_its_answer_or_neither_is
                answers_are_forgotten_when_it_is_time
            }
        }
    };
    ($open:path: $($noun:ident { $($name:ident)+ })+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, _kept) = $open().await;
                $crate::store::contract::$noun::$name(&*store).await;
                store.close().await;
            }
        )+)+
    };
}
pub(crate) use contract;

fn sorted(sort: SortKey, descending: bool, offset: u64, limit: u32) -> List {
    List { filter: None, place: Place::Sorted { sort, descending, offset }, limit }
}

fn default() -> TenantId {
    TenantId::default_tenant()
}

const EVERYTHING: EventList = EventList { after: 0, limit: 1000, user_id: None, kind: None };

/// These events as they are read.
fn recorded(events: &[Event]) -> Vec<Recorded> {
    events.iter().cloned().map(Recorded::from).collect()
}

async fn events(store: &dyn Store, wanted: EventList) -> Vec<(i64, Recorded)> {
    until_told(store).await;
    store.events(&default(), wanted).await.unwrap().events
}

/// Waits until everything is on record that has happened: a store may commit events some moments
/// before it can tell their order. It has when it tells of something later, in another tenant.
pub(crate) async fn until_told(store: &dyn Store) {
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
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("what has happened is not told of");
}

async fn count_events(store: &dyn Store) -> usize {
    events(store, EVERYTHING).await.len()
}

async fn group(store: &dyn Store, group: &Group) -> Option<(Version, Group)> {
    store.group(&default(), group.group_id).await.unwrap()
}

async fn users_assigned(store: &dyn Store, of: &Group) -> u64 {
    group(store, of).await.unwrap().1.users_assigned
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

/// How the suite uses PostgreSQL.
fn options(url: &str) -> Options {
    // Longer than usual: other tests want the processors too.
    Options { connections: 4, statement_timeout: Duration::from_secs(30), ..Options::new(url) }
}

/// The store in this database.
async fn open(url: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(&options(url), Timestamp(0)).await.unwrap())
}

/// A store on a database of its own.
pub(crate) async fn postgres() -> (Arc<dyn Store>, Database) {
    let prepare = async |url: &str| {
        migrate(&options(url), Timestamp(0)).await.unwrap();
    };
    let database = Database::prepared(prepare).await;
    (open(&database.url).await, database)
}

mod on_postgres {
    super::contract!(super::postgres);
}
