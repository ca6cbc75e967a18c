//! The server's own secret, and what is derived from it: the tokens of links, and codes. Whoever has
//! the store and not this secret can make none of them.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::TokenId;
use crate::id::{Random, TenantId, random_text};

/// How many digits a code has.
const CODE_LENGTH: usize = 6;

/// What something is derived for, so that what was made for one end never serves another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A link by which an address is proved.
    Link,
    /// A code by which an address is proved.
    Code,
    /// A link by which a password is reset.
    Reset,
}

impl Purpose {
    /// The name goes into what is derived: with another one, mail that waits could not be sent.
    fn name(self) -> &'static str {
        match self {
            Self::Link => "verify-link",
            Self::Code => "verify-code",
            Self::Reset => "reset-link",
        }
    }
}

/// What only the servers of one directory know: 32 random bytes, kept in a file and never in the
/// store. It cannot be serialised, its `Debug` shows nothing, and its memory is overwritten when it is
/// dropped.
#[derive(Clone)]
pub struct ServerSecret(Zeroizing<[u8; 32]>);

/// A text that is not the secret of a server. It never repeats the text.
#[derive(Debug, thiserror::Error)]
#[error("it is not a secret of a server: that is 64 hexadecimal digits")]
pub struct InvalidSecret;

impl ServerSecret {
    /// A new secret.
    pub fn new(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes);
        Self(bytes)
    }

    /// The secret as the text of its file.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(64));
        for byte in self.0.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).expect("four bits are a digit"));
            }
        }
        text
    }

    /// Bytes that nobody can guess who does not know the secret, and that are always the same.
    pub(super) fn stream(&self, purpose: Purpose, tenant: &TenantId, id: TokenId) -> impl Random + use<> {
        Stream { start: self.mac(purpose.name(), tenant, id), blocks: AtomicU32::new(0) }
    }

    /// The ids of a user who is imported, always the same for the same row: so that a second import finds
    /// who is there. Nobody who does not know the secret can tell by the ids what the row was.
    pub(crate) fn for_import(&self, tenant: &TenantId, row: &[u8]) -> impl Random + use<> {
        let mac = Hmac::<Sha512>::new_from_slice(&*self.0).expect("a key of any length will do");
        // No name of a tenant holds a zero.
        let mac = mac.chain_update("import").chain_update([0]).chain_update(tenant.as_str());
        Stream { start: mac.chain_update([0]).chain_update(row), blocks: AtomicU32::new(0) }
    }

    /// What the fields of forms are made with, by which a page of this server is known again.
    pub(crate) fn for_forms(&self) -> Hmac<Sha512> {
        let mac = Hmac::new_from_slice(&*self.0).expect("a key of any length will do");
        mac.chain_update("page-form").chain_update([0])
    }

    /// What sessions of the console, its forms and its links are made with.
    pub(crate) fn for_console(&self) -> Hmac<Sha512> {
        let mac = Hmac::new_from_slice(&*self.0).expect("a key of any length will do");
        mac.chain_update("console").chain_update([0])
    }

    /// Neither names nor ids hold a zero, so no two lists of them read the same.
    fn mac(&self, label: &str, tenant: &TenantId, id: TokenId) -> Hmac<Sha512> {
        let mac = Hmac::new_from_slice(&*self.0).expect("a key of any length will do");
        [label, tenant.as_str(), id.as_str()]
            .into_iter()
            .fold(mac, |mac, part| mac.chain_update(part).chain_update([0]))
    }
}

impl fmt::Debug for ServerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerSecret(hidden)")
    }
}

impl FromStr for ServerSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        if text.len() != 64 || !text.is_ascii() {
            return Err(InvalidSecret);
        }
        let mut bytes = Zeroizing::new([0; 32]);
        for (number, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[2 * number..2 * number + 2];
            // The library reads `+f` as a number, too.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(InvalidSecret);
            }
            *byte = u8::from_str_radix(digits, 16).map_err(|_| InvalidSecret)?;
        }
        Ok(Self(bytes))
    }
}

/// The blocks of an HMAC over a counter.
struct Stream {
    start: Hmac<Sha512>,
    blocks: AtomicU32,
}

impl Random for Stream {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(64) {
            let number = self.blocks.fetch_add(1, Ordering::Relaxed);
            let block = self.start.clone().chain_update(number.to_be_bytes()).finalize().into_bytes();
            part.copy_from_slice(&block[..part.len()]);
        }
    }
}

/// A code as the user has it who is to prove an address: six digits. Like a token it shows itself only
/// when it is told to.
#[derive(Clone)]
pub struct PlainCode([u8; CODE_LENGTH]);

impl PlainCode {
    /// The code that this server makes of a proof's public id, always the same.
    pub fn derive(secret: &ServerSecret, tenant: &TenantId, id: TokenId) -> Self {
        Self(random_text(&secret.stream(Purpose::Code, tenant, id), b"0123456789"))
    }

    /// What the server keeps of the code. A bare hash of six digits could be tried out, so it is made
    /// with the server's secret.
    pub fn hash(&self, secret: &ServerSecret, tenant: &TenantId, id: TokenId) -> CodeHash {
        let mac = secret.mac("code-hash", tenant, id).chain_update(self.0).finalize().into_bytes();
        CodeHash(mac[..32].try_into().expect("it has 64 bytes"))
    }

    /// The code, for the one who is to send it.
    pub fn reveal(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl fmt::Debug for PlainCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainCode(hidden)")
    }
}

/// A text that is not a code of ours. It never repeats the text.
#[derive(Debug, thiserror::Error)]
#[error("not a code: it has six digits")]
pub struct MalformedCode;

