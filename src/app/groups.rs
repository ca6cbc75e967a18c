//! Groups: reading and changing them, and who is in them.

use super::{App, MAX_ATTEMPTS, refused};
use crate::directory::event::{Context, Event, EventType, Origin};
use crate::directory::group::{Group, Membership, NewGroup};
use crate::error::{Error, Missing};
use crate::id::{GroupId, TenantId, UserId};
use crate::store::search::groups::GroupSearch;
use crate::store::search::users::UserSearch;
use crate::store::{
    GroupChange, GroupKept, GroupSortKey, KeepError, List, MembershipChange, MembershipSortKey, Page, Sorted,
    Version,
};

impl App {
    /// The group.
    ///
    /// # Errors
    /// [`Missing::Group`].
    pub async fn group(&self, tenant: &TenantId, group_id: GroupId) -> Result<Group, Error> {
        Ok(self.kept_group(tenant, group_id).await?.1)
    }

    /// A page of the tenant's groups, of all or of those that match a filter.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn groups(
        &self,
        tenant: &TenantId,
        filter: Option<GroupSearch>,
        list: Sorted<GroupSortKey>,
    ) -> Result<Page<Group>, Error> {
        self.store.groups(tenant, filter, list).await
    }

    /// Makes a group.
    ///
    /// # Errors
    /// What [`Group::create`] refuses, and [`Error::Refused`] where another group has the name.
    pub async fn create_group(&self, origin: &Origin, new: NewGroup) -> Result<Group, Error> {
        let (group, events) = Group::create(new, &self.context(origin, self.clock.now()))?;
        let change = GroupChange {
            tenant: origin.tenant.clone(),
            group_id: group.group_id,
            kept: GroupKept::Create(group.clone()),
            events,
        };
        self.store.keep_group(change).await.map_err(refused)?;
        Ok(group)
    }

    /// Changes a group by a rule, and gives it as it is afterwards. A rule that names no events
    /// changes nothing: then nothing is written.
    ///
    /// # Errors
    /// [`Missing::Group`], what the rule refuses, and [`Error::Refused`] where another group has
    /// the name.
    pub async fn change_group(
        &self,
        origin: &Origin,
        group_id: GroupId,
        rule: impl Fn(&mut Group, &Context) -> Result<Vec<Event>, Error>,
    ) -> Result<Group, Error> {
        self.in_time(async {
            let _turn = self.turns.wait(&origin.tenant, group_id).await;
            for _ in 0..MAX_ATTEMPTS {
                let (version, mut group) = self.kept_group(&origin.tenant, group_id).await?;
                let now = self.clock.now();
                let events = rule(&mut group, &self.context(origin, now))?;
                if events.is_empty() {
                    return Ok(group);
                }
                group.last_updated = now;
                let change = GroupChange {
                    tenant: origin.tenant.clone(),
                    group_id,
                    kept: GroupKept::Replace(version, group.clone()),
                    events,
                };
                match self.store.keep_group(change).await {
                    // Members may have come and gone meanwhile: what is counted is read again.
                    Ok(()) => {
                        return Ok(self
                            .store
                            .group(&origin.tenant, group_id)
                            .await?
                            .map_or(group, |kept| kept.1));
                    }
                    Err(KeepError::Conflict) => {}
                    Err(error) => return Err(refused(error)),
                }
            }
            Err(Error::Unavailable("other processes keep changing this group".to_owned()))
        })
        .await
    }

    /// Removes a group and its memberships.
    ///
    /// # Errors
    /// [`Missing::Group`].
    pub async fn delete_group(&self, origin: &Origin, group_id: GroupId) -> Result<(), Error> {
        self.in_time(async {
            let _turn = self.turns.wait(&origin.tenant, group_id).await;
            let ctx = self.context(origin, self.clock.now());
            let change = GroupChange {
                tenant: origin.tenant.clone(),
                group_id,
                kept: GroupKept::Delete,
                events: vec![ctx.group_event(EventType::GroupDeleted, group_id, None)],
            };
            match self.store.keep_group(change).await {
                Err(KeepError::Conflict) => Err(Error::NotFound(Missing::Group)),
                kept => kept.map_err(refused),
            }
        })
        .await
    }

    /// A page of the users in a group, of all or of those that match the list's filter.
    ///
    /// # Errors
    /// [`Missing::Group`].
    pub async fn members(&self, tenant: &TenantId, group_id: GroupId, list: List) -> Result<Page, Error> {
        self.kept_group(tenant, group_id).await?;
        let filter = Some(UserSearch::members(group_id, list.filter));
        self.store.users(tenant, List { filter, ..list }).await
    }

    /// A page of the groups that a user is in.
    ///
    /// # Errors
    /// [`Missing::User`].
    pub async fn memberships(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        list: Sorted<MembershipSortKey>,
    ) -> Result<Page<Membership>, Error> {
        let page = self.store.memberships(tenant, user_id, list).await?;
        // Whoever is in a group is there.
        if page.total == 0 {
            self.kept(tenant, user_id).await?;
        }
        Ok(page)
    }

    /// The membership of a user in a group.
    ///
    /// # Errors
    /// [`Missing::User`], [`Missing::Group`], [`Missing::Membership`].
    pub async fn membership(
        &self,
        tenant: &TenantId,
        user_id: UserId,
        group_id: GroupId,
    ) -> Result<Membership, Error> {
        match self.store.membership(tenant, user_id, group_id).await? {
            Some(membership) => Ok(membership),
            None => Err(self.missing(tenant, user_id, group_id).await?),
        }
    }

    /// Makes a user a member of a group, and gives the membership. A member stays one, since when
    /// they were.
    ///
    /// # Errors
    /// [`Missing::User`], [`Missing::Group`].
    pub async fn assign(
        &self,
        origin: &Origin,
        user_id: UserId,
        group_id: GroupId,
    ) -> Result<Membership, Error> {
        self.in_time(async {
            for _ in 0..MAX_ATTEMPTS {
                match self.membership(&origin.tenant, user_id, group_id).await {
                    Err(Error::NotFound(Missing::Membership)) => {}
                    found => return found,
                }
                let kept = self.keep_membership(origin, user_id, group_id, true).await?;
                if let (true, Some(membership)) =
                    (kept, self.store.membership(&origin.tenant, user_id, group_id).await?)
                {
                    return Ok(membership);
                }
                // Somebody was quicker, to assign the user or to take something away: look again.
            }
            Err(Error::Unavailable("others keep changing this membership".to_owned()))
        })
        .await
    }

    /// Takes a user out of a group.
    ///
    /// # Errors
    /// [`Missing::User`], [`Missing::Group`], [`Missing::Membership`].
    pub async fn leave(&self, origin: &Origin, user_id: UserId, group_id: GroupId) -> Result<(), Error> {
        self.in_time(async {
            if self.keep_membership(origin, user_id, group_id, false).await? {
                return Ok(());
            }
            Err(self.missing(&origin.tenant, user_id, group_id).await?)
        })
        .await
    }

    async fn keep_membership(
        &self,
        origin: &Origin,
        user_id: UserId,
        group_id: GroupId,
        joins: bool,
    ) -> Result<bool, Error> {
        let kind = if joins { EventType::GroupUserAdded } else { EventType::GroupUserRemoved };
        let ctx = self.context(origin, self.clock.now());
        let change = MembershipChange {
            tenant: origin.tenant.clone(),
            user_id,
            group_id,
            joins,
            event: ctx.group_event(kind, group_id, Some(user_id)),
        };
        self.store.keep_membership(change).await
    }

    /// What is missing where there is no membership.
    async fn missing(&self, tenant: &TenantId, user_id: UserId, group_id: GroupId) -> Result<Error, Error> {
        self.kept(tenant, user_id).await?;
        self.kept_group(tenant, group_id).await?;
        Ok(Error::NotFound(Missing::Membership))
    }

    async fn kept_group(&self, tenant: &TenantId, group_id: GroupId) -> Result<(Version, Group), Error> {
        self.store.group(tenant, group_id).await?.ok_or(Error::NotFound(Missing::Group))
    }
}
