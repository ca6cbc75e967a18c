//! What `bonafide serve --dev` prepares: a key, a sample user, and the lines to try them with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::keys::{self, NewKey};
use crate::app::App;
use crate::directory::api_key::Scope;
use crate::directory::event::{Actor, Origin};
use crate::directory::user::{NewUser, User};
use crate::id::{RequestId, TenantId};
use crate::secret::PlainKey;
use crate::server::tls::write_private;
use crate::store::{List, Place, SortKey};

/// The file, beside the store, that the key is kept in.
const KEY_FILE: &str = "dev-key";
/// Among how many of the oldest users one with an email is looked for.
const LOOK_AMONG: u32 = 100;

/// Makes what is missing, and gives the text to print.
pub(super) async fn prepare(app: &App, folder: &Path, url: &str, trusted: Option<&Path>) -> Result<String> {
    let key = key(app, &folder.join(KEY_FILE)).await?;
    let user = user(app, &key).await?;
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
    Ok(format!(
        "\nThis is a server for trying out. Its key, which may do everything, is in {}.\n\n\
         Mark the email {} verified:\n\n{}\nand unverified again:\n\n{}\n\
         The reference of the API is at {url}/docs\n",
        folder.join(KEY_FILE).display(),
        email.email.as_str(),
        line("verify"),
        line("unverify"),
    ))
}

/// The key of the file, or a new one if there is none or it no longer works.
async fn key(app: &App, file: &Path) -> Result<PlainKey> {
    let kept = fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<PlainKey>().ok());
    if let Some(key) = kept
        && app.authenticate(&key).await.is_ok_and(|known| known.allows(Scope::Admin))
    {
        return Ok(key);
    }
    let new = NewKey {
        name: "dev".to_owned(),
        scopes: vec![Scope::Admin],
        tenant: TenantId::default_tenant(),
        expires_at: None,
    };
    let key = keys::create(&*app.store, &*app.random, &*app.clock, new).await?;
    write_private(file, &format!("{}\n", key.reveal()))?;
    Ok(key)
}

/// The oldest user who has an email, or the sample user if there is none.
async fn user(app: &App, key: &PlainKey) -> Result<User> {
    let tenant = TenantId::default_tenant();
    let place = Place::Sorted { sort: SortKey::CreationTime, descending: false, offset: 0 };
    let list = List { filter: None, place, limit: LOOK_AMONG };
    for document in app.users(&tenant, list).await?.documents {
        let user = User::from_document(&document)?;
        if !user.emails.is_empty() {
            return Ok(user);
        }
    }
    let origin = Origin {
        tenant,
        actor: Actor { key_id: key.id(), key_name: "dev".to_owned() },
        request_id: RequestId::new(&*app.random),
        remote_address: None,
        user_agent: None,
        reason: Some("the sample user of --dev".to_owned()),
    };
    let claims: Map<String, Value> = [("given_name", "Sample"), ("family_name", "User")]
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .into_iter()
        .collect();
    let new = NewUser { email: Some("sample.user@example.com".to_owned()), claims, ..NewUser::default() };
    let (_, document) = app.create(&origin, new).await?;
    Ok(User::from_document(&document)?)
}
