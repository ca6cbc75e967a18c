//! Phone numbers: E.164 by shape (semantics section 4), and a user's.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::address::{self, Address, EventTypes};
use super::event::{Context, Event, EventType};
use super::password::Decision;
use super::proof::vouched_for;
use super::unknown::{self, Unknown};
use super::user::{Provider, User};
use crate::error::{Error, Missing, Refusal};
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
    #[serde(default, deserialize_with = "unknown::computed")]
    #[schema(required)]
    pub authenticators: Vec<&'static str>,
    /// `source` and `verification_source`, each once.
    #[serde(default, deserialize_with = "unknown::computed")]
    #[schema(required)]
    pub idps: Vec<Provider>,
    /// What a newer program keeps of the number.
    #[serde(flatten)]
    #[schema(ignore)]
    pub unknown: Unknown,
}

impl Phone {
    /// The number under a new id, as this server brings it in.
    fn new(number: PhoneNumber, verified: bool, ctx: &Context) -> Self {
        Self {
            id: IdentifierId::new(ctx.random),
            phone: number,
            primary: false,
            verified,
            source: Some(Provider::Monocloud),
            verification_source: verified.then_some(Provider::Monocloud),
            authenticators: Vec::new(),
            idps: Vec::new(),
            unknown: Unknown::default(),
        }
    }
}

impl Address for Phone {
    const EVENTS: EventTypes = EventTypes {
        added: EventType::PhoneAdded,
        removed: EventType::PhoneRemoved,
        primary_set: EventType::PhonePrimarySet,
        verified: EventType::PhoneVerified,
        unverified: EventType::PhoneUnverified,
    };
    const MISSING: Missing = Missing::Phone;
    const DUPLICATE: Refusal = Refusal::DuplicatePhoneNumber;
    const FIELD: &str = "phone_number";
    const TOO_MANY: &str = "A user has 100 phone numbers at most: remove one first.";

    fn id(&self) -> IdentifierId {
        self.id
    }

    fn text(&self) -> &str {
        self.phone.as_str()
    }

    fn canonical(&self) -> String {
        self.phone.as_str().to_owned()
    }

    fn is_primary(&self) -> bool {
        self.primary
    }

    fn set_primary(&mut self, primary: bool) {
        self.primary = primary;
    }

    fn is_verified(&self) -> bool {
        self.verified
    }

    fn set_proved_by(&mut self, provider: Option<Provider>) {
        self.verified = provider.is_some();
        self.verification_source = provider;
    }
}

impl User {
    /// Gives the user another number. The first one becomes primary.
    ///
    /// # Errors
    /// [`Refusal::DuplicatePhoneNumber`] when the user has the number, [`Error::Invalid`] when they have as
    /// many as a user can. That nobody else has it
    /// verified is for the store to say, which alone sees all users.
    pub fn add_phone(
        &mut self,
        number: PhoneNumber,
        verified: bool,
        ctx: &Context,
    ) -> Result<Decision, Error> {
        let is_first = !self.has_verified_address();
        let events =
            address::add(&mut self.phone_numbers, Phone::new(number, verified, ctx), self.user_id, ctx)?;
        Ok(if verified { vouched_for(events, is_first) } else { events.into() })
    }

    /// Takes a number from the user. If it was the primary one, the oldest verified number becomes
    /// primary, else the oldest.
    ///
    /// # Errors
    /// [`Missing::Phone`].
    pub fn remove_phone(&mut self, id: IdentifierId, ctx: &Context) -> Result<Vec<Event>, Error> {
        address::remove(&mut self.phone_numbers, id, self.user_id, ctx)
    }

    /// Makes a number the primary one, verified or not. No events: it was already.
    ///
    /// # Errors
    /// [`Missing::Phone`].
    pub fn set_primary_phone(&mut self, id: IdentifierId, ctx: &Context) -> Result<Vec<Event>, Error> {
        address::set_primary(&mut self.phone_numbers, id, self.user_id, ctx)
    }

    /// Marks a number as known to be the user's. No events: it was already, and who proved it stays.
    /// Where no address was known to be the user's, proofs of the others that are under way end.
    ///
    /// # Errors
    /// [`Missing::Phone`]. That nobody else has it verified is for the store to say.
    pub fn verify_phone(&mut self, id: IdentifierId, ctx: &Context) -> Result<Decision, Error> {
        let is_first = !self.has_verified_address();
        Ok(vouched_for(address::verify(&mut self.phone_numbers, id, self.user_id, ctx)?, is_first))
    }

    /// Marks a number as not known to be the user's. It stays primary if it is. No events: it was
    /// unverified already.
    ///
    /// # Errors
    /// [`Missing::Phone`].
    pub fn unverify_phone(&mut self, id: IdentifierId, ctx: &Context) -> Result<Vec<Event>, Error> {
        address::unverify(&mut self.phone_numbers, id, self.user_id, ctx)
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
