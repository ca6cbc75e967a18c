//! API keys: what there is, making one, revoking one.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use minijinja::{Value, context};

use super::Console;
use super::asked::{Asked, Fields, Filled};
use super::operator::Operator;
use super::page::{Fault, Shared};
use crate::directory::api_key::{ApiKey, NewKey, Scope};
use crate::directory::event::Actor;
use crate::error::{Error, InvalidFields};
use crate::secret::PlainKey;
use crate::time::Timestamp;

/// For how many days a new key can work; 0 for ever.
const LIFETIMES: [(u64, &str); 4] = [(30, "30 days"), (90, "90 days"), (365, "One year"), (0, "For ever")];

/// Lists the tenant's keys.
pub(super) async fn list(
    State(console): Shared,
    operator: Operator,
    asked: Asked,
) -> Result<Response, Error> {
    console.keys(&operator, asked.field("done"), Fault::none()).await
}

/// Makes or revokes a key.
pub(super) async fn act(State(console): Shared, operator: Operator, form: Filled) -> Result<Response, Error> {
    match console.act_on_keys(&operator, &form).await {
        Ok(Some(key)) => {
            let values = context! { key => key.reveal(), name => form.field("name").trim() };
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
            faults => fault.sentences,
        };
        Ok(self.page(operator, (fault.status, "keys", "keys.html"), done, values))
    }

    /// Gives the key that was made; nothing if one was revoked.
    async fn act_on_keys(&self, operator: &Operator, form: &Fields) -> Result<Option<PlainKey>, Error> {
        match form.field("action") {
            "create" => {
                let days: u64 = form.field("days").parse().unwrap_or(LIFETIMES[0].0);
                let lifetime = Duration::from_secs(days.saturating_mul(86_400));
                let new = NewKey {
                    name: form.field("name").to_owned(),
                    scopes: form.all("scope").filter_map(Scope::from_name).collect(),
                    expires_at: (days > 0).then(|| self.app.clock.now().after(lifetime)),
                };
                let key = self.app.create_key(operator.tenant(), new).await?;
                tracing::info!(by = ?operator.origin, key.id = %key.id(), "a key was made in the console");
                Ok(Some(key))
            }
            "revoke" => {
                let wrong = || InvalidFields::one("", "There is no key of this id.");
                let id = form.field("key_id").parse().map_err(|_| wrong())?;
                if !self.app.revoke_key(operator.tenant(), id).await? {
                    return Err(wrong().into());
                }
                tracing::info!(by = ?operator.origin, key.id = %id, "a key was revoked in the console");
                Ok(None)
            }
            _ => Err(Error::BadRequest("The form names no action.".to_owned())),
        }
    }
}

fn row(key: &ApiKey, now: Timestamp, is_own: bool) -> Value {
    let state = match key.revoked_at {
        Some(_) => "revoked",
        None if key.is_valid(now) => "active",
        None => "expired",
    };
    context! {
        id => key.id.as_str(),
        name => key.name.as_str(),
        scopes => key.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        created => key.created_at.0,
        expires => key.expires_at.map(|time| time.0),
        used => key.last_used_at.map(|time| time.0),
        state,
        is_own,
    }
}
