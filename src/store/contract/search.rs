//! What lists are sorted by and whom filters find, whatever the way there.

use super::super::search::users::UserSearch;
use super::*;
use crate::directory::email::EmailAddress;
use crate::directory::text::fold;
use crate::id::UserId;
use crate::store::search::{groups, users};

/// The users of a list, page by page.
async fn listed(
    store: &dyn Store,
    filter: Option<&UserSearch>,
    sort: SortKey,
    descending: bool,
) -> Vec<UserId> {
    let mut ids = Vec::new();
    loop {
        let place = Place::Sorted { sort, descending, offset: ids.len() as u64 };
        let page = store.users(&default(), List { filter: filter.cloned(), place, limit: 3 }).await.unwrap();
        ids.extend(page.documents.iter().map(|user| User::from_document(user).unwrap().user_id));
        assert_eq!(page.has_next, (ids.len() as u64) < page.total);
        if !page.has_next {
            return ids;
        }
    }
}

pub(crate) async fn users_are_sorted_by_each_key(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let mut users = Vec::new();
    for (number, (given, family)) in
        [("Zoë", "b"), ("adam", "B"), ("", "a"), ("Adam", ""), ("Éa", "straße"), ("Eb", "STRASSE")]
            .iter()
            .enumerate()
    {
        maker.now = Timestamp(1_000 + number.cast_signed() as i64 / 2);
        let name = format!("{given} {family}");
        let claims =
            [("given_name", *given), ("family_name", *family), ("name", &*name), ("middle_name", family)];
        let claims: Vec<_> = claims.into_iter().filter(|(_, text)| !text.is_empty()).collect();
        let (user, change) = maker.with_claims(&claims);
        store.keep(change).await.unwrap();
        users.push(user);
    }
    // A name that is changed sorts by what it is now, and one that is taken away as none.
    maker.now = Timestamp(5_000);
    for (user, name) in [(1, Some("Yves")), (5, None)] {
        let change = maker.change(&mut users[user], 1, |user, ctx| {
            user.claims.shift_remove("given_name");
            user.claims.extend(name.map(|name| ("given_name".to_owned(), name.into())));
            vec![ctx.event(EventType::ClaimsChanged, user.user_id, None, None)]
        });
        store.keep(change).await.unwrap();
    }
    store.keep(maker.change(&mut users[1], 2, User::disable)).await.unwrap();
    let text = |user: &User, claim: &str| {
        fold(user.claims.get(claim).and_then(|value| value.as_str()).unwrap_or_default())
    };
    for sort in SortKey::ALL {
        let place = |user: &User| match sort {
            SortKey::CreationTime => (user.creation_time.0, String::new()),
            SortKey::LastUpdated => (user.last_updated.0, String::new()),
            SortKey::GivenName | SortKey::MiddleName | SortKey::FamilyName | SortKey::Name => {
                (0, text(user, sort.as_str()))
            }
            _ => (0, String::new()),
        };
        users.sort_by_key(|user| (place(user), user.user_id));
        let mut expected: Vec<_> = users.iter().map(|user| user.user_id).collect();
        assert_eq!(listed(store, None, *sort, false).await, expected, "{sort}");
        expected.reverse();
        assert_eq!(listed(store, None, *sort, true).await, expected, "{sort}");
    }
}

/// Those of all users whom a search finds as it is told from a user alone, sorted.
async fn told_from_each_alone(store: &dyn Store, search: &UserSearch) -> Vec<UserId> {
    let page = store.users(&default(), sorted(SortKey::CreationTime, true, 0, 100)).await.unwrap();
    let users = page.documents.iter().map(|document| User::from_document(document).unwrap());
    let mut found: Vec<_> = users.filter(|user| search.finds(user)).map(|user| user.user_id).collect();
    found.sort_unstable();
    found
}

pub(crate) async fn a_filter_finds_whom_it_describes(store: &dyn Store) {
    let maker = Maker::new(&default());
    let add = |user: &mut User, address: &str, verified, ctx: &Context| {
        user.add_email(EmailAddress::parse(address).unwrap(), verified, ctx).unwrap()
    };
    let (mut both, change) = maker.with_email("a@example.com", true);
    store.keep(change).await.unwrap();
    store.keep(maker.change(&mut both, 1, |user, ctx| add(user, "b@example.com", false, ctx))).await.unwrap();
    let (verified, change) = maker.with_email("c@example.com", true);
    store.keep(change).await.unwrap();
    let (unverified, change) = maker.with_email("d@example.com", false);
    store.keep(change).await.unwrap();
    let (mut none, change) = maker.with_claims(&[("nickname", "Nobody")]);
    store.keep(change).await.unwrap();
    let data = serde_json::json!({"beta": false, "seats": 3, "zip": "02134"});
    let change = maker.change(&mut none, 1, |user, ctx| {
        user.private_data.clone_from(data.as_object().unwrap());
        vec![ctx.event(EventType::PrivateDataChanged, user.user_id, None, None)]
    });
    store.keep(change).await.unwrap();
    let [both, verified, unverified, none] = [both, verified, unverified, none].map(|user| user.user_id);
    for (filter, mut expected) in [
        ("emails.verified:true", vec![both, verified]),
        ("emails.verified:false", vec![both, unverified]),
        ("emails.verified:*", vec![both, verified, unverified]),
        ("NOT emails.verified:*", vec![none]),
        ("NOT emails.verified:false", vec![verified, none]),
        ("phone_numbers.verified:false", vec![]),
        ("disabled:false", vec![both, verified, unverified, none]),
        ("private_data.beta:false", vec![none]),
        ("private_data.beta:*", vec![none]),
        ("private_data.seats:[2 TO 4}", vec![none]),
        ("private_data.zip:02134 OR a@example.com", vec![both, none]),
        ("-nobody", vec![both, verified, unverified]),
        ("emails.email:[c TO d@f]", vec![verified, unverified]),
        ("example* AND NOT d@example.com", vec![both, verified]),
        (&format!("user_id:{both} OR {none}"), vec![both, none]),
        ("creation_time:1000 AND last_updated:>=1000", vec![both, verified, unverified, none]),
        ("creation_time:<1000", vec![]),
    ] {
        let search = users::parse(filter).unwrap().unwrap();
        expected.sort_unstable();
        assert_eq!(told_from_each_alone(store, &search).await, expected, "{filter}");
        for (sort, descending) in
            [(SortKey::CreationTime, false), (SortKey::Name, false), (SortKey::LastActivity, true)]
        {
            let mut found = listed(store, Some(&search), sort, descending).await;
            found.sort_unstable();
            assert_eq!(found, expected, "{filter}");
        }
    }
}

