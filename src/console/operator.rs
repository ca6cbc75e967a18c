//! Who is signed in, checked with every request: by the cookie, and by the key that it stands for.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Console;
use super::session::Session;
use crate::api::{RemoteAddress, user_agent};
use crate::directory::api_key::{ApiKey, Scope};
use crate::directory::event::{Actor, Method, Origin};
use crate::error::Error;
use crate::id::{RequestId, TenantId};

/// Who is signed in.
#[derive(Clone)]
pub(super) struct Operator {
    /// Where whatever they change comes from.
    pub(super) origin: Origin,
    /// What their key is called.
    pub(super) name: String,
    /// The field that all of their forms have.
    pub(super) form: String,
}

impl Operator {
    /// Who makes this request.
    ///
    /// # Errors
    /// [`Error::Internal`] where [`guard`] does not stand before the page.
    pub(super) fn of(request: &Request) -> Result<&Self, Error> {
        let operator = request.extensions().get::<Self>();
        operator.ok_or_else(|| Error::Internal("a page of the console is not guarded".to_owned()))
    }

    /// The tenant that they look after.
    pub(super) fn tenant(&self) -> &TenantId {
        &self.origin.tenant
    }

    /// Where a change comes from that is made for this reason.
    pub(super) fn because(&self, reason: Option<String>) -> Origin {
        Origin { reason, ..self.origin.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let operator = parts.extensions.get::<Self>().expect("pages that ask for it stand behind `guard`");
        Ok(operator.clone())
    }
}

/// Lets through who is signed in, and keeps their session going.
pub(super) async fn guard(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let now = console.app.clock.now();
    let Some(session) = console.session(&request) else { return Error::Unauthenticated.into_response() };
    let from = request.extensions().get::<RemoteAddress>().map(|remote| remote.0);
    let key = match console.app.key_in_force(session.key, session.since, from).await {
        Ok(key) if key.allows(Scope::Admin) => key,
        Ok(_) => return Error::Unauthenticated.into_response(),
        Err(error) => return error.into_response(),
    };
    let operator = console.operator(&session, &key, &request);
    request.extensions_mut().insert(operator);
    let mut response = next.run(request).await;
    if let Some(renewed) = session.renewed(now)
        && !response.headers().contains_key(SET_COOKIE)
    {
        response.headers_mut().append(SET_COOKIE, console.cookie(&renewed));
    }
    response
}

impl Console {
    fn session(&self, request: &Request) -> Option<Session> {
        let now = self.app.clock.now();
        let cookies = request.headers().get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        cookies.into_iter().find_map(|cookies| Session::of_cookies(cookies, &self.seals, now))
    }

    fn operator(&self, session: &Session, key: &ApiKey, request: &Request) -> Operator {
        let extensions = request.extensions();
        Operator {
            origin: Origin {
                tenant: key.tenant.clone(),
                actor: Actor::Key { key_id: key.id, key_name: key.name.clone() },
                method: Method::AdminApi,
                request_id: *extensions.get::<RequestId>().expect("every request was given an id"),
                remote_address: extensions.get::<RemoteAddress>().map(|remote| remote.0),
                user_agent: user_agent(request.headers()),
                reason: None,
            },
            name: key.name.clone(),
            form: self.seals.form(session),
        }
    }

    pub(super) fn cookie(&self, session: &Session) -> HeaderValue {
        let cookie = session.cookie(&self.seals, &self.root, self.transport);
        HeaderValue::try_from(cookie).expect("a cookie is ASCII, and so is the path of a URL")
    }
}
