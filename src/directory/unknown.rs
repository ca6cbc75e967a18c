//! What a document has that this program does not know. While servers of two versions run on one store, a
//! newer one keeps fields that an older one has no place for; the older one leaves them where they are.

use std::fmt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The fields of a part of a document that this program does not know, by name.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unknown(Map<String, Value>);

impl fmt::Debug for Unknown {
    /// They may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unknown(hidden)")
    }
}

/// Reads over a field that is computed anew whenever its document is written: it is known, and so not among
/// the unknown ones.
pub fn computed<'de, D: Deserializer<'de>, T: Default>(deserializer: D) -> Result<T, D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Ok(T::default())
}
