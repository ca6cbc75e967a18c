//! Proofs of addresses: what they are bound to, and what ends them.

use std::time::Duration;

use futures_util::future::join_all;

use super::*;
use crate::directory::email::EmailAddress;
use crate::directory::password::SetBy;
use crate::directory::proof::{Proof, Standing};
use crate::directory::settings::{Counted, Limit};

/// The proof of this id, if it could prove its address but for its time.
async fn open(store: &dyn Store, proof: &Proof) -> bool {
    store.proof(proof.id).await.unwrap().is_some_and(|kept| kept.is_open())
}

/// A user with two emails and the version that the store has of them, which is 2.
async fn user(store: &dyn Store, maker: &Maker) -> User {
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let second = EmailAddress::parse("b@example.com").unwrap();
    store
        .keep(maker.change(&mut user, 1, |user, ctx| user.add_email(second, false, ctx).unwrap()))
        .await
        .unwrap();
    user
}

pub(crate) async fn a_proof_is_read_as_it_was_kept_until_the_next_one_of_its_address(store: &dyn Store) {
    let maker = Maker::new(&default());
    let user = user(store, &maker).await;
    let document = store.user(&default(), user.user_id).await.unwrap().unwrap().document;
    let [first, next, other] = [(0, 2), (0, 3), (1, 4)].map(|(email, version)| {
        let proof = maker.proof(&user, email);
        let change = maker.start(&user, version, &proof, &[]);
        (proof, change)
    });
    store.keep(first.1.clone()).await.unwrap();
    let kept = store.proof(first.0.id).await.unwrap().unwrap();
    let (link, code) = (kept.proof.link.as_ref().unwrap(), kept.proof.code.as_ref().unwrap());
    let (expected_link, expected_code) = (first.0.link.as_ref().unwrap(), first.0.code.as_ref().unwrap());
    assert_eq!(link.hash.to_stored(), expected_link.hash.to_stored());
    assert_eq!(link.expires_at, expected_link.expires_at);
    assert_eq!(code.hash.to_stored(), expected_code.hash.to_stored());
    assert_eq!(code.expires_at, expected_code.expires_at);
    assert_eq!(
        (&kept.proof.tenant, kept.proof.user_id, kept.proof.address, &*kept.proof.canonical),
        (&default(), user.user_id, first.0.address, "a@example.com")
    );
    assert_eq!((kept.proof.issued_at, kept.used_at), (maker.now, None));
    assert!(kept.is_open());

    // It is on the record of the user, whose document stays as it is, and raises the version.
    let told = events(store, EventList { user_id: Some(user.user_id), ..EVERYTHING }).await;
    assert_eq!(told.last().unwrap().1.kind, EventType::EmailProofStarted);
    let now = store.user(&default(), user.user_id).await.unwrap().unwrap();
    assert_eq!((now.version, now.document), (Version(3), document));
    assert!(matches!(store.keep(first.1).await, Err(KeepError::Conflict)));

    store.keep(next.1).await.unwrap();
    store.keep(other.1).await.unwrap();
    assert!(store.proof(first.0.id).await.unwrap().is_none());
    assert!(open(store, &next.0).await && open(store, &other.0).await);
    let mut of_user = store.standing(&default(), user.user_id).await.unwrap().proofs;
    of_user.sort_by_key(|kept| kept.proof.address != next.0.address);
    assert_eq!(of_user.iter().map(|kept| kept.proof.id).collect::<Vec<_>>(), [next.0.id, other.0.id]);
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.standing(&acme, user.user_id).await.unwrap().proofs.is_empty());
}

