//! `/api/users/{user_id}/password`: setting, changing, resetting and removing a password. None of it
//! ever answers with one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Document;
use super::extract::{Body, Caller, OptionalBody, PasswordsWrite, UserPath};
use super::tag::Tagged;
use crate::app::App;
use crate::directory::password::{self, Given, Password, Policy};
use crate::directory::user::User;
use crate::error::Error;

/// The policy that a request asks for.
pub(super) fn policy(skip_checks: Option<bool>) -> Policy {
    if skip_checks.unwrap_or(false) { Policy::NONE } else { Policy::DEFAULT }
}

/// How a hash was made.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it only describes the field, whose other spelling is `b_crypt`")]
pub(super) enum PasswordAlgorithms {
    /// bcrypt: `$2a$`, `$2b$` or `$2y$`, with a cost of 4 to 15.
    Bcrypt,
}

/// The password to set: itself, or a hash of it.
#[derive(Deserialize, ToSchema)]
pub(super) struct SetPasswordRequest {
    /// The password, at most 1,024 characters.
    #[schema(value_type = Option<String>, format = Password, example = "correct horse battery")]
    password: Option<Password>,
    /// A hash of the password from elsewhere, in place of it.
    #[schema(value_type = Option<String>)]
    password_hash: Option<Password>,
    /// How the hash was made.
    #[schema(value_type = Option<PasswordAlgorithms>)]
    password_hash_algorithm: Option<String>,
    /// Whether the user must set another at the next sign-in.
    #[schema(default = false)]
    is_temporary_password: Option<bool>,
    /// Takes a password that is not what the policy wants.
    skip_password_policy_checks: Option<bool>,
    /// Accepted without effect: there are no sessions yet.
    #[expect(dead_code, reason = "there are no sessions yet")]
    revoke_sessions: Option<bool>,
}

impl SetPasswordRequest {
    fn given(&self) -> Given<'_> {
        Given {
            prefix: "",
            password: self.password.as_ref(),
            hash: self.password_hash.as_ref(),
            algorithm: self.password_hash_algorithm.as_deref(),
        }
    }
}

/// Set the password
///
/// Gives the user this password in place of any other, and ends links to reset it. A hash is kept as
/// it is and replaced by one of Argon2id when its password is next seen.
#[utoipa::path(
    put,
    path = "/api/users/{user_id}/password",
    operation_id = "setPassword",
    tag = "users",
    params(UserPath),
    request_body = SetPasswordRequest,
    responses((status = OK, description = "The user with a password", body = User))
)]
pub(super) async fn set(
    State(app): State<Arc<App>>,
    caller: Caller<PasswordsWrite>,
    path: UserPath,
    body: Body<SetPasswordRequest>,
) -> Result<Tagged, Error> {
    // Hashing takes long, so an unknown user is told first.
    app.check_user(&caller, path.user_id).await?;
    let request = body.fields()?;
    let wanted = request.given().needed(&policy(request.skip_password_policy_checks))?;
    let hash = app.hash_password(wanted).await?;
    let is_temporary = request.is_temporary_password.unwrap_or(false);
    app.change(&caller, path.user_id, |user, ctx| Ok(user.set_password(hash.clone(), is_temporary, ctx)))
        .await
        .map(Tagged::from)
}

/// Remove the password
///
/// Ends links to reset it, too, also for a user without a password, who stays as it is.
#[utoipa::path(
    delete,
    path = "/api/users/{user_id}/password",
    operation_id = "removePassword",
    tag = "users",
    params(UserPath),
    responses((status = NO_CONTENT, description = "The user has no password"))
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<PasswordsWrite>,
    path: UserPath,
) -> Result<StatusCode, Error> {
    app.change(&caller, path.user_id, |user, ctx| Ok(user.remove_password(ctx))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Require another password
///
/// The user must set another one at the next sign-in.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/password/force_reset",
    operation_id = "setPasswordResetRequired",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The user who must set another password", body = User))
)]
pub(super) async fn require_reset(
    State(app): State<Arc<App>>,
    caller: Caller<PasswordsWrite>,
    path: UserPath,
) -> Result<Tagged, Error> {
    app.change(&caller, path.user_id, |user, ctx| Ok(user.set_password_reset_required(true, ctx)))
        .await
        .map(Tagged::from)
}

