//! Proving addresses: the mail with a link of the compatible surface, and the project's own calls for
//! those who send their own mail and messages.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::document::Document;
use super::extract::{Body, Caller, EmailsVerify, IdentifierPath, OptionalBody, Permission, UsersWrite};
use super::repeats;
use crate::app::proofs::{Delivery, MailedProof, Proved, StartedProof};
use crate::app::{Answered, App};
use crate::directory::api_key::Scope;
use crate::directory::proof::{self, AddressId, Unproven};
use crate::directory::user::User;
use crate::error::{Error, InvalidFields};
use crate::store::Answer;

/// How the mail is to be.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct VerifyEmailRequest {
    /// For how many seconds the link and the code work, a minute to seven days. If nothing is said it
    /// is as the tenant has chosen: by default a day for links, ten minutes for codes.
    #[schema(minimum = 60, maximum = 604_800)]
    expiry: Option<i64>,
}

/// What was sent.
#[derive(Serialize, ToSchema)]
pub(super) struct VerifyEmailResponse {
    /// Until when the last of what was sent works; the present moment if nothing was.
    pub(super) expires_at: i64,
    /// Whether a mail is on its way.
    pub(super) email_sent: bool,
}

/// Send a verification mail
///
/// Sends a mail with a link, a code, or both, as the tenant has chosen. Whoever follows the link and
/// confirms has proved the address. What was sent to this address before counts no more. A server
/// without mail makes nothing and answers with `email_sent` false. One address can be sent one mail a
/// minute and five an hour, one user ten an hour, unless the tenant has chosen otherwise.
#[utoipa::path(
    post,
    path = "/api/users/{user_id}/emails/{identifier_id}/verify/link",
    operation_id = "verifyEmail",
    tag = "users",
    params(IdentifierPath),
    request_body = Option<VerifyEmailRequest>,
    responses((status = OK, description = "What was sent", body = VerifyEmailResponse))
)]
pub(super) async fn send(
    State(app): State<Arc<App>>,
    caller: Caller<EmailsVerify>,
    path: IdentifierPath,
    body: OptionalBody<VerifyEmailRequest>,
) -> Result<Document, Error> {
    let address = AddressId::email(path.identifier_id);
    let asked = body.fields().map(|request| request.expiry);
    let expiry = expiry(&app, &caller, &path, address, asked).await?;
    let mailed = app.mail_proof(&caller, path.user_id, address, expiry).await?;
    Document::of(&VerifyEmailResponse::from(&mailed))
}

impl From<&MailedProof> for VerifyEmailResponse {
    fn from(mailed: &MailedProof) -> Self {
        Self { expires_at: mailed.expires_at.0, email_sent: mailed.email_sent }
    }
}

impl Answered for MailedProof {
    fn answer(&self) -> Result<Answer, Error> {
        Document::of(&VerifyEmailResponse::from(self)).map(repeats::untagged)
    }
}

/// For how long a proof is to work. What is wrong with the body is said only once the user and the address
/// are found, and the user may be changed.
async fn expiry<P: Permission>(
    app: &App,
    caller: &Caller<P>,
    path: &IdentifierPath,
    address: AddressId,
    asked: Result<Option<i64>, InvalidFields>,
) -> Result<Option<Duration>, Error> {
    app.check_address(caller, path.user_id, address).await?;
    Ok(proof::expiry(asked?)?)
}

/// How an email is to be proved.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct StartEmailProofRequest {
    /// For how many seconds the link and the code work, a minute to seven days. If nothing is said it
    /// is as the tenant has chosen: by default a day for links, ten minutes for codes.
    #[schema(minimum = 60, maximum = 604_800)]
    expiry: Option<i64>,
    /// Whether this server sends a mail, if it sends mail at all. False for those who send their own.
    #[schema(default = true)]
    send_email: Option<bool>,
}

/// How a phone number is to be proved.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct StartPhoneProofRequest {
    /// For how many seconds the code works, a minute to seven days. If nothing is said it is as the
    /// tenant has chosen: by default ten minutes.
    #[schema(minimum = 60, maximum = 604_800)]
    expiry: Option<i64>,
}

/// A proof that is waited for. This is the only time that the link and the code are shown.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedProofAnswer {
    /// Until when the last of what was made works; the present moment if nothing was.
    pub(super) expires_at: i64,
    /// Whether a mail is on its way.
    pub(super) email_sent: bool,
    /// The link, a secret of the user's; for keys with the scope `proofs:read`, if there is one.
    pub(super) link: Option<String>,
    /// The code, a secret of the user's; for keys with the scope `proofs:read`, if there is one.
    pub(super) code: Option<String>,
}

impl From<&StartedProof> for StartedProofAnswer {
    fn from(started: &StartedProof) -> Self {
        Self {
            expires_at: started.expires_at.0,
            email_sent: started.email_sent,
            link: started.link.clone(),
            code: started.code.clone(),
        }
    }
}

impl Answered for StartedProof {
    fn answer(&self) -> Result<Answer, Error> {
        if self.link.is_some() || self.code.is_some() {
            return Err(Error::NotKept);
        }
        Document::of(&StartedProofAnswer::from(self)).map(repeats::untagged)
    }
}

