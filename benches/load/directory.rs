//! The directory that is measured: a fresh store with users in it, made by the program's own code.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bonafide::app::App;
use bonafide::directory::api_key::{ApiKey, Scope};
use bonafide::directory::email::EmailAddress;
use bonafide::directory::event::{Actor, Method, Origin};
use bonafide::directory::user::{NewUser, User};
use bonafide::id::{IdentifierId, RequestId, SystemRandom, TenantId, UserId};
use bonafide::secret::{PlainKey, ServerSecret};
use bonafide::store::Store;
use bonafide::store::sqlite::SqliteStore;
use bonafide::time::{Clock, SystemClock};
use futures_util::{StreamExt, TryStreamExt};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

/// How many users there are.
const USERS: usize = 10_000;
/// How many of them are made at once.
const AT_ONCE: usize = 256;
/// How long a document may be, in bytes: about 2 KB.
const DOCUMENT_BYTES: std::ops::RangeInclusive<usize> = 1_900..=2_200;
/// How much text is added to each of two claims to make the document so long.
const PADDING: usize = 195;
/// The name of the key that the load bears.
const KEY_NAME: &str = "load";

/// A directory in a file.
pub(crate) struct Directory {
    /// The file.
    pub(crate) store: PathBuf,
    /// The key that opens it.
    pub(crate) key: String,
    /// A document, as long as any other.
    pub(crate) document: Vec<u8>,
    /// The users, in a random order that stays.
    users: Vec<(UserId, IdentifierId)>,
}

impl Directory {
    /// Makes a directory in a new file.
    pub(crate) fn create(store: PathBuf) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(seed(store))
    }

    /// A request for each user, as a file for `wrk`: what makes a path of the user's id.
    pub(crate) fn write_reads(&self, file: &Path, path: impl Fn(&UserId) -> String) -> Result<()> {
        let lines = self.users.iter().map(|(user_id, _)| format!("GET\t{}\n", path(user_id)));
        Ok(std::fs::write(file, lines.collect::<String>())?)
    }

    /// A request for each user that marks the first email as it is not marked now, and for every
    /// second round the opposite: so every request is a change, whatever the last run left.
    pub(crate) fn write_marks(&self, file: &Path) -> Result<()> {
        let connection = self.open()?;
        let mut statement = connection.prepare(
            "select identifier_id from identifiers where tenant_id = ?1 and kind = 'email' and claimant = ''",
        )?;
        let verified = statement
            .query_map([TenantId::default_tenant().as_str()], |row| row.get(0))?
            .collect::<rusqlite::Result<HashSet<[u8; 16]>>>()?;
        let mut text = String::new();
        for (user_id, email) in &self.users {
            let path = format!("/api/users/{user_id}/emails/{email}");
            let (now, then) = if verified.contains(email.as_bytes()) {
                ("unverify", "verify")
            } else {
                ("verify", "unverify")
            };
            writeln!(text, "POST\t{path}/{now}\t{path}/{then}")?;
        }
        Ok(std::fs::write(file, text)?)
    }

    /// How many times an email was marked so far.
    pub(crate) fn marks(&self) -> Result<u64> {
        let sql =
            "select count(*) from events where type in ('user.email.verified', 'user.email.unverified')";
        Ok(self.open()?.query_row(sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }

    fn open(&self) -> Result<Connection> {
        Ok(Connection::open_with_flags(&self.store, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
    }
}

async fn seed(path: PathBuf) -> Result<Directory> {
    let clock = Arc::new(SystemClock::start());
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path, clock.now())?);
    let plain = PlainKey::new(&SystemRandom);
    let kept = store.create_key(key(&plain, &*clock)).await?;
    ensure!(kept, "the key was not kept");

    let app = App::new(store, clock, Arc::new(SystemRandom), ServerSecret::new(&SystemRandom));
    let origin = Origin {
        tenant: TenantId::default_tenant(),
        actor: Actor::Key { key_id: plain.id(), key_name: KEY_NAME.to_owned() },
        method: Method::AdminApi,
        request_id: RequestId::new(&SystemRandom),
        remote_address: None,
        user_agent: None,
        reason: None,
    };
    let mut documents: Vec<_> = futures_util::stream::iter(0..USERS)
        .map(|number| create(&app, &origin, number))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    app.store.close().await;

    documents.shuffle(&mut StdRng::seed_from_u64(1));
    let users = documents.iter().map(|document| {
        ensure!(
            DOCUMENT_BYTES.contains(&document.len()),
            "a document has {} bytes, and comparisons are made for {DOCUMENT_BYTES:?}",
            document.len()
        );
        let user = User::from_document(document)?;
        Ok((user.user_id, user.emails.first().context("a user has no email")?.id))
    });
    let users = users.collect::<Result<_>>()?;
    Ok(Directory { store: path, key: plain.reveal(), document: documents.swap_remove(0).into(), users })
}

fn key(plain: &PlainKey, clock: &dyn Clock) -> ApiKey {
    ApiKey {
        id: plain.id(),
        tenant: TenantId::default_tenant(),
        name: KEY_NAME.to_owned(),
        hash: plain.hash(),
        scopes: vec![Scope::UsersRead, Scope::UsersWrite],
        created_at: clock.now(),
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

/// Makes a user with two emails, a phone number, a username and claims.
async fn create(app: &App, origin: &Origin, number: usize) -> Result<bytes::Bytes> {
    let claims = [
        ("name", format!("Sample Middle User {number:05}")),
        ("given_name", "Sample".to_owned()),
        ("middle_name", "Middle".to_owned()),
        ("family_name", format!("User {number:05}")),
        ("nickname", format!("sample {number:05}")),
        ("picture", format!("https://images.example.com/{number:05}/{}.png", "x".repeat(PADDING))),
        ("profile", format!("https://people.example.com/{number:05}/{}", "x".repeat(PADDING))),
    ];
    let new = NewUser {
        username: Some(format!("user.{number:05}")),
        email: Some(format!("user.{number:05}@one.example.com")),
        phone_number: Some(format!("+44151496{number:05}")),
        claims: claims.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect(),
        ..NewUser::default()
    };
    let (user_id, _) = app.create(origin, new).await?;
    let second = EmailAddress::parse(&format!("user.{number:05}@two.example.com"))?;
    Ok(app.change(origin, user_id, |user, ctx| user.add_email(second.clone(), false, ctx)).await?)
}
