//! The groups of an import: those that are there, and those that rows bring.

use std::collections::{HashMap, HashSet};

use super::keep::Import;
use super::{Fault, Outcome};
use crate::app::{App, refused};
use crate::directory::event::{Event, Origin};
use crate::directory::group::{Group, NewGroup};
use crate::directory::import::imported_group;
use crate::error::{Error, InvalidFields};
use crate::id::GroupId;
use crate::store::{GroupChange, GroupKept, GroupSortKey, KeepError, Sorted};

/// The groups of a tenant: few, beside its users.
#[derive(Default)]
pub(super) struct KnownGroups {
    by_name: HashMap<String, GroupId>,
    pub(super) ids: HashSet<GroupId>,
    /// Those that take every new user, in the order of their ids.
    pub(super) automatic: Vec<GroupId>,
}

impl KnownGroups {
    /// Those that are there.
    pub(super) async fn read(app: &App, origin: &Origin) -> Result<Self, Error> {
        let mut known = Self::default();
        let mut offset = 0;
        loop {
            let list = Sorted { sort: GroupSortKey::CreationTime, descending: false, offset, limit: 1_000 };
            let page = app.store.groups(&origin.tenant, None, list).await?;
            offset += page.documents.len() as u64;
            page.documents.iter().for_each(|group| known.add(group));
            if !page.has_next {
                return Ok(known);
            }
        }
    }

    fn add(&mut self, group: &Group) {
        self.by_name.insert(group.name.canonical(), group.group_id);
        self.ids.insert(group.group_id);
        if group.is_auto_assigned {
            self.automatic.push(group.group_id);
            self.automatic.sort_unstable();
        }
    }
}

impl Import<'_> {
    /// Keeps a group as it was exported.
    pub(super) async fn keep_group(&mut self, group: Group) -> Result<Outcome, Error> {
        if let Some((_, kept)) = self.app.store.group(&self.origin.tenant, group.group_id).await? {
            // Members come and go without anything else being changed.
            let (users_assigned, last_assigned) = (kept.users_assigned, kept.last_assigned);
            let is_same = Group { users_assigned, last_assigned, ..group } == kept;
            return Ok(if is_same { Outcome::There } else { Outcome::Refused(Fault::exists("group")) });
        }
        if self.groups.by_name.contains_key(&group.name.canonical()) {
            return Ok(Outcome::Refused(Fault::of(refused(KeepError::NameTaken))?));
        }
        let event = imported_group(&group, &self.app.context(self.origin, self.app.clock.now()));
        Ok(match self.create_group(group, vec![event]).await? {
            Ok(_) => Outcome::Group,
            Err(fault) => Outcome::Refused(fault),
        })
    }

    /// The group of this name, and whether it was made just now.
    pub(super) async fn group_named(&mut self, name: &str) -> Result<Result<(GroupId, bool), Fault>, Error> {
        let (group, events) = match self.new_group(name) {
            Ok(made) => made,
            Err(fault) => return Ok(Err(fault)),
        };
        match self.groups.by_name.get(&group.name.canonical()) {
            Some(known) => Ok(Ok((*known, false))),
            None => Ok(self.create_group(group, events).await?.map(|group_id| (group_id, true))),
        }
    }

    /// The group of this name, if it is there.
    pub(super) fn known_group(&self, name: &str) -> Result<Option<GroupId>, Fault> {
        let (group, _) = self.new_group(name)?;
        Ok(self.groups.by_name.get(&group.name.canonical()).copied())
    }

    /// A group of this name, as a new one would be.
    fn new_group(&self, name: &str) -> Result<(Group, Vec<Event>), Fault> {
        let new = NewGroup { name: Some(name.to_owned()), ..NewGroup::default() };
        let made = Group::create(new, &self.app.context(self.origin, self.app.clock.now()));
        made.map_err(|InvalidFields(fields)| {
            // In the row it stands among others.
            let reasons: Vec<String> =
                fields.iter().map(|(_, message)| format!("groups: {message}")).collect();
            Fault::new("Invalid", reasons.join(" "))
        })
    }

    /// Makes a group, unless nothing is to be kept.
    async fn create_group(
        &mut self,
        group: Group,
        events: Vec<Event>,
    ) -> Result<Result<GroupId, Fault>, Error> {
        let group_id = group.group_id;
        if self.seen.is_none() {
            let tenant = self.origin.tenant.clone();
            let change = GroupChange {
                tenant,
                group_id,
                kept: GroupKept::Create(group.clone()),
                events,
                answer: None,
            };
            match self.app.store.keep_group(change).await {
                Ok(()) => {}
                Err(KeepError::Exists) => return Ok(Err(Fault::exists("group"))),
                Err(error) => return Ok(Err(Fault::of(refused(error))?)),
            }
        }
        self.groups.add(&group);
        Ok(Ok(group_id))
    }
}
