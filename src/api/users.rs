//! `/api/users`: list, create, find, delete, disable, enable and unblock users.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::document::Document;
use super::extract::{Body, Caller, OptionalBody, UserPath, UsersRead, UsersWrite};
use super::lists::{UserList, UserWalk};
use super::page;
use super::passwords::{PasswordAlgorithms, policy};
use super::person::Erasing;
use crate::app::App;
use crate::directory::api_key::Scope;
use crate::directory::password::{Given, NewPassword, Password};
use crate::directory::summary::Summary;
use crate::directory::user::{NewUser, User};
use crate::error::Error;
use crate::id::UserId;

/// List users
///
/// A page of the tenant's users, newest first unless asked otherwise. Rows are users without
/// `private_data`, `public_data` and the claims of external providers.
#[utoipa::path(
    get,
    path = "/api/users",
    operation_id = "getAllUsers",
    tag = "users",
    params(UserList),
    responses((status = OK, description = "A page of users", body = [User], headers(("x-pagination" = String, description = "JSON: page_size, current_page, total_count, has_previous, has_next"))))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    wanted: UserList,
) -> Result<Response, Error> {
    let page = app.users(&caller.origin.tenant, wanted.list()).await?;
    page::of_users(&wanted, page).await
}

/// Walk over users
///
/// Users in the order of their ids, as rows of a list. A walk does not slow down with its length,
/// and meets every user once who is there all the while.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "walkUsers",
    tag = "users",
    params(UserWalk),
    responses((status = OK, description = "Some users", body = Object))
)]
pub(super) async fn walk(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    UserWalk(wanted): UserWalk,
) -> Result<Document, Error> {
    let page = app.users(&caller.origin.tenant, wanted).await?;
    let has_next = page.has_next;
    page::written(page.documents, move |documents| {
        let last = documents.last().filter(|_| has_next);
        let next = last.map(|document| Ok::<_, Error>(User::from_document(document)?.user_id)).transpose()?;
        Document::of(&Walked { users: page::rows(documents)?, next })
    })
    .await
}

/// Users that a walk met.
#[derive(Serialize)]
struct Walked<'a> {
    users: Vec<Summary<'a>>,
    /// The cursor to go on after, if there are more.
    next: Option<UserId>,
}

/// What a user is made from.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateUserRequest {
    /// The name to sign in with.
    #[schema(example = "username")]
    username: Option<String>,
    /// The first email.
    #[schema(example = "user@example.com")]
    email: Option<String>,
    /// Whether that email is known to be the user's.
    email_verified: Option<bool>,
    /// The first phone number, as `+` and digits.
    #[schema(example = "+441514960453")]
    phone_number: Option<String>,
    /// Whether that number is known to be the user's.
    phone_number_verified: Option<bool>,
    /// The password, at most 1,024 characters. The scope `passwords:write` is needed, too.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// A hash of the password from elsewhere, in place of it. The scope `passwords:write` is needed,
    /// too.
    #[schema(value_type = Option<String>)]
    password_hash: Option<Password>,
    /// How the hash was made.
    #[schema(value_type = Option<PasswordAlgorithms>)]
    password_hash_algorithm: Option<String>,
    /// Whether the user must set another password at the next sign-in; true where one is given and
    /// nothing is said.
    #[schema(default = true)]
    is_temporary_password: Option<bool>,
    /// The claim `name`.
    #[schema(example = "John Doe")]
    name: Option<String>,
    /// The claim `given_name`.
    #[schema(example = "John")]
    given_name: Option<String>,
    /// The claim `middle_name`.
    middle_name: Option<String>,
    /// The claim `family_name`.
    #[schema(example = "Doe")]
    family_name: Option<String>,
    /// The claim `nickname`.
    nickname: Option<String>,
    /// The claim `picture`: an http or https URL.
    picture: Option<String>,
    /// Takes a password that is not what the policy wants.
    skip_password_policy_checks: Option<bool>,
    /// Accepted without effect: there are no restrictions yet.
    #[expect(dead_code, reason = "there are no restrictions yet")]
    skip_identifier_restriction_checks: Option<bool>,
    /// Makes a user without any identifier possible.
    skip_conformance_checks: Option<bool>,
}