/// Start proving an email
///
/// As `verifyEmail`. A key that holds `proofs:read`, too, is given the link and the code, also where
/// no mail is sent.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/emails/{identifier_id}/verify/start",
    operation_id = "startEmailProof",
    tag = "proofs",
    params(IdentifierPath),
    request_body = Option<StartEmailProofRequest>,
    responses((status = OK, description = "The proof that is waited for", body = StartedProofAnswer))
)]
pub(super) async fn start_email(
    State(app): State<Arc<App>>,
    caller: Caller<EmailsVerify>,
    path: IdentifierPath,
    body: OptionalBody<StartEmailProofRequest>,
) -> Result<Document, Error> {
    let delivery = Delivery {
        by_mail: body.fields().is_ok_and(|request| request.send_email.unwrap_or(true)),
        in_answer: caller.holds(Scope::ProofsRead),
    };
    let address = AddressId::email(path.identifier_id);
    let asked = body.fields().map(|request| request.expiry);
    let expiry = expiry(&app, &caller, &path, address, asked).await?;
    let started = app.start_proof(&caller, path.user_id, address, expiry, delivery).await?;
    Document::of(&StartedProofAnswer::from(&started))
}

/// Start proving a phone number
///
/// Makes a code, which whoever asks sends to the number. One made before counts no more. The key must
/// hold `proofs:read`, too: nobody else would learn the code. The same number can be asked for once a
/// minute and five times an hour, one user's ten times an hour, unless the tenant has chosen otherwise.
///
/// The answer holds a secret, of which nothing is kept: it takes no `Idempotency-Key`.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/phones/{identifier_id}/verify/start",
    operation_id = "startPhoneProof",
    tag = "proofs",
    params(IdentifierPath),
    request_body = Option<StartPhoneProofRequest>,
    responses((status = OK, description = "The proof that is waited for", body = StartedProofAnswer))
)]
pub(super) async fn start_phone(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
    body: OptionalBody<StartPhoneProofRequest>,
) -> Result<Document, Error> {
    caller.must_hold(Scope::ProofsRead)?;
    let address = AddressId::phone(path.identifier_id);
    let asked = body.fields().map(|request| request.expiry);
    let expiry = expiry(&app, &caller, &path, address, asked).await?;
    let delivery = Delivery { by_mail: false, in_answer: true };
    let started = app.start_proof(&caller, path.user_id, address, expiry, delivery).await?;
    Document::of(&StartedProofAnswer::from(&started))
}

/// The code that the user has brought.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub(super) struct CheckCodeRequest {
    /// The code: six digits.
    #[schema(required, nullable = false, example = "042137")]
    code: Option<String>,
}

/// An address that was proved.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the user in it is kept as JSON, so it is put together as a text")]
pub(super) struct ProvedAnswer {
    /// The user afterwards.
    user: User,
    /// What has ended, because nothing was ever proved on this account before.
    details: Option<Unproven>,
}

async fn check<P: Permission>(
    app: &App,
    caller: &Caller<P>,
    path: &IdentifierPath,
    address: AddressId,
    body: &Body<CheckCodeRequest>,
) -> Result<Response, Error> {
    app.check_address(caller, path.user_id, address).await?;
    let code = body.fields()?.code.as_deref();
    let code = code.ok_or_else(|| InvalidFields::one("code", "This field is needed."))?;
    let proved = app.check_code(caller, path.user_id, address, code).await?;
    repeats::told(&proved)
}

impl Answered for Proved {
    fn answer(&self) -> Result<Answer, Error> {
        let details = serde_json::to_vec(&self.ended).map_err(|error| Error::Internal(error.to_string()))?;
        let parts = [&b"{\"user\":"[..], &self.user.document, b",\"details\":", &details, b"}"];
        let document = Document(parts.concat().into());
        Ok(Answer { version: Some(self.user.version), ..repeats::untagged(document) })
    }
}

/// Check the code of an email
///
/// Marks the email verified if this is the code that was sent to it. Each code can be tried five times;
/// any that does not do is refused with `InvalidCode`. Refused with `DuplicateEmail` while the address
/// is verified for another user. If nothing was ever proved on this account, `details` says what has
/// ended with that.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/emails/{identifier_id}/verify/check",
    operation_id = "checkEmailCode",
    tag = "proofs",
    params(IdentifierPath),
    request_body = CheckCodeRequest,
    responses((status = OK, description = "The user with the email verified", body = ProvedAnswer))
)]
pub(super) async fn check_email(
    State(app): State<Arc<App>>,
    caller: Caller<EmailsVerify>,
    path: IdentifierPath,
    body: Body<CheckCodeRequest>,
) -> Result<Response, Error> {
    check(&app, &caller, &path, AddressId::email(path.identifier_id), &body).await
}

/// Check the code of a phone number
///
/// As for emails. Refused with `DuplicatePhoneNumber` while the number is verified for another user.
#[utoipa::path(
    post,
    path = "/v1/users/{user_id}/phones/{identifier_id}/verify/check",
    operation_id = "checkPhoneCode",
    tag = "proofs",
    params(IdentifierPath),
    request_body = CheckCodeRequest,
    responses((status = OK, description = "The user with the phone number verified", body = ProvedAnswer))
)]
pub(super) async fn check_phone(
    State(app): State<Arc<App>>,
    caller: Caller<UsersWrite>,
    path: IdentifierPath,
    body: Body<CheckCodeRequest>,
) -> Result<Response, Error> {
    check(&app, &caller, &path, AddressId::phone(path.identifier_id), &body).await
}
