//! Marking many emails at once, by a list of them or by a filter of their users. Each is a change of its
//! own: what was marked stays so, whatever becomes of the others.

use std::collections::HashSet;

use futures_util::future::try_join_all;

use super::App;
use super::condition::Known;
use super::settled;
use crate::directory::email::{Email, EmailAddress};
use crate::directory::event::Origin;
use crate::directory::marking::{Mark, Marked, Outcome};
use crate::directory::user::User;
use crate::error::Error;
use crate::id::{IdentifierId, UserId};
use crate::store::search::users::UserSearch;
use crate::store::{List, Place};

/// How many emails are marked at once: so they share commits, and others come to their turn between.
const AT_ONCE: usize = 32;
/// How many users are read at once where it is looked for whose an email is.
const LOOKED_AT: u32 = 100;

/// How emails are to be marked.
#[derive(Clone, Copy)]
pub struct Marking<'a> {
    /// Where it comes from.
    pub origin: &'a Origin,
    /// As what.
    pub mark: Mark,
    /// Whether it is only to be told what would become of them.
    pub dry_run: bool,
}

/// Emails of users that a filter has found.
pub struct MarkedPage {
    /// What became of each email that was meant, by user in the order of their ids.
    pub marked: Vec<Marked>,
    /// After whom to go on, if there are more users.
    pub next: Option<UserId>,
}

impl App {
    /// Marks these emails. One that is given twice, in whatever spelling, counts once.
    ///
    /// An email means that of the user who has it verified; if nobody has, that of the only one who
    /// claims it.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then some may be marked.
    pub async fn mark_emails(&self, marking: Marking<'_>, emails: &[String]) -> Result<Vec<Marked>, Error> {
        let mut seen = HashSet::new();
        let read = emails.iter().map(|typed| (typed, EmailAddress::parse(typed).ok()));
        let once: Vec<_> = read
            .filter(|(typed, address)| {
                seen.insert(address.as_ref().map_or_else(|| (*typed).clone(), EmailAddress::canonical))
            })
            .collect();
        let mut marked = Vec::with_capacity(once.len());
        for some in once.chunks(AT_ONCE) {
            let each = some.iter().map(|(typed, address)| self.mark_given(marking, typed, address.as_ref()));
            marked.extend(try_join_all(each).await?);
        }
        Ok(marked)
    }

