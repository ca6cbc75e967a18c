//! A call to change something: where it comes from, and on which terms.

use super::Answered;
use crate::directory::event::Origin;
use crate::directory::repeat::NamedRequest;
use crate::error::Error;
use crate::store::{About, KeptAnswer, Version};
use crate::time::Timestamp;

/// A call to change something. An [`Origin`] alone is one without terms.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Where it comes from.
    pub origin: &'a Origin,
    /// What must be so of the user for the change to be made.
    pub only_if: Option<&'a OnlyIf>,
    /// The request, where its answer is to be kept for repeats of it.
    pub named: Option<&'a NamedRequest>,
}

impl<'a> From<&'a Origin> for Call<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self { origin, only_if: None, named: None }
    }
}

impl Call<'_> {
    /// What is to be kept of the answer that tells of this, if anything is.
    ///
    /// # Errors
    /// Those of [`Answered::answer`].
    pub(super) fn answered(
        &self,
        given: &impl Answered,
        about: About,
        now: Timestamp,
    ) -> Result<Option<Box<KeptAnswer>>, Error> {
        let Some(request) = self.named else { return Ok(None) };
        let answer = given.answer()?;
        Ok(Some(Box::new(KeptAnswer { request: request.clone(), kept_at: now, about, answer })))
    }

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
