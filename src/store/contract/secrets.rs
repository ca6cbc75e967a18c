//! Passwords and tokens, which no document holds.

use std::time::Duration;

use super::*;
use crate::directory::password::{Decision, SecretChange, SetBy};
use crate::directory::settings::{Counted, Limit, Settings};

/// What a store takes for a hash; it does not look into it.
fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

/// A user, and the change that gives them a password.
fn with_password(maker: &Maker, version: i64, user: &mut User, text: &str) -> UserChange {
    maker.change(user, version, |user, ctx| user.set_password(hash(text), false, ctx))
}

pub(crate) async fn a_password_is_kept_with_the_change_that_sets_it(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let id = user.user_id;
    store
        .keep(UserChange { secret: SecretChange::Set(hash("first"), SetBy::Admin), ..change })
        .await
        .unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("first")));
    store.keep(maker.change(&mut user, 1, verify)).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("first")));

    // A change that is not kept keeps no password either.
    let late = with_password(&maker, 1, &mut user.clone(), "late");
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    let (_, taken) = maker.with_email("a@example.com", true);
    let other = taken.user_id;
    let taken = UserChange { secret: SecretChange::Set(hash("taken"), SetBy::Admin), ..taken };
    assert!(matches!(store.keep(taken).await, Err(KeepError::Taken(_))));
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("first")));
    assert_eq!(store.password(&default(), other).await.unwrap(), None);

    store.keep(with_password(&maker, 2, &mut user, "second")).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("second")));
    let acme: TenantId = "acme".parse().unwrap();
    assert_eq!(store.password(&acme, id).await.unwrap(), None);
    store.keep(maker.change(&mut user, 3, User::remove_password)).await.unwrap();
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
    maker.change(user, version, |user, ctx| {
        user.start_password_reset(token, Timestamp(5_000), false, &Settings::default(), ctx)
    })
}

/// The same, with a mail to the user's email.
fn with_mailed_token(maker: &Maker, version: i64, user: &mut User, token: &PlainToken) -> UserChange {
    maker.change(user, version, |user, ctx| {
        user.start_password_reset(token, Timestamp(5_000), true, &Settings::default(), ctx)
    })
}

pub(crate) async fn a_mailed_reset_token_ends_with_the_trust_of_its_email_and_with_its_removal(
    store: &dyn Store,
) {
    let mut maker = Maker::new(&default());
    let (user, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    let [first, second, handed] = [maker.token(), maker.token(), maker.token()];
    let works = async |token: &PlainToken| {
        let standing = store.standing(&default(), user.user_id).await.unwrap();
        let found = store.reset_token(token.id()).await.unwrap().is_some();
        assert_eq!(standing.reset_until, found.then_some(Timestamp(5_000)));
        found
    };
    let mut after = user.clone();
    store.keep(with_mailed_token(&maker, 1, &mut after, &first)).await.unwrap();
    assert!(works(&first).await);
    store.keep(maker.change(&mut after, 2, unverify)).await.unwrap();
    assert!(!works(&first).await);
    store.keep(maker.change(&mut after, 3, verify)).await.unwrap();
    assert!(!works(&first).await);

    maker.now = Timestamp(1_060);
    store.keep(with_mailed_token(&maker, 4, &mut after, &second)).await.unwrap();
    assert!(works(&second).await);
    let id = after.emails[0].id;
    let removal = maker.change(&mut after, 5, |user, ctx| user.remove_email(id, ctx).unwrap());
    store.keep(removal).await.unwrap();
    assert!(!works(&second).await);
    // One that was not mailed is bound to no address.
    store.keep(with_token(&maker, 6, &mut after, &handed)).await.unwrap();
    assert!(works(&handed).await);
}

pub(crate) async fn mailed_resets_are_counted_with_proofs_of_the_address(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    let minute = Limit { of: Counted::Address, within: Duration::from_secs(60), most: 1 };
    let mut mailed = async |maker: &Maker, version| {
        let token = maker.token();
        let kept = store.keep(with_mailed_token(maker, version, &mut user, &token)).await;
        (kept, store.reset_token(token.id()).await.unwrap().is_some())
    };
    assert!(matches!(mailed(&maker, 1).await, (Ok(()), true)));
    maker.now = Timestamp(1_001);
    let events = count_events(store).await;
    assert!(matches!(mailed(&maker, 2).await, (Err(KeepError::TooOften(Timestamp(1_060))), false)));
    assert_eq!(count_events(store).await, events);
    assert_eq!(store.due_mails(Timestamp(9_999), 100).await.unwrap().len(), 1);
    let proof = maker.proof(&user, 0);
    let refused = store.keep(maker.start(&user, 2, &proof, &[minute])).await;
    assert!(matches!(refused, Err(KeepError::TooOften(Timestamp(1_060)))), "{refused:?}");
    maker.now = Timestamp(1_060);
    store.keep(maker.start(&user, 2, &maker.proof(&user, 0), &[minute])).await.unwrap();
    let token = maker.token();
    let refused = store.keep(with_mailed_token(&maker, 3, &mut user, &token)).await;
    assert!(matches!(refused, Err(KeepError::TooOften(Timestamp(1_120)))), "{refused:?}");
}

/// Issue 5: with several servers a link could be used that had ended in between.
pub(crate) async fn a_token_that_ends_without_events_is_seen_by_who_decides_at_the_same_time(
    store: &dyn Store,
) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let token = maker.token();
    store.keep(with_token(&maker, 1, &mut user, &token)).await.unwrap();
    // Decided while the token is there, and kept when it is not.
    let reset = maker.change(&mut user.clone(), 2, |user, ctx| user.reset_password(hash("late"), ctx));
    let removed = user.remove_password(&maker.context());
    assert!(removed.events.is_empty());
    store.keep(maker.beside(&user, 2, removed)).await.unwrap();
    assert!(matches!(store.keep(reset).await, Err(KeepError::Conflict)));
    assert_eq!(store.password(&default(), user.user_id).await.unwrap(), None);
}