    /// Marks the emails that a filter means, of `limit` users at most, those after this one.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then some may be marked.
    pub async fn mark_found(
        &self,
        marking: Marking<'_>,
        filter: &UserSearch,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<MarkedPage, Error> {
        let list = List { filter: Some(filter.clone()), place: Place::ById { after }, limit };
        let page = self.users(&marking.origin.tenant, list).await?;
        let (mut marked, mut last_user) = (Vec::new(), None);
        for some in page.documents.chunks(AT_ONCE) {
            let users: Vec<User> =
                some.iter().map(|document| User::from_document(document)).collect::<Result<_, _>>()?;
            let each = users.iter().map(|user| self.mark_meant(marking, filter, user));
            marked.extend(try_join_all(each).await?.into_iter().flatten());
            last_user = users.last().map(|user| user.user_id);
        }
        Ok(MarkedPage { marked, next: last_user.filter(|_| page.has_next) })
    }

    /// Marks the emails of a user that a filter means, one after another.
    async fn mark_meant(
        &self,
        marking: Marking<'_>,
        filter: &UserSearch,
        user: &User,
    ) -> Result<Vec<Marked>, Error> {
        let mut marked = Vec::new();
        for email in user.emails_meant(|user| filter.finds(user)) {
            let is_meant = |user: &User| {
                user.emails_meant(|user| filter.finds(user)).iter().any(|meant| meant.id == email.id)
            };
            let mut outcome = self.mark(marking, user.user_id, email, is_meant).await?;
            if marking.dry_run
                && outcome == Outcome::Verified
                && self.first_meant(marking.origin, filter, &email.email).await? != Some(user.user_id)
            {
                outcome = Outcome::Taken;
            }
            marked.push(Marked {
                email: email.email.as_str().to_owned(),
                place: Some((user.user_id, email.id)),
                outcome,
            });
        }
        Ok(marked)
    }

    /// Marks an email that was given as a text.
    async fn mark_given(
        &self,
        marking: Marking<'_>,
        typed: &str,
        address: Option<&EmailAddress>,
    ) -> Result<Marked, Error> {
        let nowhere = |outcome| Marked { email: typed.to_owned(), place: None, outcome };
        let Some(address) = address else { return Ok(nowhere(Outcome::Invalid)) };
        let (user_id, email) = match self.holder(marking.origin, address).await? {
            Ok(holder) => holder,
            Err(outcome) => return Ok(nowhere(outcome)),
        };
        let outcome = self.mark(marking, user_id, &email, |_| true).await?;
        Ok(Marked { email: email.email.as_str().to_owned(), place: Some((user_id, email.id)), outcome })
    }

    /// Of the users who claim an email and for whom a filter means it, the one who comes first: the one
    /// who would get it.
    async fn first_meant(
        &self,
        origin: &Origin,
        filter: &UserSearch,
        address: &EmailAddress,
    ) -> Result<Option<UserId>, Error> {
        let is_meant = |user: &User, email: &Email| {
            user.emails_meant(|user| filter.finds(user)).iter().any(|meant| meant.id == email.id)
        };
        let found = self.having(origin, UserSearch::having(address), address, is_meant, 1).await?;
        Ok(found.first().map(|(user_id, _)| *user_id))
    }

    /// Whose an email is that is only known by its text, or why that is not known.
    async fn holder(
        &self,
        origin: &Origin,
        address: &EmailAddress,
    ) -> Result<Result<(UserId, Email), Outcome>, Error> {
        if let Some(owner) = self.owner(origin, address).await? {
            return Ok(Ok(owner));
        }
        let mut claims = self.having(origin, UserSearch::having(address), address, |_, _| true, 2).await?;
        Ok(match (claims.pop(), claims.pop()) {
            (Some(claim), None) => Ok(claim),
            (None, _) => Err(Outcome::NotFound),
            (Some(_), Some(_)) => Err(Outcome::Ambiguous),
        })
    }

    /// The user who has an email verified.
    async fn owner(&self, origin: &Origin, address: &EmailAddress) -> Result<Option<(UserId, Email)>, Error> {
        let search = UserSearch::having_with_trust(address);
        Ok(self.having(origin, search, address, |_, email| email.verified, 1).await?.pop())
    }

    /// The users among those of a search who have this email, as it is wanted, `most` of them at most.
    async fn having(
        &self,
        origin: &Origin,
        search: UserSearch,
        address: &EmailAddress,
        is_wanted: impl Fn(&User, &Email) -> bool,
        most: usize,
    ) -> Result<Vec<(UserId, Email)>, Error> {
        let canonical = address.canonical();
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let place = Place::ById { after };
            let list = List { filter: Some(search.clone()), place, limit: LOOKED_AT };
            let page = self.users(&origin.tenant, list).await?;
            for document in &page.documents {
                let user = User::from_document(document)?;
                after = Some(user.user_id);
                let is_it = |email: &&Email| email.email.canonical() == canonical && is_wanted(&user, email);
                found.extend(user.emails.iter().find(is_it).map(|email| (user.user_id, email.clone())));
                if found.len() == most {
                    return Ok(found);
                }
            }
            if !page.has_next {
                return Ok(found);
            }
        }
    }

    /// Marks an email of a user, if it is still meant when that is decided.
    async fn mark(
        &self,
        marking: Marking<'_>,
        user_id: UserId,
        email: &Email,
        is_meant: impl Fn(&User) -> bool,
    ) -> Result<Outcome, Error> {
        let Marking { origin, mark, dry_run } = marking;
        let id: IdentifierId = email.id;
        let decided = self.decide(Known, origin.into(), user_id, |kept, before, proofs, ctx| {
            if !is_meant(before) {
                return Ok((None, Outcome::NotFound));
            }
            let mut after = before.clone();
            let decision = after.mark_email(id, mark, proofs, ctx)?;
            let outcome = Outcome::of(&decision);
            let change = if dry_run { None } else { settled(kept, before, after, decision, ctx).0 };
            Ok((change, outcome))
        });
        match decided.await {
            // Only the store knows what others have, and it was not asked.
            Ok(Ok(Outcome::Verified)) if dry_run && self.owner(origin, &email.email).await?.is_some() => {
                Ok(Outcome::Taken)
            }
            Ok(Ok(outcome)) => Ok(outcome),
            Err(Error::NotFound(_)) => Ok(Outcome::NotFound),
            Err(Error::Refused(_)) => Ok(Outcome::Taken),
            Err(error) => Err(error),
        }
    }
}
