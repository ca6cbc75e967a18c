//! Mail that is to be sent: which one, to whom, and when it is tried again. What it says is made when
//! it is sent, so that nothing secret waits with it.

use std::time::Duration;

use super::event::{Context, EventType, names};
use crate::id::{IdentifierId, MailId, TenantId, UserId};
use crate::secret::TokenId;
use crate::time::Timestamp;

/// For how long a mail is tried.
pub const TRIED_FOR: Duration = Duration::from_secs(86_400);
/// After how many seconds it is tried again, the first times; then the last of these, over and over.
const PAUSES: [u64; 9] = [5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400];

names! {
    /// What a mail is for.
    MailKind {
        /// It brings a link, a code or both, by which its address is proved.
        Verify = "verify",
        /// It brings a link by which a password is reset.
        Reset = "reset",
    }
}

impl MailKind {
    /// What happens when one is sent.
    pub fn sent(self) -> EventType {
        match self {
            Self::Verify => EventType::EmailProofMailSent,
            Self::Reset => EventType::PasswordResetMailSent,
        }
    }
}

/// A mail that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its id.
    pub id: MailId,
    /// The tenant of its user.
    pub tenant: TenantId,
    /// What it is for.
    pub kind: MailKind,
    /// The public part of what it brings.
    pub token: TokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// To which of their emails it goes.
    pub email: IdentifierId,
    /// When it came to be.
    pub created_at: Timestamp,
    /// When it is to be tried next.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
}

impl Mail {
    /// A mail that is to be sent at once.
    pub fn new(kind: MailKind, token: TokenId, user_id: UserId, email: IdentifierId, ctx: &Context) -> Self {
        Self {
            id: MailId::new(ctx.random),
            tenant: ctx.origin.tenant.clone(),
            kind,
            token,
            user_id,
            email,
            created_at: ctx.now,
            due_at: ctx.now,
            attempts: 0,
        }
    }

    /// When to try again after one more failure; `None` if it has been tried for long enough.
    pub fn next_try(&self, now: Timestamp) -> Option<Timestamp> {
        let pause = PAUSES[(self.attempts as usize).min(PAUSES.len() - 1)];
        let next = now.after(Duration::from_secs(pause));
        (next <= self.created_at.after(TRIED_FOR)).then_some(next)
    }
}

/// What becomes of mail with a change of its user.
#[derive(Clone, Debug, Default)]
pub enum MailChange {
    /// Nothing.
    #[default]
    Keep,
    /// This one is to be sent.
    Send(Mail),
    /// This one was sent, or will not be.
    Remove(MailId),
}

#[cfg(test)]
mod tests {
    use super::super::event::{Method, Origin};
    use super::*;
    use crate::id::SeededRandom;

    #[test]
    fn a_mail_is_tried_at_once_then_after_5_15_and_60_seconds_and_in_growing_steps_for_a_day() {
        let random = SeededRandom::new(1);
        let origin = Origin::of_server(TenantId::default_tenant(), Method::Policy, &random);
        let ctx = Context { now: Timestamp(1_000), random: &random, origin: &origin };
        let token = TokenId::new(&random);
        let mut mail =
            Mail::new(MailKind::Verify, token, UserId::new(&random), IdentifierId::new(&random), &ctx);
        let mut pauses = Vec::new();
        assert_eq!(mail.due_at, mail.created_at);
        while let Some(next) = mail.next_try(mail.due_at) {
            pauses.push(next.0 - mail.due_at.0);
            mail.due_at = next;
            mail.attempts += 1;
        }
        assert_eq!(pauses[..3], [5, 15, 60]);
        assert!(pauses.is_sorted());
        let tried_for = mail.due_at.0 - mail.created_at.0;
        assert!((20 * 3_600..=86_400).contains(&tried_for), "{tried_for}");
    }
}
