//! What holds of every text that is read as an email address.

use bonafide::directory::email::EmailAddress;
use bonafide::directory::text::is_unseen;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};

/// The most octets of an address, in each of its forms.
const MOST: usize = 254;

/// An address is kept as typed, and its canonical form is within bounds, its own canonical form, and
/// that of each spelling of the address.
pub(crate) fn an_address_has_one_canonical_form(text: &str) {
    let Ok(address) = EmailAddress::parse(text) else { return };
    let typed = address.as_str();
    assert_eq!(typed, text.trim());
    assert!(typed.len() <= MOST && !typed.chars().any(is_unseen), "{typed:?}");

    let canonical = address.canonical();
    let (local, domain) = canonical.rsplit_once('@').expect("an address has an @");
    assert!(canonical.len() <= MOST && !canonical.chars().any(is_unseen), "{typed:?} {canonical:?}");
    assert!(domain.is_ascii() && !domain.bytes().any(|byte| byte.is_ascii_uppercase()), "{canonical:?}");
    match EmailAddress::parse(&canonical) {
        Ok(again) => assert_eq!(again.canonical(), canonical, "{typed:?}"),
        // Folded, some letters are several.
        Err(error) => assert!(local.len() > 64, "{typed:?} {canonical:?}: {error}"),
    }
    for spelling in [
        typed.to_ascii_uppercase(),
        typed.to_ascii_lowercase(),
        format!("\u{3000}{typed}\n"),
        ComposingNormalizerBorrowed::new_nfc().normalize(typed).into_owned(),
        ComposingNormalizerBorrowed::new_nfkc().normalize(typed).into_owned(),
        DecomposingNormalizerBorrowed::new_nfd().normalize(typed).into_owned(),
    ] {
        match EmailAddress::parse(&spelling) {
            Ok(same) => assert_eq!(same.canonical(), canonical, "{typed:?} {spelling:?}"),
            Err(error) => assert!(spelling.trim().len() > MOST, "{typed:?} {spelling:?}: {error}"),
        }
    }
}
