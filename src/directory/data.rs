//! What applications keep of a user: public data, which the user may see, and private data
//! (semantics section 6).

use serde_json::{Map, Value};

use super::event::{Context, Event, EventType};
use super::user::User;
use crate::error::InvalidFields;

/// The most that an object of claims or data may take, in bytes of JSON.
pub const MAX_BYTES: usize = 64 * 1024;

/// Applies changes to an object: a key that is not named stays, `null` removes it, any other value
/// takes the place of the old one whole. Whether anything is different then.
///
/// # Errors
/// [`InvalidFields`] on `field` when the object would be larger than [`MAX_BYTES`].
pub fn patch(
    object: &mut Map<String, Value>,
    wanted: &Map<String, Value>,
    field: &str,
) -> Result<bool, InvalidFields> {
    let mut changed = object.clone();
    for (key, value) in wanted {
        if value.is_null() {
            // The others keep their order.
            changed.shift_remove(key);
        } else {
            changed.insert(key.clone(), value.clone());
        }
    }
    if !serde_json::to_vec(&changed).is_ok_and(|json| json.len() <= MAX_BYTES) {
        return Err(InvalidFields::one(field, "This takes more than 64 KiB after the change."));
    }
    let is_different = changed != *object;
    *object = changed;
    Ok(is_different)
}

impl User {
    /// Changes what the user may see. No events: it was so already.
    ///
    /// # Errors
    /// [`InvalidFields`] on `public_data`.
    pub fn patch_public_data(
        &mut self,
        wanted: &Map<String, Value>,
        ctx: &Context,
    ) -> Result<Vec<Event>, InvalidFields> {
        let changed = patch(&mut self.public_data, wanted, "public_data")?;
        Ok(self.changed_if(changed, EventType::PublicDataChanged, ctx))
    }

    /// Changes what the user may not see. No events: it was so already.
    ///
    /// # Errors
    /// [`InvalidFields`] on `private_data`.
    pub fn patch_private_data(
        &mut self,
        wanted: &Map<String, Value>,
        ctx: &Context,
    ) -> Result<Vec<Event>, InvalidFields> {
        let changed = patch(&mut self.private_data, wanted, "private_data")?;
        Ok(self.changed_if(changed, EventType::PrivateDataChanged, ctx))
    }

    pub(super) fn changed_if(&self, changed: bool, kind: EventType, ctx: &Context) -> Vec<Event> {
        changed.then(|| ctx.event(kind, self.user_id, None, None)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn absent_stays_null_removes_and_a_value_replaces_the_whole() {
        let mut data = object(json!({"a": 1, "b": {"x": 1, "y": 2}, "c": 3}));
        let changes = object(json!({"b": {"x": 5}, "c": null, "d": [null], "e": null}));
        assert_eq!(patch(&mut data, &changes, "private_data"), Ok(true));
        assert_eq!(data, object(json!({"a": 1, "b": {"x": 5}, "d": [null]})));
        assert_eq!(patch(&mut data, &changes, "private_data"), Ok(false));
    }

    #[test]
    fn what_grows_beyond_its_bound_is_refused_and_unchanged() {
        let mut data = object(json!({"a": "x".repeat(40_000)}));
        let before = data.clone();
        let changes = object(json!({"b": "x".repeat(30_000)}));
        assert_eq!(patch(&mut data, &changes, "public_data").unwrap_err().0[0].0, "public_data");
        assert_eq!(data, before);
        let changes = object(json!({"a": null, "b": "x".repeat(30_000)}));
        assert_eq!(patch(&mut data, &changes, "public_data"), Ok(true));
    }
}