pub(crate) async fn a_proof_ends_with_the_trust_of_its_address_and_with_its_removal(store: &dyn Store) {
    let maker = Maker::new(&default());
    let mut user = user(store, &maker).await;
    let proofs = [maker.proof(&user, 0), maker.proof(&user, 1)];
    store.keep(maker.start(&user, 2, &proofs[0], &[])).await.unwrap();
    store.keep(maker.start(&user, 3, &proofs[1], &[])).await.unwrap();
    // While the address is verified by other means it stays, and then it ends for good.
    let verified = maker.change(&mut user, 4, verify);
    store.keep(verified).await.unwrap();
    assert!(open(store, &proofs[0]).await && open(store, &proofs[1]).await);
    store.keep(maker.change(&mut user, 5, unverify)).await.unwrap();
    assert!(!open(store, &proofs[0]).await && open(store, &proofs[1]).await);
    store.keep(maker.change(&mut user, 6, verify)).await.unwrap();
    assert!(!open(store, &proofs[0]).await);
    let late = maker.prove(&mut user.clone(), 7, &proofs[0], &Standing::default());
    assert!(matches!(store.keep(late).await, Err(KeepError::Conflict)));
    // The next one is of the generation that the address has now.
    let next = maker.proof(&user, 0);
    store.keep(maker.start(&user, 7, &next, &[])).await.unwrap();
    assert!(open(store, &next).await);

    let second = user.emails[1].id;
    let removal = maker.change(&mut user, 8, |user, ctx| user.remove_email(second, ctx).unwrap());
    store.keep(removal).await.unwrap();
    assert!(store.proof(proofs[1].id).await.unwrap().is_none());
    let again = EmailAddress::parse("b@example.com").unwrap();
    let added = maker.change(&mut user, 9, |user, ctx| user.add_email(again, false, ctx).unwrap());
    store.keep(added).await.unwrap();
    assert!(!open(store, &proofs[1]).await);

    store.keep(maker.delete(&user, 10)).await.unwrap();
    assert!(store.proof(next.id).await.unwrap().is_none());
}

