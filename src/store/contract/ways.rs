//! That every way finds the same users.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Bound;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::search::users::{Column, Lookup, UserLeaf, UserSearch};
use super::super::search::{Operand, Range, Search};
use super::super::ways::{Bounds, Way};
use super::*;

/// The field of all terms.
const FIELD: &str = "public_data.f";

/// A user as the tests know one: `place` is both times and the id, and the terms are of one field.
pub(in crate::store) struct Known {
    pub(in crate::store) place: i64,
    pub(in crate::store) terms: BTreeSet<&'static str>,
    pub(in crate::store) is_member: bool,
}

pub(in crate::store) fn group() -> GroupId {
    GroupId::from_bytes([7; 16])
}

pub(in crate::store) fn id(place: i64) -> String {
    // Ids are random: those of one time after the other are far from each other.
    format!("{:021}", place.wrapping_mul(7_919) % 1_000_003)
}

/// The document of a user.
pub(in crate::store) fn document(known: &Known) -> String {
    let (mut user, _) = Maker::new(&TenantId::default_tenant()).with_claims(&[]);
    user.user_id = id(known.place).parse().unwrap();
    (user.creation_time, user.last_updated) = (Timestamp(known.place / 3), Timestamp(known.place));
    user.public_data.insert("f".to_owned(), known.terms.iter().copied().collect());
    String::from_utf8(user.to_document()).unwrap()
}

/// The place of the user of a document.
fn place_of(document: &[u8]) -> String {
    User::from_document(document).unwrap().last_updated.0.to_string()
}

fn text(text: &str) -> Operand {
    Operand::Text(text.to_owned())
}

pub(in crate::store) fn term(values: Range) -> UserSearch {
    Search::Is(UserLeaf::Term(Lookup { field: FIELD.to_owned(), values }))
}

fn is_in(range: &Range, value: &Operand) -> bool {
    use std::ops::RangeBounds;
    (range.lower.as_ref(), range.upper.as_ref()).contains(value)
}

/// Whether a user matches, found out without any index.
fn matches(search: &UserSearch, user: &Known) -> bool {
    match search {
        Search::All => true,
        Search::And(parts) => parts.iter().all(|part| matches(part, user)),
        Search::Or(parts) => parts.iter().any(|part| matches(part, user)),
        Search::Not(part) => !matches(part, user),
        Search::Is(UserLeaf::Member(_)) => user.is_member,
        Search::Is(UserLeaf::Term(lookup)) => {
            user.terms.iter().any(|term| is_in(&lookup.values, &text(term)))
        }
        Search::Is(UserLeaf::Column(Column::UserId, range)) => is_in(range, &text(&id(user.place))),
        Search::Is(UserLeaf::Column(Column::CreationTime, range)) => {
            is_in(range, &Operand::Number(user.place / 3))
        }
        Search::Is(UserLeaf::Column(Column::LastUpdated, range)) => {
            is_in(range, &Operand::Number(user.place))
        }
    }
}

fn any_range(value: impl Strategy<Value = Operand> + Clone) -> impl Strategy<Value = Range> {
    let ends = (value.clone(), value.clone());
    prop_oneof![
        value.prop_map(Range::only),
        ends.prop_map(|(lower, upper)| Range {
            lower: Bound::Included(lower.clone().min(upper.clone())),
            upper: Bound::Excluded(lower.max(upper)),
        }),
        Just(Range::any()),
    ]
}

fn any_search() -> impl Strategy<Value = UserSearch> {
    let terms = prop::sample::select(vec!["a", "b", "c", "d", "rare", "some"]).prop_map(text);
    let numbers = (0..400_i64).prop_map(Operand::Number);
    let ids = (0..400_i64).prop_map(|place| text(&id(place)));
    let column = |column| move |range| Search::Is(UserLeaf::Column(column, range));
    let leaf = prop_oneof![
        4 => any_range(terms).prop_map(term),
        1 => any_range(numbers.clone()).prop_map(column(Column::CreationTime)),
        1 => any_range(numbers).prop_map(column(Column::LastUpdated)),
        1 => any_range(ids).prop_map(column(Column::UserId)),
        1 => Just(Search::Is(UserLeaf::Member(group()))),
        1 => Just(Search::All),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Search::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Search::Or),
            inner.prop_map(|part| Search::Not(Box::new(part))),
        ]
    })
}

