//! Groups: reading and changing them, and who is in them.

use super::{App, Call, MAX_ATTEMPTS, refused};
use crate::directory::event::{Context, Event, EventType, Origin};
use crate::directory::group::{Group, Membership, NewGroup};
use crate::error::{Error, Missing};
use crate::id::{GroupId, TenantId, UserId};
use crate::store::search::groups::GroupSearch;
use crate::store::search::users::UserSearch;
use crate::store::{
    About, GroupChange, GroupKept, GroupSortKey, KeepError, KeptAnswer, List, MembershipChange,
    MembershipSortKey, Page, Sorted, UserChange, Version,
};
use crate::time::Timestamp;

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
    pub async fn create_group<'a>(&self, call: impl Into<Call<'a>>, new: NewGroup) -> Result<Group, Error> {
        let call = call.into();
        let origin = call.origin;
        let ctx = self.context(origin, self.clock.now());
        let (group, events) = Group::create(new, &ctx)?;
        let change = GroupChange {
            tenant: origin.tenant.clone(),
            group_id: group.group_id,
            kept: GroupKept::Create(group.clone()),
            events,
            answer: call.answered(&group, About::Nobody, ctx.now)?,
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
                    answer: None,
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
                answer: None,
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
    pub async fn assign<'a>(
        &self,
        call: impl Into<Call<'a>>,
        user_id: UserId,
        group_id: GroupId,
    ) -> Result<Membership, Error> {
        let call = call.into();
        let tenant = &call.origin.tenant;
        self.in_time(async {
            for _ in 0..MAX_ATTEMPTS {
                let ctx = self.context(call.origin, self.clock.now());
                match self.membership(tenant, user_id, group_id).await {
                    Err(Error::NotFound(Missing::Membership)) => {}
                    Ok(membership) => {
                        if self.keep_membership_answer(call, user_id, &membership, ctx.now).await? {
                            return Ok(membership);
                        }
                        continue;
                    }
                    Err(error) => return Err(error),
                }
                let (_, group) = self.kept_group(tenant, group_id).await?;
                let membership =
                    Membership { group_id, user_id, creation_time: ctx.now, group_name: group.name };
                let answer = call.answered(&membership, About::User(user_id), ctx.now)?;
                if self.keep_membership(&ctx, user_id, group_id, true, answer).await? {
                    return Ok(membership);
                }
                // Somebody was quicker, to assign the user or to take something away: look again.
            }
            Err(Error::Unavailable("others keep changing this membership".to_owned()))
        })
        .await
    }

    /// Keeps what is answered to a call that changes nothing of a user, if it is to be kept; false if the user
    /// is another by now.
    async fn keep_membership_answer(
        &self,
        call: Call<'_>,
        user_id: UserId,
        given: &Membership,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let answer = call.answered(given, About::User(user_id), now)?;
        if answer.is_none() {
            return Ok(true);
        }
        let tenant = &call.origin.tenant;
        let version = self.kept(tenant, user_id).await?.version;
        self.keep(UserChange { answer, ..UserChange::nothing(tenant, version, user_id) }).await
    }

    /// Takes a user out of a group.
    ///
    /// # Errors
    /// [`Missing::User`], [`Missing::Group`], [`Missing::Membership`].
    pub async fn leave(&self, origin: &Origin, user_id: UserId, group_id: GroupId) -> Result<(), Error> {
        self.in_time(async {
            let ctx = self.context(origin, self.clock.now());
            if self.keep_membership(&ctx, user_id, group_id, false, None).await? {
                return Ok(());
            }
            Err(self.missing(&origin.tenant, user_id, group_id).await?)
        })
        .await
    }

    async fn keep_membership(
        &self,
        ctx: &Context<'_>,
        user_id: UserId,
        group_id: GroupId,
        joins: bool,
        answer: Option<Box<KeptAnswer>>,
    ) -> Result<bool, Error> {
        let kind = if joins { EventType::GroupUserAdded } else { EventType::GroupUserRemoved };
        let change = MembershipChange {
            tenant: ctx.origin.tenant.clone(),
            user_id,
            group_id,
            joins,
            event: ctx.group_event(kind, group_id, Some(user_id)),
            answer,
        };
        self.store.keep_membership(change).await.map_err(refused)
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
