//! What `bonafide serve --dev` prepares: a key, a sample user, and the lines to try them with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::console::SignInLink;
use crate::directory::api_key::{NewKey, Scope};
use crate::directory::event::{Method, Origin};
use crate::directory::user::{NewUser, User};
use crate::error::{Error, Refusal};
use crate::id::{TenantId, UserId};
use crate::private_file;
use crate::secret::PlainKey;

/// The file, beside the store, that the key is kept in.
const KEY_FILE: &str = "dev-key";
/// The file beside it with the id of the sample user.
const USER_FILE: &str = "dev-user";

/// Makes what is missing, and gives the text to print.
pub(super) async fn prepare(
    app: &App,
    folder: &Path,
    url: &str,
    trusted: Option<&Path>,
    has_mailbox: bool,
) -> Result<String> {
    let key = key(app, &folder.join(KEY_FILE)).await?;
    let user = user(app, &key, &folder.join(USER_FILE)).await?;
    let email = user.emails.first().context("the sample user has no email")?;
    let cacert = trusted.map(|path| format!("--cacert {} ", path.display())).unwrap_or_default();
    let line = |action: &str| {
        format!(
            "  curl {cacert}-X POST '{url}/api/users/{}/emails/{}/{action}' -H 'X-API-KEY: {}'\n",
            user.user_id,
            email.id,
            key.reveal()
        )
    };
    let sign_in = SignInLink::new(TenantId::default_tenant(), "dev console", app.clock.now(), &*app.random)?;
    let sign_in = sign_in.url(&app.secret, url);
    let mailbox = if has_mailbox { format!("It goes to {url}/dev/mailbox\n") } else { String::new() };
    Ok(format!(
        "\nThis is a server for trying out. Its key, which may do everything, is in {}.\n\n\
         Mark the email {} verified:\n\n{}\nand unverified again:\n\n{}\n\
         Or let its owner prove it, by a mail with a link:\n\n{}\n{mailbox}\
         The console is at {url}/console; this link signs you in once, within ten minutes:\n\n  {sign_in}\n\n\
         The reference of the API is at {url}/docs\n",
        folder.join(KEY_FILE).display(),
        email.email.as_str(),
        line("verify"),
        line("unverify"),
        line("verify/link"),
    ))
}

/// The key of the file, or a new one if there is none or it no longer works.
async fn key(app: &App, file: &Path) -> Result<PlainKey> {
    let kept = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<PlainKey>().ok());
    if let Some(key) = kept
        && app.authenticate(&key, None).await.is_ok_and(|known| known.key.allows(Scope::Admin))
    {
        return Ok(key);
    }
    let new = NewKey { name: "dev".to_owned(), scopes: vec![Scope::Admin], ..NewKey::default() };
    let origin = Origin::of_server(TenantId::default_tenant(), Method::CommandLine, &*app.random);
    let key = app.create_key(&origin, new).await?.plain;
    private_file::write(file, &format!("{}\n", key.reveal()))?;
    Ok(key)
}

/// The user of the file, or a new one if there is none or it has no email any more. Never another
/// one: the lines that are printed change this user.
async fn user(app: &App, key: &PlainKey, file: &Path) -> Result<User> {
    let tenant = TenantId::default_tenant();
    let kept = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<UserId>().ok());
    if let Some(user_id) = kept {
        match app.user(&tenant, user_id).await {
            Ok(document) => {
                let user = User::from_document(&document)?;
                if !user.emails.is_empty() {
                    return Ok(user);
                }
            }
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let origin = Origin {
        reason: Some("the sample user of --dev".to_owned()),
        ..Origin::of_key(tenant, key.id(), "dev", &*app.random)
    };
    let user = sample(app, &origin).await?;
    private_file::write(file, &format!("{}\n", user.user_id))?;
    Ok(user)
}

/// A new sample user, whose email can be verified: it is made with a verified one, which only an
/// address that is nobody's can be, and then unverified.
async fn sample(app: &App, origin: &Origin) -> Result<User> {
    let mut address = "sample.user@example.com".to_owned();
    let mut number = 1_u32;
    loop {
        let claims: Map<String, Value> = [("given_name", "Sample"), ("family_name", "User")]
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .into_iter()
            .collect();
        let new = NewUser { email: Some(address), email_verified: true, claims, ..NewUser::default() };
        match app.create(origin, new).await {
            Ok((user_id, created)) => {
                let made = User::from_document(&created.document)?;
                let email = made.emails.first().context("the sample user has no email")?.id;
                let unverified =
                    app.change(origin, user_id, |user, context| user.unverify_email(email, context)).await?;
                return Ok(User::from_document(&unverified.document)?);
            }
            Err(Error::Refused(refusals)) if refusals.contains(&Refusal::DuplicateEmail) => {
                number += 1;
                address = format!("sample.user{number}@example.com");
            }
            Err(error) => return Err(error.into()),
        }
    }
}
