//! Answers that are kept with the changes they tell of.

use std::collections::BTreeSet;

use super::*;
use crate::directory::api_key::{NewKey, Scope};
use crate::directory::repeat::{Fingerprint, KEPT_FOR, NamedRequest};
use crate::id::Random;
use crate::secret::KeyId;

/// A request of this name by this key.
fn request(maker: &Maker, key_id: KeyId, name: &str) -> NamedRequest {
    NamedRequest {
        tenant: maker.origin.tenant.clone(),
        key_id,
        name: name.parse().unwrap(),
        fingerprint: Fingerprint::new(&maker.secret, "/path", None, name.as_bytes()),
    }
}

fn key(maker: &Maker) -> KeyId {
    PlainKey::new(&maker.random as &dyn Random).id()
}

/// What is kept of a request: all that an answer can have.
fn answer(maker: &Maker, request: &NamedRequest, about: About) -> Box<KeptAnswer> {
    let answer = Answer {
        status: 201,
        location: Some("/api/users/somebody".to_owned()),
        version: Some(Version(7)),
        body: "{\"name\":\"Zoë\"}".into(),
    };
    Box::new(KeptAnswer { request: request.clone(), kept_at: maker.now, about, answer })
}

/// Whether an answer to a request of this name is kept since this moment.
async fn is_kept(store: &dyn Store, request: &NamedRequest, since: i64) -> bool {
    let earlier = store.earlier(request, Timestamp(since)).await.unwrap();
    earlier.is_some_and(|earlier| earlier.answer.is_some())
}

pub(crate) async fn an_answer_is_found_as_it_was_kept_with_its_change(store: &dyn Store) {
    let maker = Maker::new(&default());
    let named = request(&maker, key(&maker), "a name");
    let (user, change) = maker.with_email("a@example.com", false);
    let kept = answer(&maker, &named, About::User(user.user_id));
    assert_eq!(store.earlier(&named, Timestamp(0)).await.unwrap(), None);
    store.keep(UserChange { answer: Some(kept.clone()), ..change }).await.unwrap();
    let earlier = store.earlier(&named, Timestamp(999)).await.unwrap().unwrap();
    let expected = Earlier { fingerprint: named.fingerprint, answer: Some(kept.answer.clone()) };
    assert_eq!(earlier, expected);
    // Those that are older do not count.
    assert_eq!(store.earlier(&named, Timestamp(1_000)).await.unwrap(), None);

    // One that fails keeps no answer, and one that changes nothing keeps one.
    let other = request(&maker, named.key_id, "another");
    let nothing = |version| UserChange {
        answer: Some(answer(&maker, &other, About::User(user.user_id))),
        ..UserChange::nothing(&default(), Version(version), user.user_id)
    };
    assert!(matches!(store.keep(nothing(2)).await, Err(KeepError::Conflict)));
    assert!(!is_kept(store, &other, 0).await);
    let (before, events) = (store.user(&default(), user.user_id).await.unwrap(), count_events(store).await);
    store.keep(nothing(1)).await.unwrap();
    assert!(is_kept(store, &other, 0).await);
    assert_eq!(store.user(&default(), user.user_id).await.unwrap(), before);
    assert_eq!(count_events(store).await, events);
}

pub(crate) async fn a_request_of_the_same_name_changes_nothing_for_a_day(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let named = request(&maker, key(&maker), "a name");
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(UserChange { answer: Some(answer(&maker, &named, About::Nobody)), ..change }).await.unwrap();
    let (group, change) = maker.group("group", false);
    store.keep_group(change).await.unwrap();
    let before = count_events(store).await;

    maker.now = Timestamp(1_000 + KEPT_FOR.as_secs().cast_signed() - 1);
    let repeat = |maker: &Maker| answer(maker, &named, About::Nobody);
    let (another, change) = maker.with_email("b@example.com", false);
    let refused = store.keep(UserChange { answer: Some(repeat(&maker)), ..change }).await;
    assert!(matches!(refused, Err(KeepError::Repeated)), "{refused:?}");
    assert_eq!(store.user(&default(), another.user_id).await.unwrap(), None);
    let change = maker.change(&mut user.clone(), 1, verify);
    let refused = store.keep(UserChange { answer: Some(repeat(&maker)), ..change.clone() }).await;
    assert!(matches!(refused, Err(KeepError::Repeated)), "{refused:?}");
    let (never, created) = maker.group("another", false);
    let refused = store.keep_group(GroupChange { answer: Some(repeat(&maker)), ..created }).await;
    assert!(matches!(refused, Err(KeepError::Repeated)), "{refused:?}");
    assert_eq!(super::group(store, &never).await, None);
    let joins = maker.membership(user.user_id, group.group_id, true);
    let refused = store.keep_membership(MembershipChange { answer: Some(repeat(&maker)), ..joins }).await;
    assert!(matches!(refused, Err(KeepError::Repeated)), "{refused:?}");
    assert_eq!(users_assigned(store, &group).await, 0);
    assert_eq!(count_events(store).await, before);
    assert_eq!(store.user(&default(), user.user_id).await.unwrap().unwrap().version, Version(1));

    // Then the name is free again, whether or not it was forgotten.
    maker.now = Timestamp(1_000 + KEPT_FOR.as_secs().cast_signed());
    store
        .keep(UserChange { answer: Some(repeat(&maker)), ..maker.change(&mut user, 1, verify) })
        .await
        .unwrap();
    assert!(is_kept(store, &named, 1_000).await);
}

