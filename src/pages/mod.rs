//! The pages that the links in mails lead to: made on the server, without scripts, in the tenant's
//! name. Looking at one changes nothing, however often and by whom: what a page offers is done by
//! the form behind its button only.

mod form;
mod link;
mod mailbox;
mod page;
mod reset;
mod verify;
mod visits;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::api::{HasOwnBody, RemoteAddress};
use crate::app::App;
use crate::error::Error;
use crate::id::RequestId;
use crate::templates::Templates;
pub(crate) use form::Forms;
use page::Page;
pub(crate) use visits::Visits;

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// What the pages need beside the directory.
pub struct Pages {
    templates: Arc<Templates>,
    mailbox: Option<PathBuf>,
    per_minute: usize,
}

/// How many pages one source is given in a minute, if nothing is said.
pub const PAGES_PER_MINUTE: u32 = 20;

impl Pages {
    /// The texts of mails and pages.
    pub(crate) fn templates(&self) -> Arc<Templates> {
        self.templates.clone()
    }

    /// Visits that are bounded as those of the pages.
    pub(crate) fn visits(&self) -> Visits {
        Visits::at_most(self.per_minute)
    }

    /// Pages with these texts; and with one that shows the mails of the folder to everybody, if there
    /// is one, which is for trying out.
    pub fn new(templates: Arc<Templates>, mailbox: Option<PathBuf>) -> Self {
        Self { templates, mailbox, per_minute: PAGES_PER_MINUTE as usize }
    }

    /// The same, of which one source is given so many in a minute.
    #[must_use]
    pub fn bounded_to(self, per_minute: u32) -> Self {
        Self { per_minute: per_minute as usize, ..self }
    }
}

/// What every page is given.
struct Site {
    app: Arc<App>,
    templates: Arc<Templates>,
    mailbox: Option<PathBuf>,
    forms: Forms,
    visits: Visits,
}

/// The pages as a router.
pub(crate) fn router(app: Arc<App>, pages: Pages) -> Router {
    let Pages { templates, mailbox, per_minute } = pages;
    let forms = Forms::of(&app);
    let shows_mail = mailbox.is_some();
    let site = Arc::new(Site { app, templates, mailbox, forms, visits: Visits::at_most(per_minute) });
    let mut routes = Router::new()
        .route("/verify/{token}", get(verify::show).post(verify::act))
        .route("/reset/{token}", get(reset::show).post(reset::act))
        .layer(from_fn_with_state(site.clone(), bound_visits));
    if shows_mail {
        routes = routes
            .route("/dev/mailbox", get(mailbox::list))
            .route("/dev/mailbox/{mail}", get(mailbox::show))
            .route("/dev/mailbox/{mail}/html", get(mailbox::show_html));
    }
    routes.layer(from_fn_with_state(site.clone(), dress)).with_state(site)
}

/// Bounds how often one source asks for pages. Who guesses tokens will guess none, but need not be
/// served as fast as the server can.
async fn bound_visits(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let source = request.extensions().get::<RemoteAddress>().map(|remote| remote.0);
    match source.map_or(Ok(()), |source| site.visits.count(source, site.app.clock.elapsed())) {
        Ok(()) => next.run(request).await,
        Err(retry_after) => Error::TooManyRequests { retry_after }.into_response(),
    }
}

/// Makes a page of every failure, and gives every page the headers by which a browser keeps it, and
/// the token in its address, to itself.
async fn dress(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().copied();
    let mut response = next.run(request).await;
    if response.extensions().get::<HasOwnBody>().is_none() {
        response = site.failure(response, id);
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (ROBOTS, "noindex, nofollow"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Site {
    /// A page as an answer.
    fn answer(&self, status: StatusCode, page: &Page) -> Response {
        match self.templates.page(page) {
            Ok(html) => self.html(status, html),
            Err(error) => {
                // Not the page that tells of failures: it may be the one that does not work.
                tracing::error!(%error, "a page could not be made");
                self.html(StatusCode::INTERNAL_SERVER_ERROR, "This did not work.".to_owned())
            }
        }
    }

    fn html(&self, status: StatusCode, html: String) -> Response {
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            self.templates.style_hash()
        );
        let policy = HeaderValue::from_str(&policy).expect("a policy is ASCII");
        let mut response = (status, html).into_response();
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response.extensions_mut().insert(HasOwnBody);
        response
    }

    /// The page for an answer that failed. The error that came with it stays, for the log.
    fn failure(&self, failed: Response, id: Option<RequestId>) -> Response {
        let (mut parts, _) = failed.into_parts();
        let error = parts.extensions.get::<Arc<Error>>().cloned();
        let request_id = id.map(|id| id.to_string()).unwrap_or_default();
        let page = match error.as_deref() {
            Some(Error::TooManyRequests { retry_after }) => Page::TooOften { seconds: *retry_after },
            _ => Page::Failed { reason: reason(parts.status), request_id: &request_id },
        };
        let page = self.answer(parts.status, &page);
        let (shown, body) = page.into_parts();
        parts.status = shown.status;
        parts.headers.extend(shown.headers);
        parts.extensions.insert(HasOwnBody);
        if let Some(Error::TooManyRequests { retry_after }) = error.as_deref() {
            parts.headers.insert(RETRY_AFTER, HeaderValue::from(*retry_after));
        }
        Response::from_parts(parts, body)
    }
}

/// What a visitor is told of a failure.
fn reason(status: StatusCode) -> &'static str {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => "This page cannot be used in this way.",
        StatusCode::NOT_FOUND => "There is nothing here.",
        status if status.is_client_error() => {
            "What your browser sent could not be read. Please go back and try again."
        }
        StatusCode::SERVICE_UNAVAILABLE => "We cannot do this just now. Please try again in a moment.",
        _ => "This is our fault. Please try again later.",
    }
}
