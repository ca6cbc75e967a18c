//! `/api/users/{user_id}/username`: the name a user signs in with.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::extract::{Body, Caller, UserPath, UsersWrite};
use super::tag::Tagged;
use crate::app::App;
use crate::directory::user::User;
use crate::directory::username::UserName;
use crate::error::{Error, InvalidFields};

/// The name to set.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct UpdateUsernameRequest {
    /// 3 to 64 letters, digits, dots, underscores and hyphens.
    #[schema(required, nullable = false, example = "username")]
    username: Option<String>,
}

/// Set the username
///
/// Gives the user this name in place of any other. Refused with `DuplicateUserName` while another
/// user has it, whatever its case.
#[utoipa::path(
    put,
    path = "/api/users/{user_id}/username",
    operation_id = "updateUsername",
    tag = "users",
    params(UserPath),
    request_body = UpdateUsernameRequest,
    responses((status = OK, description = "The user with the name", body = User))
)]
pub(super) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
    body: Body<UpdateUsernameRequest>,
) -> Result<Tagged, Error> {
    let updated = app.change(&caller, path.user_id, |user, ctx| {
        let name = body.fields()?.username.as_deref();
        let name = name.ok_or_else(|| InvalidFields::needed("username"))?;
        Ok(user.set_username(UserName::parse(name)?, ctx))
    });
    updated.await.map(Tagged::from)
}

/// Remove the username
///
/// A user without a name stays as it is.
#[utoipa::path(
    delete,
    path = "/api/users/{user_id}/username",
    operation_id = "removeUsername",
    tag = "users",
    params(UserPath),
    responses((status = OK, description = "The user without a name", body = User))
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: UserPath,
) -> Result<Tagged, Error> {
    app.change(&caller, path.user_id, |user, ctx| Ok(user.remove_username(ctx))).await.map(Tagged::from)
}
