//! Texts as people have them: every script in every field, what is compared as equal, what only looks
//! alike, and how long each may be.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use super::harness::{Answer, Api};

/// Texts that programs break.
const TEXTS: &[&str] = &[
    "Zoë",
    // The same with a combining mark: nothing is normalised on the way.
    "Zoe\u{308}",
    "名前 한국어 ภาษาไทย हिन्दी",
    // From right to left, with a mark of direction and one within a word, as it is written.
    "\u{200f}שרה לוי, محمد",
    "می\u{200c}خواهم",
    // Joined emoji, skin tones, flags.
    "👩‍👩‍👧‍👦 👍🏽 🇬🇧",
    // Beyond the first 65,536 characters.
    "𝒜𝓁𝒾𝒸𝑒 𐍈 𠀋",
    "ﬁ ① İıŞß ǅ",
    " white space \u{a0}\u{3000} ",
    "\u{feff}\u{fffd}\u{10ffff}\u{e000}",
    "line\r\nbreak\tand \u{7f}\u{1} and \u{0} and \u{85}\u{2028}",
    "\"quotes\" 'and' \\backslashes\\ \\\" / %25 %_ ${x} {{y}} <script>&amp;",
    "'; drop table users; -- ) OR 1=1 /*",
    "",
];

fn path(user: &Value, rest: &str) -> String {
    format!("/api/users/{}{rest}", user["user_id"].as_str().unwrap())
}

async fn patch(api: &Api, path: &str, body: Value) -> Answer {
    api.call(Method::PATCH, path, body).await
}

/// The ids of the users that a filter of one field finds.
async fn found(api: &Api, field: &str, text: &str) -> Vec<Value> {
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    let filter = format!("{field}:\"{quoted}\"");
    let query: String = byte_serialize(filter.as_bytes()).collect();
    let users = api.get(&format!("/api/users?filter={query}")).await.json();
    users.as_array().unwrap().iter().map(|user| user["user_id"].clone()).collect()
}

#[tokio::test]
async fn claims_are_answered_kept_and_found_as_they_were_written() {
    let api = Api::new().await;
    let names = ["name", "given_name", "middle_name", "family_name", "nickname"];
    for (number, text) in TEXTS.iter().enumerate() {
        let mut fields = json!({"username": format!("user{number}")});
        for name in names {
            fields[name] = json!(text);
        }
        let user = api.user(fields).await;
        for name in names {
            assert_eq!(user["claims"][name], *text);
        }
        let mut claims = json!({"name": text, "preferred_username": text, "gender": text, "nickname": null});
        claims["address"] = ["formatted", "street_address", "locality", "region", "postal_code", "country"]
            .into_iter()
            .map(|part| (part, *text))
            .collect();
        let patched = patch(&api, &path(&user, "/claims"), claims.clone()).await.json();
        for name in ["preferred_username", "gender", "address", "family_name"] {
            assert_eq!(patched["claims"][name], *claims.get(name).unwrap_or(&json!(text)), "{text:?}");
        }
        assert_eq!(api.get(&path(&user, "")).await.json(), patched);
        assert!(found(&api, "claims.gender", text).await.contains(&user["user_id"]), "{text:?}");
    }
}

#[tokio::test]
async fn data_is_kept_and_found_by_any_key_and_value() {
    let api = Api::new().await;
    let user = api.user(json!({"username": "username"})).await;
    for name in ["private_data", "public_data"] {
        let data: Value = TEXTS.iter().map(|text| (*text, *text)).collect();
        let data = json!({name: {"of": data, "list": TEXTS}});
        let path = path(&user, &format!("/{name}"));
        assert_eq!(patch(&api, &path, data.clone()).await.json(), data);
        assert_eq!(api.get(&path).await.json(), data);
        for text in TEXTS {
            assert_eq!(
                found(&api, &format!("{name}.list"), text).await,
                [user["user_id"].clone()],
                "{text:?}"
            );
        }
        // A pattern of the database's is a text like any other.
        for text in ["%", "_", "*", "Zo%", "drop"] {
            assert!(found(&api, &format!("{name}.list"), text).await.is_empty(), "{text:?}");
        }
        let top: Value = TEXTS.iter().map(|text| (*text, json!([text]))).collect();
        let top = patch(&api, &path, json!({name: top})).await.json();
        for text in TEXTS {
            assert_eq!(top[name][text], json!([text]));
        }
        let gone: Value = TEXTS.iter().map(|text| (*text, Value::Null)).collect();
        assert_eq!(patch(&api, &path, json!({name: gone})).await.json(), data);
    }
}

