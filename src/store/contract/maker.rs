//! Users, groups and changes of them to test stores with, made without an app.

use crate::directory::event::{Context, EventType, Origin};
use crate::directory::group::{GroupPatch, NewGroup, Wanted};
use crate::directory::password::Decision;
use crate::directory::person::removed_and_erased;
use crate::directory::proof::{AddressId, Proof, ProofChange, Standing};
use crate::directory::settings::{Limit, Means, Settings};
use crate::directory::user::{NewUser, User};
use crate::id::SeededRandom;
use crate::secret::{PlainKey, PlainToken, Purpose, ServerSecret, TokenId};
use crate::store::*;

/// Makes users and changes of them, without an app.
pub(super) struct Maker {
    pub(super) random: SeededRandom,
    pub(super) origin: Origin,
    pub(super) now: Timestamp,
    pub(super) secret: ServerSecret,
}

impl Maker {
    pub(super) fn new(tenant: &TenantId) -> Self {
        let random = SeededRandom::new(7);
        let origin = Origin {
            remote_address: Some([192, 0, 2, 1].into()),
            user_agent: Some("contract/1".to_owned()),
            reason: Some("to see".to_owned()),
            ..Origin::of_key(tenant.clone(), PlainKey::new(&random).id(), "contract", &random)
        };
        Self { random, origin, now: Timestamp(1_000), secret: ServerSecret::new(&SeededRandom::new(8)) }
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context { now: self.now, random: &self.random, origin: &self.origin }
    }

    pub(super) fn user(&self, new: NewUser) -> (User, UserChange) {
        let (mut user, events) = User::create(new, &self.context()).unwrap();
        let change = UserChange::create(&self.origin.tenant, &mut user, Vec::new(), events.into());
        (user, change)
    }

    pub(super) fn with_email(&self, email: &str, verified: bool) -> (User, UserChange) {
        self.user(NewUser { email: Some(email.to_owned()), email_verified: verified, ..NewUser::default() })
    }

    /// A user without identifiers who has these claims.
    pub(super) fn with_claims(&self, claims: &[(&str, &str)]) -> (User, UserChange) {
        let claims = claims.iter().map(|(name, text)| ((*name).to_owned(), (*text).into())).collect();
        self.user(NewUser { claims, skip_conformance_checks: true, ..NewUser::default() })
    }

    /// The change that `rule` makes of `user`, decided on `version`.
    pub(super) fn change<D: Into<Decision>>(
        &self,
        user: &mut User,
        version: i64,
        rule: impl FnOnce(&mut User, &Context) -> D,
    ) -> UserChange {
        let before = user.clone();
        let decision = rule(user, &self.context()).into();
        user.last_updated = self.now;
        UserChange::replace(&self.origin.tenant, Version(version), &before, user, decision)
    }

    /// The change that leaves `user` as it is, decided on `version`.
    pub(super) fn beside(&self, user: &User, version: i64, decision: Decision) -> UserChange {
        let change = UserChange::beside(&self.origin.tenant, Version(version), user.user_id, decision);
        change.expect("there is something to keep")
    }

    /// A proof of an email of `user` by a link and a code, at this moment.
    pub(super) fn proof(&self, user: &User, email: usize) -> Proof {
        let settings = Settings { proof_means: Means::Both, ..Settings::default() };
        let address = AddressId::email(user.emails[email].id);
        user.make_proof(address, None, &settings, &self.secret, &self.context()).unwrap().proof
    }

    /// The change that starts this proof, decided on `version`.
    pub(super) fn start(&self, user: &User, version: i64, proof: &Proof, limits: &[Limit]) -> UserChange {
        let decision = user.start_proof(proof.clone(), true, &Settings::default(), &self.context()).unwrap();
        let proof = ProofChange::Start(Box::new(proof.clone()), limits.to_vec());
        self.beside(user, version, Decision { proof, ..decision })
    }

    /// The change by which this proof verifies its address, decided on `version`.
    pub(super) fn prove(
        &self,
        user: &mut User,
        version: i64,
        proof: &Proof,
        standing: &Standing,
    ) -> UserChange {
        self.change(user, version, |user, ctx| {
            user.prove(proof, standing, &Settings::default(), ctx).unwrap()
        })
    }

    /// A new token to reset a password.
    pub(super) fn token(&self) -> PlainToken {
        let id = TokenId::new(&self.random);
        PlainToken::derive(&self.secret, Purpose::Reset, &self.origin.tenant, id)
    }

    pub(super) fn group(&self, name: &str, is_auto_assigned: bool) -> (Group, GroupChange) {
        let new = NewGroup { name: Some(name.to_owned()), is_auto_assigned, ..NewGroup::default() };
        let (group, events) = Group::create(new, &self.context()).unwrap();
        (group.clone(), self.group_change(group.group_id, GroupKept::Create(group), events))
    }

    pub(super) fn group_change(&self, group_id: GroupId, kept: GroupKept, events: Vec<Event>) -> GroupChange {
        GroupChange { tenant: self.origin.tenant.clone(), group_id, kept, events, answer: None }
    }

    /// The change that gives a group, decided on as it was at `version`, another name.
    pub(super) fn rename(&self, group: &Group, version: i64, name: &str) -> GroupChange {
        let mut group = group.clone();
        let patch = GroupPatch { name: Wanted::Set(name.to_owned()), ..GroupPatch::default() };
        let events = group.patch(&patch, &self.context()).unwrap();
        group.last_updated = self.now;
        self.group_change(group.group_id, GroupKept::Replace(Version(version), group), events)
    }

    pub(super) fn membership(&self, user_id: UserId, group_id: GroupId, joins: bool) -> MembershipChange {
        let kind = if joins { EventType::GroupUserAdded } else { EventType::GroupUserRemoved };
        let event = self.context().group_event(kind, group_id, Some(user_id));
        MembershipChange { tenant: self.origin.tenant.clone(), user_id, group_id, joins, event, answer: None }
    }

    pub(super) fn delete(&self, user: &User, version: i64) -> UserChange {
        let events = vec![self.context().event(EventType::UserDeleted, user.user_id, None, None)];
        UserChange::delete(&self.origin.tenant, Version(version), user, events)
    }

    pub(super) fn erase(&self, user: &User, version: i64) -> UserChange {
        let events = removed_and_erased(user.user_id, &self.context());
        UserChange::erase(&self.origin.tenant, Version(version), user, events)
    }
}

/// The document of a user with this id, of whom nothing is known but what `fill` says.
pub(crate) fn document(user_id: &str, fill: impl FnOnce(&mut User)) -> String {
    let (mut user, _) = Maker::new(&TenantId::default_tenant()).with_claims(&[]);
    user.user_id = user_id.parse().unwrap();
    fill(&mut user);
    String::from_utf8(user.to_document()).unwrap()
}

pub(super) fn verify(user: &mut User, ctx: &Context) -> Vec<Event> {
    user.verify_email(user.emails[0].id, ctx).unwrap().events
}

pub(super) fn unverify(user: &mut User, ctx: &Context) -> Vec<Event> {
    user.unverify_email(user.emails[0].id, ctx).unwrap()
}
