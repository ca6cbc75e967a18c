//! Groups: sets of users under a name, and who is in them. How many users a group has is for the
//! store to count, which alone sees all of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::{Context, Event, EventType};
use super::text::{fold, is_unseen};
use crate::error::InvalidFields;
use crate::id::{GroupId, UserId};
use crate::time::Timestamp;

/// How long a name may be, in characters.
const MAX_NAME_LENGTH: usize = 100;
/// How long a description may be, in characters.
const MAX_DESCRIPTION_LENGTH: usize = 1_000;

/// The name of a group as typed, without the white space around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, min_length = 1, max_length = 100, example = "Administrators")]
pub struct GroupName(String);

impl GroupName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`InvalidFields`] on `name` for a wrong length or character.
    pub fn parse(text: &str) -> Result<Self, InvalidFields> {
        let text = text.trim();
        let message = if text.chars().any(is_unseen) {
            "A name cannot have invisible or control characters."
        } else if (1..=MAX_NAME_LENGTH).contains(&text.chars().count()) {
            return Ok(Self(text.to_owned()));
        } else {
            "A name has 1 to 100 characters."
        };
        Err(InvalidFields::one("name", message))
    }

    /// The name that the store has kept.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The name as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two names are the same one.
    pub fn canonical(&self) -> String {
        fold(&self.0)
    }
}

/// Where a group comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = GroupTypes)]
pub enum GroupType {
    /// It was made by a call of this API; there are no others.
    Custom,
}

/// A group. Its JSON is the answer a client gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Group {
    /// The group's id.
    #[schema(value_type = uuid::Uuid)]
    pub group_id: GroupId,
    /// Where it comes from: always `custom`.
    pub r#type: GroupType,
    /// What it is called: no other group of the tenant is, whatever the case.
    pub name: GroupName,
    /// What it is for.
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Whether every user who is created from now on becomes a member.
    pub is_auto_assigned: bool,
    /// How many members it has.
    pub users_assigned: u64,
    /// How many applications it is assigned to: none, as there are no applications.
    pub clients_assigned: u64,
    /// When it came to be.
    #[schema(value_type = i64)]
    pub creation_time: Timestamp,
    /// When its name, description or `is_auto_assigned` last changed.
    #[schema(value_type = i64)]
    pub last_updated: Timestamp,
    /// When a user last became a member; until one does, when the group came to be.
    #[schema(value_type = i64)]
    pub last_assigned: Timestamp,
}

/// That a user is in a group. Its JSON is the answer a client gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = UserGroup)]
pub struct Membership {
    /// The group.
    #[schema(value_type = uuid::Uuid)]
    pub group_id: GroupId,
    /// The user.
    #[schema(value_type = String, example = "UOtBaOybB6dTpIJNrnkRw")]
    pub user_id: UserId,
    /// Since when.
    #[schema(value_type = i64)]
    pub creation_time: Timestamp,
    /// What the group is called.
    pub group_name: GroupName,
}

/// What a new group is made from; the texts are as they came.
#[derive(Clone, Debug, Default)]
pub struct NewGroup {
    /// The name, which is needed.
    pub name: Option<String>,
    /// The description, if any.
    pub description: Option<String>,
    /// Whether every user who is created from then on becomes a member.
    pub is_auto_assigned: bool,
}

/// What a patch says of one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wanted<T> {
    /// Nothing: it is to stay as it is.
    #[default]
    Unchanged,
    /// `null`: it is to be taken away.
    Removed,
    /// It is to be this.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Wanted<T> {
    /// Reads a field that is there; one that is not is [`Wanted::default`].
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Removed, Self::Set))
    }
}

/// What is to change of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupPatch {
    /// The name.
    pub name: Wanted<String>,
    /// The description.
    pub description: Wanted<String>,
    /// Whether every user who is created from then on becomes a member.
    pub is_auto_assigned: Wanted<bool>,
}

impl Group {
    /// Makes a group without members.
    ///
    /// # Errors
    /// [`InvalidFields`] with every field that is absent or of the wrong form. That the name is
    /// free is for the store to say, which alone sees all groups.
    pub fn create(new: NewGroup, ctx: &Context) -> Result<(Self, Vec<Event>), InvalidFields> {
        let name = new.name.as_deref().map_or_else(|| Err(InvalidFields::needed("name")), GroupName::parse);
        let (name, description) = both(name, checked_description(new.description))?;
        let group = Self {
            group_id: GroupId::new(ctx.random),
            r#type: GroupType::Custom,
            name,
            description,
            is_auto_assigned: new.is_auto_assigned,
            users_assigned: 0,
            clients_assigned: 0,
            creation_time: ctx.now,
            last_updated: ctx.now,
            last_assigned: ctx.now,
        };
        let events = vec![ctx.group_event(EventType::GroupCreated, group.group_id, None)];
        Ok((group, events))
    }

