//! `/v1/emails/verify` and `/v1/emails/unverify`: many emails in one call.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Document;
use super::extract::{Body, Caller, EmailsVerify};
use super::repeats;
use crate::app::App;
use crate::app::marking::{MarkedPage, Marking};
use crate::directory::event::checked_reason;
use crate::directory::marking::{Mark, Marked};
use crate::error::{Error, InvalidFields};
use crate::id::UserId;
use crate::store::About;
use crate::store::search::users::{self, UserSearch};

/// The most emails that a call names.
const MAX_EMAILS: usize = 1_000;
/// The most users that a call with a filter looks at.
const MAX_USERS: u32 = 1_000;
/// How many it looks at if nothing is said.
const DEFAULT_USERS: u32 = 100;

/// Which emails to mark: `addresses` or `filter`, one of the two.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct MarkEmailsRequest {
    /// The emails, at most 1,000. Each means that of the user who has it verified; if nobody has, that of
    /// the only one who claims it.
    #[schema(max_items = 1000)]
    addresses: Option<Vec<String>>,
    /// Whose emails, in the filter language. Of a user whom it finds those are meant for which it would
    /// find the user also if there were no others.
    #[schema(max_length = 4096, example = "emails.domain:example.com AND emails.verified:false")]
    filter: Option<String>,
    /// With a filter, where to go on: `next` of the answer before.
    after: Option<String>,
    /// With a filter, how many users to look at, at most.
    #[schema(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<i64>,
    /// Whether only to tell what would become of them.
    #[schema(default = false)]
    dry_run: Option<bool>,
    /// Why it is done: kept with each event, at most 500 characters.
    #[schema(max_length = 500, example = "Confirmed by the customer")]
    reason: Option<String>,
}

/// Which emails a request means.
enum Wanted<'a> {
    Listed(&'a [String]),
    Found { filter: UserSearch, after: Option<UserId>, limit: u32 },
}

impl MarkEmailsRequest {
    fn wanted(&self) -> Result<Wanted<'_>, InvalidFields> {
        match (&self.addresses, &self.filter) {
            (Some(_), Some(_)) => {
                Err(InvalidFields::one("filter", "Either addresses or a filter can be given, not both."))
            }
            (None, None) => Err(InvalidFields::one("addresses", "Either these or a filter must be given.")),
            (Some(addresses), None) if addresses.len() > MAX_EMAILS => {
                Err(InvalidFields::one("addresses", format!("These are at most {MAX_EMAILS}.")))
            }
            (Some(addresses), None) => Ok(Wanted::Listed(addresses)),
            (None, Some(filter)) => self.found(filter),
        }
    }

    fn found(&self, filter: &str) -> Result<Wanted<'_>, InvalidFields> {
        let filter = users::parse(filter).map_err(|error| InvalidFields::one("filter", error.to_string()))?;
        let empty = || InvalidFields::one("filter", "This is empty; `*` means the emails of all users.");
        let filter = filter.ok_or_else(empty)?;
        let after = self.after.as_deref().map(str::parse).transpose();
        let after =
            after.map_err(|_| InvalidFields::one("after", "This must be `next` of an answer before."))?;
        let limit = self.limit.map_or(Ok(DEFAULT_USERS), u32::try_from).ok();
        let limit = limit.filter(|limit| (1..=MAX_USERS).contains(limit));
        let limit = limit.ok_or_else(|| {
            InvalidFields::one("limit", format!("This is a whole number from 1 to {MAX_USERS}."))
        })?;
        Ok(Wanted::Found { filter, after, limit })
    }
}

/// What became of emails.
#[derive(Serialize, ToSchema)]
pub(super) struct MarkedEmails {
    /// Whether it is only told what would become of them.
    dry_run: bool,
    /// Each email that was meant: in the order in which they were given, or by user.
    results: Vec<MarkedEmail>,
    /// With a filter, what to give as `after` for the users that follow; `null` at the end.
    next: Option<String>,
}

/// What became of an email.
#[derive(Serialize, ToSchema)]
pub(super) struct MarkedEmail {
    /// The email as its user has it, or as it was given where it is nobody's.
    #[schema(example = "user@example.com")]
    email: String,
    /// Whose it is; `null` where that is not known.
    user_id: Option<String>,
    /// Which of theirs it is.
    identifier_id: Option<String>,
    /// `verified`, `unverified`, `proof_ended`, `unchanged`, `taken`, `ambiguous`, `not_found` or `invalid`.
    #[schema(example = "verified")]
    outcome: &'static str,
}

impl From<Marked> for MarkedEmail {
    fn from(Marked { email, place, outcome }: Marked) -> Self {
        let (user_id, identifier_id) = place.unzip();
        Self {
            email,
            user_id: user_id.map(|id| id.to_string()),
            identifier_id: identifier_id.map(|id| id.to_string()),
            outcome: outcome.as_str(),
        }
    }
}

/// Mark many emails verified
///
/// Does what `setEmailVerified` does with each of the emails that are named, or that a filter means, and
/// tells what became of each. One that cannot be marked does not keep the others from it. With a filter,
/// `limit` users are looked at; go on with `next`.
#[utoipa::path(
    post,
    path = "/v1/emails/verify",
    operation_id = "verifyEmails",
    tag = "emails",
    request_body = MarkEmailsRequest,
    responses((status = OK, description = "What became of each email", body = MarkedEmails))
)]
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    caller: Caller<EmailsVerify>,
    body: Body<MarkEmailsRequest>,
) -> Result<Document, Error> {
    mark(&app, caller, &body, Mark::Verified).await
}

/// Mark many emails unverified
///
/// Does what `setEmailUnverified` does with each of the emails that are named, or that a filter means, and
/// tells what became of each. With a filter, `limit` users are looked at; go on with `next`.
#[utoipa::path(
    post,
    path = "/v1/emails/unverify",
    operation_id = "unverifyEmails",
    tag = "emails",
    request_body = MarkEmailsRequest,
    responses((status = OK, description = "What became of each email", body = MarkedEmails))
)]
pub(super) async fn unverify(
    State(app): State<Arc<App>>,
    caller: Caller<EmailsVerify>,
    body: Body<MarkEmailsRequest>,
) -> Result<Document, Error> {
    mark(&app, caller, &body, Mark::Unverified).await
}

async fn mark(
    app: &App,
    caller: Caller<EmailsVerify>,
    body: &Body<MarkEmailsRequest>,
    mark: Mark,
) -> Result<Document, Error> {
    let request = body.fields()?;
    let caller = caller.with_reason(checked_reason(request.reason.as_deref())?);
    let dry_run = request.dry_run.unwrap_or(false);
    let marking = Marking { origin: &caller.origin, mark, dry_run };
    let MarkedPage { marked, next } = match request.wanted()? {
        Wanted::Listed(addresses) => {
            MarkedPage { marked: app.mark_emails(marking, addresses).await?, next: None }
        }
        Wanted::Found { filter, after, limit } => app.mark_found(marking, &filter, after, limit).await?,
    };
    let users = marked.iter().filter_map(|marked| marked.place.map(|(user_id, _)| user_id)).collect();
    let told = Document::of(&MarkedEmails {
        dry_run,
        results: marked.into_iter().map(MarkedEmail::from).collect(),
        next: next.map(|user_id| user_id.to_string()),
    })?;
    repeats::kept(app, &caller, About::Several(users), told).await
}
