//! What Keycloak exports of a realm: one JSON object with a list of users, which may be longer than the
//! memory. Its users come one by one.

use std::cell::RefCell;
use std::fmt;
use std::io::BufRead;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::app::import::Numbered;
use crate::directory::import::{NewRow, Row};
use crate::directory::password::{KeycloakArgon2, KeycloakHash, Password};
use crate::error::{Error, InvalidFields};
use crate::json::{self, Text};
use crate::time::Timestamp;

/// A user of a realm. What is not here is not taken.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct KeycloakUser {
    id: Option<String>,
    username: Option<String>,
    email: Option<String>,
    email_verified: Option<bool>,
    enabled: Option<bool>,
    first_name: Option<String>,
    last_name: Option<String>,
    created_timestamp: Option<i64>,
    service_account_client_id: Option<String>,
    attributes: Map<String, Value>,
    credentials: Vec<Credential>,
    required_actions: Vec<String>,
    groups: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Credential {
    #[serde(rename = "type")]
    kind: String,
    temporary: Option<bool>,
    secret_data: Option<String>,
    #[serde(rename = "credentialData")]
    made: Option<String>,
}

/// What is secret of a password.
#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: String,
}

/// How its hash was made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: Map<String, Value>,
}

impl CredentialData {
    /// The first of the texts under a name.
    fn parameter(&self, name: &str) -> Option<&str> {
        self.additional_parameters.get(name)?.get(0)?.as_str()
    }

    fn argon2(&self) -> Option<KeycloakArgon2<'_>> {
        Some(KeycloakArgon2 {
            kind: self.parameter("type")?,
            version: self.parameter("version")?,
            memory: self.parameter("memory")?.parse().ok()?,
            lanes: self.parameter("parallelism")?.parse().ok()?,
        })
    }
}

/// A group of a realm.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeycloakGroup {
    path: Option<String>,
    name: Option<String>,
    #[serde(default)]
    sub_groups: Vec<KeycloakGroup>,
}

/// Whether a file that begins with this line is of this format.
pub(super) fn is_like(line: &[u8]) -> bool {
    // An object that goes on in the next line is one of a whole realm.
    match serde_json::from_slice::<Map<String, Value>>(line) {
        Ok(fields) => fields.contains_key("realm") || fields.get("users").is_some_and(Value::is_array),
        Err(error) => error.is_eof(),
    }
}

const NO_REALM: &str = "the file is not what Keycloak exports of a realm";

/// Reads the rows of a file: groups and users, each by its place among them.
///
/// # Errors
/// A sentence for the operator when the file is not one JSON object.
pub(super) fn read(input: &mut dyn BufRead, take: &mut dyn FnMut(Numbered) -> bool) -> Result<()> {
    let taker = RefCell::new(Taker { take, is_over: false });
    let mut reader = serde_json::Deserializer::from_reader(input);
    let read = Realm(&taker).deserialize(&mut reader);
    if taker.into_inner().is_over {
        return Ok(());
    }
    let is_realm = read.and_then(|is_realm| reader.end().map(|()| is_realm));
    if !is_realm.context(NO_REALM)? {
        bail!(NO_REALM);
    }
    Ok(())
}

/// Who takes the rows.
struct Taker<'a> {
    take: &'a mut dyn FnMut(Numbered) -> bool,
    /// Whether nobody does any more.
    is_over: bool,
}

/// The whole object.
struct Realm<'a, 'b>(&'a RefCell<Taker<'b>>);

/// A list in it, of which each is a row.
struct List<'a, 'b> {
    taker: &'a RefCell<Taker<'b>>,
    rows: fn(&str) -> Vec<Result<Row, Error>>,
}

/// Gives whether it has what every realm has.
impl<'de> DeserializeSeed<'de> for Realm<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Realm<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<bool, A::Error> {
        let mut is_realm = false;
        while let Some(field) = fields.next_key::<String>()? {
            is_realm |= matches!(field.as_str(), "realm" | "users");
            match field.as_str() {
                "users" => {
                    let rows = |user: &str| vec![user_row(user)];
                    fields.next_value_seed(List { taker: self.0, rows })?;
                }
                "groups" => fields.next_value_seed(List { taker: self.0, rows: group_rows })?,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(is_realm)
    }
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut line = 0;
        while let Some(item) = items.next_element::<Box<RawValue>>()? {
            line += 1;
            for row in (self.rows)(item.get()) {
                let mut taker = self.taker.borrow_mut();
                if !(taker.take)(Numbered { line, row }) {
                    taker.is_over = true;
                    return Err(A::Error::custom("nobody takes the rows any more"));
                }
            }
        }
        Ok(())
    }
}

