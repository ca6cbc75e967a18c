//! The page of a user: all that is known, and what can be done.

use axum::http::StatusCode;
use axum::response::Response;
use minijinja::{Value, context};
use serde_json::Map;

use super::Console;
use super::asked::{Asked, Named};
use super::operator::Operator;
use super::page::{Fault, Shared, event, json, name_of};
use crate::directory::claims::{self, ADDRESS_PARTS};
use crate::directory::proof::AddressId;
use crate::directory::user::User;
use crate::error::Error;
use crate::id::UserId;
use crate::store::{GroupSortKey, MembershipSortKey, NewestEvents, Sorted};

/// How many events the page of a user tells of.
const EVENTS: u32 = 20;
/// How many groups are shown of a user, and offered to them.
const GROUPS: u32 = 100;

/// Shows a user.
pub(super) async fn show(
    axum::extract::State(console): Shared,
    operator: Operator,
    named: Named,
    asked: Asked,
) -> Result<Response, Error> {
    let page = Shown { fault: Fault::none(), done: asked.field("done"), link: None };
    console.user(&operator, named.user_id, page).await
}

/// What a page of a user shows beside them.
pub(super) struct Shown<'a> {
    /// Why what was asked for was not done.
    pub(super) fault: Fault,
    /// What was done, by its word.
    pub(super) done: &'a str,
    /// A link that is shown this once.
    pub(super) link: Option<String>,
}

/// What must be typed to delete a user.
pub(super) fn confirmation(user: &User) -> &str {
    let primary = user.emails.iter().find(|email| email.primary);
    primary.map_or(user.user_id.as_str(), |email| email.email.as_str())
}

impl Console {
    pub(super) async fn user(
        &self,
        operator: &Operator,
        user_id: UserId,
        shown: Shown<'_>,
    ) -> Result<Response, Error> {
        let tenant = operator.tenant();
        let document = self.app.user(tenant, user_id).await?;
        let user = User::from_document(&document)?;
        let whole = serde_json::from_slice(&document).expect("what a user was read from is an object");
        let wanted = NewestEvents { before: None, limit: EVENTS, user_id: Some(user_id), kind: None };
        let events = self.app.store.newest_events(tenant, wanted).await?;
        let list =
            Sorted { sort: MembershipSortKey::CreationTime, descending: true, offset: 0, limit: GROUPS };
        let memberships = self.app.memberships(tenant, user_id, list).await?;
        let list = Sorted { sort: GroupSortKey::Name, descending: false, offset: 0, limit: GROUPS };
        let groups = self.app.groups(tenant, None, list).await?;

        let member_of = memberships.documents.iter().map(|membership| {
            context! {
                group_id => membership.group_id.to_string(),
                name => membership.group_name.as_str(),
                since => membership.creation_time.0,
            }
        });
        let others = groups
            .documents
            .iter()
            .filter(|group| memberships.documents.iter().all(|known| known.group_id != group.group_id))
            .map(|group| context! { group_id => group.group_id.to_string(), name => group.name.as_str() });
        let values = context! {
            faults => shown.fault.sentences,
            link => shown.link,
            confirmation => confirmation(&user),
            document => json(&whole),
            events => events.events.iter().map(|(position, told)| event(*position, told)).collect::<Vec<_>>(),
            older => events.next,
            member_of => member_of.collect::<Vec<_>>(),
            other_groups => others.collect::<Vec<_>>(),
            ..facts(&user)
        };
        Ok(self.page(operator, (shown.fault.status, "users", "user.html"), shown.done, values))
    }
}

