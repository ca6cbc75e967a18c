//! Signing in, by a key of scope `admin` or by a link that the machine's operator was given, and out.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::header::SET_COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use minijinja::context;

use super::Console;
use super::asked::{Fields, Filled, Named};
use super::session::{Session, SignInLink, Transport};
use crate::api::{RemoteAddress, detail};
use crate::directory::api_key::{ApiKey, Scope};
use crate::error::Error;
use crate::secret::PlainKey;

/// What the fields of the forms are bound to.
const BY_KEY: &str = "console/sign-in";

/// Where a request comes from, if that is known.
pub(super) struct Source(Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Source {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<RemoteAddress>().map(|remote| remote.0)))
    }
}

/// Asks for a key.
pub(super) async fn show(State(console): State<Arc<Console>>) -> Response {
    console.ask_for_key(StatusCode::OK, "")
}

/// Begins a session by a key.
pub(super) async fn by_key(
    State(console): State<Arc<Console>>,
    Source(from): Source,
    form: Fields,
) -> Result<Response, Error> {
    if !console.forms.knows(BY_KEY, form.field("form"), console.app.clock.now()) {
        let fault = "This page was open for too long. Please try again.";
        return Ok(console.ask_for_key(StatusCode::FORBIDDEN, fault));
    }
    if console.transport == Transport::Open {
        return Ok(console.ask_for_key(StatusCode::FORBIDDEN, ""));
    }
    let key = match form.field("key").trim().parse::<PlainKey>() {
        Ok(key) => console.app.authenticate(&key, from).await.map(|admitted| admitted.key),
        Err(_) => Err(Error::Unauthenticated),
    };
    match key {
        Ok(key) if key.allows(Scope::Admin) => Ok(console.begin(&key)),
        Err(error @ Error::WrongNetwork) => Ok(console.ask_for_key(StatusCode::FORBIDDEN, &detail(&error))),
        Ok(_) => {
            let fault = "This key may not use the console: it needs the scope admin.";
            Ok(console.ask_for_key(StatusCode::FORBIDDEN, fault))
        }
        Err(Error::Unauthenticated) => {
            let fault = "This is not a key, or it is revoked or expired.";
            Ok(console.ask_for_key(StatusCode::FORBIDDEN, fault))
        }
        Err(error) => Err(error),
    }
}

/// Asks whoever has followed a link whether they mean it: programs that look at links do not.
pub(super) async fn show_link(State(console): State<Arc<Console>>, named: Named) -> Response {
    match SignInLink::open(&named.text, &console.seals, console.app.clock.now()) {
        Some(link) => console.ask_for_press(&named.text, &link),
        None => console.ended(),
    }
}

/// Begins a session by a link, once.
pub(super) async fn by_link(
    State(console): State<Arc<Console>>,
    named: Named,
    form: Fields,
) -> Result<Response, Error> {
    let now = console.app.clock.now();
    let Some(link) = SignInLink::open(&named.text, &console.seals, now) else { return Ok(console.ended()) };
    if console.transport == Transport::Open || !console.forms.knows(&named.text, form.field("form"), now) {
        return Ok(console.ask_for_press(&named.text, &link));
    }
    match console.app.create_key_of_link(&link.tenant, link.id, link.new_key(now)).await {
        Ok(key) => Ok(console.begin(&key)),
        Err(Error::Unauthenticated) => Ok(console.ended()),
        Err(error) => Err(error),
    }
}

/// Lets the browser forget the session.
pub(super) async fn sign_out(State(console): State<Arc<Console>>, _form: Filled) -> Response {
    let mut response = console.see("/sign-in");
    let cookie = Session::end(&console.root, console.transport);
    let cookie = HeaderValue::try_from(cookie).expect("a cookie is ASCII, and so is the path of a URL");
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

impl Console {
    fn begin(&self, key: &ApiKey) -> Response {
        tracing::info!(key.id = %key.id, "somebody signed in to the console");
        let session = Session::begin(key.id, self.app.clock.now(), &*self.app.random);
        let mut response = self.see("");
        response.headers_mut().insert(SET_COOKIE, self.cookie(&session));
        response
    }

    fn ask_for_key(&self, status: StatusCode, fault: &str) -> Response {
        let form = self.forms.field(BY_KEY, self.app.clock.now());
        self.bare(
            status,
            "sign_in.html",
            context! { form, fault, is_open => self.transport == Transport::Open },
        )
    }

    fn ask_for_press(&self, sealed: &str, link: &SignInLink) -> Response {
        let values = context! {
            form => self.forms.field(sealed, self.app.clock.now()),
            name => link.name.as_str(),
            tenant => link.tenant.as_str(),
            is_open => self.transport == Transport::Open,
        };
        self.bare(StatusCode::OK, "sign_in_link.html", values)
    }

    fn ended(&self) -> Response {
        self.bare(StatusCode::NOT_FOUND, "sign_in_ended.html", context! {})
    }
}