pub(crate) async fn names_of_one_key_are_none_of_another(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(0)).await.unwrap());
    let (maker, elsewhere) = (Maker::new(&default()), Maker::new(&acme));
    let [one, other] = [key(&maker), key(&maker)];
    for (maker, key_id) in [(&maker, one), (&maker, other), (&elsewhere, one)] {
        let named = request(maker, key_id, "a name");
        assert!(!is_kept(store, &named, 0).await);
        let (_, change) = maker.group(&format!("group {key_id}"), false);
        store
            .keep_group(GroupChange { answer: Some(answer(maker, &named, About::Nobody)), ..change })
            .await
            .unwrap();
        assert!(is_kept(store, &named, 0).await);
    }
    assert!(!is_kept(store, &request(&maker, one, "A name"), 0).await);
}

pub(crate) async fn of_many_requests_of_one_name_at_once_one_is_done(store: &dyn Store) {
    let maker = Maker::new(&default());
    for round in 0..5 {
        let named = request(&maker, key(&maker), &format!("name {round}"));
        let made: Vec<_> = (0..8)
            .map(|number| {
                let (user, change) = maker.with_email(&format!("{round}.{number}@example.com"), false);
                let answer = answer(&maker, &named, About::User(user.user_id));
                (user, UserChange { answer: Some(answer), ..change })
            })
            .collect();
        let (users, changes): (Vec<_>, Vec<_>) = made.into_iter().unzip();
        let outcomes =
            futures_util::future::join_all(changes.into_iter().map(|change| store.keep(change))).await;
        for outcome in &outcomes {
            assert!(matches!(outcome, Ok(()) | Err(KeepError::Repeated)), "{outcome:?}");
        }
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for (user, outcome) in users.iter().zip(outcomes) {
            let is_there = store.user(&default(), user.user_id).await.unwrap().is_some();
            assert_eq!(is_there, outcome.is_ok());
        }
    }
}

/// Nothing personal stays in what was answered, but that it was answered does.
pub(crate) async fn what_an_answer_tells_of_a_user_goes_with_the_user(store: &dyn Store) {
    let maker = Maker::new(&default());
    let key_id = key(&maker);
    let [created, joined, other, many] =
        ["created", "joined", "other", "many"].map(|name| request(&maker, key_id, name));
    let (user, change) = maker.with_email("a@example.com", false);
    let kept = answer(&maker, &created, About::User(user.user_id));
    store.keep(UserChange { answer: Some(kept), ..change }).await.unwrap();
    let (group, change) = maker.group("group", false);
    store
        .keep_group(GroupChange { answer: Some(answer(&maker, &other, About::Nobody)), ..change })
        .await
        .unwrap();
    let joins = maker.membership(user.user_id, group.group_id, true);
    let kept = answer(&maker, &joined, About::User(user.user_id));
    assert!(store.keep_membership(MembershipChange { answer: Some(kept), ..joins }).await.unwrap());
    let of_many = || answer(&maker, &many, About::Several(BTreeSet::from([user.user_id])));
    store.keep_answer(*of_many()).await.unwrap();
    let again = store.keep_answer(*of_many()).await;
    assert!(matches!(again, Err(KeepError::Repeated)), "{again:?}");
    assert!(is_kept(store, &many, 0).await);
    store.keep(maker.delete(&user, 1)).await.unwrap();
    for request in [&created, &joined, &many] {
        let earlier = store.earlier(request, Timestamp(0)).await.unwrap();
        let expected = Earlier { fingerprint: request.fingerprint, answer: None };
        assert_eq!(earlier, Some(expected));
    }
    assert!(is_kept(store, &other, 0).await);
    let (_, change) = maker.with_email("b@example.com", false);
    let again =
        store.keep(UserChange { answer: Some(answer(&maker, &created, About::Nobody)), ..change }).await;
    assert!(matches!(again, Err(KeepError::Repeated)), "{again:?}");
}

