//! The HTTP face: which path calls which handler. Handlers hold no rule and no SQL.

mod answer;
mod bulk;
mod data;
mod document;
mod emails;
mod events;
mod exports;
mod extract;
mod groups;
mod health;
mod imports;
mod keys;
mod lists;
mod logs;
mod metrics;
mod openapi;
mod page;
mod passwords;
mod person;
mod phones;
mod problem;
mod proofs;
mod rate;
mod repeats;
mod tag;
mod usernames;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::app::App;
use crate::console;
use crate::error::Error;
use crate::pages::{self, Pages};

pub(crate) use answer::HasOwnBody;
pub use answer::RemoteAddress;
pub(crate) use extract::{object, path_parameter, read_bytes, user_agent};
pub use openapi::document as openapi_document;

pub(crate) use problem::{detail, status};

use extract::Guarded;

/// An operation of `/api` or `/v1` with what guards it. It does not compile for a handler whose
/// first arguments are not the app and a [`extract::Caller`] with a permission.
macro_rules! guarded {
    ($handler:path) => {
        guard($handler, routes!($handler))
    };
}

fn guard<H, T>(_handler: H, routes: UtoipaMethodRouter<Arc<App>>) -> UtoipaMethodRouter<Arc<App>>
where
    H: Handler<T, Arc<App>>,
    T: Guarded,
{
    let (schemas, mut paths, methods) = routes;
    for item in paths.paths.values_mut() {
        openapi::require_scope(item, T::NEEDS);
    }
    (schemas, paths, methods)
}

/// The same for an operation that takes an `Idempotency-Key`: a POST that passes its [`extract::Caller`] on
/// to where the change is made.
macro_rules! once {
    ($handler:path) => {
        openapi::take_names(guarded!($handler))
    };
}

/// Every operation, with its documentation.
fn operations() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(guarded!(users::list))
        .routes(once!(users::create))
        .routes(guarded!(users::find))
        .routes(guarded!(users::delete))
        .routes(once!(users::enable))
        .routes(once!(users::disable))
        .routes(once!(users::unblock))
        .routes(guarded!(usernames::update))
        .routes(guarded!(usernames::remove))
        .routes(once!(emails::add))
        .routes(guarded!(emails::remove))
        .routes(once!(emails::set_primary))
        .routes(once!(emails::verify))
        .routes(once!(emails::unverify))
        .routes(once!(proofs::send))
        .routes(once!(phones::add))
        .routes(guarded!(phones::remove))
        .routes(once!(phones::set_primary))
        .routes(once!(phones::verify))
        .routes(once!(phones::unverify))
        .routes(guarded!(data::patch_claims))
        .routes(guarded!(data::find_private))
        .routes(guarded!(data::patch_private))
        .routes(guarded!(data::find_public))
        .routes(guarded!(data::patch_public))
        .routes(guarded!(users::walk))
        .routes(guarded!(person::export))
        .routes(once!(bulk::verify))
        .routes(once!(bulk::unverify))
        .routes(guarded!(exports::export))
        .routes(once!(imports::import))
        .routes(guarded!(events::list))
        .routes(guarded!(events::email_history))
        .routes(guarded!(events::phone_history))
        .routes(once!(proofs::start_email))
        .routes(once!(proofs::check_email))
        .routes(guarded!(proofs::start_phone))
        .routes(once!(proofs::check_phone))
        .routes(guarded!(passwords::set))
        .routes(guarded!(passwords::remove))
        .routes(once!(passwords::require_reset))
        .routes(guarded!(passwords::require_no_reset))
        .routes(guarded!(passwords::change))
        .routes(guarded!(passwords::start_reset))
        .routes(guarded!(groups::list))
        .routes(once!(groups::create))
        .routes(guarded!(groups::find))
        .routes(guarded!(groups::patch))
        .routes(guarded!(groups::delete))
        .routes(guarded!(groups::list_of_user))
        .routes(guarded!(groups::find_of_user))
        .routes(once!(groups::assign))
        .routes(guarded!(groups::remove))
        .routes(guarded!(groups::list_users))
        .routes(guarded!(logs::list))
        .routes(guarded!(logs::find))
        .routes(guarded!(keys::list))
        .routes(guarded!(keys::create))
        .routes(guarded!(keys::find))
        .routes(guarded!(keys::patch))
        .routes(guarded!(keys::rotate))
        .routes(once!(keys::revoke))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::serve))
}

/// The whole server as one router: every request gets an id, and every failure becomes a problem, but
/// for those of pages, which become pages.
pub fn router(app: Arc<App>, pages: Pages) -> Router {
    let (operations, _) = operations().split_for_parts();
    let reference = utoipa_swagger_ui::Config::new(["/openapi.json"])
        .use_base_layout()
        .validator_url("none")
        .default_models_expand_depth(0)
        .doc_expansion("list");
    let console = console::router(app.clone(), pages.templates(), pages.visits());
    operations
        .merge(SwaggerUi::new("/docs").config(reference))
        .fallback(|| async { Error::NoRoute })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
        .with_state(app.clone())
        .merge(pages::router(app.clone(), pages))
        .merge(console)
        .layer(axum::middleware::from_fn_with_state(app, answer::answer))
}

/// `/metrics` as a router: to be merged with [`router`], or served by itself.
pub fn metrics(app: Arc<App>) -> Router {
    Router::new()
        .route("/metrics", axum::routing::get(metrics::serve))
        .with_state(app.clone())
        .layer(axum::middleware::from_fn_with_state(app, answer::answer))
}
