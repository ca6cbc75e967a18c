//! What a change says, before any store has seen it.

use super::*;
use crate::directory::email::EmailAddress;

/// A user's terms are what the store was told to index, one for each searchable value.
#[test]
fn terms_follow_the_fields_of_a_user() {
    let maker = Maker::new(&default());
    let (mut user, _) = maker.with_email("Alice@Bücher.example", false);
    user.private_data.insert(
        "plan".to_owned(),
        serde_json::json!({"Name": "GOLD", "seats": 3, "trial": false, "tags": ["a", "B"], "long": "x".repeat(257)}),
    );
    let shown: Vec<String> =
        terms(&user).iter().map(|Term { field, value }| format!("{field}={value}")).collect();
    assert_eq!(
        shown,
        [
            "*=alice",
            "*=alice@bücher.example",
            "*=bücher",
            "*=example",
            "emails.domain=xn--bcher-kva.example",
            "emails.email=alice@bücher.example",
            "emails.email=alice@xn--bcher-kva.example",
            "emails.verified=false",
            "private_data.plan.Name=gold",
            "private_data.plan.seats#=c008000000000000",
            "private_data.plan.tags=a",
            "private_data.plan.tags=b",
            "private_data.plan.trial=false",
        ]
    );
    let mark = |value: &str| [Term { field: "emails.verified".into(), value: value.to_owned() }];
    let verified = maker.change(&mut user, 1, verify);
    assert_eq!(
        (&verified.removed_terms[..], &verified.added_terms[..]),
        (&mark("false")[..], &mark("true")[..])
    );
    // Beside another one, an address that is marked takes no term away.
    let other = maker.change(&mut user, 2, |user, ctx| {
        user.add_email(EmailAddress::parse("b@example.com").unwrap(), false, ctx).unwrap()
    });
    assert!(other.added_terms.contains(&mark("false")[0]));
    let unverified = maker.change(&mut user, 3, unverify);
    assert_eq!((&unverified.removed_terms[..], &unverified.added_terms[..]), (&mark("true")[..], &[][..]));
}

#[test]
fn no_debug_print_of_a_change_shows_anything_personal() {
    let maker = Maker::new(&default());
    let (user, change) = maker.user(NewUser {
        email: Some("alice@example.com".to_owned()),
        username: Some("alice".to_owned()),
        phone_number: Some("+4915112345".to_owned()),
        ..NewUser::default()
    });
    let shown = format!("{change:?} {user:?} {:?}", terms(&user)).to_lowercase();
    assert!(shown.contains(user.user_id.as_str().to_lowercase().as_str()));
    for personal in ["alice", "4915112345", "contract/1", "192.0.2.1", "to see"] {
        assert!(!shown.contains(personal), "{shown}");
    }
}