pub(crate) async fn a_proof_is_used_once_and_with_the_change_that_uses_it(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let mut user = user(store, &maker).await;
    let proof = maker.proof(&user, 0);
    store.keep(maker.start(&user, 2, &proof, &[])).await.unwrap();
    let standing = || async { store.standing(&default(), user.user_id).await.unwrap() };
    assert_eq!(standing().await.proved_at, None);
    // Somebody else has the address: then the proof is not used either.
    let (mut owner, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    let taken = store.keep(maker.prove(&mut user.clone(), 3, &proof, &Standing::default())).await;
    assert!(matches!(taken, Err(KeepError::Taken(IdentifierKind::Email))), "{taken:?}");
    assert!(open(store, &proof).await);
    assert_eq!(standing().await.proved_at, None);
    store.keep(maker.change(&mut owner, 1, unverify)).await.unwrap();

    maker.now = Timestamp(2_000);
    let (before, user_id) = (count_events(store).await, user.user_id);
    let attempts: Vec<UserChange> =
        (0..4).map(|_| maker.prove(&mut user.clone(), 3, &proof, &Standing::default())).collect();
    let outcomes = join_all(attempts.into_iter().map(|change| store.keep(change))).await;
    let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let conflicts = outcomes.iter().filter(|outcome| matches!(outcome, Err(KeepError::Conflict))).count();
    assert_eq!((kept, conflicts, count_events(store).await), (1, 3, before + 1));
    let over = store.proof(proof.id).await.unwrap().unwrap();
    assert!(over.is_bound() && over.used_at == Some(Timestamp(2_000)));
    let document = store.user(&default(), user_id).await.unwrap().unwrap();
    user = User::from_document(&document.document).unwrap();
    assert!(user.emails[0].verified);
    // Also on the version that is there now.
    let again = maker.prove(&mut user.clone(), 4, &proof, &Standing::default());
    assert!(matches!(store.keep(again).await, Err(KeepError::Conflict)));
    assert_eq!(store.user(&default(), user_id).await.unwrap().unwrap(), document);
    assert_eq!(store.standing(&default(), user_id).await.unwrap().proved_at, Some(Timestamp(2_000)));

    // What it has verified is so until the address loses its trust.
    maker.now = Timestamp(3_000);
    store.keep(maker.change(&mut user, 4, unverify)).await.unwrap();
    assert!(!store.proof(proof.id).await.unwrap().unwrap().is_bound());
    let next = maker.proof(&user, 0);
    store.keep(maker.start(&user, 5, &next, &[])).await.unwrap();
    store.keep(maker.prove(&mut user, 6, &next, &Standing::default())).await.unwrap();
    assert_eq!(store.standing(&default(), user_id).await.unwrap().proved_at, Some(Timestamp(2_000)));
}

pub(crate) async fn the_first_proof_ends_the_others_of_its_user(store: &dyn Store) {
    let maker = Maker::new(&default());
    let mut user = user(store, &maker).await;
    let password = maker.change(&mut user, 2, |user, ctx| {
        user.change_password(PasswordHash::from_stored("a hash".to_owned()), None, ctx).unwrap()
    });
    store.keep(password).await.unwrap();
    let proofs = [maker.proof(&user, 0), maker.proof(&user, 1)];
    store.keep(maker.start(&user, 3, &proofs[0], &[])).await.unwrap();
    store.keep(maker.start(&user, 4, &proofs[1], &[])).await.unwrap();
    let standing = store.standing(&default(), user.user_id).await.unwrap();
    assert_eq!((standing.proofs.len(), standing.password_set_by), (2, Some(SetBy::Owner)));
    store.keep(maker.prove(&mut user, 5, &proofs[1], &standing)).await.unwrap();
    assert!(store.proof(proofs[0].id).await.unwrap().is_none());
    assert!(user.force_password_reset);
    let standing = store.standing(&default(), user.user_id).await.unwrap();
    assert_eq!(standing.password_set_by, Some(SetBy::Untrusted));

    // Later ones end nothing; nor do those of another user.
    let next = maker.proof(&user, 0);
    store.keep(maker.start(&user, 6, &next, &[])).await.unwrap();
    let standing = store.standing(&default(), user.user_id).await.unwrap();
    store.keep(maker.prove(&mut user, 7, &next, &standing)).await.unwrap();
    assert!(store.proof(proofs[1].id).await.unwrap().unwrap().is_bound());

    let administrators = maker.change(&mut user, 8, |user, ctx| {
        user.set_password(PasswordHash::from_stored("another".to_owned()), false, ctx)
    });
    store.keep(administrators).await.unwrap();
    let standing = store.standing(&default(), user.user_id).await.unwrap();
    assert_eq!(standing.password_set_by, Some(SetBy::Admin));
}

pub(crate) async fn a_proof_that_ends_is_gone_with_its_event(store: &dyn Store) {
    let maker = Maker::new(&default());
    let mut user = user(store, &maker).await;
    let proofs = [maker.proof(&user, 0), maker.proof(&user, 1)];
    store.keep(maker.start(&user, 2, &proofs[0], &[])).await.unwrap();
    store.keep(maker.start(&user, 3, &proofs[1], &[])).await.unwrap();
    let standing = store.standing(&default(), user.user_id).await.unwrap();
    let end = user.end_proof(proofs[0].address, &standing.proofs, &maker.context()).unwrap();
    store.keep(maker.beside(&user, 4, end)).await.unwrap();
    assert!(store.proof(proofs[0].id).await.unwrap().is_none() && open(store, &proofs[1]).await);
    assert_eq!(events(store, EVERYTHING).await.pop().unwrap().1.kind, EventType::EmailProofEnded);

    // An administrator's word about the first address ends those of the others.
    let first = user.emails[0].id;
    let vouched = maker.change(&mut user, 5, |user, ctx| user.verify_email(first, ctx).unwrap());
    store.keep(vouched).await.unwrap();
    assert!(store.proof(proofs[1].id).await.unwrap().is_none());
}

pub(crate) async fn tries_of_a_code_are_counted_before_and_after_all_that_happens_at_once(store: &dyn Store) {
    let maker = Maker::new(&default());
    let mut user = user(store, &maker).await;
    let proof = maker.proof(&user, 0);
    assert!(!store.count_code_try(proof.id, 5).await.unwrap());
    store.keep(maker.start(&user, 2, &proof, &[])).await.unwrap();
    let tries = join_all((0..12).map(|_| store.count_code_try(proof.id, 5))).await;
    assert_eq!(tries.into_iter().filter(|tried| *tried.as_ref().unwrap()).count(), 5);
    let next = maker.proof(&user, 0);
    store.keep(maker.start(&user, 3, &next, &[])).await.unwrap();
    assert!(!store.count_code_try(proof.id, 5).await.unwrap());
    assert!(store.count_code_try(next.id, 5).await.unwrap());
    store.keep(maker.prove(&mut user, 4, &next, &Standing::default())).await.unwrap();
    assert!(!store.count_code_try(next.id, 5).await.unwrap());
}

pub(crate) async fn proofs_are_started_as_often_as_the_limits_allow(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let minute = Limit { of: Counted::Address, within: Duration::from_secs(60), most: 1 };
    let hour = Limit { of: Counted::User, within: Duration::from_secs(3_600), most: 3 };
    let (one, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let (other, change) = maker.with_email("A@example.com", false);
    store.keep(change).await.unwrap();
    let mut versions = [1, 1];
    let mut start = async |maker: &Maker, who: usize| {
        let user = [&one, &other][who];
        let change = maker.start(user, versions[who], &maker.proof(user, 0), &[minute, hour]);
        let before = count_events(store).await;
        match store.keep(change).await {
            Ok(()) => {
                versions[who] += 1;
                None
            }
            Err(KeepError::TooOften(until)) => {
                assert_eq!(count_events(store).await, before);
                Some(until.0)
            }
            Err(error) => panic!("{error:?}"),
        }
    };
    assert_eq!(start(&maker, 0).await, None);
    // The same address, whoever claims it.
    for who in [0, 1] {
        assert_eq!(start(&maker, who).await, Some(1_060));
    }
    maker.now = Timestamp(1_059);
    assert_eq!(start(&maker, 1).await, Some(1_060));
    maker.now = Timestamp(1_060);
    assert_eq!(start(&maker, 1).await, None);
    for now in [1_120, 1_180] {
        maker.now = Timestamp(now);
        assert_eq!(start(&maker, 0).await, None);
    }
    // The user's third was the last within the hour since the first.
    maker.now = Timestamp(1_240);
    assert_eq!(start(&maker, 0).await, Some(4_600));
    maker.now = Timestamp(4_599);
    assert_eq!(start(&maker, 0).await, Some(4_600));
    maker.now = Timestamp(4_600);
    assert_eq!(start(&maker, 0).await, None);
    // What is refused leaves no mail and no proof.
    let refused = maker.proof(&one, 0);
    let change = maker.start(&one, versions[0], &refused, &[minute]);
    assert!(matches!(store.keep(change).await, Err(KeepError::TooOften(_))));
    assert!(store.proof(refused.id).await.unwrap().is_none());
    assert_eq!(store.due_mails(Timestamp(9_999), 100).await.unwrap().len(), 5);
}

/// Issue 5: `Retry-After` was that of the first limit, and whoever came back then was refused again.
pub(crate) async fn of_several_limits_that_stand_in_the_way_the_longest_is_told(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let limit = |of, seconds, most| Limit { of, within: Duration::from_secs(seconds), most };
    let minute = limit(Counted::Address, 60, 1);
    let hour = limit(Counted::User, 3_600, 1);
    store.keep(maker.start(&user, 1, &maker.proof(&user, 0), &[])).await.unwrap();
    for limits in [[minute, hour], [hour, minute]] {
        let refused = store.keep(maker.start(&user, 2, &maker.proof(&user, 0), &limits)).await;
        assert!(matches!(refused, Err(KeepError::TooOften(Timestamp(4_600)))), "{refused:?}");
    }
}

pub(crate) async fn requests_are_forgotten_when_it_is_time(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    store.keep(maker.start(&user, 1, &maker.proof(&user, 0), &[])).await.unwrap();
    maker.now = Timestamp(1_010);
    let ever = Limit { of: Counted::Address, within: Duration::from_secs(1_000_000), most: 1 };
    let may_start = async |version| {
        let kept = store.keep(maker.start(&user, version, &maker.proof(&user, 0), &[ever])).await;
        assert!(matches!(kept, Ok(()) | Err(KeepError::TooOften(_))), "{kept:?}");
        kept.is_ok()
    };
    store.forget_requests(Timestamp(999)).await.unwrap();
    assert!(!may_start(2).await);
    store.forget_requests(Timestamp(1_000)).await.unwrap();
    assert!(may_start(2).await);
}
