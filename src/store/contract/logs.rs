//! Logs: the events of the types that have a code, in an order and by a filter.

use super::*;
use crate::directory::api_key::{ApiKey, NewKey, Scope};
use crate::directory::event::Actor;
use crate::directory::group::Group;
use crate::directory::log::{LogCategory, LogType, TargetType, WORDINGS, Wording};
use crate::directory::password::Decision;
use crate::id::RequestId;
use crate::store::search::logs::parse;

/// Whether a log is one that a filter describes.
type Matches<'a> = Box<dyn Fn(&LogId, &Recorded, &Wording) -> bool + 'a>;

/// What the logs of a store tell of.
struct Story {
    user: User,
    deleted: User,
    group: Group,
    actors: [Actor; 2],
    requests: [RequestId; 2],
}

/// The key of an actor who has one, and its name.
fn key_of(actor: &Actor) -> (KeyId, &str) {
    let Actor::Key { key_id, key_name } = actor else { panic!("{actor:?}") };
    (*key_id, key_name)
}

/// Makes every type of event that there are logs of, and others between them, with two keys in two
/// requests and by who has no key, while the clock is turned back once.
async fn tell(store: &dyn Store) -> Story {
    let mut maker = Maker::new(&default());
    let actors = [("Sign-up Service", 11), ("Straße", 12)].map(|(name, seed)| {
        let key_id = PlainKey::new(&SeededRandom::new(seed)).id();
        Actor::Key { key_id, key_name: name.to_owned() }
    });
    for (actor, seed) in actors.iter().zip([11, 12]) {
        let (id, name) = key_of(actor);
        let new = NewKey { name: name.to_owned(), scopes: vec![Scope::Admin], ..NewKey::default() };
        let hash = PlainKey::new(&SeededRandom::new(seed)).hash();
        let kept = KeyKept::Create(ApiKey::new(id, hash, new, &default(), Timestamp(0)));
        assert!(store.keep_key(KeyChange { kept, events: Vec::new(), answer: None }).await.unwrap());
    }
    let requests = [21, 22].map(|seed| RequestId::new(&SeededRandom::new(seed)));
    let turn = |maker: &mut Maker, number: usize, now: i64| {
        maker.origin.actor = actors[number].clone();
        maker.origin.request_id = requests[number];
        maker.now = Timestamp(now);
    };

    turn(&mut maker, 0, 1_000);
    let (mut user, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let (deleted, change) = maker.with_email("b@example.com", false);
    store.keep(change).await.unwrap();
    let (group, change) = maker.group("a", false);
    store.keep_group(change).await.unwrap();
    turn(&mut maker, 1, 990);
    store.keep(maker.change(&mut user, 1, verify)).await.unwrap();
    for user in [&user, &deleted] {
        assert!(store.keep_membership(maker.membership(user.user_id, group.group_id, true)).await.unwrap());
    }
    store.keep_group(maker.rename(&group, 1, "b")).await.unwrap();
    turn(&mut maker, 0, 1_010);
    store.keep(maker.change(&mut user, 2, unverify)).await.unwrap();
    let unblocked =
        |user: &mut User, ctx: &Context| vec![ctx.event(EventType::UserUnblocked, user.user_id, None, None)];
    store.keep(maker.change(&mut user, 3, unblocked)).await.unwrap();
    assert!(store.keep_membership(maker.membership(user.user_id, group.group_id, false)).await.unwrap());
    let by_others = [
        (EventType::PasswordReset, Actor::Owner),
        (EventType::EmailProofMailSent, Actor::Server),
        (EventType::PasswordResetMailSent, Actor::Server),
        (EventType::EmailMailGivenUp, Actor::Server),
    ];
    for (version, (kind, actor)) in (4..).zip(by_others) {
        maker.origin.actor = actor;
        let event = maker.context().event(kind, user.user_id, None, None);
        store.keep(maker.beside(&user, version, Decision::from(vec![event]))).await.unwrap();
    }
    turn(&mut maker, 1, 1_020);
    store.keep(maker.delete(&deleted, 1)).await.unwrap();
    let events = vec![maker.context().group_event(EventType::GroupDeleted, group.group_id, None)];
    store.keep_group(maker.group_change(group.group_id, GroupKept::Delete, events)).await.unwrap();
    Story { user, deleted, group, actors, requests }
}

/// All logs there should be, oldest first.
async fn expected(store: &dyn Store) -> Vec<(LogId, Recorded)> {
    let events = events(store, EVERYTHING).await.into_iter();
    let logged = events.filter(|(_, event)| Wording::of(*event.kind.known().unwrap()).is_some());
    logged.map(|(position, event)| (LogId::of_position(position), event)).collect()
}

async fn found(store: &dyn Store, filter: &str) -> Page<(LogId, Recorded)> {
    let page = Sorted { sort: LogSortKey::TimeStamp, descending: false, offset: 0, limit: 100 };
    store.logs(&default(), parse(filter).unwrap(), page).await.unwrap()
}

pub(crate) async fn logs_follow_each_sort_and_pages_never_overlap(store: &dyn Store) {
    tell(store).await;
    let all = expected(store).await;
    let kinds: std::collections::BTreeSet<_> = all.iter().map(|(_, event)| &event.kind).collect();
    assert_eq!(kinds.len(), WORDINGS.len());
    // Both fetched and sorted, and walked.
    for filter in ["", "type:(success OR failure)", "NOT type:error AND NOT id:0000000000000000"] {
        for sort in LogSortKey::ALL {
            for descending in [false, true] {
                let mut listed = Vec::new();
                for number in 0.. {
                    let page = Sorted { sort: *sort, descending, offset: number * 4, limit: 4 };
                    let page = store.logs(&default(), parse(filter).unwrap(), page).await.unwrap();
                    assert_eq!((page.total, page.total_is_estimate), (all.len() as u64, false));
                    listed.extend(page.documents);
                    assert_eq!(page.has_next, listed.len() < all.len());
                    if !page.has_next {
                        break;
                    }
                }
                let mut expected = all.clone();
                expected.sort_by_key(|(id, event)| {
                    let text = sort.text(Wording::of(*event.kind.known().unwrap()).unwrap());
                    (text, if text.is_none() { event.time } else { Timestamp(0) }, *id)
                });
                if descending {
                    expected.reverse();
                }
                assert_eq!(listed, expected, "{sort} {descending} {filter}");
            }
        }
    }
    let beyond = Sorted { sort: LogSortKey::Code, descending: true, offset: 1_000, limit: 4 };
    let beyond = store.logs(&default(), None, beyond).await.unwrap();
    assert!(beyond.documents.is_empty() && !beyond.has_next);
}

pub(crate) async fn a_filter_finds_the_logs_that_it_describes(store: &dyn Store) {
    let Story { user, deleted, group, actors, requests } = tell(store).await;
    let all = expected(store).await;
    let third = all[2].0;
    let of_user = |id: UserId| -> Matches<'_> { Box::new(move |_, event, _| event.user_id == Some(id)) };
    let of_group = || -> Matches<'_> { Box::new(|_, event, _| event.group_id == Some(group.group_id)) };
    let by_first = || -> Matches<'_> { Box::new(|_, event, _| event.actor == actors[0]) };
    let by_key =
        || -> Matches<'_> { Box::new(|_, event, _| matches!(event.actor, Word::Known(Actor::Key { .. }))) };
    let in_second = || -> Matches<'_> { Box::new(|_, event, _| event.request_id == requests[1]) };
    let cases: Vec<(String, Matches)> = vec![
        (format!("id:{third}"), Box::new(|id, _, _| *id == third)),
        (format!("id:>{third}"), Box::new(|id, _, _| *id > third)),
        ("time_stamp:990".to_owned(), Box::new(|_, event, _| event.time.0 == 990)),
        (
            "time_stamp:[1000 TO 1020}".to_owned(),
            Box::new(|_, event, _| (1_000..1_020).contains(&event.time.0)),
        ),
        ("category:groups".to_owned(), Box::new(|_, _, wording| wording.category == LogCategory::Groups)),
        ("code:user_created".to_owned(), Box::new(|_, event, _| event.kind == EventType::UserCreated)),
        ("name:\"group deleted\"".to_owned(), Box::new(|_, event, _| event.kind == EventType::GroupDeleted)),
        ("type:success".to_owned(), Box::new(|_, _, wording| wording.r#type == LogType::Success)),
        ("type:failure".to_owned(), Box::new(|_, event, _| event.kind == EventType::EmailMailGivenUp)),
        ("type:error".to_owned(), Box::new(|_, _, _| false)),
        (
            "targets.type:group".to_owned(),
            Box::new(|_, _, wording| wording.targets.contains(&TargetType::Group)),
        ),
        (format!("targets.id:{}", user.user_id), of_user(user.user_id)),
        (format!("targets.id:{}", deleted.user_id), of_user(deleted.user_id)),
        (format!("targets.id:{}", group.group_id), of_group()),
        (format!("targets.id:{}", group.group_id.to_string().to_uppercase()), of_group()),
        ("targets.id:x".to_owned(), Box::new(|_, _, _| false)),
        (format!("actor.id:{}", key_of(&actors[0]).0), by_first()),
        ("actor.name:\"SIGN-UP service\"".to_owned(), by_first()),
        ("actor.name:sign*".to_owned(), by_first()),
        ("actor.name:strasse".to_owned(), Box::new(|_, event, _| event.actor == actors[1])),
        ("actor.name:nobody".to_owned(), Box::new(|_, _, _| false)),
        ("actor.name:\"\"".to_owned(), Box::new(|_, _, _| false)),
        ("actor.name:<z".to_owned(), by_key()),
        ("actor.name:*".to_owned(), by_key()),
        ("actor.id:*".to_owned(), by_key()),
        ("actor.type:*".to_owned(), Box::new(|_, _, _| true)),
        ("actor.type:api_key".to_owned(), by_key()),
        ("actor.type:user".to_owned(), Box::new(|_, event, _| event.actor == Actor::Owner)),
        ("actor.type:system".to_owned(), Box::new(|_, event, _| event.actor == Actor::Server)),
        (format!("request.trace_id:{}", requests[1]), in_second()),
        // Bare words.
        ("group_created".to_owned(), Box::new(|_, event, _| event.kind == EventType::GroupCreated)),
        ("\"User deleted\"".to_owned(), Box::new(|_, event, _| event.kind == EventType::UserDeleted)),
        ("\"sign-up service\"".to_owned(), by_first()),
        (key_of(&actors[0]).0.to_string(), by_first()),
        (user.user_id.to_string(), of_user(user.user_id)),
        (group.group_id.to_string(), of_group()),
        (requests[1].to_string(), in_second()),
        ("nothing".to_owned(), Box::new(|_, _, _| false)),
        // Combinations.
        (
            format!("targets.id:{} AND targets.id:{}", user.user_id, group.group_id),
            Box::new(|_, event, _| {
                event.user_id == Some(user.user_id) && event.group_id == Some(group.group_id)
            }),
        ),
        (
            format!("time_stamp:<1000 OR targets.id:{}", deleted.user_id),
            Box::new(|_, event, _| event.time.0 < 1_000 || event.user_id == Some(deleted.user_id)),
        ),
        (
            "category:users NOT code:user_created actor.name:strasse".to_owned(),
            Box::new(|_, event, wording| {
                wording.category == LogCategory::Users
                    && event.kind != EventType::UserCreated
                    && event.actor == actors[1]
            }),
        ),
    ];
    for (filter, matches) in &cases {
        // A complement is not looked up, so that of a complement goes another way than the filter.
        for (filter, wanted) in [
            (filter.clone(), true),
            (format!("NOT ({filter})"), false),
            (format!("NOT (NOT ({filter}))"), true),
        ] {
            let mut expected: Vec<_> = all
                .iter()
                .filter(|(id, event)| {
                    matches(id, event, Wording::of(*event.kind.known().unwrap()).unwrap()) == wanted
                })
                .cloned()
                .collect();
            expected.sort_by_key(|(id, event)| (event.time, *id));
            let page = found(store, &filter).await;
            assert_eq!((page.total, page.total_is_estimate), (expected.len() as u64, false), "{filter}");
            assert_eq!(page.documents, expected, "{filter}");
        }
    }
}

pub(crate) async fn a_log_is_found_by_its_id(store: &dyn Store) {
    tell(store).await;
    for (position, event) in events(store, EVERYTHING).await {
        assert_eq!(store.log(&default(), LogId::of_position(position)).await.unwrap(), Some(event));
    }
    for position in [-1, 0, 1_000, i64::MAX] {
        assert_eq!(store.log(&default(), LogId::of_position(position)).await.unwrap(), None);
    }
}

pub(crate) async fn tenants_do_not_see_each_others_logs(store: &dyn Store) {
    let acme: TenantId = "acme".parse().unwrap();
    assert!(store.create_tenant(&acme, Timestamp(1)).await.unwrap());
    let Story { user, actors, .. } = tell(store).await;
    let ours = expected(store).await;
    assert_eq!(store.log(&acme, ours[0].0).await.unwrap(), None);
    // The same seed makes a user of the same id.
    let maker = Maker::new(&acme);
    let (theirs, change) = maker.with_email("a@example.com", false);
    assert_eq!(theirs.user_id, user.user_id);
    store.keep(change).await.unwrap();
    until_told(store).await;
    for filter in [
        String::new(),
        "code:user_created".to_owned(),
        format!("targets.id:{}", user.user_id),
        format!("NOT actor.id:{}", key_of(&actors[0]).0),
        format!("NOT actor.name:\"{}\"", key_of(&actors[0]).1),
    ] {
        let page = Sorted { sort: LogSortKey::Code, descending: true, offset: 0, limit: 100 };
        let logs = store.logs(&acme, parse(&filter).unwrap(), page).await.unwrap();
        let users: Vec<_> = logs.documents.iter().map(|(_, event)| event.user_id).collect();
        assert_eq!((logs.total, users), (1, vec![Some(theirs.user_id)]), "{filter}");
    }
    assert_eq!(found(store, "").await.total, ours.len() as u64);
}
