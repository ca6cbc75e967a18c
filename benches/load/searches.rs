//! Lists and searches: what is asked, and for whom.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::directory::Service;
use crate::people::{FAMILY, NAMESAKES, Person, UNVERIFIED};

/// How many different ones of a kind are asked in turn.
const DIFFERENT: usize = 2_000;

/// What is asked for. Each finds as many users in every directory.
#[derive(Clone, Copy)]
pub(crate) enum Search {
    /// The ten newest users.
    Newest,
    /// The user who has an email.
    Email,
    /// Those whose family names begin alike.
    FamilyBegins,
    /// Those who have a family name and no verified email.
    Unverified,
}

impl Search {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Newest, Self::Email, Self::FamilyBegins, Self::Unverified];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Newest => "list of 10, newest first",
            Self::Email => "search by exact email",
            Self::FamilyBegins => "search by family-name prefix",
            Self::Unverified => "search unverified AND family name",
        }
    }

    /// The path that asks for this person, or for the people around.
    pub(crate) fn path(self, person: Person) -> String {
        match self {
            Self::Newest => "/api/users?page=1&size=10".to_owned(),
            Self::Email => format!("/api/users?filter=emails.email:{}", person.email()),
            Self::FamilyBegins => format!("/api/users?filter=claims.family_name:{}*", person.family_begins()),
            Self::Unverified => format!(
                "/api/users?filter=emails.verified:false%20AND%20claims.family_name:{}",
                person.family_name()
            ),
        }
    }

    /// How many it finds among so many users.
    fn finds(self, users: u64) -> u64 {
        match self {
            Self::Newest => users,
            Self::Email => 1,
            Self::FamilyBegins => FAMILY,
            Self::Unverified => UNVERIFIED,
        }
    }

    /// Writes requests for some among so many users, in a random order that stays.
    pub(crate) fn write_operations(self, file: &Path, users: u64) -> Result<()> {
        let mut random = StdRng::seed_from_u64(3);
        let mut text = String::new();
        for _ in 0..DIFFERENT {
            writeln!(text, "GET\t{}", self.path(Person(random.random_range(0..users))))?;
        }
        Ok(std::fs::write(file, text)?)
    }

    /// Asks once, makes sure that as many are found as there must be, and gives the answer.
    pub(crate) fn check(self, service: &Service, users: u64) -> Result<Vec<u8>> {
        let path = self.path(Person(users / 2));
        let (head, body) = service.get(&path)?;
        let line = head.lines().find_map(|line| line.strip_prefix("x-pagination: "));
        let pagination: serde_json::Value = serde_json::from_str(line.context("a list has no pages")?)?;
        let wanted = self.finds(users);
        ensure!(pagination["total_count"] == wanted, "{path} finds {pagination} and not {wanted}");
        Ok(body)
    }
}

const _: () = assert!(FAMILY == 4 * NAMESAKES && NAMESAKES == 2 * UNVERIFIED);
