//! Making a user: a form with what `createUser` takes, but for passwords. The page of the new user has a
//! button for a link by which they choose one.

use axum::extract::State;
use axum::response::Response;
use minijinja::{Value, context};
use serde_json::Map;

use super::Console;
use super::asked::{Fields, Filled};
use super::operator::Operator;
use super::page::{Fault, Shared};
use crate::directory::user::NewUser;
use crate::error::{Error, Refusal};

/// A field of the form.
struct Field {
    /// As the API calls it.
    name: &'static str,
    label: &'static str,
    /// Which keys a telephone shows for it, where they are not letters as usual.
    keyboard: &'static str,
    /// The box beside it that says whether it is known to be the user's, if it has one.
    verified: &'static str,
}

impl Field {
    const fn claim(name: &'static str, label: &'static str) -> Self {
        Self { name, label, keyboard: "", verified: "" }
    }
}

/// The fields, in their order: identifiers, and then claims.
const FIELDS: [Field; 9] = [
    Field { name: "email", label: "Email", keyboard: "email", verified: "email_verified" },
    Field { name: "phone_number", label: "Phone number", keyboard: "tel", verified: "phone_number_verified" },
    Field { name: "username", label: "Username", keyboard: "text", verified: "" },
    Field::claim("name", "Name"),
    Field::claim("given_name", "Given name"),
    Field::claim("middle_name", "Middle name"),
    Field::claim("family_name", "Family name"),
    Field::claim("nickname", "Nickname"),
    Field { name: "picture", label: "Picture, as a URL", keyboard: "url", verified: "" },
];
/// How many of them are identifiers.
const IDENTIFIERS: usize = 3;

/// Shows the form.
pub(super) async fn show(State(console): Shared, operator: Operator) -> Response {
    console.new_user(&operator, &Fields::none(), &Told { beside: Vec::new(), fault: Fault::none() })
}

/// Makes the user.
pub(super) async fn create(
    State(console): Shared,
    operator: Operator,
    form: Filled,
) -> Result<Response, Error> {
    match console.app.create(&operator.origin, new_user(&form)).await {
        Ok((user_id, _)) => Ok(console.see(&format!("/users/{user_id}?done=created"))),
        Err(error) => Ok(console.new_user(&operator, &form, &Told::of(error)?)),
    }
}

/// What the form says. A field that is empty says nothing.
fn new_user(form: &Fields) -> NewUser {
    let text = |name: &str| Some(form.field(name).trim().to_owned()).filter(|text| !text.is_empty());
    let claims = FIELDS[IDENTIFIERS..].iter();
    let claims = claims.filter_map(|field| Some((field.name.to_owned(), text(field.name)?.into())));
    NewUser {
        username: text("username"),
        email: text("email"),
        email_verified: form.has("email_verified"),
        phone_number: text("phone_number"),
        phone_number_verified: form.has("phone_number_verified"),
        password: None,
        claims: claims.collect::<Map<_, _>>(),
        skip_conformance_checks: false,
    }
}

/// What is wrong with a form.
struct Told {
    /// What is told beside a field.
    beside: Vec<(&'static str, String)>,
    /// What is about no field, and the status of the page.
    fault: Fault,
}

impl Told {
    /// # Errors
    /// The error, if it is nothing that who asked can mend.
    fn of(error: Error) -> Result<Self, Error> {
        let known = |name: &str| FIELDS.iter().map(|field| field.name).find(|field| *field == name);
        let about: Vec<(Option<&'static str>, String)> = match &error {
            Error::Invalid(fields) => {
                fields.0.iter().map(|(name, message)| (known(name), message.clone())).collect()
            }
            Error::Refused(refusals) => refusals
                .iter()
                .map(|refusal| (field_of(*refusal), refusal.description().to_owned()))
                .collect(),
            _ => Vec::new(),
        };
        let mut fault = Fault::of(error)?;
        // Both have a sentence for each fault, in the same order.
        let needed = Refusal::IdentifierRequired.description();
        for sentence in fault.sentences.iter_mut().filter(|sentence| *sentence == needed) {
            // The form has no box for the exception that the API knows.
            "A user needs at least one of email, phone number and username.".clone_into(sentence);
        }
        let mut places = about.iter().map(|(field, _)| field.is_none());
        fault.sentences.retain(|_| places.next().unwrap_or(true));
        let beside = about.into_iter().filter_map(|(field, sentence)| Some((field?, sentence)));
        Ok(Self { beside: beside.collect(), fault })
    }

    fn beside(&self, field: &Field) -> Option<&str> {
        let mut about = self.beside.iter().filter(|(name, _)| *name == field.name);
        about.next().map(|(_, sentence)| sentence.as_str())
    }
}

/// The field that a refusal is about, if it is about one.
fn field_of(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::DuplicateEmail => Some("email"),
        Refusal::DuplicatePhoneNumber => Some("phone_number"),
        Refusal::DuplicateUserName | Refusal::InvalidUserName => Some("username"),
        _ => None,
    }
}

impl Console {
    fn new_user(&self, operator: &Operator, form: &Fields, told: &Told) -> Response {
        // Where one goes on typing.
        let wrong = FIELDS.iter().find(|field| told.beside(field).is_some());
        let first = wrong.unwrap_or(&FIELDS[0]).name;
        let fields = FIELDS.iter().map(|field| {
            context! {
                name => field.name,
                label => field.label,
                keyboard => field.keyboard,
                verified => field.verified,
                value => form.field(field.name),
                is_verified => form.has(field.verified),
                fault => told.beside(field),
                is_first => field.name == first,
            }
        });
        let values = context! {
            faults => &told.fault.sentences,
            fields => fields.collect::<Vec<Value>>(),
        };
        self.page(operator, (told.fault.status, "users", "new_user.html"), "", values)
    }
}
