//! What holds of a user's emails whatever is done to them, and in whatever order.

use proptest::prelude::*;

use super::email::EmailAddress;
use super::event::{Context, Event, Origin};
use super::user::{NewUser, User};
use crate::error::Error;
use crate::id::{IdentifierId, SeededRandom, TenantId};
use crate::secret::PlainKey;
use crate::time::Timestamp;

#[derive(Clone, Debug)]
enum Action {
    Add(String, bool),
    Remove(usize),
    SetPrimary(usize),
    Verify(usize),
    Unverify(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let address = prop_oneof!["[a-cA-C]@example\\.com", "[ab]@[xX]\\.example"];
    prop_oneof![
        (address, any::<bool>()).prop_map(|(address, verified)| Action::Add(address, verified)),
        (0..6_usize).prop_map(Action::Remove),
        (0..6_usize).prop_map(Action::SetPrimary),
        (0..6_usize).prop_map(Action::Verify),
        (0..6_usize).prop_map(Action::Unverify),
    ]
}

fn apply(user: &mut User, action: &Action, ctx: &Context) -> Result<Vec<Event>, Error> {
    // An index beyond the user's emails stands for an id that is not theirs.
    let id = |user: &User, index: usize| {
        user.emails.get(index).map_or_else(|| IdentifierId::new(ctx.random), |email| email.id)
    };
    match action {
        Action::Add(address, verified) => user
            .add_email(EmailAddress::parse(address).expect("the strategy makes addresses"), *verified, ctx)
            .map(|decision| decision.events),
        Action::Remove(index) => user.remove_email(id(user, *index), ctx),
        Action::SetPrimary(index) => user.set_primary_email(id(user, *index), ctx),
        Action::Verify(index) => user.verify_email(id(user, *index), ctx).map(|decision| decision.events),
        Action::Unverify(index) => user.unverify_email(id(user, *index), ctx),
    }
}

proptest! {
    #[test]
    fn any_sequence_of_changes_keeps_a_users_emails_in_order(actions in prop::collection::vec(action(), 1..40)) {
        let random = SeededRandom::new(3);
        let origin = Origin::of_key(TenantId::default_tenant(), PlainKey::new(&random).id(), "test", &random);
        let ctx = Context { now: Timestamp(1), random: &random, origin: &origin };
        let new = NewUser { skip_conformance_checks: true, ..NewUser::default() };
        let (mut user, _) = User::create(new, &ctx).unwrap();
        for action in actions {
            let mut before = user.clone();
            let outcome = apply(&mut user, &action, &ctx);

            let primaries = user.emails.iter().filter(|email| email.primary).count();
            prop_assert_eq!(primaries, usize::from(!user.emails.is_empty()), "exactly one primary where there is any");
            let mut canonical: Vec<_> = user.emails.iter().map(|email| email.email.canonical()).collect();
            canonical.sort_unstable();
            canonical.dedup();
            prop_assert_eq!(canonical.len(), user.emails.len(), "no address twice");
            for email in &user.emails {
                prop_assert_eq!(email.verified, email.verification_source.is_some());
            }
            match outcome {
                // A refusal and a change without events leave every byte as it was.
                Err(_) => prop_assert_eq!(&user, &before),
                Ok(events) if events.is_empty() => prop_assert_eq!(user.to_document(), before.to_document()),
                Ok(_) => prop_assert_ne!(user.to_document(), before.to_document()),
            }
            if let Action::Verify(_) | Action::Unverify(_) = action {
                let roles = |user: &User| user.emails.iter().map(|email| (email.id, email.primary)).collect::<Vec<_>>();
                prop_assert_eq!(roles(&user), roles(&before), "trust does not move the primary role");
            }
            if let Action::Remove(index) = action
                && before.emails.get(index).is_some_and(|email| email.primary)
                && !user.emails.is_empty()
            {
                let heir = user.emails.iter().position(|email| email.verified).unwrap_or(0);
                prop_assert!(user.emails[heir].primary, "the oldest verified one inherits, else the oldest");
            }
            let mut read = User::from_document(&user.to_document()).unwrap();
            prop_assert_eq!(read.to_document(), user.to_document(), "a document reads back as it was");
        }
    }
}