/// The rows of a group and of those within it, by their paths.
fn group_rows(group: &str) -> Vec<Result<Row, Error>> {
    let group: KeycloakGroup = match json::object(Text::Line, group.as_bytes()) {
        Ok(Ok(group)) => group,
        Ok(Err(error)) => return vec![Err(error.into())],
        Err(error) => return vec![Err(error)],
    };
    let mut rows = Vec::new();
    let mut left = vec![group];
    while let Some(group) = left.pop() {
        if let Some(path) = group.path.or(group.name) {
            rows.push(Ok(Row::GroupNamed(name_of(&path))));
        }
        left.extend(group.sub_groups);
    }
    rows
}

/// The name of a group by its path.
fn name_of(path: &str) -> String {
    path.trim_start_matches('/').to_owned()
}

/// The row of a user.
fn user_row(text: &str) -> Result<Row, Error> {
    let user: KeycloakUser = json::object(Text::Line, text.as_bytes())??;
    if user.service_account_client_id.is_some() {
        let reason = "This is the account of a service, not of a user.";
        return Err(InvalidFields::one("serviceAccountClientId", reason).into());
    }
    let password = user.credentials.iter().find(|credential| credential.kind == "password");
    let hash = password.map(hash_of).transpose()?;
    let is_temporary = password.is_some_and(|password| password.temporary == Some(true))
        || user.required_actions.iter().any(|action| action == "UPDATE_PASSWORD");
    let known_by = match user.id.as_ref().or(user.username.as_ref()) {
        Some(id) => format!("keycloak {id}").into_bytes(),
        None => text.as_bytes().to_vec(),
    };
    let mut private_data = Map::new();
    if let Some(id) = user.id {
        private_data.insert("keycloak_id".to_owned(), id.into());
    }
    if !user.attributes.is_empty() {
        private_data.insert("keycloak_attributes".to_owned(), user.attributes.into());
    }
    // Realms in which users sign in with their emails write the one in place of the other.
    let is_email =
        |name: &String| user.email.as_ref().is_some_and(|email| email.to_lowercase() == name.to_lowercase());
    let username = user.username.filter(|name| !is_email(name));
    Ok(Row::New(Box::new(NewRow {
        known_by,
        username,
        email: user.email,
        email_verified: user.email_verified,
        password_hash: hash,
        is_temporary_password: Some(is_temporary),
        given_name: user.first_name,
        family_name: user.last_name,
        private_data,
        disabled: user.enabled.map(|enabled| !enabled),
        creation_time: user.created_timestamp.map(|millis| Timestamp(millis / 1_000)),
        groups: user.groups.iter().map(|path| name_of(path)).collect(),
        ..NewRow::default()
    })))
}

/// The hash of a password, in PHC form.
fn hash_of(credential: &Credential) -> Result<Password, InvalidFields> {
    let read = || {
        let secret: SecretData = serde_json::from_str(credential.secret_data.as_deref()?).ok()?;
        let data: CredentialData = serde_json::from_str(credential.made.as_deref()?).ok()?;
        let hash = KeycloakHash {
            algorithm: &data.algorithm,
            iterations: data.hash_iterations,
            argon2: data.argon2(),
            salt: &secret.salt,
            value: &secret.value,
        };
        hash.phc()
    };
    read().ok_or_else(|| {
        let message = "The hash of the password is none of argon2, pbkdf2-sha256 and pbkdf2-sha512.";
        InvalidFields::one("credentials", message)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::directory::password::{PasswordHash, Wanted};

    fn rows(text: &str) -> Result<Vec<(u64, Result<Row, Error>)>> {
        let mut rows = Vec::new();
        read(&mut text.as_bytes(), &mut |Numbered { line, row }| {
            rows.push((line, row));
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
        let data =
            json!({"hashIterations": 1000, "algorithm": algorithm, "additionalParameters": parameters});
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
        let rows = rows(&serde_json::to_string_pretty(&realm).unwrap()).unwrap();
        let [
            (1, Ok(Row::GroupNamed(a))),
            (1, Ok(Row::GroupNamed(b))),
            (1, Ok(Row::New(ada))),
            (2, Err(_)),
            (3, Err(_)),
        ] = &rows[..]
        else {
            panic!("{:?}", rows.iter().map(|(line, row)| (line, row.is_ok())).collect::<Vec<_>>())
        };
        assert_eq!((a.as_str(), b.as_str(), ada.groups.as_slice()), ("a", "a/b", &["a/b".to_owned()][..]));
        assert_eq!(
            (ada.username.as_deref(), ada.email_verified, ada.disabled),
            (None, Some(true), Some(true))
        );
        assert_eq!(
            (ada.creation_time, ada.is_temporary_password),
            (Some(Timestamp(1_640_975_400)), Some(true))
        );
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
}
