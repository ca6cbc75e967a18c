//! What Auth0 exports: users as its jobs and its extension write them, a JSON object a line, and the hashes
//! that its support hands out.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::filled;
use crate::directory::import::{NewRow, Row};
use crate::directory::password::Password;
use crate::error::{Error, InvalidFields};
use crate::json::{self, Text};
use crate::time::Timestamp;

/// A user of Auth0. What is not here is not taken.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth0User {
    user_id: Option<String>,
    #[serde(rename = "_id")]
    object_id: Option<ObjectId>,
    email: Option<String>,
    email_verified: Option<bool>,
    username: Option<String>,
    phone_number: Option<String>,
    phone_verified: Option<bool>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    nickname: Option<String>,
    picture: Option<String>,
    blocked: Option<bool>,
    created_at: Option<String>,
    user_metadata: Option<Map<String, Value>>,
    app_metadata: Option<Map<String, Value>>,
    #[serde(rename = "passwordHash", alias = "password_hash")]
    password_hash: Option<Password>,
    custom_password_hash: Option<CustomHash>,
}

#[derive(Deserialize)]
struct ObjectId {
    #[serde(rename = "$oid")]
    oid: String,
}

#[derive(Deserialize)]
struct CustomHash {
    hash: CustomHashValue,
}

#[derive(Deserialize)]
struct CustomHashValue {
    value: Password,
}

/// Whether a file that begins with this line is of this format.
pub(super) fn is_like(line: &[u8]) -> bool {
    let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(line) else { return false };
    let has = |name: &str| fields.contains_key(name);
    let id = fields.get("user_id").and_then(Value::as_str);
    id.is_some_and(|id| id.contains('|'))
        || has("passwordHash")
        || has("user_metadata")
        || has("app_metadata")
        || has("custom_password_hash")
        || (has("identities") && has("email_verified"))
}

/// The row of a line.
pub(super) fn row(line: &[u8]) -> Result<Row, Error> {
    let user: Auth0User = json::object(Text::Line, line)??;
    let creation_time = user.created_at.as_deref().map(moment).transpose()?;
    let mut private_data = user.app_metadata.unwrap_or_default();
    let id = user.user_id.or(user.object_id.map(|id| format!("auth0|{}", id.oid)));
    let known_by = match &id {
        Some(id) => format!("auth0 {id}").into_bytes(),
        None => line.to_vec(),
    };
    if let Some(id) = id {
        private_data.insert("auth0_user_id".to_owned(), id.into());
    }
    // Where no name is known, Auth0 writes the address in its place.
    let name = filled(user.name).filter(|name| user.email.as_ref() != Some(name));
    let hash = user.password_hash.or(user.custom_password_hash.map(|custom| custom.hash.value));
    Ok(Row::New(Box::new(NewRow {
        known_by,
        username: filled(user.username),
        email: filled(user.email),
        email_verified: user.email_verified,
        phone_number: filled(user.phone_number),
        phone_number_verified: user.phone_verified,
        is_temporary_password: Some(false),
        password_hash: hash,
        name,
        given_name: filled(user.given_name),
        family_name: filled(user.family_name),
        nickname: filled(user.nickname),
        picture: filled(user.picture),
        public_data: user.user_metadata.unwrap_or_default(),
        private_data,
        disabled: user.blocked,
        creation_time,
        ..NewRow::default()
    })))
}

/// A moment as RFC 3339 has it.
fn moment(text: &str) -> Result<Timestamp, InvalidFields> {
    let read = text.parse::<jiff::Timestamp>();
    let wrong = |_| InvalidFields::one("created_at", "This is not a time, like 2021-12-31T18:30:00Z.");
    read.map(|time| Timestamp(time.as_second())).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn new(line: &Value) -> NewRow {
        match row(line.to_string().as_bytes()) {
            Ok(Row::New(new)) => *new,
            _ => panic!("the line was not read"),
        }
    }

    #[test]
    fn a_user_of_an_export_brings_what_is_known_here() {
        let user = new(&json!({
            "user_id": "auth0|507f", "email": "ada@example.com", "email_verified": true, "name": "ada@example.com",
            "nickname": "ada", "blocked": true, "created_at": "2021-12-31T18:30:00.000Z", "logins_count": 7,
            "user_metadata": {"theme": "dark"}, "app_metadata": {"plan": "gold"}, "identities": [],
        }));
        assert_eq!(
            (user.email_verified, user.name, user.nickname.as_deref()),
            (Some(true), None, Some("ada"))
        );
        assert_eq!((user.disabled, user.creation_time), (Some(true), Some(Timestamp(1_640_975_400))));
        assert_eq!(Value::from(user.public_data), json!({"theme": "dark"}));
        assert_eq!(Value::from(user.private_data), json!({"plan": "gold", "auth0_user_id": "auth0|507f"}));
        assert_eq!(user.known_by, b"auth0 auth0|507f");
    }

    #[test]
    fn hashes_are_taken_from_each_place_where_they_may_be() {
        for line in [
            json!({"_id": {"$oid": "507f"}, "email": "ada@example.com", "passwordHash": "$2b$10$x"}),
            json!({"user_id": "auth0|507f", "password_hash": "$2b$10$x"}),
            json!({"user_id": "auth0|507f", "custom_password_hash": {"algorithm": "bcrypt", "hash": {"value": "$2b$10$x"}}}),
        ] {
            let user = new(&line);
            assert!(user.password_hash.is_some(), "{line}");
            assert_eq!(
                (user.is_temporary_password, &user.known_by[..]),
                (Some(false), &b"auth0 auth0|507f"[..])
            );
        }
    }

    #[test]
    fn what_is_empty_or_null_is_not_there() {
        let user = new(&json!({
            "user_id": "auth0|1", "email": "ada@example.com", "phone_number": "", "picture": "", "username": "",
            "name": "", "given_name": "", "family_name": null, "nickname": "", "user_metadata": null,
            "app_metadata": null, "custom_password_hash": null,
        }));
        assert_eq!((user.phone_number, user.picture, user.username), (None, None, None));
        assert_eq!((user.name, user.given_name, user.nickname), (None, None, None));
    }

    #[test]
    fn a_moment_that_is_none_is_refused() {
        let line = json!({"user_id": "auth0|1", "created_at": "yesterday"}).to_string();
        assert!(matches!(row(line.as_bytes()), Err(Error::Invalid(_))));
    }
}
