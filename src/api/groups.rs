//! `/api/groups`: groups. `/api/users/{user_id}/groups` and `/api/users/groups`: who is in them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::document::Document;
use super::extract::{Body, Caller, GroupPath, GroupsRead, GroupsWrite, UserGroupPath, UserPath, UsersRead};
use super::lists::{GroupList, MembershipList, UserList};
use super::{page, repeats};
use crate::app::{Answered, App};
use crate::directory::group::{Group, GroupPatch, Membership, NewGroup, Wanted};
use crate::directory::user::User;
use crate::error::Error;
use crate::store::Answer;

/// List groups
///
/// A page of the tenant's groups, newest first unless asked otherwise.
#[utoipa::path(
    get,
    path = "/api/groups",
    operation_id = "getAllGroups",
    tag = "groups",
    params(GroupList),
    responses((status = OK, description = "A page of groups", body = [Group], headers(("x-pagination" = String, description = "JSON: page_size, current_page, total_count, has_previous, has_next"))))
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsRead>,
    wanted: GroupList,
) -> Result<Response, Error> {
    let page = app.groups(&caller.origin.tenant, wanted.filter.clone(), wanted.sorted()).await?;
    page::answer(&wanted, page).await
}

/// What a group is made from.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct CreateGroupRequest {
    /// 1 to 100 characters; no other group of the tenant has this name, whatever the case.
    #[schema(required, nullable = false, max_length = 100, example = "Administrators")]
    name: Option<String>,
    /// What it is for.
    #[schema(max_length = 1000, example = "Those who may change everything")]
    description: Option<String>,
    /// Whether every user who is created from now on becomes a member.
    #[schema(default = false)]
    is_auto_assigned: Option<bool>,
}

impl CreateGroupRequest {
    fn new_group(&self) -> NewGroup {
        NewGroup {
            name: self.name.clone(),
            description: self.description.clone(),
            is_auto_assigned: self.is_auto_assigned.unwrap_or(false),
        }
    }
}

/// Create a group
///
/// Makes a group without members. Refused with `DuplicateGroupName` while another group has the
/// name, whatever its case.
#[utoipa::path(
    post,
    path = "/api/groups",
    operation_id = "createGroup",
    tag = "groups",
    request_body = CreateGroupRequest,
    responses((status = CREATED, description = "The group was created", body = Group, headers(("location" = String, description = "The path of the group"))))
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsWrite>,
    body: Body<CreateGroupRequest>,
) -> Result<Response, Error> {
    repeats::told(&app.create_group(&caller, body.fields()?.new_group()).await?)
}

impl Answered for Group {
    /// That the group was created.
    fn answer(&self) -> Result<Answer, Error> {
        let location = Some(format!("/api/groups/{}", self.group_id));
        let status = StatusCode::CREATED.as_u16();
        Ok(Answer { status, location, ..repeats::untagged(Document::of(self)?) })
    }
}

/// Find a group
#[utoipa::path(
    get,
    path = "/api/groups/{group_id}",
    operation_id = "findGroupById",
    tag = "groups",
    params(GroupPath),
    responses((status = OK, description = "The group", body = Group))
)]
pub(super) async fn find(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsRead>,
    path: GroupPath,
) -> Result<Document, Error> {
    Document::of(&app.group(&caller.origin.tenant, path.group_id).await?)
}

/// What is to change of a group; a field that is not named stays.
#[derive(Deserialize, ToSchema)]
pub(super) struct PatchGroupRequest {
    /// 1 to 100 characters; no other group of the tenant has this name, whatever the case.
    #[serde(default)]
    #[schema(value_type = Option<String>, nullable = false, max_length = 100, example = "Administrators")]
    name: Wanted<String>,
    /// What it is for; `null` takes the description away.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 1000)]
    description: Wanted<String>,
    /// Whether every user who is created from now on becomes a member.
    #[serde(default)]
    #[schema(value_type = Option<bool>, nullable = false)]
    is_auto_assigned: Wanted<bool>,
}

impl PatchGroupRequest {
    fn patch(&self) -> GroupPatch {
        GroupPatch {
            name: self.name.clone(),
            description: self.description.clone(),
            is_auto_assigned: self.is_auto_assigned.clone(),
        }
    }
}