pub(crate) async fn a_password_can_lose_the_trust_in_it_and_get_it_back(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut owner, change) = maker.with_email("a@example.com", false);
    let id = owner.user_id;
    store.keep(change).await.unwrap();
    let set_by = async || store.standing(&default(), id).await.unwrap().password_set_by;
    let secret = |secret| Decision { secret, ..Decision::default() };
    let set = maker.change(&mut owner, 1, |user, ctx| user.reset_password(hash("own"), ctx));
    store.keep(set).await.unwrap();
    let token = maker.token();
    store.keep(with_token(&maker, 2, &mut owner, &token)).await.unwrap();
    // Nobody vouches for what is trusted.
    store.keep(maker.beside(&owner, 3, secret(SecretChange::Vouch))).await.unwrap();
    assert_eq!(set_by().await, Some(SetBy::Owner));
    assert!(store.reset_token(token.id()).await.unwrap().is_some());
    store.keep(maker.beside(&owner, 4, secret(SecretChange::Distrust))).await.unwrap();
    assert_eq!(set_by().await, Some(SetBy::Untrusted));
    assert!(store.reset_token(token.id()).await.unwrap().is_none());
    assert_eq!(store.password(&default(), id).await.unwrap(), Some(hash("own")));
    store.keep(maker.beside(&owner, 5, secret(SecretChange::Vouch))).await.unwrap();
    assert_eq!(set_by().await, Some(SetBy::Admin));
    let token = maker.token();
    store.keep(with_token(&maker, 6, &mut owner, &token)).await.unwrap();
    store.keep(maker.beside(&owner, 7, secret(SecretChange::EndReset))).await.unwrap();
    assert!(store.reset_token(token.id()).await.unwrap().is_none());
    assert_eq!(set_by().await, Some(SetBy::Admin));
}

pub(crate) async fn a_reset_token_is_found_by_its_id_until_another_one_or_a_password_ends_it(
    store: &dyn Store,
) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let tokens: Vec<PlainToken> = (0..3).map(|_| maker.token()).collect();
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
    store.keep(maker.change(&mut user, 6, User::remove_password)).await.unwrap();
    assert!(!is_kept(&tokens[2]).await);
}

pub(crate) async fn secrets_alone_are_kept_on_the_version_they_were_decided_on(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let id = user.user_id;
    store.keep(change).await.unwrap();
    let token = maker.token();
    store.keep(with_token(&maker, 1, &mut user, &token)).await.unwrap();
    let kept = store.user(&default(), id).await.unwrap();
    let events = count_events(store).await;
    let removed = || Decision { secret: SecretChange::Remove, ..Decision::default() };
    let gone = user.clone();
    let removal = |version| maker.beside(&gone, version, removed());
    assert!(matches!(store.keep(removal(1)).await, Err(KeepError::Conflict)));
    assert!(store.reset_token(token.id()).await.unwrap().is_some());
    store.keep(removal(2)).await.unwrap();
    assert!(store.reset_token(token.id()).await.unwrap().is_none());
    // The document stays, and whoever decides on it at this moment decides anew.
    let now = store.user(&default(), id).await.unwrap().unwrap();
    assert_eq!((now.version, Some(now.document)), (Version(3), kept.map(|kept| kept.document)));
    assert_eq!(count_events(store).await, events);
    assert!(UserChange::beside(&default(), Version(2), id, Decision::default()).is_none());
    // What comes after still finds the user's events by the newest of them.
    store.keep(maker.change(&mut user, 3, verify)).await.unwrap();
    let of_user = EventList { user_id: Some(id), ..EVERYTHING };
    assert_eq!(super::events(store, of_user).await.len(), events + 1);
    store.keep(maker.delete(&user, 4)).await.unwrap();
    assert!(matches!(store.keep(removal(4)).await, Err(KeepError::Conflict)));
}

pub(crate) async fn the_secrets_of_a_deleted_user_are_gone(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    let id = user.user_id;
    store.keep(change).await.unwrap();
    store.keep(with_password(&maker, 1, &mut user, "old")).await.unwrap();
    let token = maker.token();
    store.keep(with_token(&maker, 2, &mut user, &token)).await.unwrap();
    store.keep(maker.delete(&user, 3)).await.unwrap();
    assert_eq!(store.password(&default(), id).await.unwrap(), None);
    assert!(store.reset_token(token.id()).await.unwrap().is_none());
}
