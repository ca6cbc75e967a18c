//! The style, the script and the picture of the console. Their paths hold what they are made of, so a
//! browser keeps them for ever.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::asked::Named;
use crate::api::HasOwnBody;
use crate::error::Error;

/// The files: name, type and text. htmx is version 2.0.11 as published, under the Zero-Clause BSD
/// licence; see `templates/console/htmx.LICENSE`.
const FILES: [(&str, &str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8", include_str!("../../templates/console/style.css")),
    ("htmx.js", "text/javascript; charset=utf-8", include_str!("../../templates/console/htmx.min.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../templates/console/icon.svg")),
];

/// The part of the path that says what the files are made of.
pub(super) static HASH: LazyLock<String> = LazyLock::new(|| {
    let hash = FILES.iter().fold(Sha256::new(), |hash, (_, _, text)| hash.chain_update(text)).finalize();
    BASE64_URL_SAFE_NO_PAD.encode(&hash[..9])
});

/// Gives a file. Under an old path it gives the present one: a page of an older version still works.
pub(super) async fn serve(named: Named) -> Result<Response, Error> {
    let file = FILES.iter().find(|(name, ..)| *name == named.text);
    let (_, kind, text) = file.ok_or(Error::NoRoute)?;
    let headers = [(CONTENT_TYPE, *kind), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    let mut response = (headers, *text).into_response();
    response.extensions_mut().insert(HasOwnBody);
    Ok(response)
}
