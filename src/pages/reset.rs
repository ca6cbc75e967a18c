//! The page by which another password is set.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::Site;
use super::link::{Form, Link};
use super::page::Page;
use crate::app::proofs::ResetView;
use crate::directory::password::Password;
use crate::error::Error;

/// Shows what the link is good for.
pub(super) async fn show(State(site): State<Arc<Site>>, link: Link) -> Result<Response, Error> {
    site.show_reset(&link, StatusCode::OK, false, &[]).await
}

/// Sets the password, if it was sent from a page of ours.
pub(super) async fn act(State(site): State<Arc<Site>>, link: Link, form: Form) -> Result<Response, Error> {
    if !site.forms.knows(&link.path, form.field("form"), site.app.clock.now()) {
        return site.show_reset(&link, StatusCode::FORBIDDEN, true, &[]).await;
    }
    if form.field("password") != form.field("repeated") {
        let faults = ["The two are not the same.".to_owned()];
        return site.show_reset(&link, StatusCode::UNPROCESSABLE_ENTITY, false, &faults).await;
    }
    let password = Password::new(form.field("password"));
    let faults = match site.app.reset_by_link(&link.token, &password, &link.visitor).await {
        Ok(view) => return Ok(site.reset_page(&link, StatusCode::OK, &view, false, &[])),
        Err(Error::Refused(refusals)) => {
            refusals.iter().map(|refusal| refusal.description().to_owned()).collect()
        }
        Err(Error::Invalid(fields)) => fields.0.into_iter().map(|(_, message)| message).collect::<Vec<_>>(),
        Err(error) => return Err(error),
    };
    site.show_reset(&link, StatusCode::UNPROCESSABLE_ENTITY, false, &faults).await
}

impl Site {
    async fn show_reset(
        &self,
        link: &Link,
        status: StatusCode,
        again: bool,
        faults: &[String],
    ) -> Result<Response, Error> {
        let view = self.app.reset_view(&link.token).await?;
        Ok(self.reset_page(link, status, &view, again, faults))
    }

    /// The page, with `status` as long as the link is good.
    fn reset_page(
        &self,
        link: &Link,
        status: StatusCode,
        view: &ResetView,
        again: bool,
        faults: &[String],
    ) -> Response {
        let form = self.forms.field(&link.path, self.app.clock.now());
        match view {
            ResetView::Live { tenant_name } => {
                self.answer(status, &Page::Reset { tenant: tenant_name, form: &form, again, faults })
            }
            ResetView::Done { tenant_name } => {
                self.answer(StatusCode::OK, &Page::ResetDone { tenant: tenant_name })
            }
            ResetView::Dead => self.answer(StatusCode::NOT_FOUND, &Page::Ended { form: None }),
        }
    }
}