#[tokio::test]
async fn groups_and_reasons_are_told_as_they_were_written() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let email = format!("/emails/{}", user["emails"][0]["id"].as_str().unwrap());
    for (number, text) in TEXTS.iter().enumerate() {
        let fields = json!({"name": format!("group {number}"), "description": text});
        let group = api.post("/api/groups", fields).await.json_of(StatusCode::CREATED);
        assert_eq!(group["description"], *text);
        let action = if number % 2 == 0 { "verify" } else { "unverify" };
        api.post(&path(&user, &format!("{email}/{action}")), json!({"reason": text})).await.json();
    }
    let groups = api.get("/api/groups?sort=creation_time:1&size=100").await.json();
    for group in groups.as_array().unwrap() {
        assert!(TEXTS.iter().any(|text| group["description"] == *text), "{group}");
    }
    let history =
        api.get(&format!("/v1{}/history", path(&user, &email).trim_start_matches("/api"))).await.json();
    let told: Vec<&str> = history["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|change| change["reason"].as_str())
        .collect();
    assert_eq!(told, TEXTS);
}

#[tokio::test]
async fn names_of_every_script_are_taken_as_typed_and_once() {
    let api = Api::new().await;
    for (name, same) in [
        ("Käthes_Gruppe", "KÄTHES_GRUPPE"),
        ("Zoe\u{308}", "zoë"),
        ("Straße", "STRASSE"),
        ("名前です", "名前です"),
        ("שרהלוי", "שרהלוי"),
        ("محمد", "محمد"),
        ("Ευρυδίκης", "ΕΥΡΥΔΊΚΗΣ"),
        ("ﬁrma", "FIRMA"),
        ("𐐀𐐁𐐂", "𐐨𐐩𐐪"),
        ("１２３ｘ", "123X"),
    ] {
        let user = api.user(json!({"username": name})).await;
        assert_eq!(user["username"]["username"], name);
        assert_eq!(api.post("/api/users", json!({"username": same})).await.codes(), ["DuplicateUserName"]);
        let group = api.post("/api/groups", json!({"name": name})).await.json_of(StatusCode::CREATED);
        assert_eq!(group["name"], name);
        assert_eq!(api.post("/api/groups", json!({"name": same})).await.codes(), ["DuplicateGroupName"]);
    }
    for name in ["🚀 rockets", "שרה לוי", "O'Neil & \"Söhne\" \\ %", "'; drop table groups; --"] {
        let group = api.post("/api/groups", json!({"name": name})).await.json_of(StatusCode::CREATED);
        assert_eq!(group["name"], name);
    }
    // Two that look alike are two.
    for pair in [["paypal", "pаypal"], ["l0gin", "lOgin"]] {
        for name in pair {
            api.user(json!({"username": name})).await;
            api.post("/api/groups", json!({"name": name})).await.json_of(StatusCode::CREATED);
        }
    }
}

/// Characters that nobody sees, but for white space at the ends.
const UNSEEN: &[char] = &[
    '\0',
    '\u{1}',
    '\u{7f}',
    '\u{85}',
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{115f}',
    '\u{180e}',
    '\u{200b}',
    '\u{200c}',
    '\u{200d}',
    '\u{200e}',
    '\u{2028}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{3164}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{ffa0}',
    '\u{fff9}',
    '\u{e0001}',
    '\u{e0061}',
];

