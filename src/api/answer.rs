//! What surrounds every request: its id, its log line, and the problem that every failure becomes,
//! a panic among them.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::{Level, enabled};

use super::{problem, rate};
use crate::app::App;
use crate::error::Error;
use crate::id::RequestId;

/// The header that tells the client the request's id.
pub(super) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The address a request came from; the server puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct RemoteAddress(pub IpAddr);

/// Marks an answer that says itself what failed, if something did: it becomes no problem.
#[derive(Clone, Copy)]
pub(crate) struct HasOwnBody;

/// Answers a request.
pub(super) async fn answer(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let started = app.clock.elapsed();
    let id = RequestId::new(&*app.random);
    request.extensions_mut().insert(id);
    let method = request.method().clone();
    let uri = request.uri().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();

    let (answered, standing) = rate::noted(AssertUnwindSafe(next.run(request)).catch_unwind()).await;
    let mut response = answered.unwrap_or_else(|_| {
        // What the panic says has gone to the log by the panic hook, under this thread's name.
        tracing::error!(request.id = %id, "a handler panicked");
        Error::Internal("a handler panicked".to_owned()).into_response()
    });
    let error = response.extensions_mut().remove::<Arc<Error>>();
    let status = response.status();
    let is_told = response.extensions().get::<HasOwnBody>().is_some();
    if (status.is_client_error() || status.is_server_error()) && !is_told {
        response = problem::render(error.as_deref(), response, uri.path(), id);
    }

    let took = app.clock.elapsed().saturating_sub(started);
    app.metrics.requests.count(route.as_ref().map(MatchedPath::as_str), &method, status, took);
    let wanted = match status.as_u16() {
        500.. => Level::ERROR,
        400.. => Level::INFO,
        _ => Level::DEBUG,
    };
    if wanted != Level::DEBUG || enabled!(Level::DEBUG) {
        log(wanted, took, id, &method, route.as_ref(), status, error.as_deref());
    }
    let header = HeaderValue::from_bytes(&id.to_hex()).expect("hexadecimal digits fit into a header");
    response.headers_mut().insert(REQUEST_ID_HEADER, header);
    if let Some(standing) = standing {
        rate::tell(&standing, response.headers_mut());
    }
    response
}

/// Writes the request's log line: the route and not the path, because a path may hold anything.
fn log(
    level: Level,
    took: Duration,
    id: RequestId,
    method: &axum::http::Method,
    route: Option<&MatchedPath>,
    status: StatusCode,
    error: Option<&Error>,
) {
    let route = route.map_or("-", MatchedPath::as_str);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    let error = error.map(tracing::field::display);
    macro_rules! line {
        ($level:expr) => {
            tracing::event!($level, request.id = %id, http.method = %method, http.route = route, http.status = status, duration_us = micros, error, "answered")
        };
    }
    match level {
        Level::ERROR => line!(Level::ERROR),
        Level::INFO => line!(Level::INFO),
        _ => line!(Level::DEBUG),
    }
}
