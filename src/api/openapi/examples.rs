//! Answers and problems to show, made by the code that makes the real ones.

use serde_json::{Map, Value, json};

use super::super::events::EventAnswer;
use super::super::extract::MAX_BODY_BYTES;
use super::super::passwords::ResetPasswordResponse;
use super::super::problem::{CONTENT_TYPE_PROBLEM, Problem};
use super::super::proofs::StartedProofAnswer;
use super::keys::KeyExamples;
use super::{headers, person};
use crate::directory::api_key::Scope;
use crate::directory::event::{Actor, Context, Method, Origin, Recorded};
use crate::directory::group::{Group, Membership, NewGroup};
use crate::directory::log::{Log, LogId, LogSystem};
use crate::directory::password::{DEFAULT_RESET_EXPIRY, PasswordHash};
use crate::directory::summary::Summary;
use crate::directory::user::{NewUser, User};
use crate::error::{Error, InvalidFields, Missing, Refusal};
use crate::id::{RequestId, SeededRandom, TenantId};
use crate::secret::{PlainCode, PlainKey, PlainToken, Purpose, ServerSecret, TokenId};
use crate::time::Timestamp;

/// Answers and problems as the server would make them.
pub(super) struct Examples {
    created: Value,
    verified: Value,
    with_password: Value,
    reset: Value,
    started_email: Value,
    started_phone: Value,
    summary: Value,
    group: Value,
    membership: Value,
    event: Value,
    log: Value,
    person: Value,
    /// The path of the user.
    pub(super) path: String,
    pub(super) keys: KeyExamples,
    /// The path of the group.
    pub(super) group_path: String,
    request_id: RequestId,
}

impl Examples {
    pub(super) fn make() -> Self {
        let random = SeededRandom::new(0);
        let request_id = RequestId::new(&random);
        let origin = Origin {
            tenant: TenantId::default_tenant(),
            actor: Actor::Key { key_id: PlainKey::new(&random).id(), key_name: "example".to_owned() },
            method: Method::AdminApi,
            request_id,
            remote_address: None,
            user_agent: None,
            reason: None,
        };
        let ctx = Context { now: Timestamp(1_640_975_400), random: &random, origin: &origin };
        let mut claims = Map::new();
        for (name, value) in [("name", "John Doe"), ("given_name", "John"), ("family_name", "Doe")] {
            claims.insert(name.to_owned(), json!(value));
        }
        let new = NewUser {
            username: Some("username".to_owned()),
            email: Some("user@example.com".to_owned()),
            phone_number: Some("+441514960453".to_owned()),
            claims,
            ..NewUser::default()
        };
        let (mut user, events) = User::create(new, &ctx).expect("the example's fields are well-formed");
        let read = |document: Vec<u8>| serde_json::from_slice(&document).expect("a document is JSON");
        let created = read(user.to_document());
        let email = user.emails[0].id;
        let event = user.verify_email(email, &ctx).expect("the example has this email").events.remove(0);
        let happened: Vec<Recorded> = events.iter().chain([&event]).cloned().map(Into::into).collect();
        let event = serde_json::to_value(EventAnswer::new(1, event.into())).expect("an event is JSON");
        let system = LogSystem::new(1, [192, 0, 2, 1].into());
        let log = events.into_iter().find_map(|event| Log::of(LogId::of_position(1), event.into(), &system));
        let log = serde_json::to_value(log).expect("a log is JSON");
        let verified = read(user.to_document());
        let mut owner = user.clone();
        owner.set_password(PasswordHash::from_stored(String::new()), false, &ctx);
        let with_password = read(owner.to_document());
        let (secret, id) = (ServerSecret::new(&random), TokenId::new(&random));
        let token = |purpose| PlainToken::derive(&secret, purpose, &origin.tenant, id).reveal();
        let reset = ResetPasswordResponse {
            link: format!("https://users.example.com/reset/{}", token(Purpose::Reset)),
            expires_at: ctx.now.after(DEFAULT_RESET_EXPIRY).0,
            email_sent: false,
        };
        let reset = serde_json::to_value(reset).expect("texts and numbers are JSON");
        let started = |link, code| StartedProofAnswer {
            expires_at: ctx.now.after(DEFAULT_RESET_EXPIRY).0,
            email_sent: false,
            link,
            code,
        };
        let link = format!("https://users.example.com/verify/{}", token(Purpose::Link));
        let code = PlainCode::derive(&secret, &origin.tenant, id).reveal();
        let [started_email, started_phone] = [started(Some(link), None), started(None, Some(code))]
            .map(|started| serde_json::to_value(started).expect("texts and numbers are JSON"));
        let new = NewGroup {
            name: Some("Administrators".to_owned()),
            description: Some("Those who may change everything".to_owned()),
            is_auto_assigned: false,
        };
        let (group, _) = Group::create(new, &ctx).expect("the example's fields are well-formed");
        let membership = Membership {
            group_id: group.group_id,
            user_id: user.user_id,
            creation_time: ctx.now,
            group_name: group.name.clone(),
        };
        let group_path = format!("/api/groups/{}", group.group_id);
        let keys = KeyExamples::make(&ctx);
        let person = person::example(&mut user, membership.clone(), &happened, &ctx);
        let group = serde_json::to_value(group).expect("a group is JSON");
        let membership = serde_json::to_value(membership).expect("a membership is JSON");
        let path = format!("/api/users/{}", user.user_id);
        let document = user.to_document();
        let summary = Summary::of_document(&document).expect("a document has been made just now");
        let summary = serde_json::to_value(summary).expect("a user is JSON");
        Self {
            created,
            verified,
            with_password,
            reset,
            started_email,
            started_phone,
            summary,
            group,
            membership,
            event,
            log,
            person,
            path,
            keys,
            group_path,
            request_id,
        }
    }

