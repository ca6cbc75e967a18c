//! What is done to a user on their page: the action is what the pressed button says.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Map, Value};

use super::Console;
use super::asked::{Fields, Filled, Named};
use super::operator::Operator;
use super::page::{Fault, Shared};
use super::user::{Shown, confirmation, fields, value_of};
use crate::api::object;
use crate::app::proofs::Delivery;
use crate::directory::claims::Checks;
use crate::directory::email::EmailAddress;
use crate::directory::event::{Context, Event, Origin};
use crate::directory::password::{self, Decision};
use crate::directory::phone::PhoneNumber;
use crate::directory::proof::AddressId;
use crate::directory::user::User;
use crate::directory::username::UserName;
use crate::error::{Error, InvalidFields};
use crate::id::{GroupId, UserId};

/// What came of it.
enum Outcome {
    /// It is done; the word says what.
    Done(&'static str),
    /// There is a link to show, this once.
    Link(String),
    /// The user is no more.
    Deleted,
}

/// Does what a button says.
pub(super) async fn act(
    State(console): Shared,
    operator: Operator,
    named: Named,
    form: Filled,
) -> Result<Response, Error> {
    let user_id = named.user_id;
    let shown = match console.act(&operator, user_id, &form).await {
        Ok(Outcome::Done(word)) => return Ok(console.see(&format!("/users/{user_id}?done={word}"))),
        Ok(Outcome::Deleted) => return Ok(console.see("/users?done=deleted")),
        Ok(Outcome::Link(link)) => Shown { fault: Fault::none(), done: "", link: Some(link) },
        Err(error) => Shown { fault: Fault::of(error)?, done: "", link: None },
    };
    // A user who is not there has no page to tell the fault on.
    console.user(&operator, user_id, shown).await
}

impl Console {
    async fn act(&self, operator: &Operator, user_id: UserId, form: &Fields) -> Result<Outcome, Error> {
        let origin = operator.because(form.reason()?);
        let change = Change { app: &self.app, origin: &origin, user_id };
        match form.field("action") {
            "set-username" => {
                let name = form.field("username").trim();
                if name.is_empty() {
                    return change.make_events("saved", |user, ctx| Ok(user.remove_username(ctx))).await;
                }
                let name = UserName::parse(name)?;
                change.make_events("saved", |user, ctx| Ok(user.set_username(name.clone(), ctx))).await
            }
            "disable" => change.make_events("disabled", |user, ctx| Ok(user.disable(ctx))).await,
            "enable" => change.make_events("enabled", |user, ctx| Ok(user.enable(ctx))).await,
            "unblock" => change.make_events("unblocked", |user, ctx| Ok(user.unblock(ctx))).await,
            "require-reset" => change.require_reset(true).await,
            "require-no-reset" => change.require_reset(false).await,
            "reset-link" => {
                let expiry = password::reset_expiry(None)?;
                let by_mail = form.has("by_mail");
                let reset = self.app.start_password_reset(&origin, user_id, expiry, by_mail).await?;
                Ok(Outcome::Link(reset.link))
            }
            "claims" => {
                change
                    .make_events("saved", |user, ctx| {
                        Ok(user.patch_claims(edited(&user.claims, form), Checks::Made, ctx)?)
                    })
                    .await
            }
            "claims-json" => {
                let wanted = object(form.field("json"))?;
                change
                    .make_events("saved", |user, ctx| {
                        unchanged(user, form)?;
                        let wanted = whole(&user.claims, &wanted);
                        Ok(user.patch_claims(wanted, Checks::Made, ctx)?)
                    })
                    .await
            }
            "public" | "private" => {
                let wanted = entry(form)?;
                change.data(form.field("action"), |_, _| Ok(wanted.clone())).await
            }
            "public-json" | "private-json" => {
                let wanted = object(form.field("json"))?;
                change
                    .data(form.field("action"), |user, kept| {
                        unchanged(user, form)?;
                        Ok(whole(kept, &wanted))
                    })
                    .await
            }
            "join" => {
                let group_id = GroupId::from_path(form.field("group_id"));
                self.app.assign(&origin, user_id, group_id).await?;
                Ok(Outcome::Done("added"))
            }
            "leave" => {
                let group_id = GroupId::from_path(form.field("group_id"));
                self.app.leave(&origin, user_id, group_id).await?;
                Ok(Outcome::Done("removed"))
            }
            "delete" => {
                let user = User::from_document(&self.app.user(operator.tenant(), user_id).await?)?;
                if form.field("confirmation").trim() != confirmation(&user) {
                    let message = "What was typed is not what is asked for, and nothing was deleted.";
                    return Err(InvalidFields::one("", message).into());
                }
                if form.has("erase") {
                    self.app.erase(&origin, user_id).await?;
                } else {
                    self.app.delete(&origin, user_id).await?;
                }
                Ok(Outcome::Deleted)
            }
            _ => change.act_on_address(form).await,
        }
    }
}

/// A change of a user that is about to be made.
struct Change<'a> {
    app: &'a Arc<crate::app::App>,
    origin: &'a Origin,
    user_id: UserId,
}

