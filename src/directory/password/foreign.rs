//! Hashes of passwords that were made elsewhere: reading them, within bounds, and checking them. Each is
//! replaced by one of ours when its password is next seen.

use std::fmt::Write;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::{InvalidHash, Password, PasswordHash};

/// How much memory a check may take, in KiB.
const MAX_MEMORY: u64 = 256 * 1024;
/// How much memory a check may pass over in all, in KiB: about a second's work.
const MAX_WORK: u64 = 1024 * 1024;
/// How many lanes a hash may have.
const MAX_LANES: u32 = 16;
/// How many blocks of output PBKDF2 may make in a check, each round counted: about a second's work.
const MAX_ROUNDS: u64 = 4_000_000;
/// How long the output of a hash is, in bytes.
const OUTPUTS: std::ops::RangeInclusive<usize> = 16..=64;

/// Why a text is not a hash that can be taken. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownHash {
    /// It is of no known kind.
    #[error("A hash is of bcrypt, or of argon2, scrypt, pbkdf2-sha256 or pbkdf2-sha512 in PHC form.")]
    Kind,
    /// It begins as one of bcrypt and is none.
    #[error(transparent)]
    Bcrypt(#[from] InvalidHash),
    /// It is of another kind than was said.
    #[error("This is not a hash of the algorithm that is named: bcrypt, argon2, scrypt or pbkdf2.")]
    Algorithm,
    /// Checking it would take too long, or too much memory.
    #[error("To check this hash would take more than a second or 256 MiB.")]
    TooCostly,
}

impl PasswordHash {
    /// Reads a hash of bcrypt, Argon2, scrypt or PBKDF2, of the kind that is named if one is.
    ///
    /// # Errors
    /// [`UnknownHash`] for any other text, and where checking it would cost too much.
    pub fn parse(text: &Password, algorithm: Option<&str>) -> Result<Self, UnknownHash> {
        let text = text.0.as_str();
        let kind = if text.starts_with("$2") {
            Self::parse_bcrypt(text)?;
            "bcrypt"
        } else {
            Phc::read(text)?.kind()
        };
        let is_named = |name: &str| {
            name == kind
                || (kind == "bcrypt" && name == "b_crypt")
                || text[1..].split('$').next() == Some(name)
        };
        if algorithm.is_some_and(|name| !is_named(name)) {
            return Err(UnknownHash::Algorithm);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A hash in PHC form, of which it is known that checking it costs little enough.
pub(super) struct Phc {
    way: Way,
    salt: Vec<u8>,
    output: Vec<u8>,
}

/// How a hash is made.
enum Way {
    Argon2(Box<Argon2<'static>>),
    Scrypt(scrypt::Params),
    Pbkdf2Sha256(u32),
    Pbkdf2Sha512(u32),
}

impl Phc {
    /// Reads a hash.
    pub(super) fn read(text: &str) -> Result<Self, UnknownHash> {
        let read = phc::PasswordHash::new(text).map_err(|_| UnknownHash::Kind)?;
        let (Some(salt), Some(output)) = (&read.salt, &read.hash) else { return Err(UnknownHash::Kind) };
        if !OUTPUTS.contains(&output.len()) {
            return Err(UnknownHash::Kind);
        }
        let number = |name: &str| read.params.get_decimal(name).ok_or(UnknownHash::Kind);
        let way = match read.algorithm.as_str() {
            "argon2id" => argon2(Algorithm::Argon2id, &read)?,
            "argon2i" => argon2(Algorithm::Argon2i, &read)?,
            "argon2d" => argon2(Algorithm::Argon2d, &read)?,
            "scrypt" => scrypt(number("ln")?, number("r")?, number("p")?)?,
            "pbkdf2-sha256" => Way::Pbkdf2Sha256(rounds(number("i")?, output.len(), 32)?),
            "pbkdf2-sha512" => Way::Pbkdf2Sha512(rounds(number("i")?, output.len(), 64)?),
            _ => return Err(UnknownHash::Kind),
        };
        Ok(Self { way, salt: salt.to_vec(), output: output.as_bytes().to_vec() })
    }

    fn kind(&self) -> &'static str {
        match self.way {
            Way::Argon2(_) => "argon2",
            Way::Scrypt(_) => "scrypt",
            Way::Pbkdf2Sha256(_) | Way::Pbkdf2Sha512(_) => "pbkdf2",
        }
    }

    /// Whether it is of the one kind that this server makes.
    pub(super) fn is_argon2(&self) -> bool {
        matches!(self.way, Way::Argon2(_))
    }

    /// Whether this is the hash of these bytes, in a time that does not depend on how alike they are.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        let mut output = vec![0; self.output.len()];
        let is_made = match &self.way {
            Way::Argon2(argon2) => argon2.hash_password_into(password, &self.salt, &mut output).is_ok(),
            Way::Scrypt(params) => scrypt::scrypt(password, &self.salt, params, &mut output).is_ok(),
            Way::Pbkdf2Sha256(rounds) => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, *rounds, &mut output);
                true
            }
            Way::Pbkdf2Sha512(rounds) => {
                pbkdf2::pbkdf2_hmac::<Sha512>(password, &self.salt, *rounds, &mut output);
                true
            }
        };
        is_made && bool::from(output.ct_eq(&self.output))
    }
}