    /// The answer of an operation.
    pub(super) fn answer(&self, operation: &str) -> Option<Value> {
        let with = |field: &str, value: Value| {
            let mut user = self.verified.clone();
            user[field] = value;
            user
        };
        Some(match operation {
            "getAllUsers" | "getAllGroupAssignedUsers" => json!([self.summary]),
            "getAllGroups" => json!([self.group]),
            "createGroup" | "findGroupById" | "patchGroup" => self.group.clone(),
            "getAllUserGroups" => json!([self.membership]),
            "findUserGroup" | "assignUserToGroup" => self.membership.clone(),
            "createUser" | "setEmailUnverified" | "addEmail" | "setPhoneUnverified" | "addPhone" => {
                self.created.clone()
            }
            "findUserById" | "setPrimaryEmail" | "setEmailVerified" | "setPrimaryPhone"
            | "updateUsername" | "enableUser" | "unblockUser" | "patchClaims" => self.verified.clone(),
            "setPhoneVerified" => with("phone_numbers", self.verified_phones()),
            "verifyEmail" => {
                json!({"expires_at": self.started_email["expires_at"], "email_sent": true})
            }
            "startEmailProof" => self.started_email.clone(),
            "startPhoneProof" => self.started_phone.clone(),
            "checkEmailCode" => json!({"user": self.verified, "details": Value::Null}),
            "checkPhoneCode" => {
                json!({"user": with("phone_numbers", self.verified_phones()), "details": Value::Null})
            }
            "disableUser" => with("disabled", json!(true)),
            "removeEmail" => with("emails", json!([])),
            "removePhone" => with("phone_numbers", json!([])),
            "removeUsername" => with("username", Value::Null),
            "setPassword" | "changePassword" | "removePasswordResetRequired" => self.with_password.clone(),
            "setPasswordResetRequired" => {
                let mut user = self.with_password.clone();
                user["force_password_reset"] = json!(true);
                user
            }
            "resetPassword" => self.reset.clone(),
            "getPublicData" | "patchPublicData" => json!({"public_data": {"send_emails": true}}),
            "getPrivateData" | "patchPrivateData" => {
                json!({"private_data": {"subscription_plan": "premium"}})
            }
            "getAllLogs" => json!([self.log]),
            "findLogById" => self.log.clone(),
            "exportUser" => self.person.clone(),
            "walkUsers" => json!({"users": [self.summary], "next": Value::Null}),
            "verifyEmails" => self.marked("verified"),
            "unverifyEmails" => self.marked("unverified"),
            "listEvents" => json!({"events": [self.event], "next": "1"}),
            "emailHistory" | "phoneHistory" => json!({"history": [{
                "time": self.event["time"], "verified": true, "method": "admin_api", "actor": self.event["actor"],
                "request_id": self.event["request_id"], "remote_address": Value::Null, "user_agent": Value::Null, "reason": Value::Null, "event_id": self.event["id"],
            }]}),
            other => return self.keys.answer(other),
        })
    }