impl Change<'_> {
    async fn act_on_address(&self, form: &Fields) -> Result<Outcome, Error> {
        let id = form.identifier();
        match form.field("action") {
            "verify-email" => self.make("verified", |user, ctx| user.verify_email(id, ctx)).await,
            "verify-phone" => self.make("verified", |user, ctx| user.verify_phone(id, ctx)).await,
            "unverify-email" => self.unverify(form.email()).await,
            "unverify-phone" => self.unverify(AddressId::phone(id)).await,
            "primary-email" => self.make("primary", |user, ctx| user.set_primary_email(id, ctx)).await,
            "primary-phone" => self.make("primary", |user, ctx| user.set_primary_phone(id, ctx)).await,
            "remove-email" => self.make("removed", |user, ctx| user.remove_email(id, ctx)).await,
            "remove-phone" => self.make("removed", |user, ctx| user.remove_phone(id, ctx)).await,
            "add-email" => {
                let address = EmailAddress::parse(form.field("email"))
                    .map_err(|error| InvalidFields::one("email", error.to_string()))?;
                let verified = form.has("verified");
                self.make("added", |user, ctx| user.add_email(address.clone(), verified, ctx)).await
            }
            "add-phone" => {
                let number = PhoneNumber::parse(form.field("phone_number"))
                    .map_err(|error| InvalidFields::one("phone_number", error.to_string()))?;
                let verified = form.has("verified");
                self.make("added", |user, ctx| user.add_phone(number.clone(), verified, ctx)).await
            }
            "send-mail" => {
                let delivery = Delivery { by_mail: true, in_answer: false };
                let started =
                    self.app.start_proof(self.origin, self.user_id, form.email(), None, delivery).await?;
                Ok(Outcome::Done(if started.email_sent { "sent" } else { "not-sent" }))
            }
            _ => Err(Error::BadRequest("The form names no action.".to_owned())),
        }
    }

    async fn make<D: Into<Decision>>(
        &self,
        word: &'static str,
        rule: impl Fn(&mut User, &Context) -> Result<D, Error>,
    ) -> Result<Outcome, Error> {
        self.app.change(self.origin, self.user_id, rule).await?;
        Ok(Outcome::Done(word))
    }

    async fn make_events(
        &self,
        word: &'static str,
        rule: impl Fn(&mut User, &Context) -> Result<Vec<Event>, Error>,
    ) -> Result<Outcome, Error> {
        self.make(word, rule).await
    }

    async fn unverify(&self, address: AddressId) -> Result<Outcome, Error> {
        self.app.unverify(self.origin, self.user_id, address, || Ok(())).await?;
        Ok(Outcome::Done("unverified"))
    }

    async fn require_reset(&self, required: bool) -> Result<Outcome, Error> {
        self.make("saved", |user, ctx| Ok(user.set_password_reset_required(required, ctx))).await
    }

    /// Changes public or private data, whichever the action is about, by what is wanted of them.
    async fn data(
        &self,
        action: &str,
        wanted: impl Fn(&User, &Map<String, Value>) -> Result<Map<String, Value>, Error>,
    ) -> Result<Outcome, Error> {
        let is_public = action.starts_with("public");
        self.make_events("saved", |user, ctx| {
            let kept = if is_public { &user.public_data } else { &user.private_data };
            let wanted = wanted(user, kept)?;
            let patched = if is_public {
                user.patch_public_data(&wanted, ctx)
            } else {
                user.patch_private_data(&wanted, ctx)
            };
            Ok(patched?)
        })
        .await
    }
}

/// That the user is still as the page has shown them, from which all of an object was edited.
fn unchanged(user: &User, form: &Fields) -> Result<(), Error> {
    if form.field("seen") == user.last_updated.to_string() {
        return Ok(());
    }
    Err(Error::BadRequest(
        "Somebody has changed this user meanwhile, and nothing was saved. Look at the page as it is now, and try again."
            .to_owned(),
    ))
}

/// The patch that leaves exactly this of an object.
fn whole(kept: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let gone = kept.keys().filter(|key| !wanted.contains_key(*key));
    gone.map(|key| (key.clone(), Value::Null)).chain(wanted.clone()).collect()
}

/// The patch of the claims whose fields are others than they were shown. An empty field takes its claim
/// away.
fn edited(claims: &Map<String, Value>, form: &Fields) -> Map<String, Value> {
    let mut patch = Map::new();
    let given = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    for name in fields().filter(|name| form.has(name)) {
        let text = form.field(&name).replace("\r\n", "\n");
        if text == plain(&value_of(claims, &name)) {
            continue;
        }
        match name.split_once('.') {
            None => drop(patch.insert(name.clone(), given(&text))),
            Some((claim, part)) => {
                let kept = claims.get(claim).and_then(Value::as_object).cloned().unwrap_or_default();
                let whole = patch.entry(claim).or_insert(Value::Object(kept));
                if let Some(whole) = whole.as_object_mut() {
                    whole.insert(part.to_owned(), given(&text));
                }
            }
        }
    }
    if patch.get("address").and_then(Value::as_object).is_some_and(|parts| parts.values().all(Value::is_null))
    {
        patch.insert("address".to_owned(), Value::Null);
    }
    patch
}

/// A text as a page has shown it.
fn plain(text: &str) -> String {
    text.replace(|character| character != '\n' && crate::directory::text::reaches_beyond(character), "")
}

/// The patch of one entry of data: its value as JSON, or as a text that is none; none at all takes the
/// entry away.
fn entry(form: &Fields) -> Result<Map<String, Value>, InvalidFields> {
    let key = form.field("key");
    if key.is_empty() {
        return Err(InvalidFields::needed("key"));
    }
    let text = form.field("value").trim();
    let value = if form.has("remove") {
        Value::Null
    } else {
        let read = object(&format!("{{\"value\":{text}}}")).ok().filter(|read| read.len() == 1);
        read.and_then(|mut read| read.remove("value")).unwrap_or_else(|| text.into())
    };
    Ok([(key.to_owned(), value)].into_iter().collect())
}
