//! Proof of address: a link or a code that was sent to an address and comes back shows that whoever
//! has it reads what is sent there.

use super::event::names;

names! {
    /// What kind of address it is.
    AddressKind {
        /// An email address.
        Email = "email",
        /// A phone number.
        Phone = "phone",
    }
}