    /// What became of the email of the example.
    fn marked(&self, outcome: &str) -> Value {
        let email = &self.created["emails"][0];
        let result = json!({
            "email": email["email"], "user_id": self.created["user_id"], "identifier_id": email["id"], "outcome": outcome,
        });
        json!({"dry_run": false, "results": [result], "next": Value::Null})
    }

    /// The phone number of the example, verified.
    fn verified_phones(&self) -> Value {
        let mut phones = self.created["phone_numbers"].clone();
        phones[0]["verified"] = json!(true);
        phones[0]["verification_source"] = json!("monocloud");
        phones[0]["authenticators"] = json!(["phone"]);
        phones
    }

    /// Every problem, by status.
    pub(super) fn problem_responses(&self) -> Value {
        let email =
            format!("{}/emails/{}", self.path, self.verified["emails"][0]["id"].as_str().unwrap_or_default());
        let wrong_address = Error::from(InvalidFields::one(
            "email",
            "An email address has an @ between its name and its domain.",
        ));
        let mut responses = Map::new();
        for (status, description, errors) in [
            (
                "400",
                "The request cannot be read: a body that is not a JSON object, or a query parameter out of bounds.",
                vec![Error::BadRequest(
                    "The body cannot be read: expected value, at line 1, column 2.".to_owned(),
                )],
            ),
            ("401", "No valid API key.", vec![Error::Unauthenticated]),
            (
                "403",
                "The key lacks the scope, or may not be used from this address.",
                vec![Error::Forbidden { needed: Scope::UsersWrite }, Error::WrongNetwork],
            ),
            (
                "404",
                "The path names something that is not there.",
                vec![Error::NotFound(Missing::User), Error::NotFound(Missing::Email)],
            ),
            (
                "405",
                "The path does not take the method; the header `allow` names those it takes.",
                vec![Error::MethodNotAllowed],
            ),
            ("408", "The body did not arrive in time.", vec![Error::Timeout]),
            ("409", "A request with this `Idempotency-Key` is being done.", vec![Error::UnderWay]),
            (
                "412",
                "The user's tag is none of those in `If-Match`: nothing was changed.",
                vec![Error::Changed],
            ),
            ("413", "The body is larger than 1 MiB.", vec![Error::TooLarge { limit: MAX_BODY_BYTES }]),
            ("415", "The body is not labelled as JSON.", vec![Error::UnsupportedMediaType]),
            (
                "422",
                "A field is of the wrong form, or an `Idempotency-Key` was used for another request (`#validation-error`); or a rule of the directory refuses (`#identity-validation-error`).",
                vec![wrong_address, Refusal::DuplicateEmail.into()],
            ),
            (
                "429",
                "The key was used as often as it may be; or this was tried too often: wrong passwords, or proofs of an address or of a user's.",
                vec![Error::RateExceeded { retry_after: 42 }, Error::TooManyRequests { retry_after: 1_800 }],
            ),
            ("500", "The server failed; its log has the reason.", vec![Error::Internal(String::new())]),
            (
                "503",
                "The store is away for the moment, as many exports are under way as may be at once, or a list takes too long to find.",
                vec![Error::Unavailable(String::new()), Error::Busy, Error::TooCostly],
            ),
        ] {
            let examples: Map<String, Value> = errors
                .iter()
                .enumerate()
                .map(|(number, error)| {
                    let instance = match error {
                        Error::NotFound(Missing::Email) => &email,
                        _ => &self.path,
                    };
                    let problem = Problem::new(error, instance, self.request_id);
                    (format!("example{}", number + 1), json!({"value": problem}))
                })
                .collect();
            let mut response = json!({
                "description": description,
                "headers": {"x-request-id": {"description": "The id of the request, as in `traceId`.", "schema": {"type": "string"}}},
                "content": {CONTENT_TYPE_PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
            });
            headers::add_to_problem(status, &mut response);
            responses.insert(status.to_owned(), response);
        }
        Value::Object(responses)
    }
}
