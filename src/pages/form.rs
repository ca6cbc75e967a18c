//! The field of a form by which its page is known again: a request that was not made from a page of
//! ours lacks it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha512;

use crate::app::App;
use crate::time::Timestamp;

/// For how long a page can be used after it was asked for.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Makes and knows the fields.
pub(crate) struct Forms(Hmac<Sha512>);

impl Forms {
    /// With the secret of the server, so that a field of one is good for each that serves the store.
    pub(crate) fn of(app: &App) -> Self {
        Self(app.secret.for_forms())
    }

    /// The field for the page of a link, asked for now: the time, a dot, and the HMAC of both.
    pub(crate) fn field(&self, path: &str, now: Timestamp) -> String {
        let mac = BASE64_URL_SAFE_NO_PAD.encode(self.mac(path, now).finalize().into_bytes());
        format!("{now}.{mac}")
    }

    /// Whether the field is one of this page's, and not too old.
    pub(crate) fn knows(&self, path: &str, field: &str, now: Timestamp) -> bool {
        let Some((time, mac)) = field.split_once('.') else { return false };
        let Some(made_at) = time.parse().ok().map(Timestamp) else { return false };
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac);
        let is_ours = mac.is_ok_and(|mac| self.mac(path, made_at).verify_slice(&mac).is_ok());
        is_ours && made_at <= now && now < made_at.after(LIFETIME)
    }

    fn mac(&self, path: &str, time: Timestamp) -> Hmac<Sha512> {
        self.0.clone().chain_update(time.0.to_be_bytes()).chain_update(path)
    }
}

#[cfg(test)]
mod tests {
    use hmac::KeyInit;

    use super::*;

    const NOW: Timestamp = Timestamp(1_640_975_400);

    fn forms(key: &[u8]) -> Forms {
        Forms(Hmac::new_from_slice(key).unwrap())
    }

    #[test]
    fn a_field_is_good_for_its_page_and_an_hour() {
        let forms = forms(b"one");
        let field = forms.field("/verify/a", NOW);
        assert!(forms.knows("/verify/a", &field, NOW));
        assert!(forms.knows("/verify/a", &field, Timestamp(NOW.0 + 3599)));
        assert!(!forms.knows("/verify/a", &field, Timestamp(NOW.0 + 3600)));
        assert!(!forms.knows("/verify/a", &field, Timestamp(NOW.0 - 1)));
        assert!(!forms.knows("/verify/b", &field, NOW));
        assert!(!forms.knows("/reset/a", &field, NOW));
    }

    #[test]
    fn what_is_no_field_of_this_server_is_not_known() {
        let own = forms(b"one");
        let field = own.field("/verify/a", NOW);
        assert!(!forms(b"other").knows("/verify/a", &field, NOW));
        let later = field.replace("1640975400", "1640975401");
        for wrong in ["", ".", "1640975400", "1640975400.", "a.b", &later, &field[..field.len() - 1], "1.ä"]
        {
            assert!(!own.knows("/verify/a", wrong, Timestamp(NOW.0 + 1)), "{wrong}");
        }
        for place in 11..field.len() {
            let mut bytes = field.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'Q' } else { b'A' };
            assert!(!own.knows("/verify/a", std::str::from_utf8(&bytes).unwrap(), NOW), "{place}");
        }
    }
}