impl CreateUserRequest {
    fn given_password(&self) -> Given<'_> {
        Given {
            prefix: "",
            password: self.password.as_ref(),
            hash: self.password_hash.as_ref(),
            algorithm: self.password_hash_algorithm.as_deref(),
        }
    }

    /// The password of the new user, hashed once it is known that all else is in order.
    async fn new_password(
        &self,
        app: &App,
        caller: &Caller<UsersWrite>,
        new: &NewUser,
    ) -> Result<Option<NewPassword>, Error> {
        let given = self.given_password();
        if given.is_any() {
            caller.must_hold(Scope::PasswordsWrite)?;
        }
        let wanted = match given.wanted(&policy(self.skip_password_policy_checks)) {
            Ok(None) => return Ok(None),
            Ok(Some(wanted)) => app.check_new(&caller.origin, new).map(|()| wanted),
            Err(error) => Err(match app.check_new(&caller.origin, new) {
                Ok(()) => error,
                Err(other) => other.and(error),
            }),
        };
        let hash = app.hash_password(wanted?).await?;
        Ok(Some(NewPassword { hash, is_temporary: self.is_temporary_password.unwrap_or(true) }))
    }

    fn new_user(&self) -> NewUser {
        let claims = [
            ("name", &self.name),
            ("given_name", &self.given_name),
            ("middle_name", &self.middle_name),
            ("family_name", &self.family_name),
            ("nickname", &self.nickname),
            ("picture", &self.picture),
        ];
        let given = claims
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value.clone()?))));
        NewUser {
            username: self.username.clone(),
            email: self.email.clone(),
            email_verified: self.email_verified.unwrap_or(false),
            phone_number: self.phone_number.clone(),
            phone_number_verified: self.phone_number_verified.unwrap_or(false),
            password: None,
            claims: given.collect::<Map<_, _>>(),
            skip_conformance_checks: self.skip_conformance_checks.unwrap_or(false),
        }
    }
}

/// Create a user
///
/// Makes a user from an email, a phone number or a username, at least one of them. With a password
/// or a hash of one, the scope `passwords:write` is needed, too.
#[utoipa::path(
    post,
    path = "/api/users",
    operation_id = "createUser",
    tag = "users",
    request_body = CreateUserRequest,
    responses((status = CREATED, description = "The user was created", body = User, headers(("location" = String, description = "The path of the user"))))
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    body: Body<CreateUserRequest>,
) -> Result<Response, Error> {
    let request = body.fields()?;
    let mut new = request.new_user();
    new.password = request.new_password(&app, &caller, &new).await?;
    let (user_id, document) = app.create(&caller.origin, new).await?;
    let location = HeaderValue::try_from(format!("/api/users/{user_id}")).expect("an id fits into a header");
    Ok((StatusCode::CREATED, [(LOCATION, location)], Document(document)).into_response())
}

/// Find a user
#[utoipa::path(
    get,
    path = "/api/users/{user_id}",
    operation_id = "findUserById",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The user", body = User))
)]
pub(super) async fn find(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    path: UserPath,
) -> Result<Document, Error> {
    app.user(&caller.origin.tenant, path.user_id).await.map(Document)
}

/// Delete a user
///
/// Removes the user with all addresses; the record of what happened stays. With `erase`, what is personal in
/// the record goes, too, also of a user who was deleted before.
#[utoipa::path(
    delete,
    path = "/api/users/{user_id}",
    operation_id = "deleteUser",
    tag = "users",
    params(UserPath, Erasing),
    responses((status = NO_CONTENT, description = "The user was deleted"))
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    Erasing(erase): Erasing,
) -> Result<StatusCode, Error> {
    if erase {
        app.erase(&caller.origin, path.user_id).await?;
    } else {
        app.delete(&caller.origin, path.user_id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What may be said with disabling a user; nothing needs to be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct DisableUserRequest {
    /// Accepted without effect: there are no sessions yet.
    revoke_sessions: Option<bool>,
}

/// Disable a user
///
/// Keeps the user from signing in.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/disable",
    operation_id = "disableUser",
    tag = "users",
    params(UserPath),
    request_body = Option<DisableUserRequest>,
    responses((status = OK, description = "The disabled user", body = User))
)]
pub(super) async fn disable(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    body: OptionalBody<DisableUserRequest>,
) -> Result<Document, Error> {
    let disabled = app.change(&caller.origin, path.user_id, |user, ctx| {
        body.fields()?;
        Ok(user.disable(ctx))
    });
    disabled.await.map(Document)
}

/// Enable a user
///
/// Lets the user sign in again.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/enable",
    operation_id = "enableUser",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The enabled user", body = User))
)]
pub(super) async fn enable(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
) -> Result<Document, Error> {
    app.change(&caller.origin, path.user_id, |user, ctx| Ok(user.enable(ctx))).await.map(Document)
}

/// Unblock a user
///
/// Ends the block that failures to sign in have brought, and forgets them.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/unblock",
    operation_id = "unblockUser",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The user without a block", body = User))
)]
pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
) -> Result<Document, Error> {
    app.change(&caller.origin, path.user_id, |user, ctx| Ok(user.unblock(ctx))).await.map(Document)
}
