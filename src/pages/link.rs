//! What a page is told by the request for it: the link, who follows it, and the form.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use url::form_urlencoded;

use super::Site;
use crate::api::{RemoteAddress, path_parameter, read_bytes, user_agent};
use crate::app::proofs::Visitor;
use crate::error::Error;
use crate::id::RequestId;

/// The most that a form may have, in bytes: two passwords, encoded, and a little.
const MAX_FORM_BYTES: usize = 32 * 1024;

/// The link that was followed. It is a secret, so it has no `Debug`.
pub(super) struct Link {
    /// Its last part.
    pub(super) token: String,
    /// Which page of which link it is: what the form's field is bound to.
    pub(super) path: String,
    /// Who follows it.
    pub(super) visitor: Visitor,
}

impl FromRequestParts<Arc<Site>> for Link {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Site>) -> Result<Self, Error> {
        let token = path_parameter(parts, "token").into_owned();
        let request_id = *parts.extensions.get::<RequestId>().expect("every request was given an id");
        Ok(Self {
            path: format!("{}/{token}", parts.uri.path().split('/').nth(1).unwrap_or_default()),
            token,
            visitor: Visitor {
                request_id,
                remote_address: parts.extensions.get::<RemoteAddress>().map(|remote| remote.0),
                user_agent: user_agent(&parts.headers),
            },
        })
    }
}

/// The fields of a form. They may hold passwords, so it has no `Debug`.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// The field, empty if it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

impl FromRequest<Arc<Site>> for Form {
    type Rejection = Error;

    async fn from_request(request: Request, _: &Arc<Site>) -> Result<Self, Error> {
        let label = request.headers().get(CONTENT_TYPE).and_then(|label| label.to_str().ok());
        let essence = label.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let bytes = read_bytes(request, MAX_FORM_BYTES).await?;
        // What is no form has no fields, and with them not the one that something is done by.
        let fields =
            if is_form { form_urlencoded::parse(&bytes).into_owned().collect() } else { HashMap::new() };
        Ok(Self(fields))
    }
}
