//! What is kept of a user beside identifiers: `/claims`, `/public_data` and `/private_data`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::document::Document;
use super::extract::{Body, Caller, UserPath, UsersRead, UsersWrite};
use super::tag::{Known, Tagged};
use crate::app::{App, Current};
use crate::directory::claims::Checks;
use crate::directory::user::User;
use crate::error::{Error, InvalidFields};

/// Claims to set: one that is not named stays, `null` removes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it only describes the body, in which an absent claim differs from null")]
pub(super) struct UpdateClaimsRequest {
    /// The full name.
    #[schema(example = "John Doe")]
    name: Option<String>,
    /// The given name.
    given_name: Option<String>,
    /// The middle name.
    middle_name: Option<String>,
    /// The family name.
    family_name: Option<String>,
    /// The name that friends use.
    nickname: Option<String>,
    /// The http or https URL of a picture.
    picture: Option<String>,
    /// The name the user wants to be called.
    preferred_username: Option<String>,
    /// The http or https URL of a page about the user.
    profile: Option<String>,
    /// A date, `YYYY-MM-DD`.
    #[schema(example = "1990-12-31")]
    birthdate: Option<String>,
    /// The http or https URL of the user's own page.
    website: Option<String>,
    /// The gender, in any words.
    gender: Option<String>,
    /// The IANA name of a time zone.
    #[schema(example = "Europe/London")]
    zoneinfo: Option<String>,
    /// A BCP 47 language tag.
    #[schema(example = "en-GB")]
    locale: Option<String>,
    /// The postal address; it takes the place of the old one whole.
    address: Option<PostalAddress>,
    /// Whether values are taken that are not what their names say.
    skip_conformance_checks: Option<bool>,
}

/// A postal address.
#[derive(ToSchema)]
#[schema(as = HttpUserAddressRequest)]
#[expect(dead_code, reason = "it only describes the body")]
pub(super) struct PostalAddress {
    /// All of it, with line breaks.
    formatted: Option<String>,
    /// Street and number.
    street_address: Option<String>,
    /// City.
    locality: Option<String>,
    /// State, province or region.
    region: Option<String>,
    /// Postal code.
    postal_code: Option<String>,
    /// Country.
    #[schema(example = "UK")]
    country: Option<String>,
}

/// Change claims
///
/// A claim that is not named stays, `null` removes it, any other value takes the place of the old
/// one. Names that are no claims are passed over. At most 64 KiB in all.
#[utoipa::path(
    patch,
    path = "/api/users/{user_id}/claims",
    operation_id = "patchClaims",
    tag = "users",
    params(UserPath),
    request_body = UpdateClaimsRequest,
    responses((status = OK, description = "The user with the claims", body = User))
)]
pub(super) async fn patch_claims(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    body: Body<Map<String, Value>>,
) -> Result<Tagged, Error> {
    let patched = app.change(&caller, path.user_id, |user, ctx| {
        let wanted = body.fields()?;
        let checks = match wanted.get("skip_conformance_checks") {
            None | Some(Value::Null | Value::Bool(false)) => Checks::Made,
            Some(Value::Bool(true)) => Checks::Skipped,
            Some(_) => {
                let message = "This is not of the right type: expected a boolean.";
                return Err(InvalidFields::one("skip_conformance_checks", message).into());
            }
        };
        Ok(user.patch_claims(wanted.clone(), checks, ctx)?)
    });
    patched.await.map(Tagged::from)
}

/// The public data of a user, or what is to change in them.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
#[schema(as = UserPublicData)]
pub(super) struct PublicData {
    /// Any JSON object.
    #[schema(required, nullable = false, value_type = Object)]
    public_data: Option<Map<String, Value>>,
}

/// The private data of a user, or what is to change in them.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
#[schema(as = UserPrivateData)]
pub(super) struct PrivateData {
    /// Any JSON object.
    #[schema(required, nullable = false, value_type = Object)]
    private_data: Option<Map<String, Value>>,
}

fn public_data(current: &Current) -> Result<Tagged, Error> {
    let user = User::from_document(&current.document)?;
    let document = Document::of(&PublicData { public_data: Some(user.public_data) })?;
    Ok(Tagged { version: current.version, document })
}

fn private_data(current: &Current) -> Result<Tagged, Error> {
    let user = User::from_document(&current.document)?;
    let document = Document::of(&PrivateData { private_data: Some(user.private_data) })?;
    Ok(Tagged { version: current.version, document })
}

/// Find public data
#[utoipa::path(
    get,
    path = "/api/users/{user_id}/public_data",
    operation_id = "getPublicData",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The data", body = PublicData))
)]
pub(super) async fn find_public(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    path: UserPath,
    known: Known,
) -> Result<Response, Error> {
    let current = app.current(&caller.origin.tenant, path.user_id).await?;
    Ok(public_data(&current)?.unless(&known))
}

/// Change public data
///
/// A key that is not named stays, `null` removes it, any other value takes the place of the old one
/// whole. At most 64 KiB after the change.
#[utoipa::path(
    patch,
    path = "/api/users/{user_id}/public_data",
    operation_id = "patchPublicData",
    tag = "users",
    params(UserPath),
    request_body = PublicData,
    responses((status = OK, description = "The data after the change", body = PublicData))
)]
pub(super) async fn patch_public(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    body: Body<PublicData>,
) -> Result<Tagged, Error> {
    let patched = app.change(&caller, path.user_id, |user, ctx| {
        let wanted = body.fields()?.public_data.as_ref();
        let wanted = wanted.ok_or_else(|| InvalidFields::needed("public_data"))?;
        Ok(user.patch_public_data(wanted, ctx)?)
    });
    public_data(&patched.await?)
}

/// Find private data
#[utoipa::path(
    get,
    path = "/api/users/{user_id}/private_data",
    operation_id = "getPrivateData",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The data", body = PrivateData))
)]
pub(super) async fn find_private(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    path: UserPath,
    known: Known,
) -> Result<Response, Error> {
    let current = app.current(&caller.origin.tenant, path.user_id).await?;
    Ok(private_data(&current)?.unless(&known))
}

/// Change private data
///
/// A key that is not named stays, `null` removes it, any other value takes the place of the old one
/// whole. At most 64 KiB after the change.
#[utoipa::path(
    patch,
    path = "/api/users/{user_id}/private_data",
    operation_id = "patchPrivateData",
    tag = "users",
    params(UserPath),
    request_body = PrivateData,
    responses((status = OK, description = "The data after the change", body = PrivateData))
)]
pub(super) async fn patch_private(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    body: Body<PrivateData>,
) -> Result<Tagged, Error> {
    let patched = app.change(&caller, path.user_id, |user, ctx| {
        let wanted = body.fields()?.private_data.as_ref();
        let wanted = wanted.ok_or_else(|| InvalidFields::needed("private_data"))?;
        Ok(user.patch_private_data(wanted, ctx)?)
    });
    private_data(&patched.await?)
}
