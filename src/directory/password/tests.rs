use proptest::prelude::*;

use super::*;
use crate::error::InvalidFields;

/// "correct horse" by another implementation of bcrypt, at cost 4.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

fn strict() -> Policy {
    Policy {
        min_length: 6,
        needs_non_alphanumeric: true,
        needs_digit: true,
        needs_lower: true,
        needs_upper: true,
        min_unique: 3,
    }
}

#[test]
fn a_password_matches_its_own_hash_only() {
    let hash = Password::new("correct horse").hash([1; 16]);
    assert!(hash.to_stored().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(hash.matches(&Password::new("correct horse")).unwrap());
    assert!(!hash.matches(&Password::new("Correct horse")).unwrap());
    assert_ne!(hash, Password::new("correct horse").hash([2; 16]));
    assert!(!hash.is_outdated());
}

#[test]
fn a_password_is_the_same_one_in_each_form_of_unicode() {
    let hash = Password::new("caf\u{e9} au lait").hash([1; 16]);
    assert!(hash.matches(&Password::new("cafe\u{301} au lait")).unwrap());
}

#[test]
fn a_bcrypt_hash_is_taken_in_all_three_spellings_and_found_outdated() {
    for prefix in ["$2a$", "$2b$", "$2y$"] {
        let hash = PasswordHash::parse_bcrypt(&BCRYPT.replacen("$2b$", prefix, 1)).unwrap();
        assert!(hash.is_outdated());
        assert!(hash.matches(&Password::new("correct horse")).unwrap());
        assert!(!hash.matches(&Password::new("wrong horse")).unwrap());
    }
}

#[test]
fn what_is_no_bcrypt_hash_is_refused() {
    for wrong in [
        "",
        "secret",
        &BCRYPT[1..],
        &BCRYPT[..59],
        &format!("{BCRYPT}x"),
        &BCRYPT.replacen("$2b$", "$2x$", 1),
        &BCRYPT.replacen("$2b$", "$2c$", 1),
        &BCRYPT.replacen("$04$", "$03$", 1),
        &BCRYPT.replacen("$04$", "$16$", 1),
        &BCRYPT.replacen("$04$", "$31$", 1),
        &BCRYPT.replacen("$04$", "$+4$", 1),
        &format!("{}!", &BCRYPT[..59]),
        &format!("{}ä", &BCRYPT[..58]),
        Password::new("x").hash([0; 16]).to_stored(),
    ] {
        assert_eq!(PasswordHash::parse_bcrypt(wrong), Err(InvalidHash), "{wrong}");
    }
    assert!(PasswordHash::parse_bcrypt(&BCRYPT.replacen("$04$", "$15$", 1)).is_ok());
}

#[test]
fn a_hash_of_no_known_kind_is_a_fault_and_not_a_mismatch() {
    for kept in ["", "plain", "$1$abc$def", "$argon2id$broken", "$2b$04$short"] {
        let hash = PasswordHash::from_stored(kept.to_owned());
        assert!(matches!(hash.matches(&Password::new("plain")), Err(Error::Internal(_))), "{kept}");
    }
}

#[test]
fn the_default_policy_wants_eight_characters_and_nothing_else() {
    let refused = |text: &str| Policy::DEFAULT.refusals(&Password::new(text));
    assert_eq!(refused("seven77"), [Refusal::PasswordTooShort]);
    assert_eq!(refused(""), [Refusal::PasswordTooShort]);
    for good in ["eight888", "ßßßßßßßß", "        ", "12345678"] {
        assert_eq!(refused(good), [], "{good}");
    }
    let described = Refusal::PasswordTooShort.description();
    assert!(described.contains(&Policy::DEFAULT.min_length.to_string()), "{described}");
}

#[test]
fn all_that_a_policy_refuses_is_told_at_once() {
    let refused = |text: &str| strict().refusals(&Password::new(text));
    assert_eq!(
        refused(""),
        [
            Refusal::PasswordTooShort,
            Refusal::PasswordRequiresNonAlphanumeric,
            Refusal::PasswordRequiresDigit,
            Refusal::PasswordRequiresLower,
            Refusal::PasswordRequiresUpper,
            Refusal::PasswordRequiresUniqueChars,
        ]
    );
    assert_eq!(
        refused("aaAAaaAA"),
        [
            Refusal::PasswordRequiresNonAlphanumeric,
            Refusal::PasswordRequiresDigit,
            Refusal::PasswordRequiresUniqueChars
        ]
    );
    assert_eq!(refused("aB1-aB1-"), []);
    assert_eq!(refused("яБ1 яБ"), []);
}

#[test]
fn a_password_has_at_most_1024_characters() {
    let wanted = |length: usize| {
        let password = Password::new(&"ä".repeat(length));
        let given = Given { prefix: "new_", password: Some(&password), hash: None, algorithm: None };
        given.needed(&Policy::DEFAULT)
    };
    assert!(wanted(1_024).is_ok());
    let Err(Error::Invalid(InvalidFields(fields))) = wanted(1_025) else { panic!("it was taken") };
    assert_eq!(fields[0].0, "new_password");
    assert!(old_password(Some(&Password::new(&"x".repeat(1_025)))).is_err());
}

#[test]
fn a_link_works_for_a_minute_to_seven_days() {
    assert_eq!(reset_expiry(None).unwrap(), Duration::from_secs(3_600));
    for good in [60, 604_800] {
        assert_eq!(reset_expiry(Some(good)).unwrap().as_secs(), good.unsigned_abs());
    }
    for wrong in [59, 604_801, 0, -60, i64::MIN, i64::MAX] {
        assert!(reset_expiry(Some(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn no_debug_print_shows_a_password_or_a_hash() {
    let password = Password::new("correct horse");
    let hash = password.hash([1; 16]);
    let kept = hash.to_stored().to_owned();
    let wanted = [Wanted::Plain(password.clone()), Wanted::Hash(hash.clone())];
    let given = Given { prefix: "", password: Some(&password), hash: Some(&password), algorithm: None };
    let new = NewPassword { hash: hash.clone(), is_temporary: true };
    let shown = format!(
        "{password:?} {hash:?} {wanted:?} {given:?} {new:?} {:?}",
        SecretChange::Set(hash.clone(), SetBy::Admin)
    );
    assert!(!shown.contains("horse") && !shown.contains("argon2"), "{shown}");
    assert!(!shown.contains(&kept), "{shown}");
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader_of_hashes(text in "\\PC{0,70}", tail in "[./A-Za-z0-9]{53}") {
        let _ = PasswordHash::parse_bcrypt(&text);
        // Whatever is taken can be checked.
        if let Ok(hash) = PasswordHash::parse_bcrypt(&format!("$2b$04${tail}")) {
            prop_assert!(hash.matches(&Password::new("x")).is_ok());
        }
    }
}