impl FromStr for PlainCode {
    type Err = MalformedCode;

    /// Reads six digits, with white space wherever people put it.
    fn from_str(text: &str) -> Result<Self, MalformedCode> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let digits: [u8; CODE_LENGTH] = digits.try_into().map_err(|_| MalformedCode)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(MalformedCode) }
    }
}

/// All that is kept of a code. It cannot be serialised, and its `Debug` shows nothing.
#[derive(Clone)]
pub struct CodeHash([u8; 32]);

impl CodeHash {
    /// The hash that [`CodeHash::to_stored`] gave.
    pub fn from_stored(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes a store keeps.
    pub fn to_stored(&self) -> [u8; 32] {
        self.0
    }

    /// Whether they are of the same code, in a time that does not depend on how alike they are.
    pub fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHash(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::PlainToken;
    use super::*;
    use crate::id::SeededRandom;

    fn secret(seed: u64) -> ServerSecret {
        ServerSecret::new(&SeededRandom::new(seed))
    }

    #[test]
    fn a_token_is_the_same_one_each_time_and_another_for_each_end_tenant_id_and_server() {
        let random = SeededRandom::new(1);
        let (id, other_id) = (TokenId::new(&random), TokenId::new(&random));
        let (tenant, other_tenant) = (TenantId::default_tenant(), "acme".parse().unwrap());
        let token = |secret: &ServerSecret, purpose, tenant: &TenantId, id| {
            let token = PlainToken::derive(secret, purpose, tenant, id).reveal();
            token.split_once('_').unwrap().1.to_owned()
        };
        let first = token(&secret(1), Purpose::Link, &tenant, id);
        assert_eq!(first, token(&secret(1), Purpose::Link, &tenant, id));
        assert_eq!(first.len(), 43);
        for other in [
            token(&secret(2), Purpose::Link, &tenant, id),
            token(&secret(1), Purpose::Reset, &tenant, id),
            token(&secret(1), Purpose::Link, &other_tenant, id),
            token(&secret(1), Purpose::Link, &tenant, other_id),
        ] {
            assert_ne!(first, other);
        }
    }

    /// What was derived must be derived again by every later version of this program.
    #[test]
    fn what_is_derived_never_changes() {
        let (secret, tenant) = ("0123456789abcdef".repeat(4).parse().unwrap(), TenantId::default_tenant());
        let id = "AAAABBBBCCCC".parse().unwrap();
        let token = |purpose| PlainToken::derive(&secret, purpose, &tenant, id).reveal();
        insta::assert_snapshot!(format!(
            "{}\n{}\n{}",
            token(Purpose::Link),
            token(Purpose::Reset),
            PlainCode::derive(&secret, &tenant, id).reveal()
        ));
    }

    #[test]
    fn a_code_has_six_digits_and_each_is_as_likely_as_the_others() {
        let (secret, tenant, random) = (secret(1), TenantId::default_tenant(), SeededRandom::new(2));
        let mut counts = [0_u32; 10];
        for _ in 0..2_000 {
            let code = PlainCode::derive(&secret, &tenant, TokenId::new(&random)).reveal();
            assert_eq!(code.len(), 6);
            for digit in code.bytes() {
                counts[usize::from(digit - b'0')] += 1;
            }
        }
        assert!(counts.iter().all(|count| (1_000..1_400).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_code_reads_back_and_matches_its_own_hash_only() {
        let (secret, tenant, random) = (secret(1), TenantId::default_tenant(), SeededRandom::new(2));
        let id = TokenId::new(&random);
        let code = PlainCode::derive(&secret, &tenant, id);
        let kept = code.hash(&secret, &tenant, id);
        let shown = code.reveal();
        let read: PlainCode = format!(" {} {}\n", &shown[..3], &shown[3..]).parse().unwrap();
        assert!(kept.is(&read.hash(&secret, &tenant, id)));
        let other: PlainCode = if shown == "000000" { "000001" } else { "000000" }.parse().unwrap();
        assert!(!kept.is(&other.hash(&secret, &tenant, id)));
        // The same digits under another proof, or another secret, are another code.
        assert!(!kept.is(&code.hash(&secret, &tenant, TokenId::new(&random))));
        assert!(!kept.is(&code.hash(&super::tests::secret(2), &tenant, id)));
        for wrong in ["", "12345", "1234567", "12345a", "１２３４５６", "-12345"] {
            assert!(wrong.parse::<PlainCode>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_secret_of_a_server_reads_back_from_its_file() {
        let (one, tenant, id) = (secret(1), TenantId::default_tenant(), TokenId::new(&SeededRandom::new(3)));
        let read: ServerSecret = one.reveal().parse().unwrap();
        let code = |secret| PlainCode::derive(secret, &tenant, id).reveal();
        assert_eq!(code(&one), code(&read));
        let kept = one.reveal();
        for wrong in ["", "x", &kept[1..], &format!("{}+f", &kept[..62]), &format!("{}ä", &kept[..62])] {
            let told = wrong.parse::<ServerSecret>().unwrap_err().to_string();
            assert!(wrong.len() < 5 || !told.contains(wrong), "{told}");
        }
    }

    #[test]
    fn no_debug_print_shows_a_secret_or_a_code() {
        let (secret, tenant, id) =
            (secret(1), TenantId::default_tenant(), TokenId::new(&SeededRandom::new(3)));
        let code = PlainCode::derive(&secret, &tenant, id);
        let shown = format!("{secret:?} {code:?} {:?}", code.hash(&secret, &tenant, id));
        assert!(!shown.contains(&code.reveal()) && !shown.contains(&*secret.reveal()), "{shown}");
    }
}
