//! The console: what operators see of a directory in the browser, and do to it there. Pages are made on
//! the server and work without scripts; htmx only exchanges them without a flicker. Whatever is done
//! goes through the same calls as with the API, with the operator's key as the actor.

mod asked;
mod assets;
mod changes;
mod chart;
mod events;
mod groups;
mod keys;
mod new_user;
mod operator;
mod overview;
mod page;
mod session;
mod settings;
mod sign_in;
mod user;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use minijinja::context;

use crate::api::{HasOwnBody, detail};
use crate::app::App;
use crate::error::Error;
use crate::id::RequestId;
use crate::pages::{Forms, Visits};
use crate::templates::Templates;
use page::Pages;
use session::Seals;
pub(crate) use session::{SignInLink, Transport};

/// The path of the console, below the path of the public URL.
const PATH: &str = "/console";
/// Nothing comes from elsewhere, and no script and no style stands in a page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// What every page of the console is given.
struct Console {
    app: Arc<App>,
    /// The texts of mails, to be looked at.
    mails: Arc<Templates>,
    pages: Pages,
    seals: Seals,
    /// Makes the fields of forms for those who are not signed in.
    forms: Forms,
    visits: Visits,
    /// The path by which browsers reach the console.
    root: String,
    transport: session::Transport,
}

/// The console as a router.
pub(crate) fn router(app: Arc<App>, mails: Arc<Templates>, visits: Visits) -> Router {
    let console = Arc::new(Console {
        mails,
        pages: Pages::embedded(),
        seals: Seals::of(&app.secret),
        forms: Forms::of(&app),
        visits,
        root: root(&app.public_url),
        transport: Transport::of(&app.public_url),
        app,
    });
    let signed_in = Router::new()
        .route("/console", get(overview::show))
        .route("/console/users", get(users::list))
        .route("/console/users/new", get(new_user::show).post(new_user::create))
        .route("/console/users/{user_id}", get(user::show).post(changes::act))
        .route("/console/users/{user_id}/emails/{identifier_id}", get(user::email))
        .route("/console/users/{user_id}/phones/{identifier_id}", get(user::phone))
        .route("/console/groups", get(groups::list).post(groups::create))
        .route("/console/groups/{group_id}", get(groups::show).post(groups::act))
        .route("/console/events", get(events::list))
        .route("/console/keys", get(keys::list).post(keys::act))
        .route("/console/settings", get(settings::show).post(settings::act))
        .route("/console/mail", get(settings::mails))
        .route("/console/mail/{mail}", get(settings::mail))
        .route("/console/sign-out", axum::routing::post(sign_in::sign_out))
        .layer(from_fn_with_state(console.clone(), operator::guard));
    let open = Router::new()
        .route("/console/sign-in", get(sign_in::show).post(sign_in::by_key))
        .route("/console/sign-in/{link}", get(sign_in::show_link).post(sign_in::by_link))
        .layer(from_fn_with_state(console.clone(), bound_visits));
    signed_in
        .merge(open)
        .route("/console/assets/{hash}/{name}", get(assets::serve))
        .route("/console/{*rest}", get(|| async { Error::NoRoute }))
        .layer(from_fn_with_state(console.clone(), dress))
        .with_state(console)
}

/// The path of the console for browsers that reach the server by this URL.
fn root(public_url: &str) -> String {
    let url = url::Url::parse(public_url).ok();
    let below = url.as_ref().map_or("", |url| url.path().trim_end_matches('/'));
    format!("{below}{PATH}")
}

/// Bounds how often one source tries to sign in.
async fn bound_visits(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let source = request.extensions().get::<crate::api::RemoteAddress>().map(|remote| remote.0);
    match source.map_or(Ok(()), |source| console.visits.count(source, console.app.clock.elapsed())) {
        Ok(()) => next.run(request).await,
        Err(retry_after) => Error::TooManyRequests { retry_after }.into_response(),
    }
}

/// Makes a page of every failure, and gives every page the headers by which a browser keeps it to
/// itself.
async fn dress(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    if response.extensions().get::<HasOwnBody>().is_none() {
        response = console.failure(response, id);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    ] {
        // What has others of its own knows why.
        headers.entry(name).or_insert(value);
    }
    for (name, value) in [
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Console {
    /// Sends the browser to a page of the console: by GET, whatever the request was.
    fn see(&self, path: &str) -> Response {
        let location = HeaderValue::try_from(format!("{}{path}", self.root));
        let location = location.unwrap_or_else(|_| HeaderValue::from_static("/"));
        let mut response = (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response();
        response.extensions_mut().insert(HasOwnBody);
        response
    }

    /// The page for an answer that failed. The error that came with it stays, for the log.
    fn failure(&self, failed: Response, id: Option<RequestId>) -> Response {
        let (mut parts, _) = failed.into_parts();
        let error = parts.extensions.get::<Arc<Error>>().cloned();
        let error = error.as_deref();
        if matches!(error, Some(Error::Unauthenticated)) {
            return self.see("/sign-in");
        }
        let reason = match error {
            Some(Error::NoRoute) => "There is no such page.".to_owned(),
            None | Some(Error::MethodNotAllowed) => "This page cannot be used in this way.".to_owned(),
            Some(error) => detail(error),
        };
        let request_id = id.map(|id| id.to_string()).unwrap_or_default();
        let values = context! { reason, request_id };
        let (shown, body) = self.bare(parts.status, "failed.html", values).into_parts();
        let allow = parts.headers.remove(ALLOW);
        parts.headers = shown.headers;
        parts.headers.extend(allow.map(|allow| (ALLOW, allow)));
        parts.extensions.insert(HasOwnBody);
        if let Some(Error::TooManyRequests { retry_after }) = error {
            parts.headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after));
        }
        Response::from_parts(parts, body)
    }
}

#[cfg(test)]
mod tests {
    use super::root;

    #[test]
    fn the_console_is_below_the_path_of_the_public_url() {
        for (url, path) in [
            ("http://localhost", "/console"),
            ("https://users.example.com:8443", "/console"),
            ("https://example.com/directory", "/directory/console"),
        ] {
            assert_eq!(root(url), path);
        }
    }
}
