//! Users and groups as an export has them: with their ids and times, and with what no answer shows.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::claims::{self, Checks};
use super::data;
use super::email::EmailAddress;
use super::group::{Group, GroupName, GroupType, checked_description};
use super::password::{Password, SetBy};
use super::phone::PhoneNumber;
use super::user::User;
use super::username::UserName;
use crate::error::InvalidFields;
use crate::id::GroupId;
use crate::time::Timestamp;

/// The last moment that a date with a year of four digits has.
const LAST_MOMENT: i64 = 253_402_300_799;

/// A group of an export: all but what is counted of its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeGroup {
    /// The group's id.
    pub group_id: GroupId,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether every user who is created becomes a member.
    pub is_auto_assigned: bool,
    /// When it came to be.
    pub creation_time: Timestamp,
    /// When it was last changed.
    pub last_updated: Timestamp,
    /// When a user last became a member, or when it came to be.
    pub last_assigned: Timestamp,
}

impl WholeGroup {
    /// What is exported of a group.
    pub fn of(group: Group) -> Self {
        Self {
            group_id: group.group_id,
            name: group.name.as_str().to_owned(),
            description: group.description,
            is_auto_assigned: group.is_auto_assigned,
            creation_time: group.creation_time,
            last_updated: group.last_updated,
            last_assigned: group.last_assigned,
        }
    }

    /// The group that was exported, without members.
    ///
    /// # Errors
    /// [`InvalidFields`] for what no group has.
    pub fn group(self) -> Result<Group, InvalidFields> {
        let times = [self.creation_time, self.last_updated, self.last_assigned];
        check_times("group", times)?;
        Ok(Group {
            group_id: self.group_id,
            r#type: GroupType::Custom,
            name: GroupName::parse(&self.name)?,
            description: checked_description(self.description)?,
            is_auto_assigned: self.is_auto_assigned,
            users_assigned: 0,
            clients_assigned: 0,
            creation_time: self.creation_time,
            last_updated: self.last_updated,
            last_assigned: self.last_assigned,
        })
    }
}

/// A user of an export.
#[derive(Clone, Debug, Deserialize)]
pub struct WholeUser {
    /// The user.
    pub user: User,
    /// The groups that the user is in: all of them.
    #[serde(default)]
    pub groups: Vec<WholeMembership>,
    /// When an address was first proved by a link or a code.
    #[serde(default)]
    pub proved_at: Option<Timestamp>,
    /// What is kept of the password, if the export has it.
    #[serde(default)]
    pub password: Option<WholePassword>,
}

/// That a user of an export is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeMembership {
    /// The group.
    pub group_id: GroupId,
    /// Since when.
    pub creation_time: Timestamp,
}

/// What an export has of a password.
#[derive(Clone, Debug, Deserialize)]
pub struct WholePassword {
    /// The hash.
    pub hash: Password,
    /// Who has set it: the name of a [`SetBy`].
    pub set_by: String,
}

impl WholeUser {
    /// Whether the user could be one of this directory's: what holds of all of them holds of this one.
    ///
    /// # Errors
    /// [`InvalidFields`] with every field that is not what it must be.
    pub(super) fn check(&self) -> Result<(), InvalidFields> {
        let mut groups = HashSet::new();
        let invalid = [
            self.user.check(),
            check_times("groups", self.groups.iter().map(|member| member.creation_time)),
            check_times("proved_at", self.proved_at),
            if self.groups.iter().all(|member| groups.insert(member.group_id)) {
                Ok(())
            } else {
                Err(InvalidFields::one("groups", "Each group is there once."))
            },
        ];
        let invalid: Vec<_> = invalid.into_iter().filter_map(Result::err).flat_map(|wrong| wrong.0).collect();
        if invalid.is_empty() { Ok(()) } else { Err(InvalidFields(invalid)) }
    }
}

impl WholePassword {
    /// Who has set it.
    ///
    /// # Errors
    /// [`InvalidFields`] for a word that names nobody.
    pub fn set_by(&self) -> Result<SetBy, InvalidFields> {
        SetBy::from_name(&self.set_by)
            .ok_or_else(|| InvalidFields::one("password.set_by", "This is admin, owner or untrusted."))
    }
}

