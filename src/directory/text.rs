//! How texts that name people are compared and which characters they may hold.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The text in Unicode's normalization form KC: one form for what merely looks different.
pub fn nfkc(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text)
}

/// The form in which two texts are equal if they differ only in case or compatibility form: case
/// folding between normalizations to form KC, which for text without invisible characters is
/// Unicode's `NFKC_Casefold`.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let folded = CaseMapper::new().fold_string(&nfkc(text)).into_owned();
    // Folding can undo a normalization and a normalization bring up something to fold, once each.
    let folded = CaseMapper::new().fold_string(&nfkc(&folded)).into_owned();
    nfkc(&folded).into_owned()
}

/// Whether a character leaves no mark, steers the direction of writing, or means nothing: such
/// characters make two names that look alike differ, so no identifier may hold one.
pub fn is_unseen(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let category = CodePointMapData::<GeneralCategory>::new().get(character);
    GeneralCategoryGroup::Other.contains(category)
        || GeneralCategoryGroup::Separator.contains(category)
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        || CodePointSetData::new::<BidiControl>().contains(character)
        // A Braille pattern without dots is a symbol by category, and blank all the same.
        || character == '\u{2800}'
}

/// Whether a character ends a line, steers the direction of what follows it, or controls something
/// else: in a line that is made of several texts, it would reach beyond its own.
pub fn reaches_beyond(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}')
        || CodePointSetData::new::<BidiControl>().contains(character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folding_joins_case_and_compatibility_forms_and_keeps_accents() {
        assert_eq!(fold("ALICE"), "alice");
        assert_eq!(fold("ﬁne"), fold("FINE"));
        assert_eq!(fold("Straße"), fold("STRASSE"));
        assert_eq!(fold("e\u{301}"), fold("É"));
        assert_ne!(fold("é"), fold("e"));
    }

    #[test]
    fn unseen_characters_are_told_from_letters() {
        for unseen in [
            '\0', '\u{7f}', '\u{ad}', '\u{200b}', '\u{200d}', '\u{202e}', '\u{2066}', '\u{feff}', '\u{a0}',
            '\u{3000}', '\u{3164}', '\u{2800}', '\u{e000}',
        ] {
            assert!(is_unseen(unseen), "{unseen:?}");
        }
        for seen in ['a', 'é', 'ß', 'я', '中', 'ก', '.', '+', '😀'] {
            assert!(!is_unseen(seen), "{seen:?}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,12}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }
    }
}