/// Require no other password
///
/// The user may keep the password, also a temporary one.
#[utoipa::path(
    delete,
    path = "/api/users/{user_id}/password/force_reset",
    operation_id = "removePasswordResetRequired",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The user who may keep the password", body = User))
)]
pub(super) async fn require_no_reset(
    State(app): State<Arc<App>>,
    caller: Caller<PasswordsWrite>,
    path: UserPath,
) -> Result<Tagged, Error> {
    app.change(&caller, path.user_id, |user, ctx| Ok(user.set_password_reset_required(false, ctx)))
        .await
        .map(Tagged::from)
}

/// The old password, and the new one: itself, or a hash of it.
#[derive(Deserialize, ToSchema)]
pub(super) struct ChangePasswordRequest {
    /// The new password, at most 1,024 characters.
    #[schema(value_type = Option<String>, format = Password, example = "correct horse battery")]
    new_password: Option<Password>,
    /// A hash of the new password from elsewhere, in place of it.
    #[schema(value_type = Option<String>)]
    new_password_hash: Option<Password>,
    /// How the hash was made.
    #[schema(value_type = Option<PasswordAlgorithms>)]
    new_password_hash_algorithm: Option<String>,
    /// The password that the user has.
    #[schema(required, nullable = false, value_type = Option<String>, format = Password, example = "swordfish")]
    old_password: Option<Password>,
    /// Accepted without effect: there are no sessions yet.
    #[expect(dead_code, reason = "there are no sessions yet")]
    revoke_sessions: Option<bool>,
}

impl ChangePasswordRequest {
    fn given(&self) -> Given<'_> {
        Given {
            prefix: "new_",
            password: self.new_password.as_ref(),
            hash: self.new_password_hash.as_ref(),
            algorithm: self.new_password_hash_algorithm.as_deref(),
        }
    }
}

/// Change the password
///
/// Gives the user another password if the old one is right; else it is refused with
/// `PasswordMismatch`, ten times an hour at most. The new one is not temporary, and links to reset it
/// end. An old one that was set before any address of the account was proved is refused with
/// `PasswordNotTrusted`: a link to reset it sets another one.
#[utoipa::path(
    put,
    path = "/api/users/{user_id}/password/change",
    operation_id = "changePassword",
    tag = "users",
    params(UserPath),
    request_body = ChangePasswordRequest,
    responses((status = OK, description = "The user with another password", body = User))
)]
pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller<PasswordsWrite>,
    path: UserPath,
    body: Body<ChangePasswordRequest>,
) -> Result<Tagged, Error> {
    app.check_user(&caller, path.user_id).await?;
    let request = body.fields()?;
    let old = password::old_password(request.old_password.as_ref())?;
    let new = request.given().needed(&Policy::DEFAULT)?;
    app.change_password(&caller, path.user_id, old, new).await.map(Tagged::from)
}

/// How a password is to be reset.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct ResetPasswordRequest {
    /// Sends the link to the primary email, if that is verified and the server sends mail.
    send_email: Option<bool>,
    /// For how many seconds the link works, a minute to seven days.
    #[schema(minimum = 60, maximum = 604_800, default = 3600)]
    expiry: Option<i64>,
}

/// A link by which the user can set another password, once. This is the only time it is shown.
#[derive(Serialize, ToSchema)]
pub(super) struct ResetPasswordResponse {
    /// The link, a secret of the user's.
    pub(super) link: String,
    /// Until when it works.
    pub(super) expires_at: i64,
    /// Whether a mail with it is on its way to the user.
    pub(super) email_sent: bool,
}

/// Reset the password
///
/// Makes a link by which the user can set another password, once and for a while. Earlier ones end.
/// The password stays until then. A link that is mailed also ends when the email is unverified or
/// removed. Mails are bounded as those of `verifyEmail`, and counted with them.
///
/// The answer holds a secret, of which nothing is kept: it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/password/reset",
    operation_id = "resetPassword",
    tag = "users",
    params(UserPath),
    request_body = Option<ResetPasswordRequest>,
    responses((status = OK, description = "The link", body = ResetPasswordResponse))
)]
pub(super) async fn start_reset(
    State(app): State<Arc<App>>,
    caller: Caller<PasswordsWrite>,
    path: UserPath,
    body: OptionalBody<ResetPasswordRequest>,
) -> Result<Document, Error> {
    app.check_user(&caller, path.user_id).await?;
    let request = body.fields()?;
    let expiry = password::reset_expiry(request.expiry)?;
    let by_mail = request.send_email.unwrap_or(false);
    let reset = app.start_password_reset(&caller, path.user_id, expiry, by_mail).await?;
    Document::of(&ResetPasswordResponse {
        link: reset.link,
        expires_at: reset.expires_at.0,
        email_sent: reset.email_sent,
    })
}
