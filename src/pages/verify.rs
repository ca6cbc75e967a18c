//! The page by which an address is proved.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};

use super::Site;
use super::link::{Form, Link};
use super::page::Page;
use crate::api::HasOwnBody;
use crate::app::proofs::ProofView;
use crate::error::Error;

/// Shows what the link is good for.
pub(super) async fn show(State(site): State<Arc<Site>>, link: Link) -> Result<Response, Error> {
    site.show_proof(&link, false).await
}

/// Does what the button says that was pressed on the page; nothing, if it was no page of ours.
pub(super) async fn act(State(site): State<Arc<Site>>, link: Link, form: Form) -> Result<Response, Error> {
    if !site.forms.knows(&link.path, form.field("form"), site.app.clock.now()) {
        return site.show_proof(&link, true).await;
    }
    match form.field("action") {
        "verify" => match site.app.prove_by_link(&link.token, &link.visitor).await? {
            // The page says so when it is asked for again, which can be done as often as one likes.
            ProofView::DoneByIt(_) => Ok(see(&link.token)),
            view => Ok(site.proof_page(&link, &view, false)),
        },
        "again" => {
            site.app.ask_again(&link.token, &link.visitor).await?;
            Ok(site.answer(StatusCode::OK, &Page::Asked))
        }
        _ => site.show_proof(&link, true).await,
    }
}

/// Sends the browser to the page of the link, by a path that holds behind a proxy, too.
fn see(token: &str) -> Response {
    let mut response = (StatusCode::SEE_OTHER, [(LOCATION, token)]).into_response();
    response.extensions_mut().insert(HasOwnBody);
    response
}

impl Site {
    async fn show_proof(&self, link: &Link, again: bool) -> Result<Response, Error> {
        let view = self.app.proof_view(&link.token).await?;
        Ok(self.proof_page(link, &view, again))
    }

    fn proof_page(&self, link: &Link, view: &ProofView, again: bool) -> Response {
        let form = self.forms.field(&link.path, self.app.clock.now());
        let (status, page) = match view {
            ProofView::Live(shown) => (
                if again { StatusCode::FORBIDDEN } else { StatusCode::OK },
                Page::Verify { tenant: &shown.tenant_name, address: &shown.address, form: &form, again },
            ),
            ProofView::DoneByIt(shown) => {
                (StatusCode::OK, Page::Verified { tenant: &shown.tenant_name, address: &shown.address })
            }
            ProofView::Taken(shown) => {
                (StatusCode::CONFLICT, Page::Taken { tenant: &shown.tenant_name, address: &shown.address })
            }
            ProofView::Dead => {
                let form = self.app.sends_mail().then_some(form.as_str());
                (StatusCode::NOT_FOUND, Page::Ended { form })
            }
        };
        self.answer(status, &page)
    }
}
