use serde_json::json;

use super::*;
use crate::directory::password::{PasswordHash, Wanted};

fn rows(text: &str) -> Result<Vec<(String, Result<Row, Error>)>> {
    let mut rows = Vec::new();
    read(&mut text.as_bytes(), &mut |Numbered { line, item, row }| {
        rows.push((format!("line {line}, {}", item.unwrap()), row));
        true
    })?;
    Ok(rows)
}

fn new(user: &Value) -> Result<NewRow, Error> {
    match user_row(&user.to_string())? {
        Row::New(new) => Ok(*new),
        _ => panic!("a user is a new row"),
    }
}

fn with_password(algorithm: &str, parameters: &Value) -> Value {
    let secret = json!({"value": "cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4NQEC0GVAwWLSUGWbcye1xU+dO7fZFld1DsscNlAN1uxw==", "salt": "MDEyMzQ1Njc4OWFiY2RlZg=="});
    let data = json!({"hashIterations": 1000, "algorithm": algorithm, "additionalParameters": parameters});
    json!({"id": "1", "username": "ada", "credentials": [
        {"type": "otp"},
        {"type": "password", "secretData": secret.to_string(), "credentialData": data.to_string()},
    ]})
}

#[test]
fn a_realm_brings_its_groups_and_its_users_with_their_places() {
    let realm = json!({
        "realm": "acme",
        "roles": {"realm": [{"name": "users"}]},
        "groups": [{"name": "a", "path": "/a", "subGroups": [{"name": "b", "path": "/a/b", "subGroups": []}]}],
        "users": [
            {
                "id": "41c0", "username": "Ada@example.com", "email": "ada@example.com", "emailVerified": true,
                "enabled": false, "firstName": "Ada", "lastName": "Lovelace", "createdTimestamp": 1_640_975_400_123_i64,
                "attributes": {"plan": ["gold"]}, "requiredActions": ["UPDATE_PASSWORD"], "groups": ["/a/b"],
            },
            {"username": "service-account-x", "serviceAccountClientId": "x"},
            {"username": 5},
        ],
    });
    let pretty = serde_json::to_string_pretty(&realm).unwrap();
    let rows = rows(&pretty).unwrap();
    let [
        (in_a, Ok(Row::GroupNamed(a))),
        (_, Ok(Row::GroupNamed(b))),
        (in_ada, Ok(Row::New(ada))),
        (_, Err(_)),
        (in_last, Err(_)),
    ] = &rows[..]
    else {
        panic!("{:?}", rows.iter().map(|(line, row)| (line, row.is_ok())).collect::<Vec<_>>())
    };
    let line = |text: &str| pretty.lines().position(|line| line.trim() == text).unwrap();
    let (first, last) = (line("\"users\": [") + 2, line("\"username\": 5"));
    assert_eq!(in_a, &format!("line {}, number 1 of `groups`", line("\"groups\": [") + 2));
    assert_eq!(in_ada, &format!("line {first}, number 1 of `users`"));
    assert_eq!(in_last, &format!("line {last}, number 3 of `users`"));
    assert_eq!((a.as_str(), b.as_str(), ada.groups.as_slice()), ("a", "a/b", &["a/b".to_owned()][..]));
    assert_eq!((ada.username.as_deref(), ada.email_verified, ada.disabled), (None, Some(true), Some(true)));
    assert_eq!((ada.creation_time, ada.is_temporary_password), (Some(Timestamp(1_640_975_400)), Some(true)));
    let kept = json!({"keycloak_id": "41c0", "keycloak_attributes": {"plan": ["gold"]}});
    assert_eq!(Value::from(ada.private_data.clone()), kept);
}

#[test]
fn the_hash_of_a_password_is_taken_if_its_algorithm_is_known() {
    let user = new(&with_password("pbkdf2-sha256", &json!({}))).unwrap();
    let Ok(Some(Wanted::Hash(hash))) = user.wanted() else { panic!("the hash was not taken") };
    assert!(hash.matches(&Password::new("correct horse")).unwrap());
    assert_eq!(user.is_temporary_password, Some(false));
    let argon2 = json!({"hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]});
    let user = new(&with_password("argon2", &argon2)).unwrap();
    let hash = user.password_hash.unwrap();
    // The work of Argon2 is bounded: a thousand passes over 7 MiB are too many.
    assert!(PasswordHash::parse(&hash, None).is_err());
    for (algorithm, parameters) in [("argon2", json!({})), ("pbkdf2", json!({})), ("md5", json!({}))] {
        let refused = new(&with_password(algorithm, &parameters));
        assert!(matches!(refused, Err(Error::Invalid(_))), "{algorithm}");
    }
}

#[test]
fn an_item_that_is_too_long_ends_the_reading_and_says_where() {
    let long = json!({"username": "x".repeat(MAX_LINE_BYTES)});
    let realm = json!({"realm": "acme", "users": [{"username": "ada"}, long]}).to_string();
    let mut read_before = 0;
    let error = read(&mut realm.as_bytes(), &mut |_| {
        read_before += 1;
        true
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("after number 1 of `users` is too long"), "{error}");
    assert_eq!(read_before, 1);
    // What is not taken may be of any length.
    let other =
        json!({"realm": "acme", "clients": ["x".repeat(3 * MAX_LINE_BYTES)], "users": [{"username": "ada"}]});
    assert_eq!(rows(&(other.to_string() + &" ".repeat(MAX_LINE_BYTES))).unwrap().len(), 1);
}

#[test]
fn what_is_empty_or_null_is_not_there() {
    let user = json!({
        "username": "ada", "email": "", "firstName": "", "attributes": null, "credentials": null,
        "requiredActions": null, "groups": null,
    });
    let user = new(&user).unwrap();
    assert_eq!((user.email, user.given_name, user.groups.len()), (None, None, 0));
    assert!(user.private_data.is_empty());
    let realm =
        "{\"realm\": \"acme\", \"users\": null, \"groups\": [{\"path\": \"/a\", \"subGroups\": null}]}";
    assert_eq!(rows(realm).unwrap().len(), 1);
}

#[test]
fn a_file_that_is_cut_off_is_told_after_the_rows_that_were_read() {
    let mut read_before = 0;
    let error = read(&mut &br#"{"users":[{"username":"ada"},{"usern"#[..], &mut |_| {
        read_before += 1;
        true
    });
    assert!(error.unwrap_err().to_string().contains("Keycloak"));
    assert_eq!(read_before, 1);
    for other in ["[]", "{}", "{\"email\":\"a@example.com\"}", "{\"users\":[]}\n{\"users\":[]}"] {
        assert!(rows(other).unwrap_err().to_string().contains("Keycloak"), "{other}");
    }
    assert!(rows("{\"realm\":\"acme\"}").unwrap().is_empty());
}