pub(crate) async fn a_filter_finds_groups_that_it_describes(store: &dyn Store) {
    let mut maker = Maker::new(&default());
    let (member, change) = maker.with_email("a@example.com", false);
    store.keep(change).await.unwrap();
    let mut ids = Vec::new();
    for (name, description, is_auto_assigned) in
        [("R&D Süd", Some("Straße"), false), ("Ärzte", None, true), ("sued rd", Some(""), false)]
    {
        maker.now.0 += 10;
        let (group, change) = maker.group(name, is_auto_assigned);
        store.keep_group(change).await.unwrap();
        let described =
            Group { description: description.map(str::to_owned), last_updated: maker.now, ..group.clone() };
        let change = GroupKept::Replace(Version(1), described);
        store.keep_group(maker.group_change(group.group_id, change, Vec::new())).await.unwrap();
        ids.push(group.group_id);
    }
    maker.now = Timestamp(5_000);
    assert!(store.keep_membership(maker.membership(member.user_id, ids[1], true)).await.unwrap());
    for (filter, expected) in [
        // Whole names and their words, folded.
        ("\"r&d süd\"", &[0][..]),
        ("SÜD", &[0]),
        ("d", &[0]),
        ("s*", &[0, 2]),
        ("r&d*", &[0]),
        ("ärzte", &[1]),
        ("rz", &[]),
        ("\"d süd\"", &[]),
        ("%", &[]),
        (&ids[2].to_string(), &[2]),
        ("name:ÄRZTE", &[1]),
        ("name:[r TO t]", &[0, 2]),
        ("name:*", &[0, 1, 2]),
        ("description:STRASSE", &[0]),
        ("description:stra*", &[0]),
        ("description:*", &[0, 2]),
        ("NOT description:STRASSE", &[1, 2]),
        ("-description:*", &[1]),
        (&format!("group_id:{} OR group_id:x", ids[0]), &[0]),
        ("type:custom -clients_assigned:>0", &[0, 1, 2]),
        ("clients_assigned:1 OR NOT type:*", &[]),
        ("is_auto_assigned:true", &[1]),
        ("is_auto_assigned:false AND süd", &[0]),
        ("users_assigned:>=1", &[1]),
        ("users_assigned:0", &[0, 2]),
        ("last_assigned:5000", &[1]),
        ("creation_time:[1010 TO 1020}", &[0]),
        ("last_updated:>1020", &[2]),
    ] {
        let search = groups::parse(filter).unwrap();
        for descending in [false, true] {
            let list = Sorted { sort: GroupSortKey::CreationTime, descending, offset: 0, limit: 2 };
            let first = store.groups(&default(), search.clone(), list).await.unwrap();
            let rest = store.groups(&default(), search.clone(), Sorted { offset: 2, ..list }).await.unwrap();
            let found = first.documents.iter().chain(&rest.documents).map(|group| group.group_id);
            let mut found: Vec<_> = found.collect();
            if descending {
                found.reverse();
            }
            assert_eq!(found, expected.iter().map(|number| ids[*number]).collect::<Vec<_>>(), "{filter}");
            assert_eq!((first.total, first.has_next), (found.len() as u64, found.len() > 2), "{filter}");
        }
    }
}

pub(crate) async fn the_users_of_a_group_are_sorted_and_filtered_as_all_are(store: &dyn Store) {
    let maker = Maker::new(&default());
    let (group, change) = maker.group("a", false);
    store.keep_group(change).await.unwrap();
    let mut expected = Vec::new();
    for number in 0..12 {
        let (user, change) = maker.with_claims(&[("name", ["Ada", "Bo"][number % 2])]);
        store.keep(change).await.unwrap();
        if number % 3 == 0 {
            assert!(
                store.keep_membership(maker.membership(user.user_id, group.group_id, true)).await.unwrap()
            );
            expected.push((number % 2, user.user_id));
        }
    }
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(_, user)| user).collect();
    let members = |filter: &str| UserSearch::members(group.group_id, users::parse(filter).unwrap());
    assert_eq!(listed(store, Some(&members("")), SortKey::Name, false).await, expected);
    assert_eq!(listed(store, Some(&members("bo")), SortKey::Name, false).await, expected[2..]);
    assert_eq!(listed(store, Some(&members("NOT bo")), SortKey::LastUpdated, false).await, expected[..2]);
    assert_eq!(listed(store, Some(&members("NOT *")), SortKey::Name, true).await, []);
    let nobody = UserSearch::members(GroupId::new(&maker.random), None);
    assert_eq!(listed(store, Some(&nobody), SortKey::Name, true).await, []);
}
