//! `/api/users/{user_id}/emails`: a user's addresses, and whether each is known to be theirs.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{
    Body, Caller, EmailsVerify, IdentifierPath, OptionalBody, Permission, UserPath, UsersWrite,
};
use super::tag::Tagged;
use crate::app::App;
use crate::directory::email::EmailAddress;
use crate::directory::event::checked_reason;
use crate::directory::proof::AddressId;
use crate::directory::user::User;
use crate::error::{Error, InvalidFields};

/// An address to add.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct AddEmailRequest {
    /// The address.
    #[schema(required, nullable = false, example = "user@example.com")]
    email: Option<String>,
    /// Whether it is known to be the user's.
    is_verified: Option<bool>,
    /// Accepted without effect: there are no restrictions yet.
    skip_restriction_checks: Option<bool>,
}

/// Add an email
///
/// Gives the user another address; the first one becomes primary. A user has 100 at most.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/emails",
    operation_id = "addEmail",
    tag = "users",
    params(UserPath),
    request_body = AddEmailRequest,
    responses((status = OK, description = "The user with the email", body = User))
)]
pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    body: Body<AddEmailRequest>,
) -> Result<Tagged, Error> {
    let added = app.vouch(&caller, path.user_id, |user, ctx| {
        let request = body.fields()?;
        let address = request.email.as_deref().ok_or_else(|| InvalidFields::needed("email"))?;
        let address =
            EmailAddress::parse(address).map_err(|error| InvalidFields::one("email", error.to_string()))?;
        user.add_email(address, request.is_verified.unwrap_or(false), ctx)
    });
    added.await.map(Tagged::from)
}

/// Remove an email
///
/// If it was the primary one, the oldest verified address becomes primary, else the oldest.
#[utoipa::path(
    delete,
    path = "/api/users/{user_id}/emails/{identifier_id}",
    operation_id = "removeEmail",
    tag = "users",
    params(IdentifierPath),
    responses((status = OK, description = "The user without the email", body = User))
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
) -> Result<Tagged, Error> {
    app.change(&caller, path.user_id, |user, ctx| user.remove_email(path.identifier_id, ctx))
        .await
        .map(Tagged::from)
}

/// Make an email primary
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/emails/{identifier_id}/primary",
    operation_id = "setPrimaryEmail",
    tag = "users",
    params(IdentifierPath),
    responses((status = OK, description = "The user with the email as primary", body = User))
)]
pub(super) async fn set_primary(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
) -> Result<Tagged, Error> {
    app.change(&caller, path.user_id, |user, ctx| user.set_primary_email(path.identifier_id, ctx))
        .await
        .map(Tagged::from)
}

/// What may be said with marking an address; nothing needs to be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct VerificationRequest {
    /// Why it is done: kept with the event, at most 500 characters.
    #[schema(max_length = 500, example = "Confirmed by phone")]
    reason: Option<String>,
}

/// The caller with the reason of the body, or what is wrong with that.
pub(super) fn reasoned<P: Permission>(
    caller: Caller<P>,
    body: &OptionalBody<VerificationRequest>,
) -> (Result<(), InvalidFields>, Caller<P>) {
    match body.fields().and_then(|request| checked_reason(request.reason.as_deref())) {
        Ok(reason) => (Ok(()), caller.with_reason(reason)),
        Err(wrong) => (Err(wrong), caller),
    }
}

/// Mark an email verified
///
/// The address is known to be the user's: it can be trusted for signing in and for writing to. A
/// call that changes nothing answers the same and leaves `last_updated`. Refused with
/// `DuplicateEmail` while the address is verified for another user.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/emails/{identifier_id}/verify",
    operation_id = "setEmailVerified",
    tag = "users",
    params(IdentifierPath),
    request_body = Option<VerificationRequest>,
    responses((status = OK, description = "The user with the email verified", body = User))
)]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    caller: Caller<EmailsVerify>,
    path: IdentifierPath,
    body: OptionalBody<VerificationRequest>,
) -> Result<Tagged, Error> {
    // What is wrong with the body is said only once the user and the email are found.
    let (checked, caller) = reasoned(caller, &body);
    let marked = app.vouch(&caller, path.user_id, |user, ctx| {
        let decision = user.verify_email(path.identifier_id, ctx)?;
        checked.clone()?;
        Ok(decision)
    });
    marked.await.map(Tagged::from)
}

/// Mark an email unverified
///
/// The address is not known to be the user's. It stays primary if it is. No link and no code that was
/// made before can verify it any more. A call that changes nothing answers the same and leaves
/// `last_updated`.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/emails/{identifier_id}/unverify",
    operation_id = "setEmailUnverified",
    tag = "users",
    params(IdentifierPath),
    request_body = Option<VerificationRequest>,
    responses((status = OK, description = "The user with the email unverified", body = User))
)]
pub(super) async fn unverify(
    State(app): State<Arc<App>>,
    caller: Caller<EmailsVerify>,
    path: IdentifierPath,
    body: OptionalBody<VerificationRequest>,
) -> Result<Tagged, Error> {
    let (checked, caller) = reasoned(caller, &body);
    let address = AddressId::email(path.identifier_id);
    app.unverify(&caller, path.user_id, address, || Ok(checked.clone()?)).await.map(Tagged::from)
}
