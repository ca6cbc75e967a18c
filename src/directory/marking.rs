//! Marking many emails at once: which of a user's emails are meant, and what becomes of each.
//!
//! A filter finds users, and some of its conditions are on their emails. Of a user whom it finds those
//! emails are meant for which it would find the user also if there were no others: so all conditions on
//! emails hold for one of them together, and those on the user hold as they do for the user.

use super::email::Email;
use super::event::{Context, EventType, names};
use super::password::Decision;
use super::proof::{AddressId, KeptProof};
use super::user::User;
use crate::error::Error;
use crate::id::{IdentifierId, UserId};

/// How emails are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As known to be the user's.
    Verified,
    /// As not known to be the user's.
    Unverified,
}

names! {
    /// What became of an email that was to be marked, or would become of it.
    Outcome {
        /// It is verified now.
        Verified = "verified",
        /// It is unverified now.
        Unverified = "unverified",
        /// It was unverified already, and a proof that was under way has ended.
        ProofEnded = "proof_ended",
        /// It was marked so already.
        Unchanged = "unchanged",
        /// Another user has it verified, so it stays as it is; or would have, by the time it is its turn.
        Taken = "taken",
        /// Several users claim it and none has it verified, so nobody knows whose is meant.
        Ambiguous = "ambiguous",
        /// Nobody has it, or it is no longer meant.
        NotFound = "not_found",
        /// The text is not an email address.
        Invalid = "invalid",
    }
}

impl Outcome {
    /// What a decision about one email makes of it.
    pub fn of(decision: &Decision) -> Self {
        match decision.events.first().map(|event| event.kind) {
            Some(EventType::EmailVerified) => Self::Verified,
            Some(EventType::EmailUnverified) => Self::Unverified,
            Some(EventType::EmailProofEnded) => Self::ProofEnded,
            _ => Self::Unchanged,
        }
    }

    /// Whether anything is different then.
    pub fn is_change(self) -> bool {
        matches!(self, Self::Verified | Self::Unverified | Self::ProofEnded)
    }
}

/// An email that was to be marked.
#[derive(Clone, PartialEq, Eq)]
pub struct Marked {
    /// The email as its user has it, or as it was given where nobody has.
    pub email: String,
    /// Whose it is, and which of theirs; nothing where it is not known whose is meant.
    pub place: Option<(UserId, IdentifierId)>,
    /// What became of it.
    pub outcome: Outcome,
}

impl std::fmt::Debug for Marked {
    /// Addresses are personal: only the ids are shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Marked({:?} {})", self.place, self.outcome)
    }
}

impl User {
    /// The emails that are meant by what finds users: for each of these it would find the user, too, if
    /// the user had no others.
    pub fn emails_meant(&self, finds: impl Fn(&User) -> bool) -> Vec<&Email> {
        let mut alone = self.clone();
        let is_meant = |email: &&Email| {
            alone.emails = vec![(*email).clone()];
            finds(&alone)
        };
        self.emails.iter().filter(is_meant).collect()
    }

    /// Marks an email. No events: it was marked so already, and no proof that is to end was under way.
    ///
    /// # Errors
    /// [`crate::error::Missing::Email`]. That nobody else has it verified is for the store to say.
    pub fn mark_email(
        &mut self,
        id: IdentifierId,
        mark: Mark,
        proofs: &[KeptProof],
        ctx: &Context,
    ) -> Result<Decision, Error> {
        match mark {
            Mark::Verified => Ok(self.verify_email(id, ctx)?.naming(proofs, ctx.now)),
            Mark::Unverified => self.end_trust(AddressId::email(id), proofs, ctx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::email::EmailAddress;
    use super::super::event::{Method, Origin};
    use super::super::user::NewUser;
    use super::*;
    use crate::id::{SeededRandom, TenantId};
    use crate::store::search::users::parse;
    use crate::time::Timestamp;

    /// Calls a function with a user named Ada who has these emails, verified or not.
    fn with_user(emails: &[(&str, bool)], call: impl FnOnce(User, &Context)) {
        let random = SeededRandom::new(1);
        let origin = Origin::of_server(TenantId::default_tenant(), Method::CommandLine, &random);
        let ctx = Context { now: Timestamp(1_000), random: &random, origin: &origin };
        let new = NewUser { username: Some("ada".to_owned()), ..NewUser::default() };
        let (mut user, _) = User::create(new, &ctx).unwrap();
        for (email, verified) in emails {
            user.add_email(EmailAddress::parse(email).unwrap(), *verified, &ctx).unwrap();
        }
        call(user, &ctx);
    }

    #[test]
    fn all_conditions_on_emails_hold_for_one_of_them_together() {
        let emails = [("a@x.example", true), ("b@x.example", false), ("c@y.example", false)];
        with_user(&emails, |user, _| {
            for (filter, expected) in [
                ("emails.domain:x.example AND emails.verified:false", &["b@x.example"][..]),
                ("emails.domain:y.example AND emails.verified:true", &[]),
                ("emails.domain:x.example", &["a@x.example", "b@x.example"]),
                ("emails.verified:false", &["b@x.example", "c@y.example"]),
                ("NOT emails.verified:true", &["b@x.example", "c@y.example"]),
                ("emails.domain:x.example AND NOT emails.email:a*", &["b@x.example"]),
                ("emails.email:A@x.example OR emails.domain:y.example", &["a@x.example", "c@y.example"]),
                ("NOT (emails.domain:x.example OR emails.verified:true)", &["c@y.example"]),
                ("emails.verified:false username.username:ada", &["b@x.example", "c@y.example"]),
                ("emails.verified:false username.username:bo", &[]),
                (
                    "emails.verified:false NOT disabled:true creation_time:1000",
                    &["b@x.example", "c@y.example"],
                ),
                // A bare word that is an email, or a word of one, means that email and not all of its user.
                ("a@x.example", &["a@x.example"]),
                ("y", &["c@y.example"]),
                ("ada AND emails.domain:y.example", &["c@y.example"]),
                ("*", &["a@x.example", "b@x.example", "c@y.example"]),
            ] {
                let search = parse(filter).unwrap().unwrap();
                let meant = user.emails_meant(|user| search.finds(user));
                let meant: Vec<_> = meant.iter().map(|email| email.email.as_str()).collect();
                assert_eq!(meant, expected, "{filter}");
            }
        });
    }

    #[test]
    fn marking_tells_whether_anything_is_different_then() {
        with_user(&[("a@x.example", false)], |mut user, ctx| {
            let id = user.emails[0].id;
            let mut outcome = |mark| Outcome::of(&user.mark_email(id, mark, &[], ctx).unwrap());
            assert_eq!(outcome(Mark::Unverified), Outcome::Unchanged);
            assert_eq!(outcome(Mark::Verified), Outcome::Verified);
            assert_eq!(outcome(Mark::Verified), Outcome::Unchanged);
            assert_eq!(outcome(Mark::Unverified), Outcome::Unverified);
            assert!(user.mark_email(IdentifierId::new(ctx.random), Mark::Verified, &[], ctx).is_err());
        });
    }
}
