//! Groups, and who is in them.

use axum::extract::State;
use axum::response::Response;
use minijinja::{Value, context};

use super::Console;
use super::asked::{Asked, Fields, Filled, Named, REACH, ROWS};
use super::operator::Operator;
use super::page::{Fault, Shared, pager};
use super::users::{newest, nobody, rows};
use crate::directory::email::EmailAddress;
use crate::directory::group::{Group, GroupPatch, NewGroup, Wanted};
use crate::directory::user::User;
use crate::error::{Error, InvalidFields};
use crate::id::{GroupId, UserId};
use crate::store::search::{groups, users};
use crate::store::{GroupSortKey, List, Page, Place, Sorted};

/// Lists groups.
pub(super) async fn list(
    State(console): Shared,
    operator: Operator,
    asked: Asked,
) -> Result<Response, Error> {
    console.groups(&operator, &asked, Fault::none()).await
}

/// Makes a group.
pub(super) async fn create(
    State(console): Shared,
    operator: Operator,
    asked: Asked,
    form: Filled,
) -> Result<Response, Error> {
    let new = NewGroup {
        name: Some(form.field("name").to_owned()),
        description: description(&form),
        is_auto_assigned: form.has("is_auto_assigned"),
    };
    match console.app.create_group(&operator.origin, new).await {
        Ok(group) => Ok(console.see(&format!("/groups/{}?done=added", group.group_id))),
        Err(error) => console.groups(&operator, &asked, Fault::of(error)?).await,
    }
}

fn description(form: &Fields) -> Option<String> {
    let text = form.field("description").trim();
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn row(group: &Group) -> Value {
    context! {
        group_id => group.group_id.to_string(),
        name => group.name.as_str(),
        description => group.description.as_deref().unwrap_or_default(),
        is_auto_assigned => group.is_auto_assigned,
        users => group.users_assigned,
        created => group.creation_time.0,
        updated => group.last_updated.0,
    }
}

/// Shows a group and its users.
pub(super) async fn show(
    State(console): Shared,
    operator: Operator,
    named: Named,
    asked: Asked,
) -> Result<Response, Error> {
    console.group(&operator, named.group_id, &asked, Fault::none()).await
}

/// Does what a button says.
pub(super) async fn act(
    State(console): Shared,
    operator: Operator,
    named: Named,
    asked: Asked,
    form: Filled,
) -> Result<Response, Error> {
    let group_id = named.group_id;
    match console.act_on_group(&operator, group_id, &form).await {
        Ok(Some(word)) => Ok(console.see(&format!("/groups/{group_id}?done={word}"))),
        Ok(None) => Ok(console.see("/groups?done=deleted")),
        Err(error) => console.group(&operator, group_id, &asked, Fault::of(error)?).await,
    }
}

impl Console {
    async fn groups(&self, operator: &Operator, asked: &Asked, fault: Fault) -> Result<Response, Error> {
        let filter = asked.field("filter");
        let (page, fault) = match groups::parse(filter) {
            Ok(search) => {
                let list = Sorted {
                    sort: GroupSortKey::Name,
                    descending: false,
                    offset: asked.offset(),
                    limit: ROWS,
                };
                (self.app.groups(operator.tenant(), search, list).await?, fault)
            }
            Err(error) => {
                let none =
                    Page { documents: Vec::new(), total: 0, total_is_estimate: false, has_next: false };
                (none, Fault::of(Error::BadRequest(error.to_string()))?)
            }
        };
        let counts = (page.documents.len(), page.total, page.total_is_estimate, page.has_next);
        let path = format!("{}/groups", self.root);
        let values = context! {
            filter,
            faults => fault.sentences,
            pager => pager(&path, &[("filter", filter)], asked, counts, u64::MAX),
            groups => page.documents.iter().map(row).collect::<Vec<_>>(),
        };
        Ok(self.page(operator, (fault.status, "groups", "groups.html"), asked.field("done"), values))
    }

    async fn group(
        &self,
        operator: &Operator,
        group_id: GroupId,
        asked: &Asked,
        fault: Fault,
    ) -> Result<Response, Error> {
        let group = self.app.group(operator.tenant(), group_id).await?;
        let (members, fault) = match asked.within_reach() {
            Ok(()) => {
                let newest = newest(asked.offset());
                (self.app.members(operator.tenant(), group_id, newest).await?, fault)
            }
            Err(error) => (nobody(), Fault::of(error)?),
        };
        let users = rows(&members)?;
        let counts = (users.len(), members.total, members.total_is_estimate, members.has_next);
        let path = format!("{}/groups/{group_id}", self.root);
        let values = context! {
            group => row(&group),
            faults => fault.sentences,
            pager => pager(&path, &[], asked, counts, REACH),
            users,
        };
        Ok(self.page(operator, (fault.status, "groups", "group.html"), asked.field("done"), values))
    }

    /// Gives the word for what was done; nothing if the group is no more.
    async fn act_on_group(
        &self,
        operator: &Operator,
        group_id: GroupId,
        form: &Fields,
    ) -> Result<Option<&'static str>, Error> {
        let origin = &operator.origin;
        match form.field("action") {
            "save" => {
                let patch = GroupPatch {
                    name: Wanted::Set(form.field("name").to_owned()),
                    description: description(form).map_or(Wanted::Removed, Wanted::Set),
                    is_auto_assigned: Wanted::Set(form.has("is_auto_assigned")),
                };
                let changed =
                    self.app.change_group(origin, group_id, |group, ctx| Ok(group.patch(&patch, ctx)?));
                changed.await.map(|_| Some("saved"))
            }
            "add" => {
                let user_id = self.meant(operator, form.field("user").trim()).await?;
                self.app.assign(origin, user_id, group_id).await.map(|_| Some("added"))
            }
            "remove" => {
                let user_id = UserId::from_path(form.field("user_id"));
                self.app.leave(origin, user_id, group_id).await.map(|()| Some("removed"))
            }
            "delete" => {
                let group = self.app.group(operator.tenant(), group_id).await?;
                if form.field("confirmation").trim() != group.name.as_str() {
                    let message = "What was typed is not the group's name, and nothing was deleted.";
                    return Err(InvalidFields::one("", message).into());
                }
                self.app.delete_group(origin, group_id).await.map(|()| None)
            }
            _ => Err(Error::BadRequest("The form names no action.".to_owned())),
        }
    }

    /// The user who is meant by an id or an address, of which there must be one only.
    async fn meant(&self, operator: &Operator, text: &str) -> Result<UserId, Error> {
        let wrong = |message: &str| Error::from(InvalidFields::one("", message));
        let Ok(address) = EmailAddress::parse(text) else {
            return text.parse().map_err(|_| wrong("This is neither the id of a user nor an email address."));
        };
        let quoted = address.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let search = users::parse(&format!("emails.email:\"{quoted}\""));
        let search = search.map_err(|error| Error::BadRequest(error.to_string()))?;
        let list = List { filter: search, place: Place::ById { after: None }, limit: 2 };
        let found = self.app.users(operator.tenant(), list).await?;
        match found.documents.as_slice() {
            [] => Err(wrong("Nobody has this email address.")),
            [only] => Ok(User::from_document(only)?.user_id),
            _ => Err(wrong(
                "Several users have this email address. Look for the one you mean, and give the id.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_quotes_is_searched_as_it_is() {
        let address = EmailAddress::parse("\"a b\\\"c\"@example.com").unwrap();
        let quoted = address.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        assert!(users::parse(&format!("emails.email:\"{quoted}\"")).is_ok());
    }
}
