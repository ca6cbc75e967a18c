//! Claims: what is said of a user beyond their identifiers (semantics section 6).

use serde_json::{Map, Value};

/// The most that a user's claims may take, in bytes of JSON.
pub const MAX_BYTES: usize = 64 * 1024;

/// Checks that a text is an http or https URL.
///
/// # Errors
/// A sentence for the client.
pub fn check_url(text: &str) -> Result<(), &'static str> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err("This is not an http or https URL."),
    }
}

/// Whether the claims fit into [`MAX_BYTES`].
pub fn fits(claims: &Map<String, Value>) -> bool {
    serde_json::to_vec(claims).is_ok_and(|json| json.len() <= MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_an_http_url() {
        for good in ["https://example.com/a.png", "http://example.com"] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "example.com/a.png",
            "ftp://example.com/a",
            "javascript:alert(1)",
            "https://",
            "data:image/png;base64,x",
        ] {
            assert!(check_url(wrong).is_err(), "{wrong}");
        }
    }
}
