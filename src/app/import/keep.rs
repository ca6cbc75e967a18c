//! Keeping what was decided on, and telling what became of it.

use std::collections::HashMap;

use super::decide::{Arriving, Decided, Joining, What};
use super::foresee::Seen;
use super::groups::KnownGroups;
use super::{Fault, Item, Outcome, RowResult};
use crate::app::{App, MAX_ATTEMPTS, refused};
use crate::directory::event::Origin;
use crate::directory::group::Membership;
use crate::directory::import::is_same_but_for_times;
use crate::directory::password::SecretChange;
use crate::directory::user::User;
use crate::error::Error;
use crate::id::{GroupId, UserId};
use crate::store::{Arrival, DocumentChange, KeepError, Kept, MembershipSortKey, Sorted};
use crate::time::Timestamp;

/// An import that is under way.
pub(super) struct Import<'a> {
    pub(super) app: &'a App,
    pub(super) origin: &'a Origin,
    pub(super) groups: KnownGroups,
    /// What a dry run has met; nothing where rows are kept.
    pub(super) seen: Option<Seen>,
}

/// A user with their groups, or why there can be none.
pub(super) struct Placed {
    pub(super) line: u64,
    pub(super) user: Result<Box<Arriving>, Fault>,
    /// How many groups were made for them.
    pub(super) groups: u64,
}

impl<'a> Import<'a> {
    pub(super) async fn begin(app: &'a App, origin: &'a Origin, dry_run: bool) -> Result<Self, Error> {
        let groups = KnownGroups::read(app, origin).await?;
        Ok(Self { app, origin, groups, seen: dry_run.then(Seen::default) })
    }

    /// Keeps what was decided on, and gives what became of it: of all, unless the store failed.
    pub(super) async fn keep(&mut self, decided: Vec<Decided>) -> (Vec<RowResult>, Result<(), Error>) {
        let mut results = Vec::with_capacity(decided.len());
        let items: Vec<Option<Item>> = decided.iter().map(|decided| decided.item).collect();
        let stopped = self.keep_into(decided, &mut results).await;
        for (result, item) in results.iter_mut().zip(items) {
            if let (Outcome::Refused(fault), Some(item)) = (&mut result.outcome, item) {
                *fault = fault.clone().at(item);
            }
        }
        (results, stopped)
    }

    async fn keep_into(&mut self, decided: Vec<Decided>, results: &mut Vec<RowResult>) -> Result<(), Error> {
        let mut users: Vec<Placed> = Vec::new();
        for Decided { line, what, .. } in decided {
            let group = match what {
                Ok(What::User(arriving)) => {
                    match self.groups_are_missing(&arriving) {
                        Ok(false) => users.push(self.placed(line, arriving).await?),
                        Ok(true) => {
                            // Those before may stand in the way.
                            self.keep_users(std::mem::take(&mut users), results).await?;
                            results.push(self.keep_with_groups(line, arriving).await?);
                        }
                        Err(fault) => users.push(Placed { line, user: Err(fault), groups: 0 }),
                    }
                    continue;
                }
                Err(fault) => {
                    users.push(Placed { line, user: Err(fault), groups: 0 });
                    continue;
                }
                Ok(group) => group,
            };
            // In the order of the rows.
            self.keep_users(std::mem::take(&mut users), results).await?;
            let outcome = match group {
                What::Group(group) => self.keep_group(*group).await?,
                What::GroupNamed(name) => match self.group_named(&name).await? {
                    Ok((_, true)) => Outcome::Group,
                    Ok((_, false)) => Outcome::There,
                    Err(fault) => Outcome::Refused(fault),
                },
                What::User(_) => unreachable!("users were put aside above"),
            };
            results.push(RowResult { line, outcome, groups: 0 });
        }
        self.keep_users(users, results).await
    }

    /// Whether a user is in groups that are not there, by their names.
    fn groups_are_missing(&self, arriving: &Arriving) -> Result<bool, Fault> {
        let Joining::Named(names) = &arriving.groups else { return Ok(false) };
        let mut are_missing = false;
        // Each of them: a group that cannot be is told before any is made.
        for name in names {
            are_missing |= self.known_group(name)?.is_none();
        }
        Ok(are_missing)
    }

    /// Keeps a user together with groups that are not there: these are made only for one who is kept.
    async fn keep_with_groups(&mut self, line: u64, arriving: Box<Arriving>) -> Result<RowResult, Error> {
        let (in_the_way, mut nothing_seen) = (self.look_at(&arriving).await?, Seen::default());
        // Where rows are kept, those before are in the store.
        let seen = self.seen.as_mut().unwrap_or(&mut nothing_seen);
        let outcome = seen.foresee(line, &arriving, in_the_way)?;
        if outcome != Outcome::User {
            return Ok(RowResult { line, outcome, groups: 0 });
        }
        let Placed { line, user, groups } = self.placed(line, arriving).await?;
        let outcome = match user {
            Ok(_) if self.seen.is_some() => outcome,
            Ok(arriving) => {
                let kept = self.app.store.keep(arriving.change.clone()).await;
                self.outcome(*arriving, kept).await?
            }
            Err(fault) => Outcome::Refused(fault),
        };
        Ok(RowResult { line, outcome, groups })
    }

    /// A user with their groups, and how many of these were made.
    async fn placed(&mut self, line: u64, arriving: Box<Arriving>) -> Result<Placed, Error> {
        let known = self.groups.ids.len();
        let user = self.place(arriving).await?;
        let groups = (self.groups.ids.len() - known) as u64;
        Ok(Placed { line, user, groups })
    }

