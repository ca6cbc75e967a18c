//! Many users at once.

use super::*;
use crate::directory::password::{Decision, SecretChange, SetBy};
use crate::id::Random;

fn arriving(maker: &Maker, email: &str, arrival: Arrival, decision: Decision) -> UserChange {
    let new = NewUser { email: Some(email.to_owned()), email_verified: true, ..NewUser::default() };
    let (mut user, events) = User::create(new, &maker.context()).unwrap();
    UserChange::arrive(&default(), &mut user, arrival, Decision { events, ..decision })
}

pub(crate) async fn changes_that_are_kept_at_once_are_each_kept_or_refused(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (_, taken) = maker.with_email("taken@example.com", true);
    store.keep(taken).await.unwrap();
    let changes: Vec<UserChange> = ["a@example.com", "TAKEN@example.com", "b@example.com", "A@example.com"]
        .map(|email| maker.with_email(email, true).1)
        .into();
    let kept = store.keep_all(changes.clone()).await;
    assert!(
        matches!(
            kept[..],
            [
                Ok(()),
                Err(KeepError::Taken(IdentifierKind::Email)),
                Ok(()),
                Err(KeepError::Taken(IdentifierKind::Email))
            ]
        ),
        "{kept:?}"
    );
    let again = store.keep_all(changes[..1].to_vec()).await;
    assert!(matches!(again[..], [Err(KeepError::Exists)]), "{again:?}");
    // More than share a transaction, and all of them new.
    let many =
        (0..100).map(|number| maker.with_email(&format!("many{number}@example.com"), true).1).collect();
    assert!(store.keep_all(many).await.iter().all(Result::is_ok));
    let tenants = store.tenants().await.unwrap();
    assert_eq!(tenants[0].users, 103);
    assert!(store.keep_all(Vec::new()).await.is_empty());
}

pub(crate) async fn a_group_of_an_id_that_is_there_is_told(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (_, change) = maker.group("a", false);
    store.keep_group(change.clone()).await.unwrap();
    let GroupKept::Create(mut group) = change.kept.clone() else { unreachable!() };
    group.name = maker.group("b", false).0.name;
    let other = GroupChange { kept: GroupKept::Create(group), ..change };
    assert!(matches!(store.keep_group(other).await, Err(KeepError::Exists)));
}

pub(crate) async fn a_new_user_brings_memberships_and_when_they_were_proved(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (every, change) = maker.group("every", true);
    store.keep_group(change).await.unwrap();
    let (some, change) = maker.group("some", false);
    store.keep_group(change).await.unwrap();
    let automatic = Some(vec![every.group_id]);
    let proved_at = Some(Timestamp(5));
    let in_some = vec![(some.group_id, Timestamp(7))];

    let exactly = Arrival { automatic: None, groups: in_some.clone(), proved_at };
    let change = arriving(&maker, "a@example.com", exactly, Decision::default());
    let user_id = change.user_id;
    store.keep(change).await.unwrap();
    assert_eq!(store.standing(&default(), user_id).await.unwrap().proved_at, proved_at);
    let membership = store.membership(&default(), user_id, some.group_id).await.unwrap().unwrap();
    assert_eq!(membership.creation_time, Timestamp(7));
    assert!(store.membership(&default(), user_id, every.group_id).await.unwrap().is_none());

    let both = Arrival { automatic, groups: in_some, proved_at: None };
    let change = arriving(&maker, "b@example.com", both, Decision::default());
    store.keep(change).await.unwrap();
    assert_eq!((users_assigned(store, &every).await, users_assigned(store, &some).await), (1, 2));

    let nowhere = GroupId::from_bytes({
        let mut bytes = [0; 16];
        maker.random.fill(&mut bytes);
        bytes
    });
    let lost = Arrival { groups: vec![(nowhere, Timestamp(7))], ..Arrival::default() };
    let change = arriving(&maker, "c@example.com", lost, Decision::default());
    let user_id = change.user_id;
    assert!(matches!(store.keep(change).await, Err(KeepError::Conflict)));
    assert!(store.user(&default(), user_id).await.unwrap().is_none());
}

pub(crate) async fn an_identifier_has_an_owner_while_it_is_somebodys_alone(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let owner = async |address: &str| store.owner(&default(), IdentifierKind::Email, address).await.unwrap();
    assert_eq!(owner("a@example.com").await, None);
    store.keep(maker.change(&mut user, 1, verify)).await.unwrap();
    assert_eq!(owner("a@example.com").await, Some(user.user_id));
    assert_eq!(owner("b@example.com").await, None);
}

pub(crate) async fn an_export_has_all_that_was_there_at_one_moment(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (group, change) = maker.group("a", false);
    store.keep_group(change).await.unwrap();
    let hash = PasswordHash::from_stored("a hash".to_owned());
    let arrival = Arrival {
        groups: vec![(group.group_id, Timestamp(7))],
        proved_at: Some(Timestamp(5)),
        ..Arrival::default()
    };
    let secret = SecretChange::Set(hash.clone(), SetBy::Owner);
    let decision = Decision { secret, ..Decision::default() };
    let change = arriving(&maker, "a@example.com", arrival, decision);
    let (with_all, document) = (change.user_id, change.document());
    store.keep(change).await.unwrap();
    // So many that they do not come at once.
    let many: Vec<UserChange> =
        (0..1_200).map(|number| maker.with_email(&format!("many{number}@example.com"), false).1).collect();
    for part in many.chunks(200) {
        assert!(store.keep_all(part.to_vec()).await.iter().all(Result::is_ok));
    }

    let (to, mut portions) = mpsc::channel(1);
    let taken = async {
        let (mut groups, mut users) = (Vec::new(), Vec::new());
        while let Some(portion) = portions.recv().await {
            match portion {
                Portion::Groups(some) => groups.extend(some),
                Portion::Users(some) => {
                    // What comes while it goes on is not in it.
                    if users.is_empty() {
                        let late = maker.with_email("late@example.com", true).1;
                        store.keep(late).await.unwrap();
                    }
                    users.extend(some);
                }
            }
        }
        (groups, users)
    };
    let tenant = default();
    let (exported, (groups, users)) = tokio::join!(store.export(&tenant, true, to), taken);
    exported.unwrap();
    assert_eq!(groups.iter().map(|group| group.group_id).collect::<Vec<_>>(), [group.group_id]);
    assert_eq!(users.len(), 1_201);
    let ids: Vec<UserId> =
        users.iter().map(|user| User::from_document(&user.document).unwrap().user_id).collect();
    assert!(ids.is_sorted());
    let place = ids.iter().position(|id| *id == with_all).unwrap();
    let Record { document: exported, proved_at, groups, password } = &users[place];
    assert_eq!((exported, proved_at), (&document, &Some(Timestamp(5))));
    assert_eq!(
        (groups.as_slice(), password),
        (&[(group.group_id, Timestamp(7))][..], &Some((hash, SetBy::Owner)))
    );
    assert!(users.iter().enumerate().all(|(number, user)| number == place || user.password.is_none()));

    // Whoever takes no more is left alone.
    let (to, portions) = mpsc::channel(1);
    drop(portions);
    store.export(&default(), false, to).await.unwrap();
}