/// What the document of a user says.
fn facts(user: &User) -> Value {
    let emails = user.emails.iter().map(|email| {
        context! {
            id => email.id.to_string(),
            text => email.email.as_str(),
            verified => email.verified,
            primary => email.primary,
        }
    });
    let phones = user.phone_numbers.iter().map(|phone| {
        context! {
            id => phone.id.to_string(),
            text => phone.phone.as_str(),
            verified => phone.verified,
            primary => phone.primary,
        }
    });
    let time = |time: Option<crate::time::Timestamp>| time.map(|time| time.0);
    let data =
        [("public", "Public data", &user.public_data), ("private", "Private data", &user.private_data)];
    let data: Vec<Value> =
        data.into_iter().map(|(name, title, object)| object_of(name, title, object)).collect();
    context! {
        user_id => user.user_id.as_str(),
        name => name_of(user),
        username => user.username.as_ref().map_or("", |name| name.username.as_str()),
        disabled => user.disabled,
        is_blocked => user.block_until.is_some() || user.failure_count > 0,
        has_password => user.has_password,
        must_reset => user.force_password_reset,
        password_updated => time(user.password_updated_at),
        block_until => time(user.block_until),
        failures => user.failure_count,
        sign_ins => user.sign_in_success_count,
        last_sign_in => time(user.last_sign_in_success),
        last_sign_in_from => user.last_sign_in_success_ip.as_deref(),
        last_attempt => time(user.last_sign_in_attempt),
        last_attempt_from => user.last_sign_in_attempt_ip.as_deref(),
        seen_in => seen_in(user),
        last_activity => time(user.last_activity),
        passkeys => user.passkeys.len(),
        providers => user.external_providers.len(),
        created => user.creation_time.0,
        updated => user.last_updated.0,
        emails => emails.collect::<Vec<_>>(),
        phones => phones.collect::<Vec<_>>(),
        claims => fields_of(&user.claims),
        claims_json => json(&user.claims),
        data,
    }
}

/// Where the user was last seen, empty if that is not known.
fn seen_in(user: &User) -> String {
    let places = [&user.last_known_city, &user.last_known_region, &user.last_known_country];
    places.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn object_of(name: &str, title: &str, object: &Map<String, serde_json::Value>) -> Value {
    let entries =
        object.iter().map(|(key, value)| context! { key => key.as_str(), value => value.to_string() });
    context! { name, title, entries => entries.collect::<Vec<_>>(), json => json(object) }
}

/// The claims as fields of a form, those of the address as `address.` and their name.
fn fields_of(claims: &Map<String, serde_json::Value>) -> Vec<Value> {
    fields().map(|name| context! { label => label(&name), value => value_of(claims, &name), name }).collect()
}

/// The names of the fields of the form of claims.
pub(super) fn fields() -> impl Iterator<Item = String> {
    let simple = claims::names().filter(|name| *name != "address").map(str::to_owned);
    simple.chain(ADDRESS_PARTS.iter().map(|part| format!("address.{part}")))
}

/// What the field holds that has this name.
pub(super) fn value_of(claims: &Map<String, serde_json::Value>, field: &str) -> String {
    let value = match field.split_once('.') {
        Some((claim, part)) => claims.get(claim).and_then(|claim| claim.get(part)),
        None => claims.get(field),
    };
    value.and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

fn label(field: &str) -> String {
    let mut words = field.replace('_', " ").replace('.', ": ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}

/// Shows how an email came to be trusted or not.
pub(super) async fn email(
    axum::extract::State(console): Shared,
    operator: Operator,
    named: Named,
) -> Result<Response, Error> {
    console.history(&operator, named.user_id, AddressId::email(named.identifier_id)).await
}

/// The same of a phone number.
pub(super) async fn phone(
    axum::extract::State(console): Shared,
    operator: Operator,
    named: Named,
) -> Result<Response, Error> {
    console.history(&operator, named.user_id, AddressId::phone(named.identifier_id)).await
}

impl Console {
    async fn history(
        &self,
        operator: &Operator,
        user_id: UserId,
        address: AddressId,
    ) -> Result<Response, Error> {
        let tenant = operator.tenant();
        let history = self.app.history(tenant, user_id, address).await?;
        let told = history.iter().find_map(|change| change.personal.address.clone());
        let text = match self.app.user(tenant, user_id).await {
            Ok(document) => User::from_document(&document)?.address(address).ok().map(str::to_owned).or(told),
            Err(Error::NotFound(_)) => told,
            Err(error) => return Err(error),
        };
        let values = context! {
            user_id => user_id.as_str(),
            address => text.unwrap_or_default(),
            events => history.iter().rev().map(|change| event(0, change)).collect::<Vec<_>>(),
        };
        Ok(self.page(operator, (StatusCode::OK, "users", "history.html"), "", values))
    }
}