/// Change a group
///
/// A field that is not named stays. A change that changes nothing answers the same and leaves
/// `last_updated`. Making a group auto-assigned does not touch the users that are there.
#[utoipa::path(
    patch,
    path = "/api/groups/{group_id}",
    operation_id = "patchGroup",
    tag = "groups",
    params(GroupPath),
    request_body = PatchGroupRequest,
    responses((status = OK, description = "The changed group", body = Group))
)]
pub(super) async fn patch(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsWrite>,
    path: GroupPath,
    body: Body<PatchGroupRequest>,
) -> Result<Document, Error> {
    let changed = app.change_group(&caller.origin, path.group_id, |group, ctx| {
        Ok(group.patch(&body.fields()?.patch(), ctx)?)
    });
    Document::of(&changed.await?)
}

/// Delete a group
///
/// Its members are in it no longer; the users stay.
#[utoipa::path(
    delete,
    path = "/api/groups/{group_id}",
    operation_id = "deleteGroup",
    tag = "groups",
    params(GroupPath),
    responses((status = NO_CONTENT, description = "The group was deleted"))
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsWrite>,
    path: GroupPath,
) -> Result<StatusCode, Error> {
    app.delete_group(&caller.origin, path.group_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the groups of a user
///
/// A page of the groups that the user is in, the newest membership first unless asked otherwise.
#[utoipa::path(
    get,
    path = "/api/users/{user_id}/groups",
    operation_id = "getAllUserGroups",
    tag = "users",
    params(UserPath, MembershipList),
    responses((status = OK, description = "A page of the user's groups", body = [Membership], headers(("x-pagination" = String, description = "JSON: page_size, current_page, total_count, has_previous, has_next"))))
)]
pub(super) async fn list_of_user(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsRead>,
    path: UserPath,
    wanted: MembershipList,
) -> Result<Response, Error> {
    let page = app.memberships(&caller.origin.tenant, path.user_id, wanted.sorted()).await?;
    page::answer(&wanted, page).await
}

/// Find a group of a user
#[utoipa::path(
    get,
    path = "/api/users/{user_id}/groups/{group_id}",
    operation_id = "findUserGroup",
    tag = "users",
    params(UserGroupPath),
    responses((status = OK, description = "The membership", body = Membership))
)]
pub(super) async fn find_of_user(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsRead>,
    path: UserGroupPath,
) -> Result<Document, Error> {
    Document::of(&app.membership(&caller.origin.tenant, path.user_id, path.group_id).await?)
}

/// Assign a user to a group
///
/// Makes the user a member. A member stays one, and nothing changes.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/groups/{group_id}",
    operation_id = "assignUserToGroup",
    tag = "users",
    params(UserGroupPath),
    responses((status = OK, description = "The membership", body = Membership))
)]
pub(super) async fn assign(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsWrite>,
    path: UserGroupPath,
) -> Result<Document, Error> {
    Document::of(&app.assign(&caller, path.user_id, path.group_id).await?)
}

impl Answered for Membership {
    fn answer(&self) -> Result<Answer, Error> {
        Document::of(self).map(repeats::untagged)
    }
}

/// Remove a user from a group
#[utoipa::path(
    delete,
    path = "/api/users/{user_id}/groups/{group_id}",
    operation_id = "removeUserFromGroup",
    tag = "users",
    params(UserGroupPath),
    responses((status = NO_CONTENT, description = "The user is in the group no longer"))
)]
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller<GroupsWrite>,
    path: UserGroupPath,
) -> Result<StatusCode, Error> {
    app.leave(&caller.origin, path.user_id, path.group_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the users in a group
///
/// A page of the group's members, sorted as users are: by default those created last come first.
#[utoipa::path(
    get,
    path = "/api/users/groups/{group_id}/assigned",
    operation_id = "getAllGroupAssignedUsers",
    tag = "users",
    params(GroupPath, UserList),
    responses((status = OK, description = "A page of users", body = [User], headers(("x-pagination" = String, description = "JSON: page_size, current_page, total_count, has_previous, has_next"))))
)]
pub(super) async fn list_users(
    State(app): State<Arc<App>>,
    caller: Caller<UsersRead>,
    path: GroupPath,
    wanted: UserList,
) -> Result<Response, Error> {
    let page = app.members(&caller.origin.tenant, path.group_id, wanted.list()).await?;
    page::of_users(&wanted, page).await
}
