//! Phone numbers: E.164 by shape (semantics section 4), and a user's.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::Context;
use super::user::Provider;
use crate::id::IdentifierId;

/// A phone number of E.164's shape: `+`, then 2 to 15 digits, the first not 0.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "+441514960453")]
pub struct PhoneNumber(String);

/// A text that is not a phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A phone number is a + and 2 to 15 digits, the first not 0, like +441514960453.")]
pub struct InvalidPhoneNumber;

impl PhoneNumber {
    /// Reads a number; white space around it is dropped.
    ///
    /// # Errors
    /// [`InvalidPhoneNumber`] for any other shape. Whether the number is in use is not asked.
    pub fn parse(text: &str) -> Result<Self, InvalidPhoneNumber> {
        let number = text.trim();
        let digits = number.strip_prefix('+').ok_or(InvalidPhoneNumber)?;
        let shaped = (2..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if shaped { Ok(Self(number.to_owned())) } else { Err(InvalidPhoneNumber) }
    }

    /// The number; there is one spelling of it only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PhoneNumber {
    /// Numbers are personal: nothing that prints for debugging shows one.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PhoneNumber(hidden)")
    }
}

/// One phone number of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Phone {
    /// The id of this number, for as long as the user has it.
    #[schema(value_type = uuid::Uuid)]
    pub id: IdentifierId,
    /// The number.
    pub phone: PhoneNumber,
    /// Whether this is the number the user is called at. Exactly one is, where there is any.
    pub primary: bool,
    /// Whether the number is known to be the user's.
    pub verified: bool,
    /// Who brought the number in; `monocloud` stands for this server.
    pub source: Option<Provider>,
    /// Who proved the number; `null` when it is not verified.
    pub verification_source: Option<Provider>,
    /// How the user can sign in with it: `password` when there is one, `phone` when it is verified.
    #[serde(skip_deserializing)]
    #[schema(required)]
    pub authenticators: Vec<&'static str>,
    /// `source` and `verification_source`, each once.
    #[serde(skip_deserializing)]
    #[schema(required)]
    pub idps: Vec<Provider>,
}

impl Phone {
    /// The number under a new id, as this server brings it in.
    pub(super) fn new(number: PhoneNumber, verified: bool, primary: bool, ctx: &Context) -> Self {
        Self {
            id: IdentifierId::new(ctx.random),
            phone: number,
            primary,
            verified,
            source: Some(Provider::Monocloud),
            verification_source: verified.then_some(Provider::Monocloud),
            authenticators: Vec::new(),
            idps: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_shape_of_e164() {
        for good in ["+12", "+441514960453", "+123456789012345", " +441514960453 "] {
            assert_eq!(PhoneNumber::parse(good).unwrap().as_str(), good.trim());
        }
        for wrong in [
            "",
            "+",
            "+1",
            "+0123",
            "441514960453",
            "+44 151",
            "+44-151",
            "+1234567890123456",
            "+٤٤١٥١٤",
            "++44151",
        ] {
            assert_eq!(PhoneNumber::parse(wrong), Err(InvalidPhoneNumber), "{wrong:?}");
        }
    }
}
