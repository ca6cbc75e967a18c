//! The people in the directory. Everybody follows from a number, and whatever is searched for is had by
//! as many of them in a small directory as in a large one.

use bonafide::directory::user::NewUser;
use serde_json::{Map, Value, json};

/// How many people in a row have family names that begin alike.
pub(crate) const FAMILY: u64 = 40;
/// How many of these have the same family name.
pub(crate) const NAMESAKES: u64 = 10;
/// How many of these have no verified email.
pub(crate) const UNVERIFIED: u64 = 5;

/// What the family names of those who follow each other end in.
const ENDINGS: [&str; 4] = ["son", "berg", "field", "wood"];
/// The given names.
const GIVEN: [&str; 8] = ["Ada", "Alan", "Barbara", "Dennis", "Edsger", "Grace", "Joan", "Ken"];

/// How much is known of a person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// What is usual: an email and names, and of some a phone number, a middle name or a picture.
    Usual,
    /// All of that of everybody, a username, another email and long links: a document of about 2 KB.
    Long,
}

/// Somebody.
#[derive(Clone, Copy)]
pub(crate) struct Person(pub(crate) u64);

impl Person {
    /// What the family name begins with: three syllables, of which there are a million.
    pub(crate) fn family_begins(self) -> String {
        // Any factor that shares none with a million gives every name once, in no order.
        let mut number = (self.0 / FAMILY) * 387_417 % 1_000_000;
        let mut name = String::new();
        for _ in 0..3 {
            let syllable = (number % 100) as usize;
            name.push(char::from(b"bdfghklmnprstvwzcjqx"[syllable / 5]));
            name.push(char::from(b"aeiou"[syllable % 5]));
            number /= 100;
        }
        name[..1].make_ascii_uppercase();
        name
    }

    /// The family name.
    pub(crate) fn family_name(self) -> String {
        format!("{}{}", self.family_begins(), ENDINGS[(self.0 % 4) as usize])
    }

    /// The first email.
    pub(crate) fn email(self) -> String {
        format!("user.{:07}@one.example.com", self.0)
    }

    /// The second one, of whom more is known.
    pub(crate) fn second_email(self) -> String {
        format!("user.{:07}@two.example.com", self.0)
    }

    /// What the person is made from.
    pub(crate) fn new_user(self, length: Length) -> NewUser {
        let Self(number) = self;
        let given = GIVEN[(number / FAMILY % 8) as usize];
        let digits = format!("{number:07}");
        let mut new = NewUser {
            email: Some(self.email()),
            email_verified: (number / 4).is_multiple_of(2),
            phone_number: Some(format!("+44151{digits}")),
            claims: claims(given, &self.family_name(), &digits),
            ..NewUser::default()
        };
        if length == Length::Usual {
            // Not all documents are equally long: so many more, or fewer, would fit into a page.
            if number.is_multiple_of(2) {
                new.phone_number = None;
            }
            if number.is_multiple_of(3) {
                new.claims.remove("middle_name");
            }
            if number.is_multiple_of(5) {
                new.claims.remove("picture");
            }
        }
        if length == Length::Long {
            new.username = Some(format!("user.{digits}"));
            for (claim, host) in [("picture", "images"), ("profile", "people")] {
                let link = format!("https://{host}.example.com/{digits}/{}", "x".repeat(195));
                new.claims.insert(claim.to_owned(), json!(link));
            }
        }
        new
    }
}

/// Somebody who comes while it is measured, and is found by none of the searches. The digits are seven,
/// and nobody else's.
pub(crate) fn newcomer(digits: &str) -> NewUser {
    NewUser {
        email: Some(format!("newcomer.{digits}@one.example.com")),
        phone_number: Some(format!("+44152{digits}")),
        claims: claims("Ada", "Newcomer", digits),
        ..NewUser::default()
    }
}

fn claims(given: &str, family: &str, digits: &str) -> Map<String, Value> {
    let claims = [
        ("name", format!("{given} Middle {family}")),
        ("given_name", given.to_owned()),
        ("middle_name", "Middle".to_owned()),
        ("family_name", family.to_owned()),
        ("nickname", format!("{given} {digits}")),
        ("picture", format!("https://images.example.com/people/{digits}.png")),
    ];
    claims.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}