/// Bounds within which every way is taken by few users.
pub(in crate::store) const SMALL: Bounds =
    Bounds { few: 15, walked: 40, counted: 60, sampled: 50, probed: 30, read: 35 };

pub(in crate::store) fn four_hundred() -> Vec<Known> {
    let user = |place: i64| {
        let terms = [("a", 2), ("b", 3), ("c", 5), ("d", 1), ("rare", 97), ("some", 37)];
        let terms = terms.into_iter().filter(|(_, every)| place % every == 0).map(|(term, _)| term);
        Known { place, terms: terms.collect(), is_member: place % 4 == 1 }
    };
    (0..400).map(user).collect()
}

/// Asks for pages of all kinds of a store of these users, with their documents, and makes sure that each way was
/// taken. `find` answers within the bounds of [`SMALL`].
pub(in crate::store) fn every_way_finds_the_users_who_match(
    users: &[Known],
    find: impl Fn(&List) -> (Way, Page),
) {
    let taken = RefCell::new(BTreeSet::new());
    let find = |list: &List| {
        let (way, page) = find(list);
        let name = format!("{way:?}");
        taken.borrow_mut().insert(name.split('(').next().unwrap_or_default().to_owned());
        page
    };
    let sorts = prop::sample::select(vec![SortKey::CreationTime, SortKey::LastUpdated, SortKey::Name]);
    let page = (sorts, any::<bool>(), prop_oneof![Just(0_u64), 0..450_u64], 1..30_u32);
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    // Those whom this finds are more than most pages hold, and few.
    let few = Just(term(Range::only(text("some"))));
    let search = prop_oneof![8 => any_search(), 1 => few, 1 => Just(Search::All)];
    let tested = runner.run(&(search, page), |(search, (sort, descending, offset, limit))| {
        let mut expected: Vec<_> = users.iter().filter(|user| matches(&search, user)).collect();
        let key = |user: &Known| match sort {
            SortKey::CreationTime => (user.place / 3, id(user.place)),
            SortKey::LastUpdated => (user.place, id(user.place)),
            _ => (0, id(user.place)),
        };
        expected.sort_by_key(|user| key(user));
        if descending {
            expected.reverse();
        }
        let count = expected.len() as u64;
        let show = |documents: &[Bytes]| -> Vec<String> {
            documents.iter().map(|document| place_of(document)).collect()
        };
        let places =
            |users: &[&Known]| -> Vec<String> { users.iter().map(|user| user.place.to_string()).collect() };
        let list = List { filter: Some(search), place: Place::Sorted { sort, descending, offset }, limit };
        let page = find(&list);
        let rest = &expected[(offset as usize).min(expected.len())..];
        let shown = &rest[..rest.len().min(limit as usize)];
        prop_assert_eq!(show(&page.documents), places(shown));
        prop_assert_eq!(page.has_next, rest.len() > shown.len());
        if page.total_is_estimate {
            prop_assert!(count > 60 && page.total > 60 && page.total <= 400, "{} of {}", page.total, count);
        } else {
            prop_assert_eq!(page.total, count);
        }
        // The walk by id goes on where a page ended.
        expected.sort_by_key(|user| id(user.place));
        let after = expected.get(offset as usize).map(|user| id(user.place).parse().unwrap());
        let rest = if after.is_some() { &expected[offset as usize + 1..] } else { &expected[..] };
        let list = List { place: Place::ById { after }, ..list };
        let page = find(&list);
        let shown = &rest[..rest.len().min(limit as usize)];
        prop_assert_eq!(show(&page.documents), places(shown));
        prop_assert_eq!(page.has_next, rest.len() > shown.len());
        Ok(())
    });
    tested.unwrap();
    let all = ["AskEverybody", "Everybody", "Few", "Many", "Page", "Read", "Walk", "WalkOn"];
    assert_eq!(taken.into_inner().iter().collect::<Vec<_>>(), all);
}
