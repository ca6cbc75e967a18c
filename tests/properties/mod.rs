//! What holds of every input. The same functions are the bodies of the fuzz targets in `fuzz/`, which
//! find inputs of their own for as long as they are let.

mod addresses;
mod filters;
mod requests;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};

use crate::api_on_sqlite::harness;
use requests::Directory;

/// Texts of pieces that mean something to one of the languages; there is a broken bar between them.
fn any_of_pieces(pieces: &'static str) -> impl Strategy<Value = String> {
    vec(select(pieces.split('¦').collect::<Vec<_>>()), 0..16).prop_map(|pieces| pieces.concat())
}

/// Texts that are filters, or nearly.
fn any_filter() -> impl Strategy<Value = String> {
    let pieces = any_of_pieces(
        " ¦ ¦a¦é¦n:¦n:¦\"¦\"b c\"¦(¦)¦[¦]¦{¦}¦ TO ¦*¦\\¦+¦-¦!¦:¦>¦<¦=¦AND¦ AND ¦ OR ¦NOT ¦&&¦||¦\
         5¦n:(¦n:[1 TO ¦\u{3000}¦😀¦claims.name:¦private_data.n:¦disabled:¦creation_time:¦\
         emails.email:¦emails.verified:¦user_id:¦true¦name:¦users_assigned:¦code:¦time_stamp:¦actor.id:¦targets.id:",
    );
    prop_oneof![3 => pieces, 1 => "\\PC{0,40}", 1 => any::<String>()]
}

/// Texts that are addresses, or nearly.
fn any_address() -> impl Strategy<Value = String> {
    let pieces = any_of_pieces(
        "@¦@¦＠¦.¦。¦a¦Z¦é¦e\u{301}¦ß¦ẞ¦ﬁ¦Ω¦ς¦σ¦İ¦ı¦ŉ¦ΐ¦я¦ш¦שרה¦محمد¦例¦👍¦\"¦\\¦ ¦-¦--¦+¦_¦xn--¦\
         xn--bcher-kva¦bücher¦example¦com¦example.com¦1¦１¦\u{200d}¦\u{307}¦\u{345}¦𐐀",
    );
    prop_oneof![
        3 => pieces,
        3 => "[a-zA-Zäßéя0-9+_.'\" \\\\-]{1,20}@[a-zA-Zäßя0-9.-]{1,20}",
        1 => "\\PC{1,20}@\\PC{1,20}",
        1 => "[a-zŉΐﬃ]{1,70}@[a-zü]{1,60}\\.([a-zü]{1,9}\\.){0,20}[a-z]{1,60}",
        1 => any::<String>(),
    ]
}

/// JSON of any kind.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(vec!["user@example.com", "+4915112345", "https://a.example", "2000-02-29", "UTC", "de", ""])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((any::<String>(), inner), 0..4).prop_map(|entries| entries.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn addresses_have_one_canonical_form(text in any_address()) {
        addresses::an_address_has_one_canonical_form(&text);
    }

    #[test]
    fn filters_read_back_or_are_pointed_at(text in any_filter()) {
        filters::a_filter_reads_back_or_is_pointed_at(&text);
    }
}

#[test]
fn bodies_are_answered_whatever_they_are() {
    let directory = Directory::new();
    let bytes = (any::<u8>(), vec(any::<u8>(), 0..200));
    TestRunner::default()
        .run(&bytes, |(choice, body)| {
            directory.a_body_is_answered(choice, &body);
            Ok(())
        })
        .unwrap();
    // Of a password, hashing would take most of the time.
    let fields = (any::<u8>(), vec((any::<Index>(), any_json()), 0..4));
    TestRunner::default()
        .run(&fields, |(choice, fields)| {
            let names = &directory.bodies[usize::from(choice) % directory.bodies.len()].fields;
            let fields = fields.into_iter().map(|(index, value)| (index.get(names).clone(), value));
            let body: Map<String, Value> = fields.filter(|(name, _)| !name.ends_with("password")).collect();
            directory.a_body_is_answered(choice, Value::Object(body).to_string().as_bytes());
            Ok(())
        })
        .unwrap();
}

#[test]
fn queries_are_answered_whatever_they_ask() {
    let directory = Directory::new();
    let pieces = any_of_pieces(
        "&¦&¦page=¦size=¦sort=¦filter=¦after=¦limit=¦type=¦user_id=¦0¦1¦2¦10¦1000¦4294967295¦-1¦\
         :1¦:-1¦creation_time¦creation_time:1¦last_updated:-1¦name:1¦%¦%00¦%FF¦+¦%20¦a¦*¦(¦%22¦;¦\
         =¦user.created¦%F0%9F%98%80",
    );
    let queries = (any::<u8>(), prop_oneof![3 => pieces, 1 => "[!-~&&[^#]]{0,40}"]);
    TestRunner::default()
        .run(&queries, |(choice, query)| {
            directory.a_query_is_answered(choice, &query);
            Ok(())
        })
        .unwrap();
}
