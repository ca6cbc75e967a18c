//! A call to change something: where it comes from, and on which terms.

use crate::directory::event::Origin;
use crate::error::Error;
use crate::store::Version;

/// A call to change something. An [`Origin`] alone is one without terms.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Where it comes from.
    pub origin: &'a Origin,
    /// What must be so of the user for the change to be made.
    pub only_if: Option<&'a OnlyIf>,
}

impl<'a> From<&'a Origin> for Call<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self { origin, only_if: None }
    }
}

impl Call<'_> {
    /// That a change that is decided on this version of the user may be made.
    ///
    /// # Errors
    /// [`Error::Changed`].
    pub(super) fn check(&self, version: Version) -> Result<(), Error> {
        if self.only_if.is_none_or(|only_if| only_if.is_met(version)) { Ok(()) } else { Err(Error::Changed) }
    }
}

/// Which user a change is made of, and of no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnlyIf {
    /// One that is there, whatever its version.
    Exists,
    /// One that has one of these versions.
    Has(Vec<Version>),
}

impl OnlyIf {
    fn is_met(&self, version: Version) -> bool {
        match self {
            Self::Exists => true,
            Self::Has(versions) => versions.contains(&version),
        }
    }
}