#[tokio::test]
async fn characters_that_nobody_sees_are_in_no_identifier_and_no_name() {
    let api = Api::new().await;
    let user = api.user(json!({"username": "username"})).await;
    let group = api.post("/api/groups", json!({"name": "group"})).await.json_of(StatusCode::CREATED);
    let group = format!("/api/groups/{}", group["group_id"].as_str().unwrap());
    for unseen in UNSEEN {
        for address in [format!("us{unseen}er@example.com"), format!("user@exa{unseen}mple.com")] {
            for refused in [
                api.post("/api/users", json!({"email": address})).await,
                api.post(&path(&user, "/emails"), json!({"email": address})).await,
            ] {
                assert_eq!(refused.fields(), ["email"], "{unseen:?}");
                assert!(!refused.text().contains("example.com"), "{refused:?}");
            }
        }
        let number = json!({"phone_number": format!("+4915{unseen}112345")});
        assert_eq!(api.post("/api/users", number.clone()).await.fields(), ["phone_number"], "{unseen:?}");
        assert_eq!(api.post(&path(&user, "/phones"), number).await.fields(), ["phone_number"], "{unseen:?}");
        let name = json!({"username": format!("us{unseen}er")});
        assert_eq!(api.post("/api/users", name.clone()).await.codes(), ["InvalidUserName"], "{unseen:?}");
        let set = api.call(Method::PUT, &path(&user, "/username"), name).await;
        assert_eq!(set.codes(), ["InvalidUserName"], "{unseen:?}");
        let name = json!({"name": format!("gr{unseen}oup")});
        assert_eq!(api.post("/api/groups", name.clone()).await.fields(), ["name"], "{unseen:?}");
        assert_eq!(patch(&api, &group, name).await.fields(), ["name"], "{unseen:?}");
    }
}

#[tokio::test]
async fn addresses_are_shown_as_typed_and_belong_to_one_user_in_every_spelling() {
    let api = Api::new().await;
    for (typed, same) in [
        ("User.Name@Example.COM", "user.name@example.com"),
        ("Zoe\u{308}@one.example", "ZOË@one.example"),
        ("straße@two.example", "STRASSE@two.example"),
        ("ｕｓｅｒ＠three。example", "user@three.example"),
        ("user@bücher.example", "USER@xn--bcher-kva.example"),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v"),
        ("ΔΟΚΙΜΗΣ@παράδειγμα.example", "δοκιμης@ΠΑΡΆΔΕΙΓΜΑ.example"),
        ("ﬁrma@four.example", "FIRMA@four.example"),
        ("\"john.doe\"@five.example", "john.doe@five.example"),
        ("שרה@דוגמה.example", "שרה@xn--6dbbec0c.example"),
        ("👍@six.example", "👍@SIX.example"),
        ("𐐀@seven.example", "𐐨@seven.example"),
        ("o'neil+tag/x=y@eight.example", "O'NEIL+TAG/X=Y@eight.example"),
    ] {
        let user = api.user(json!({"email": typed, "email_verified": true})).await;
        assert_eq!(user["emails"][0]["email"], typed);
        assert_eq!(api.get(&path(&user, "")).await.json(), user);
        let same = json!({"email": same, "email_verified": true, "is_verified": true});
        assert_eq!(api.post("/api/users", same.clone()).await.codes(), ["DuplicateEmail"], "{typed}");
        assert_eq!(api.post(&path(&user, "/emails"), same).await.codes(), ["DuplicateEmail"], "{typed}");
        assert_eq!(found(&api, "emails.email", typed).await, [user["user_id"].clone()]);
        assert_eq!(api.get("/api/users").await.json()[0]["emails"][0]["email"], typed);
        api.clock.advance(1);
    }
}

#[tokio::test]
async fn addresses_that_only_look_alike_are_verified_for_two_users() {
    let api = Api::new().await;
    for pair in [
        ["paypal@example.com", "pаypal@example.com"],
        ["user@faß.example", "user@fass.example"],
        ["user@apple.example", "user@аррӏе.example"],
        ["user.name@example.com", "username@example.com"],
        ["e@example.com", "é@example.com"],
        ["sales@one.example", "sales+x@one.example"],
        ["O@example.com", "0@example.com"],
        ["Ωmega@example.com", "omega@example.com"],
    ] {
        for address in pair {
            api.user(json!({"email": address, "email_verified": true})).await;
        }
    }
}