    /// Changes what the patch names. No events: it was so already.
    ///
    /// # Errors
    /// [`InvalidFields`] with every field that is of the wrong form, or `null` though it cannot be
    /// taken away.
    pub fn patch(&mut self, patch: &GroupPatch, ctx: &Context) -> Result<Vec<Event>, InvalidFields> {
        let name = match &patch.name {
            Wanted::Unchanged => Ok(self.name.clone()),
            Wanted::Removed => Err(InvalidFields::needed("name")),
            Wanted::Set(text) => GroupName::parse(text),
        };
        let description = match &patch.description {
            Wanted::Unchanged => Ok(self.description.clone()),
            Wanted::Removed => Ok(None),
            Wanted::Set(text) => checked_description(Some(text.clone())),
        };
        let is_auto_assigned = match patch.is_auto_assigned {
            Wanted::Unchanged => Ok(self.is_auto_assigned),
            Wanted::Removed => Err(InvalidFields::needed("is_auto_assigned")),
            Wanted::Set(wanted) => Ok(wanted),
        };
        let ((name, description), is_auto_assigned) = both(both(name, description), is_auto_assigned)?;
        let before = self.clone();
        (self.name, self.description, self.is_auto_assigned) = (name, description, is_auto_assigned);
        if *self == before {
            return Ok(Vec::new());
        }
        Ok(vec![ctx.group_event(EventType::GroupUpdated, self.group_id, None)])
    }
}

/// What happens when a user who is made becomes a member of these groups, which take every new user.
pub fn joined(user_id: UserId, groups: &[GroupId], ctx: &Context) -> Vec<Event> {
    let event = |group: &GroupId| ctx.group_event(EventType::GroupUserAdded, *group, Some(user_id));
    groups.iter().map(event).collect()
}

pub(super) fn checked_description(text: Option<String>) -> Result<Option<String>, InvalidFields> {
    if text.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION_LENGTH) {
        return Err(InvalidFields::one("description", "A description has at most 1000 characters."));
    }
    Ok(text)
}

/// Both values, or what is wrong with either.
fn both<A, B>(
    one: Result<A, InvalidFields>,
    other: Result<B, InvalidFields>,
) -> Result<(A, B), InvalidFields> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(one), Err(other)) => Err(InvalidFields([one.0, other.0].concat())),
        (Err(wrong), Ok(_)) | (Ok(_), Err(wrong)) => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::event::Origin;
    use crate::id::{SeededRandom, TenantId};
    use crate::secret::PlainKey;

    fn with_context<T>(test: impl FnOnce(&Context) -> T) -> T {
        let random = SeededRandom::new(1);
        let origin = Origin::of_key(TenantId::default_tenant(), PlainKey::new(&random).id(), "test", &random);
        test(&Context { now: Timestamp(7), random: &random, origin: &origin })
    }

    fn named(name: &str) -> NewGroup {
        NewGroup { name: Some(name.to_owned()), ..NewGroup::default() }
    }

    #[test]
    fn a_name_is_kept_as_typed_without_white_space_around_it() {
        let name = GroupName::parse(" \u{3000}Große Gruppe \n").unwrap();
        assert_eq!(name.as_str(), "Große Gruppe");
        assert_eq!(name.canonical(), GroupName::parse("GROSSE GRUPPE").unwrap().canonical());
    }

    #[test]
    fn a_name_of_the_wrong_form_is_refused() {
        for wrong in ["", "  ", &"x".repeat(101), "a\nb", "a\u{200b}b", "a\u{202e}b", "a\0b", "a\u{a0}b"] {
            assert_eq!(GroupName::parse(wrong).unwrap_err().0[0].0, "name", "{wrong:?}");
        }
        for good in ["a", &"ж".repeat(100), "a b", "管理者", "👍 R&D / \"x\""] {
            assert!(GroupName::parse(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn a_group_is_made_without_members_and_names_its_event() {
        with_context(|ctx| {
            let (group, events) = Group::create(named("a"), ctx).unwrap();
            assert_eq!((group.users_assigned, group.last_assigned), (0, Timestamp(7)));
            assert_eq!((events.len(), events[0].kind), (1, EventType::GroupCreated));
            assert_eq!((events[0].group_id, events[0].user_id), (Some(group.group_id), None));
        });
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        with_context(|ctx| {
            let fields = |error: InvalidFields| error.0.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
            let long = Some("x".repeat(1_001));
            let new = NewGroup { description: long, ..NewGroup::default() };
            assert_eq!(fields(Group::create(new, ctx).unwrap_err()), ["name", "description"]);
            let (mut group, _) = Group::create(named("a"), ctx).unwrap();
            let before = group.clone();
            let patch = GroupPatch {
                name: Wanted::Removed,
                description: Wanted::Set("x".repeat(1_001)),
                is_auto_assigned: Wanted::Removed,
            };
            let wrong = fields(group.patch(&patch, ctx).unwrap_err());
            assert_eq!(wrong, ["name", "description", "is_auto_assigned"]);
            assert_eq!(group, before);
        });
    }

    #[test]
    fn a_patch_changes_what_it_names_and_once_only() {
        with_context(|ctx| {
            let new = NewGroup { description: Some("old".to_owned()), ..named("a") };
            let (mut group, _) = Group::create(new, ctx).unwrap();
            assert_eq!(group.patch(&GroupPatch::default(), ctx), Ok(Vec::new()));
            let patch = GroupPatch { name: Wanted::Set(" A ".to_owned()), ..GroupPatch::default() };
            assert_eq!(group.patch(&patch, ctx).unwrap()[0].kind, EventType::GroupUpdated);
            assert_eq!(group.patch(&patch, ctx), Ok(Vec::new()));
            assert_eq!((group.name.as_str(), group.description.as_deref()), ("A", Some("old")));
            let patch = GroupPatch { description: Wanted::Removed, ..GroupPatch::default() };
            assert_eq!(group.patch(&patch, ctx).unwrap().len(), 1);
            assert_eq!(group.description, None);
            assert_eq!(group.patch(&patch, ctx), Ok(Vec::new()));
        });
    }
}