    /// Says of a user which groups they join. Makes those that are named and not there.
    async fn place(&mut self, mut arriving: Box<Arriving>) -> Result<Result<Box<Arriving>, Fault>, Error> {
        let arrival = match &arriving.groups {
            Joining::Exactly(arrival) => {
                if !arrival.groups.iter().all(|(group_id, _)| self.groups.ids.contains(group_id)) {
                    let reason = "The user is in a group that is not there.";
                    return Ok(Err(Fault::new("UnknownGroup", reason)));
                }
                arrival.clone()
            }
            Joining::Named(names) => {
                let mut groups = Vec::with_capacity(names.len());
                for name in names {
                    match self.group_named(name).await? {
                        Ok((group_id, _)) => groups.push((group_id, self.app.clock.now())),
                        Err(fault) => return Ok(Err(fault)),
                    }
                }
                Arrival { automatic: Some(self.groups.automatic.clone()), groups, proved_at: None }
            }
        };
        if let DocumentChange::Create(_, _, placed) = &mut arriving.change.document {
            *placed = arrival;
        }
        Ok(Ok(arriving))
    }

    /// Keeps users, and tells what became of each in their order.
    async fn keep_users(&mut self, users: Vec<Placed>, results: &mut Vec<RowResult>) -> Result<(), Error> {
        if self.seen.is_some() {
            return self.foresee(users, results).await;
        }
        let arriving = users.iter().filter_map(|placed| placed.user.as_ref().ok());
        let changes = arriving.map(|arriving| arriving.change.clone()).collect();
        let mut kept = self.app.store.keep_all(changes).await.into_iter();
        for Placed { line, user, groups } in users {
            let outcome = match user {
                Err(fault) => Outcome::Refused(fault),
                Ok(arriving) => {
                    let kept = kept.next().expect("there is an outcome for each change");
                    self.outcome(*arriving, kept).await?
                }
            };
            results.push(RowResult { line, outcome, groups });
        }
        Ok(())
    }

    /// What became of a user.
    async fn outcome(
        &mut self,
        mut arriving: Arriving,
        mut kept: Result<(), KeepError>,
    ) -> Result<Outcome, Error> {
        for _ in 0..MAX_ATTEMPTS {
            match kept {
                Ok(()) => return Ok(Outcome::User),
                Err(KeepError::Exists) => {
                    let user = self.app.store.user(&self.origin.tenant, arriving.user.user_id).await?;
                    let gone = || Error::Unavailable("a user was removed at the same moment".to_owned());
                    return self.compared(&arriving, &user.ok_or_else(gone)?).await;
                }
                Err(KeepError::Conflict) => {}
                Err(error) => return Ok(Outcome::Refused(Fault::of(refused(error))?)),
            }
            // The groups have changed.
            self.groups = KnownGroups::read(self.app, self.origin).await?;
            arriving = match self.place(Box::new(arriving)).await? {
                Ok(arriving) => *arriving,
                Err(fault) => return Ok(Outcome::Refused(fault)),
            };
            kept = self.app.store.keep(arriving.change.clone()).await;
        }
        Err(Error::Unavailable("the groups that take every new user keep changing".to_owned()))
    }
}

/// How many memberships are read at once to compare them.
const COMPARED: u32 = 1_000;

impl Import<'_> {
    /// What becomes of a user of whose id there is one.
    pub(super) async fn compared(&self, arriving: &Arriving, kept: &Kept) -> Result<Outcome, Error> {
        let mut there = User::from_document(&kept.document)?;
        // No row brings that.
        there.forget_unknown();
        let Joining::Exactly(arrival) = &arriving.groups else {
            let is_same = is_same_but_for_times(&arriving.user, &there);
            return Ok(if is_same { Outcome::There } else { Outcome::Refused(Fault::exists("user")) });
        };
        // A line without the hash says nothing of the password.
        let says_nothing = matches!(arriving.change.secret, SecretChange::Keep);
        if says_nothing {
            there.forget_password();
        }
        let (tenant, user_id) = (&self.origin.tenant, arriving.user.user_id);
        let standing = self.app.store.standing(tenant, user_id).await?;
        let has_same_setter = match &arriving.change.secret {
            SecretChange::Set(_, set_by) => standing.password_set_by == Some(*set_by),
            _ => true,
        };
        let same = [
            ("the user", arriving.change.document() == there.to_document()),
            ("groups", self.has_groups(user_id, &arrival.groups).await?),
            ("proved_at", standing.proved_at == arrival.proved_at),
            ("password.set_by", has_same_setter),
        ];
        let others: Vec<&str> = same.iter().filter(|(_, is_same)| !is_same).map(|(part, _)| *part).collect();
        if others.is_empty() {
            return Ok(Outcome::There);
        }
        let reason =
            format!("There is a user of this id already, with others of these: {}.", others.join(", "));
        Ok(Outcome::Refused(Fault::new("Exists", reason)))
    }

    /// Whether a user is in these groups, since these moments, and in no others.
    async fn has_groups(&self, user_id: UserId, groups: &[(GroupId, Timestamp)]) -> Result<bool, Error> {
        let wanted: HashMap<GroupId, Timestamp> = groups.iter().copied().collect();
        let mut offset = 0;
        loop {
            let sort = MembershipSortKey::CreationTime;
            let list = Sorted { sort, descending: false, offset, limit: COMPARED };
            let page = self.app.store.memberships(&self.origin.tenant, user_id, list).await?;
            let is_wanted = |there: &Membership| wanted.get(&there.group_id) == Some(&there.creation_time);
            if !page.documents.iter().all(is_wanted) {
                return Ok(false);
            }
            offset += page.documents.len() as u64;
            if !page.has_next {
                return Ok(offset == wanted.len() as u64);
            }
        }
    }
}
