//! What keys may do, and what becomes of them.

use super::super::event::{Details, Method, Origin};
use super::*;
use crate::id::SeededRandom;

fn key(scopes: &[Scope]) -> ApiKey {
    let plain = plain(1);
    let new = NewKey { name: "test".into(), scopes: scopes.to_vec(), ..NewKey::default() };
    ApiKey::new(plain.id(), plain.hash(), new, &TenantId::default_tenant(), Timestamp(0))
}

fn plain(seed: u64) -> PlainKey {
    PlainKey::new(&SeededRandom::new(seed))
}

/// Runs a rule at a moment.
fn at<T>(now: i64, rule: impl FnOnce(&Context) -> T) -> T {
    let random = SeededRandom::new(9);
    let origin = Origin::of_server(TenantId::default_tenant(), Method::CommandLine, &random);
    rule(&Context { now: Timestamp(now), random: &random, origin: &origin })
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.kind.as_str()).collect()
}

#[test]
fn writing_users_includes_verifying_and_not_reading() {
    let writer = key(&[Scope::UsersWrite]);
    assert!(writer.allows(Scope::UsersWrite) && writer.allows(Scope::EmailsVerify));
    assert!(!writer.allows(Scope::UsersRead) && !writer.allows(Scope::Admin));
}

#[test]
fn passwords_and_keys_are_written_with_their_own_scope_only() {
    for own in [Scope::PasswordsWrite, Scope::KeysWrite] {
        for scope in Scope::ALL {
            let allows = *scope == own || *scope == Scope::Admin;
            assert_eq!(key(&[*scope]).allows(own), allows, "{scope}");
        }
        assert!(!key(&[own]).allows(Scope::UsersWrite));
    }
}

#[test]
fn verifying_includes_nothing_else_and_admin_everything() {
    let verifier = key(&[Scope::EmailsVerify]);
    let admin = key(&[Scope::Admin]);
    for scope in Scope::ALL {
        assert_eq!(verifier.allows(*scope), *scope == Scope::EmailsVerify);
        assert!(admin.allows(*scope));
    }
    assert!(!key(&[]).allows(Scope::EmailsVerify));
}

#[test]
fn a_key_gives_no_scope_that_it_lacks() {
    let maker = key(&[Scope::KeysWrite, Scope::UsersWrite]);
    assert!(maker.may_give(&[Scope::KeysWrite, Scope::UsersWrite, Scope::EmailsVerify]).is_ok());
    let refused = maker.may_give(&[Scope::UsersWrite, Scope::UsersRead, Scope::Admin]).unwrap_err();
    assert!(matches!(refused, Error::Forbidden { needed: Scope::UsersRead }));
    assert!(key(&[Scope::Admin]).may_give(Scope::ALL).is_ok());
}

#[test]
fn a_key_ends_at_its_expiry_and_when_revoked() {
    let mut key = key(&[Scope::Admin]);
    key.expires_at = Some(Timestamp(100));
    assert!(key.is_valid(Timestamp(99)));
    assert!(!key.is_valid(Timestamp(100)));
    key.expires_at = None;
    assert_eq!(kinds(&at(5, |ctx| key.revoke(ctx))), ["key.revoked"]);
    assert!(!key.is_valid(Timestamp(6)));
    assert!(at(7, |ctx| key.revoke(ctx)).is_empty());
    assert_eq!(key.revoked_at, Some(Timestamp(5)));
}

#[test]
fn the_secret_before_works_until_its_time_or_the_next_rotation() {
    let mut key = key(&[Scope::Admin]);
    let works = |key: &ApiKey, now: i64| [1, 2, 3].map(|seed| key.is_shown_by(&plain(seed), Timestamp(now)));
    assert_eq!(works(&key, 0), [true, false, false]);
    let hour = Duration::from_secs(3_600);
    let events = at(100, |ctx| key.rotate(plain(2).hash(), hour, ctx)).unwrap();
    assert_eq!(kinds(&events), ["key.rotated"]);
    let Some(Details::Key(told)) = &events[0].details else { panic!("{events:?}") };
    assert_eq!(
        (told.key_id, told.key_name.as_str(), told.previous_expires_at),
        (key.id, "test", Some(Timestamp(3_700)))
    );
    assert_eq!(works(&key, 3_699), [true, true, false]);
    assert_eq!(works(&key, 3_700), [false, true, false]);
    at(200, |ctx| key.rotate(plain(3).hash(), Duration::ZERO, ctx)).unwrap();
    assert_eq!(works(&key, 200), [false, false, true]);
}