/// Who is erased while an answer is on its way that names them and others is not named by it afterwards.
pub(crate) async fn an_answer_of_many_keeps_nothing_of_who_was_erased_before_or_meanwhile(store: &dyn Store) {
    let maker = Maker::new(&default());
    let key_id = key(&maker);
    let (other, change) = maker.with_email("other@example.com", false);
    store.keep(change).await.unwrap();
    for round in 0..12 {
        let (user, change) = maker.with_email(&format!("{round}@example.com"), false);
        store.keep(change).await.unwrap();
        let named = request(&maker, key_id, &format!("name {round}"));
        let about = About::Several(BTreeSet::from([other.user_id, user.user_id]));
        let keeping = store.keep_answer(*answer(&maker, &named, about));
        let erasing = store.keep(maker.erase(&user, 1));
        let (kept, erased) = match round {
            0 => (keeping.await, erasing.await),
            1 => {
                let erased = erasing.await;
                (keeping.await, erased)
            }
            _ => tokio::join!(keeping, erasing),
        };
        kept.unwrap();
        erased.unwrap();
        let earlier = store.earlier(&named, Timestamp(0)).await.unwrap();
        assert_eq!(earlier, Some(Earlier { fingerprint: named.fingerprint, answer: None }), "{round}");
    }
    let named = request(&maker, key_id, "of who is there");
    let about = About::Several(BTreeSet::from([other.user_id]));
    store.keep_answer(*answer(&maker, &named, about)).await.unwrap();
    assert!(is_kept(store, &named, 0).await);
}

/// The answer to who revokes a key is kept in the transaction of the change, or neither is.
pub(crate) async fn a_change_of_a_key_is_kept_with_its_answer_or_neither_is(store: &dyn Store) {
    let maker = Maker::new(&default());
    let plain = PlainKey::new(&maker.random);
    let new = NewKey { name: "test".into(), scopes: vec![Scope::Admin], ..NewKey::default() };
    let key = ApiKey::new(plain.id(), plain.hash(), new, &default(), Timestamp(5));
    let create = KeyChange { kept: KeyKept::Create(key.clone()), events: Vec::new(), answer: None };
    assert!(store.keep_key(create).await.unwrap());
    let named = request(&maker, key.id, "a name");
    let revoke = |version| {
        let revoked = ApiKey { version, revoked_at: Some(Timestamp(9)), ..key.clone() };
        let answer = Some(answer(&maker, &named, About::Nobody));
        KeyChange { kept: KeyKept::Replace(revoked), events: Vec::new(), answer }
    };
    assert!(!store.keep_key(revoke(7)).await.unwrap());
    assert!(!is_kept(store, &named, 0).await);
    assert!(store.keep_key(revoke(0)).await.unwrap());
    assert!(is_kept(store, &named, 0).await);
    let again = store.keep_key(revoke(1)).await;
    assert!(matches!(again, Err(KeepError::Repeated)), "{again:?}");
    assert_eq!(store.key(key.id).await.unwrap().unwrap().version, 1);
}

pub(crate) async fn answers_are_forgotten_when_it_is_time(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let key_id = key(&maker);
    for now in [1_000, 2_000] {
        maker.now = Timestamp(now);
        let named = request(&maker, key_id, &now.to_string());
        let (_, change) = maker.group(&now.to_string(), false);
        store
            .keep_group(GroupChange { answer: Some(answer(&maker, &named, About::Nobody)), ..change })
            .await
            .unwrap();
    }
    let [old, young] = ["1000", "2000"].map(|name| request(&maker, key_id, name));
    assert!(!store.forget_answers(Timestamp(999)).await.unwrap());
    assert!(is_kept(store, &old, 0).await);
    assert!(store.forget_answers(Timestamp(1_999)).await.unwrap());
    assert!(!store.forget_answers(Timestamp(1_999)).await.unwrap());
    assert!(!is_kept(store, &old, 0).await && is_kept(store, &young, 0).await);
}