fn argon2(algorithm: Algorithm, read: &phc::PasswordHash) -> Result<Way, UnknownHash> {
    let version = match read.version {
        Some(16) => Version::V0x10,
        Some(19) => Version::V0x13,
        _ => return Err(UnknownHash::Kind),
    };
    let number = |name: &str| read.params.get_decimal(name).ok_or(UnknownHash::Kind);
    let (memory, passes, lanes) = (number("m")?, number("t")?, number("p")?);
    let work = u64::from(memory) * u64::from(passes);
    if u64::from(memory) > MAX_MEMORY || work > MAX_WORK || lanes > MAX_LANES {
        return Err(UnknownHash::TooCostly);
    }
    let output = read.hash.as_ref().map(phc::Output::len);
    let params = Params::new(memory, passes, lanes, output).map_err(|_| UnknownHash::Kind)?;
    Ok(Way::Argon2(Box::new(Argon2::new(algorithm, version, params))))
}

fn scrypt(log_n: u32, r: u32, p: u32) -> Result<Way, UnknownHash> {
    let log = u8::try_from(log_n).ok().filter(|log| *log < 32).ok_or(UnknownHash::TooCostly)?;
    // Of 128 bytes each.
    let memory = (u64::from(r) << log) / 8;
    if memory > MAX_MEMORY || memory.saturating_mul(p.into()) > MAX_WORK || p > MAX_LANES {
        return Err(UnknownHash::TooCostly);
    }
    scrypt::Params::new(log, r, p).map(Way::Scrypt).map_err(|_| UnknownHash::Kind)
}

/// So many rounds, for an output of so many bytes in blocks of so many.
fn rounds(rounds: u32, output: usize, block: usize) -> Result<u32, UnknownHash> {
    if rounds == 0 {
        return Err(UnknownHash::Kind);
    }
    let blocks = output.div_ceil(block) as u64;
    if u64::from(rounds) * blocks > MAX_ROUNDS { Err(UnknownHash::TooCostly) } else { Ok(rounds) }
}

/// What Keycloak keeps of a password, as its exports write it.
pub struct KeycloakHash<'a> {
    /// The name of the algorithm.
    pub algorithm: &'a str,
    /// How many rounds, or passes.
    pub iterations: u32,
    /// What else Argon2 needs.
    pub argon2: Option<KeycloakArgon2<'a>>,
    /// The salt, in base64.
    pub salt: &'a str,
    /// The output, in base64.
    pub value: &'a str,
}

/// What Keycloak says of a hash of Argon2.
pub struct KeycloakArgon2<'a> {
    /// `id`, `i` or `d`.
    pub kind: &'a str,
    /// `1.0` or `1.3`.
    pub version: &'a str,
    /// The memory, in KiB.
    pub memory: u32,
    /// The lanes.
    pub lanes: u32,
}