impl User {
    /// Whether the user could be one of this directory's: what holds of all of them holds of this one.
    ///
    /// # Errors
    /// [`InvalidFields`] with every field that is not what it must be.
    pub fn check(&self) -> Result<(), InvalidFields> {
        let mut invalid = Vec::new();
        let mut note = |field: &str, message: String| invalid.push((format!("user.{field}"), message));
        for email in &self.emails {
            match EmailAddress::parse(email.email.as_str()) {
                Ok(address) if address == email.email => {}
                Ok(_) => note("emails", "An address has no white space around it.".to_owned()),
                Err(error) => note("emails", error.to_string()),
            }
        }
        for phone in &self.phone_numbers {
            if PhoneNumber::parse(phone.phone.as_str()).as_ref() != Ok(&phone.phone) {
                note(
                    "phone_numbers",
                    "A phone number is a + and 2 to 15 digits, the first not 0.".to_owned(),
                );
            }
        }
        if let Some(username) = &self.username
            && UserName::parse(username.username.as_str()).is_err()
        {
            note("username", crate::error::Refusal::InvalidUserName.description().to_owned());
        }
        if let Some(message) = disorder(&self.emails, |email| email.verification_source.is_some()) {
            note("emails", message.to_owned());
        }
        if let Some(message) = disorder(&self.phone_numbers, |phone| phone.verification_source.is_some()) {
            note("phone_numbers", message.to_owned());
        }
        if let Some(message) = claims::unknown(&self.claims) {
            note("claims", message);
        }
        let mut empty = serde_json::Map::new();
        let checked = claims::patch(&mut empty, self.claims.clone(), Checks::Skipped);
        let data = [("public_data", &self.public_data), ("private_data", &self.private_data)];
        let sizes = data.map(|(field, object)| data::patch(&mut serde_json::Map::new(), object, field));
        for wrong in [checked].into_iter().chain(sizes).filter_map(Result::err) {
            wrong.0.into_iter().for_each(|(field, message)| note(&field, message));
        }
        for (field, time) in self.times() {
            if let Err(wrong) = check_times(field, time) {
                wrong.0.into_iter().for_each(|(_, message)| note(field, message));
            }
        }
        if invalid.is_empty() { Ok(()) } else { Err(InvalidFields(invalid)) }
    }
}

impl User {
    /// All times of the user, by their fields.
    fn times(&self) -> [(&'static str, Option<Timestamp>); 7] {
        [
            ("creation_time", Some(self.creation_time)),
            ("last_updated", Some(self.last_updated)),
            ("password_updated_at", self.password_updated_at),
            ("block_until", self.block_until),
            ("last_sign_in_attempt", self.last_sign_in_attempt),
            ("last_sign_in_success", self.last_sign_in_success),
            ("last_activity", self.last_activity),
        ]
    }
}

/// What is not as it must be in a list of addresses.
fn disorder<A: Address>(list: &[A], is_proved: impl Fn(&A) -> bool) -> Option<&'static str> {
    let (mut forms, mut ids) = (HashSet::new(), HashSet::new());
    if list.iter().filter(|address| address.is_primary()).count() != usize::from(!list.is_empty()) {
        Some("Exactly one is primary, where there is any.")
    } else if !list.iter().all(|address| forms.insert(address.canonical()) && ids.insert(address.id())) {
        Some("Each address is there once, under an id of its own.")
    } else if list.iter().any(|address| address.is_verified() != is_proved(address)) {
        Some("An address has a verification_source if it is verified, and else none.")
    } else {
        None
    }
}

/// Whether moments are within the years that dates have.
fn check_times(field: &str, times: impl IntoIterator<Item = Timestamp>) -> Result<(), InvalidFields> {
    if times.into_iter().all(|time| (0..=LAST_MOMENT).contains(&time.0)) {
        return Ok(());
    }
    Err(InvalidFields::one(field, "Times are seconds since 1970, up to the year 9999."))
}
