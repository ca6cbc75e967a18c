//! API keys: what there is, making one, giving one another secret, revoking one.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::{Value, context};

use super::Console;
use super::asked::{Asked, Fields, Filled};
use super::operator::Operator;
use super::page::{Fault, Shared};
use crate::app::keys::ShownKey;
use crate::directory::api_key::{self, ApiKey, Bounds, NewKey, Scope};
use crate::directory::event::Actor;
use crate::directory::rate::MalformedLimit;
use crate::error::{Error, InvalidFields, Missing};
use crate::secret::KeyId;
use crate::time::Timestamp;

/// For how many days a new key can work; 0 for ever.
const LIFETIMES: [(u64, &str); 4] = [(30, "30 days"), (90, "90 days"), (365, "One year"), (0, "For ever")];

/// For how many seconds the secret before can work on.
const OVERLAPS: [(i64, &str); 5] = [
    (86_400, "for another day"),
    (3_600, "for another hour"),
    (7 * 86_400, "for 7 more days"),
    (30 * 86_400, "for 30 more days"),
    (0, "no more from now on"),
];

/// Lists the tenant's keys.
pub(super) async fn list(
    State(console): Shared,
    operator: Operator,
    asked: Asked,
) -> Result<Response, Error> {
    console.keys(&operator, asked.field("done"), Fault::none()).await
}

/// Makes, rotates or revokes a key.
pub(super) async fn act(State(console): Shared, operator: Operator, form: Filled) -> Result<Response, Error> {
    match console.act_on_keys(&operator, &form).await {
        Ok(Some(ShownKey { plain, key })) => {
            let previous_until = key.previous.map(|previous| previous.until.0);
            let values = context! { key => plain.reveal(), name => key.name, previous_until };
            Ok(console.page(&operator, (StatusCode::OK, "keys", "created_key.html"), "", values))
        }
        Ok(None) => Ok(console.see("/keys?done=revoked")),
        Err(error) => console.keys(&operator, "", Fault::of(error)?).await,
    }
}

impl Console {
    async fn keys(&self, operator: &Operator, done: &str, fault: Fault) -> Result<Response, Error> {
        let now = self.app.clock.now();
        let mut keys = self.app.keys(operator.tenant()).await?;
        // Those that work first, and of these the newest.
        keys.sort_by_key(|key| (!key.is_valid(now), std::cmp::Reverse(key.created_at)));
        let own = match &operator.origin.actor {
            Actor::Key { key_id, .. } => Some(*key_id),
            Actor::Owner | Actor::Server => None,
        };
        let lifetimes = LIFETIMES.iter().map(|(days, words)| context! { days => *days, words => *words });
        let values = context! {
            keys => keys.iter().map(|key| row(key, now, own == Some(key.id))).collect::<Vec<_>>(),
            scopes => Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
            lifetimes => lifetimes.collect::<Vec<Value>>(),
            overlaps => OVERLAPS.iter().map(|(seconds, words)| context! { seconds => *seconds, words => *words }).collect::<Vec<Value>>(),
            faults => fault.sentences,
        };
        Ok(self.page(operator, (fault.status, "keys", "keys.html"), done, values))
    }

    /// Gives the key that was made or has another secret; nothing if one was revoked.
    async fn act_on_keys(&self, operator: &Operator, form: &Fields) -> Result<Option<ShownKey>, Error> {
        let origin = &operator.origin;
        match form.field("action") {
            "create" => {
                let days: u64 = form.field("days").parse().unwrap_or(LIFETIMES[0].0);
                let lifetime = Duration::from_secs(days.saturating_mul(86_400));
                let new = NewKey {
                    name: form.field("name").to_owned(),
                    scopes: form.all("scope").filter_map(Scope::from_name).collect(),
                    expires_at: (days > 0).then(|| self.app.clock.now().after(lifetime)),
                    bounds: bounds(form)?,
                };
                self.app.create_key(origin, new).await.map(Some)
            }
            "rotate" => {
                let overlap = api_key::overlap(form.field("overlap").parse().ok())?;
                let rotated = self.app.rotate_key(origin, named(form)?, |_| Ok(overlap)).await;
                rotated.map(Some).map_err(told)
            }
            "revoke" => {
                let revoked = self.app.revoke_key(origin, named(form)?, |_| Ok(())).await;
                revoked.map(|_| None).map_err(told)
            }
            _ => Err(Error::BadRequest("The form names no action.".to_owned())),
        }
    }
}

/// Within what a new key may be used: an empty field bounds nothing.
fn bounds(form: &Fields) -> Result<Bounds, InvalidFields> {
    let limit = Some(form.field("rate_limit").trim()).filter(|limit| !limit.is_empty());
    let rate_limit = limit.map(str::parse).transpose();
    let networks =
        form.field("allowed_networks").split([',', ' ', '\n', '\r']).filter(|text| !text.is_empty());
    Ok(Bounds {
        rate_limit: rate_limit
            .map_err(|error: MalformedLimit| InvalidFields::one("rate_limit", format!("This is {error}.")))?,
        networks: Bounds::networks_of(networks)?,
    })
}

/// The key that a form is about.
fn named(form: &Fields) -> Result<KeyId, Error> {
    form.field("key_id").parse().map_err(|_| told(Error::NotFound(Missing::Key)))
}

/// An error as it is told on the page of all keys, which is there also where one key is not.
fn told(error: Error) -> Error {
    match error {
        Error::NotFound(Missing::Key) => InvalidFields::one("", "There is no key of this id.").into(),
        error => error,
    }
}

fn row(key: &ApiKey, now: Timestamp, is_own: bool) -> Value {
    context! {
        id => key.id.as_str(),
        name => key.name.as_str(),
        scopes => key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        created => key.created_at.0,
        expires => key.expires_at.map(|time| time.0),
        rate_limit => key.bounds.rate_limit.map(|limit| limit.to_string()),
        networks => key.bounds.networks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        used => key.last_used_at.map(|time| time.0),
        rotated => key.previous.as_ref().map(|previous| previous.rotated_at.0),
        previous_until => key.previous.as_ref().map(|previous| previous.until).filter(|until| now < *until).map(|until| until.0),
        state => key.state(now).as_str(),
        is_own,
    }
}