#[test]
fn what_was_shown_before_a_rotation_counts_as_long_as_the_secret_before() {
    let mut key = key(&[Scope::Admin]);
    let stands = |key: &ApiKey, shown_at, now| key.still_stands_for(Timestamp(shown_at), Timestamp(now));
    assert!(stands(&key, 5, 1_000));
    at(100, |ctx| key.rotate(plain(2).hash(), Duration::from_secs(60), ctx)).unwrap();
    assert!(stands(&key, 99, 159) && stands(&key, 100, 1_000));
    assert!(!stands(&key, 99, 160));
}

#[test]
fn a_key_that_has_ended_is_given_no_secret_and_no_bounds() {
    let limited = Bounds { rate_limit: Some("1/second".parse().unwrap()), networks: Vec::new() };
    for end in [
        |key: &mut ApiKey| {
            key.revoked_at = Some(Timestamp(1));
        },
        |key: &mut ApiKey| {
            key.expires_at = Some(Timestamp(1));
        },
    ] {
        let mut key = key(&[Scope::Admin]);
        end(&mut key);
        let rotated = at(1, |ctx| key.rotate(plain(2).hash(), Duration::ZERO, ctx)).unwrap_err();
        let bound = at(1, |ctx| key.bound(limited.clone(), ctx)).unwrap_err();
        for error in [rotated, bound] {
            assert!(matches!(error, Error::Refused(refusals) if refusals == [Refusal::KeyEnded]));
        }
    }
}

#[test]
fn bounds_are_changed_once_and_told() {
    let mut key = key(&[Scope::Admin]);
    let bounds = Bounds {
        rate_limit: Some("600/minute".parse().unwrap()),
        networks: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let events = at(1, |ctx| key.bound(bounds.clone(), ctx)).unwrap();
    assert_eq!(kinds(&events), ["key.updated"]);
    let Some(Details::Key(told)) = &events[0].details else { panic!("{events:?}") };
    assert_eq!((told.rate_limit, &told.allowed_networks), (bounds.rate_limit, &bounds.networks));
    assert!(at(2, |ctx| key.bound(bounds.clone(), ctx)).unwrap().is_empty());
    let many = Bounds { networks: vec!["10.0.0.0/8".parse().unwrap(); 51], ..Bounds::default() };
    assert!(matches!(at(3, |ctx| key.bound(many, ctx)), Err(Error::Invalid(_))));
    assert_eq!(key.bounds, bounds);
}

#[test]
fn an_overlap_is_a_day_if_nothing_is_said_and_thirty_days_at_most() {
    assert_eq!(overlap(None), Ok(Duration::from_secs(86_400)));
    assert_eq!(overlap(Some(0)), Ok(Duration::ZERO));
    assert_eq!(overlap(Some(2_592_000)), Ok(MAX_OVERLAP));
    for wrong in [-1, 2_592_001, i64::MIN, i64::MAX] {
        assert!(overlap(Some(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn a_new_key_has_a_name_of_one_line_and_each_scope_once() {
    let new = |name: &str, scopes: &[Scope]| {
        NewKey { name: name.to_owned(), scopes: scopes.to_vec(), ..NewKey::default() }.check()
    };
    let made = new(" sign-up ", &[Scope::Admin, Scope::UsersRead, Scope::Admin]).unwrap();
    assert_eq!((made.name.as_str(), made.scopes), ("sign-up", vec![Scope::UsersRead, Scope::Admin]));
    for wrong in ["", " ", "a\nb", &"x".repeat(101)] {
        let InvalidFields(fields) = new(wrong, &[]).unwrap_err();
        assert_eq!(fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["name", "scopes"]);
    }
}
