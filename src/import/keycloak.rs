//! What Keycloak exports of a realm: one JSON object with a list of users, which may be longer than the
//! memory. Its users come one by one.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::{self, BufRead, Read};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::filled;
use super::lines::MAX_LINE_BYTES;
use crate::app::import::{Item, Numbered};
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
    #[serde(deserialize_with = "json::or_default")]
    attributes: Map<String, Value>,
    #[serde(deserialize_with = "json::or_default")]
    credentials: Vec<Credential>,
    #[serde(deserialize_with = "json::or_default")]
    required_actions: Vec<String>,
    #[serde(deserialize_with = "json::or_default")]
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
    #[serde(default, deserialize_with = "json::or_default")]
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
    #[serde(default, deserialize_with = "json::or_default")]
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

/// How long a group with all those within it may be, in bytes; a user may be as long as a line.
const MAX_GROUP_BYTES: usize = 16 * MAX_LINE_BYTES;

/// Reads the rows of a file: groups and users, each by the line where it begins and its place in its list.
///
/// # Errors
/// A sentence for the operator when the file is not one JSON object, and when something in it is too long.
pub(super) fn read(input: &mut dyn BufRead, take: &mut dyn FnMut(Numbered) -> bool) -> Result<()> {
    let reading = Reading { taker: RefCell::new(Taker { take, is_over: false }), way: Way::default() };
    let mut reader = serde_json::Deserializer::from_reader(Bounded { input, way: &reading.way });
    let read = Realm(&reading).deserialize(&mut reader);
    let Reading { taker, way } = &reading;
    if taker.borrow().is_over {
        return Ok(());
    }
    if read.is_err() && way.left.get() == Some(0) {
        let (line, after) = (way.line.get(), way.after.get());
        let after = after.map(|item| format!(", after {item}")).unwrap_or_default();
        bail!(
            "what stands before line {line}{after} is too long: a user may have {MAX_LINE_BYTES} bytes, and a group with all those within it {MAX_GROUP_BYTES}"
        );
    }
    let is_realm = read.and_then(|is_realm| {
        way.left.set(None);
        reader.end().map(|()| is_realm)
    });
    if !is_realm.context(NO_REALM)? {
        bail!(NO_REALM);
    }
    Ok(())
}

/// A file that is read.
struct Reading<'a> {
    taker: RefCell<Taker<'a>>,
    way: Way,
}

/// Who takes the rows.
struct Taker<'a> {
    take: &'a mut dyn FnMut(Numbered) -> bool,
    /// Whether nobody does any more.
    is_over: bool,
}

/// How far one is.
struct Way {
    /// The line that is read.
    line: Cell<u64>,
    /// How many bytes may still be read before something must have ended, if they are bounded.
    left: Cell<Option<usize>>,
    /// The last item that was read.
    after: Cell<Option<Item>>,
}

impl Default for Way {
    fn default() -> Self {
        Self { line: Cell::new(1), left: Cell::default(), after: Cell::default() }
    }
}

/// The file, of which no more is read than may be.
struct Bounded<'a> {
    input: &'a mut dyn BufRead,
    way: &'a Way,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.way.left.get();
        let most = left.unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Err(io::Error::other("this is too long"));
        }
        let read = self.input.read(&mut buffer[..most])?;
        self.way.left.set(left.map(|left| left - read));
        let ended = buffer[..read].split(|byte| *byte == b'\n').count() - 1;
        self.way.line.set(self.way.line.get() + ended as u64);
        Ok(read)
    }
}

/// The whole object.
struct Realm<'a, 'b>(&'a Reading<'b>);

/// A list in it, of which each is a row or several.
struct List<'a, 'b> {
    reading: &'a Reading<'b>,
    name: &'static str,
    /// How long an item may be, in bytes.
    most: usize,
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
        let (mut is_realm, reading) = (false, self.0);
        loop {
            reading.way.left.set(Some(MAX_LINE_BYTES));
            let Some(field) = fields.next_key::<String>()? else { return Ok(is_realm) };
            is_realm |= matches!(field.as_str(), "realm" | "users");
            // What is not taken is not held either.
            reading.way.left.set(None);
            match field.as_str() {
                "users" => {
                    let rows = |user: &str| vec![user_row(user)];
                    let users = List { reading, name: "users", most: MAX_LINE_BYTES, rows };
                    fields.next_value_seed(users)?;
                }
                "groups" => {
                    let groups = List { reading, name: "groups", most: MAX_GROUP_BYTES, rows: group_rows };
                    fields.next_value_seed(groups)?;
                }
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let way = &self.reading.way;
        for place in 1.. {
            way.left.set(Some(self.most));
            let Some(text) = items.next_element::<Box<RawValue>>()? else { break };
            let item = Item { list: self.name, place };
            way.after.set(Some(item));
            let within = text.get().bytes().filter(|byte| *byte == b'\n').count();
            let line = way.line.get() - within as u64;
            for row in (self.rows)(text.get()) {
                let mut taker = self.reading.taker.borrow_mut();
                if !(taker.take)(Numbered { line, item: Some(item), row }) {
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
    let username = filled(user.username.filter(|name| !is_email(name)));
    Ok(Row::New(Box::new(NewRow {
        known_by,
        username,
        email: filled(user.email),
        email_verified: user.email_verified,
        password_hash: hash,
        is_temporary_password: Some(is_temporary),
        given_name: filled(user.first_name),
        family_name: filled(user.last_name),
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
mod tests;
