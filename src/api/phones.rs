//! `/api/users/{user_id}/phones`: a user's phone numbers, and whether each is known to be theirs.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::emails::{VerificationRequest, reasoned};
use super::extract::{Body, Caller, IdentifierPath, OptionalBody, UserPath, UsersWrite};
use super::tag::Tagged;
use crate::app::App;
use crate::directory::phone::PhoneNumber;
use crate::directory::proof::AddressId;
use crate::directory::user::User;
use crate::error::{Error, InvalidFields};

/// A number to add.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct AddPhoneRequest {
    /// The number, as `+` and digits.
    #[schema(required, nullable = false, example = "+441514960453")]
    phone_number: Option<String>,
    /// Whether it is known to be the user's.
    is_verified: Option<bool>,
    /// Accepted without effect: there are no restrictions yet.
    skip_restriction_checks: Option<bool>,
}

/// Add a phone number
///
/// Gives the user another number; the first one becomes primary. A user has 100 at most.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/phones",
    operation_id = "addPhone",
    tag = "users",
    params(UserPath),
    request_body = AddPhoneRequest,
    responses((status = OK, description = "The user with the number", body = User))
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    body: Body<AddPhoneRequest>,
) -> Result<Tagged, Error> {
    let added = app.vouch(&caller, path.user_id, |user, ctx| {
        let request = body.fields()?;
        let number = request.phone_number.as_deref();
        let number = number.ok_or_else(|| InvalidFields::needed("phone_number"))?;
        let number = PhoneNumber::parse(number)
            .map_err(|error| InvalidFields::one("phone_number", error.to_string()))?;
        user.add_phone(number, request.is_verified.unwrap_or(false), ctx)
    });
    added.await.map(Tagged::from)
}

/// Remove a phone number
///
/// If it was the primary one, the oldest verified number becomes primary, else the oldest.
#[utoipa::path(
    delete,
    path = "/api/users/{user_id}/phones/{identifier_id}",
    operation_id = "removePhone",
    tag = "users",
    params(IdentifierPath),
    responses((status = OK, description = "The user without the number", body = User))
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
) -> Result<Tagged, Error> {
    app.change(&caller, path.user_id, |user, ctx| user.remove_phone(path.identifier_id, ctx))
        .await
        .map(Tagged::from)
}

/// Make a phone number primary
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/phones/{identifier_id}/primary",
    operation_id = "setPrimaryPhone",
    tag = "users",
    params(IdentifierPath),
    responses((status = OK, description = "The user with the number as primary", body = User))
)]
pub(super) async fn set_primary(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
) -> Result<Tagged, Error> {
    app.change(&caller, path.user_id, |user, ctx| user.set_primary_phone(path.identifier_id, ctx))
        .await
        .map(Tagged::from)
}

/// Mark a phone number verified
///
/// The number is known to be the user's. A call that changes nothing answers the same and leaves
/// `last_updated`. Refused with `DuplicatePhoneNumber` while the number is verified for another user.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/phones/{identifier_id}/verify",
    operation_id = "setPhoneVerified",
    tag = "users",
    params(IdentifierPath),
    request_body = Option<VerificationRequest>,
    responses((status = OK, description = "The user with the number verified", body = User))
)]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
    body: OptionalBody<VerificationRequest>,
) -> Result<Tagged, Error> {
    let (checked, caller) = reasoned(caller, &body);
    let marked = app.vouch(&caller, path.user_id, |user, ctx| {
        let decision = user.verify_phone(path.identifier_id, ctx)?;
        checked.clone()?;
        Ok(decision)
    });
    marked.await.map(Tagged::from)
}

/// Mark a phone number unverified
///
/// The number is not known to be the user's. It stays primary if it is. A code that was made for it
/// before counts no more. Otherwise a call that changes nothing answers the same and leaves
/// `last_updated`.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/phones/{identifier_id}/unverify",
    operation_id = "setPhoneUnverified",
    tag = "users",
    params(IdentifierPath),
    request_body = Option<VerificationRequest>,
    responses((status = OK, description = "The user with the number unverified", body = User))
)]
pub(super) async fn unverify(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
    body: OptionalBody<VerificationRequest>,
) -> Result<Tagged, Error> {
    let (checked, caller) = reasoned(caller, &body);
    let address = AddressId::phone(path.identifier_id);
    app.unverify(&caller, path.user_id, address, || Ok(checked.clone()?)).await.map(Tagged::from)
}