#[tokio::test]
async fn an_address_has_254_octets_as_typed_and_as_a_labels_and_64_before_the_at() {
    let api = Api::new().await;
    // Labels of 60 letters with a dot behind each, cut to length.
    let domain = |octets: usize| {
        let labels = format!("{}.", "d".repeat(60)).repeat(5);
        format!("{}de", &labels[..octets - 2])
    };
    // As A-labels each of these is seven octets, with a dot between them; typed it is two.
    let umlauts = |labels: usize| vec!["ü"; labels].join(".");
    let local = |octets: usize| "a".repeat(octets);
    let taken = [
        format!("{}@{}", local(64), domain(189)),
        format!("{}@example.com", local(64)),
        format!("{}@example.com", "é".repeat(32)),
        format!("{}@{}", local(14), umlauts(30)),
    ];
    let refused = [
        format!("{}@{}", local(64), domain(190)),
        format!("{}@example.com", local(65)),
        format!("{}a@example.com", "é".repeat(32)),
        format!("{}@{}", local(15), umlauts(30)),
        format!("{}@{}", local(1_000), domain(200)),
    ];
    assert_eq!((taken[0].len(), refused[0].len()), (254, 255));
    assert!(refused[3].len() < 110);
    let user = api.user(json!({"username": "username"})).await;
    for address in taken {
        assert_eq!(api.user(json!({"email": address})).await["emails"][0]["email"], address);
        api.post(&path(&user, "/emails"), json!({"email": format!("  {address}\n")})).await.json();
    }
    for address in refused {
        assert_eq!(api.post("/api/users", json!({"email": address})).await.fields(), ["email"], "{address}");
        let added = api.post(&path(&user, "/emails"), json!({"email": address})).await;
        assert_eq!(added.fields(), ["email"], "{address}");
    }
}

#[tokio::test]
async fn other_texts_have_their_bounds_in_characters_and_data_in_bytes() {
    let api = Api::new().await;
    let user = api.user(json!({"email": "user@example.com"})).await;
    let verify = path(&user, &format!("/emails/{}/verify", user["emails"][0]["id"].as_str().unwrap()));
    let number = |digits: usize| json!({"phone_number": format!("+4{}", "9".repeat(digits - 1))});
    api.user(number(15)).await;
    api.post(&path(&user, "/phones"), number(15)).await.json();
    for digits in [1, 16, 1_000] {
        assert_eq!(api.post("/api/users", number(digits)).await.fields(), ["phone_number"], "{digits}");
        assert_eq!(api.post(&path(&user, "/phones"), number(digits)).await.fields(), ["phone_number"]);
    }
    // Digits of another script are none of a phone number's.
    for other in ["+٤٩١٥١١٢٣٤٥", "+４９１５１１２３４５"] {
        assert_eq!(api.post("/api/users", json!({"phone_number": other})).await.fields(), ["phone_number"]);
    }
    for (length, status) in [(64, StatusCode::CREATED), (65, StatusCode::UNPROCESSABLE_ENTITY)] {
        assert_eq!(api.post("/api/users", json!({"username": "я".repeat(length)})).await.status, status);
    }
    for (length, status) in [(100, StatusCode::CREATED), (101, StatusCode::UNPROCESSABLE_ENTITY)] {
        assert_eq!(api.post("/api/groups", json!({"name": "𐍈".repeat(length)})).await.status, status);
    }
    for (length, status) in [(1_000, StatusCode::CREATED), (1_001, StatusCode::UNPROCESSABLE_ENTITY)] {
        let fields = json!({"name": format!("group {length}"), "description": "𐍈".repeat(length)});
        assert_eq!(api.post("/api/groups", fields).await.status, status);
    }
    for (length, status) in [(501, StatusCode::UNPROCESSABLE_ENTITY), (500, StatusCode::OK)] {
        assert_eq!(api.post(&verify, json!({"reason": "𐍈".repeat(length)})).await.status, status);
    }
    let empty = json!({"a": ""}).to_string().len();
    for (length, status) in [(65_536, StatusCode::OK), (65_537, StatusCode::UNPROCESSABLE_ENTITY)] {
        let text = "x".repeat((length - empty) % 4) + &"𐍈".repeat((length - empty) / 4);
        for name in ["private_data", "public_data"] {
            let patched = patch(&api, &path(&user, &format!("/{name}")), json!({name: {"a": text}})).await;
            assert_eq!(patched.status, status);
        }
    }
}