impl KeycloakHash<'_> {
    /// The same in PHC form; nothing for an algorithm that is not known, or bytes that cannot be read.
    pub fn phc(&self) -> Option<Password> {
        let encoded = |text: &str| Some(STANDARD_NO_PAD.encode(STANDARD.decode(text).ok()?));
        let (salt, value) = (encoded(self.salt)?, encoded(self.value)?);
        let (algorithm, rounds) = (self.algorithm, self.iterations);
        let mut text = String::from("$");
        match (algorithm, &self.argon2) {
            ("pbkdf2-sha256" | "pbkdf2-sha512", _) => write!(text, "{algorithm}$i={rounds}").ok()?,
            ("argon2", Some(KeycloakArgon2 { kind, version, memory, lanes })) => {
                let version = match *version {
                    "1.0" => 16,
                    "1.3" => 19,
                    _ => return None,
                };
                write!(text, "argon2{kind}$v={version}$m={memory},t={rounds},p={lanes}").ok()?;
            }
            _ => return None,
        }
        write!(text, "${salt}${value}").ok()?;
        Some(Password::new(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "correct horse" by Python's own PBKDF2 and scrypt.
    const SHA256: &str = "$pbkdf2-sha256$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$cBg8D2DungRB9k76szThf5ehfyBz991ay6PT8Srwk4NQEC0GVAwWLSUGWbcye1xU+dO7fZFld1DsscNlAN1uxw";
    const SHA512: &str = "$pbkdf2-sha512$i=1000$MDEyMzQ1Njc4OWFiY2RlZg$OM0FAoIqCVK1sWtxDiffVlBejtLa+ks4TP71JiecwuSZCG8iLbnlIEPOMoVX+i2B2wkSxjQ8CRGR9OkNGuIPMQ";
    const SCRYPT: &str =
        "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$6g3umF+uVrJsObaTZhIbbTlgrvOEFcCItdwSjtPF67M";
    /// "password" by the reference implementation of Argon2.
    const ARGON2I: &str = "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b+dWRWJTmaaJObG";

    fn parse(text: &str) -> Result<PasswordHash, UnknownHash> {
        PasswordHash::parse(&Password::new(text), None)
    }

    #[test]
    fn hashes_of_each_kind_are_checked_and_found_outdated() {
        for (hash, password) in [
            (SHA256, "correct horse"),
            (SHA512, "correct horse"),
            (SCRYPT, "correct horse"),
            (ARGON2I, "password"),
        ] {
            let (text, hash) = (hash, parse(hash).unwrap());
            assert!(hash.matches(&Password::new(password)).unwrap(), "{text}");
            assert!(!hash.matches(&Password::new("wrong horse")).unwrap());
            assert!(hash.is_outdated());
        }
        let ours = Password::new("correct horse").hash([1; 16]);
        assert!(!parse(ours.to_stored()).unwrap().is_outdated());
    }

    /// Others do not bring passwords into one form of Unicode before they hash them.
    #[test]
    fn a_hash_from_elsewhere_is_of_the_password_as_it_was_typed() {
        let typed = "cafe\u{301} au lait";
        let mut output = [0; 32];
        Argon2::default().hash_password_into(typed.as_bytes(), &[1; 16], &mut output).unwrap();
        let [salt, output] = [&[1; 16][..], &output].map(|bytes| STANDARD_NO_PAD.encode(bytes));
        let hash = parse(&format!("$argon2id$v=19$m=19456,t=2,p=1${salt}${output}")).unwrap();
        assert!(hash.matches(&Password::new(typed)).unwrap());
        assert!(!hash.matches(&Password::new("caf\u{e9} au lait")).unwrap());
    }

    #[test]
    fn a_hash_that_costs_too_much_to_check_is_refused() {
        for costly in [
            SHA256.replace("i=1000", "i=2000001"),
            SHA512.replace("i=1000", "i=4000001"),
            SCRYPT.replace("ln=10", "ln=19"),
            SCRYPT.replace("ln=10", "ln=40"),
            SCRYPT.replace("p=1", "p=17"),
            ARGON2I.replace("m=65536", "m=262145"),
            ARGON2I.replace("t=2", "t=17"),
            ARGON2I.replace("p=4", "p=17"),
        ] {
            assert_eq!(parse(&costly), Err(UnknownHash::TooCostly), "{costly}");
        }
        for dear in [SHA256.replace("i=1000", "i=600000"), ARGON2I.replace("t=2", "t=16")] {
            assert!(parse(&dear).is_ok(), "{dear}");
        }
    }

    #[test]
    fn what_is_no_hash_of_a_known_kind_is_refused() {
        for wrong in [
            "",
            "$",
            "secret",
            "$1$abc$def",
            "$argon2id$broken",
            &SHA256.replace("sha256", "sha1"),
            &SHA256.replace("i=1000", "i=0"),
            &SHA256.replace("i=1000", "r=1000"),
            &SHA256[..60],
            &ARGON2I.replace("v=19", "v=18"),
            &ARGON2I.replace("$v=19", ""),
        ] {
            assert_eq!(parse(wrong), Err(UnknownHash::Kind), "{wrong}");
        }
        assert!(matches!(parse("$2b$04$short"), Err(UnknownHash::Bcrypt(_))));
    }

    #[test]
    fn a_hash_is_of_the_algorithm_that_is_named() {
        let named = |text: &str, name: &str| PasswordHash::parse(&Password::new(text), Some(name)).is_ok();
        assert!(named(SHA256, "pbkdf2") && named(SHA256, "pbkdf2-sha256") && !named(SHA256, "pbkdf2-sha512"));
        assert!(named(ARGON2I, "argon2") && named(ARGON2I, "argon2i") && !named(ARGON2I, "bcrypt"));
        let bcrypt = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
        assert!(named(bcrypt, "bcrypt") && named(bcrypt, "b_crypt") && !named(bcrypt, "scrypt"));
    }
}
