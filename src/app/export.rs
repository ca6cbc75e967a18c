//! All that a tenant has, as lines of JSON: groups, then users, each in the order of ids.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::App;
use crate::directory::user::User;
use crate::directory::whole::{WholeGroup, WholeMembership};
use crate::error::Error;
use crate::id::TenantId;
use crate::store::{Portion, Record};

/// How many portions wait for whoever takes them.
const WAITING: usize = 2;
/// How many exports there may be at once: each keeps the store at one moment.
pub(super) const MAX_EXPORTS: usize = 2;

/// The lines of an export, some at a time, until there are no more. An export that fails ends with an
/// error.
pub type Lines = mpsc::Receiver<Result<Bytes, Error>>;

impl App {
    /// Begins to export all users and groups of a tenant, as they are at one moment. Without hashes, nobody has
    /// a password in it.
    ///
    /// # Errors
    /// [`Error::Busy`] while others export.
    pub fn export(self: &Arc<Self>, tenant: &TenantId, with_hashes: bool) -> Result<Lines, Error> {
        let place = self.exports.clone().try_acquire_owned().map_err(|_| Error::Busy)?;
        let (app, tenant) = (self.clone(), tenant.clone());
        let (to, lines) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let _place = place;
            let (portions, found) = mpsc::channel(WAITING);
            let exporting = app.store.export(&tenant, with_hashes, portions);
            let (exported, written) = tokio::join!(exporting, write_all(found, with_hashes, &to));
            if let Err(error) = exported.and(written) {
                // Nobody may be left to be told.
                let _ = to.send(Err(error)).await;
            }
        });
        Ok(lines)
    }
}

/// Writes portions until there are no more, or nobody takes the lines: then nobody takes portions either,
/// and that ends the reading.
async fn write_all(
    mut portions: mpsc::Receiver<Portion>,
    with_hashes: bool,
    to: &mpsc::Sender<Result<Bytes, Error>>,
) -> Result<(), Error> {
    while let Some(portion) = portions.recv().await {
        if to.send(Ok(written(portion, with_hashes)?)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// A portion as lines.
fn written(portion: Portion, with_hashes: bool) -> Result<Bytes, Error> {
    let mut lines = Vec::new();
    match portion {
        Portion::Groups(groups) => {
            for group in groups {
                write(&mut lines, &json!({"group": WholeGroup::of(group)}));
                lines.push(b'\n');
            }
        }
        Portion::Users(users) => {
            for mut user in users {
                if !with_hashes {
                    user.document = without_password(user.document)?;
                }
                write_user(&mut lines, &user);
                lines.push(b'\n');
            }
        }
    }
    Ok(lines.into())
}

/// The document of a user as one who has no password: that is what a line without the hash brings along.
fn without_password(document: Bytes) -> Result<Bytes, Error> {
    let mut user = User::from_document(&document)?;
    if !user.has_password {
        return Ok(document);
    }
    user.forget_password();
    Ok(user.to_document().into())
}

/// Writes a user: the document as it is kept, and what is kept beside it. A hash is nothing that can be
/// serialised by mistake, so it is written by hand.
fn write_user(line: &mut Vec<u8>, user: &Record) {
    let groups: Vec<WholeMembership> = user
        .groups
        .iter()
        .map(|(group_id, since)| WholeMembership { group_id: *group_id, creation_time: *since })
        .collect();
    line.extend_from_slice(b"{\"user\":");
    line.extend_from_slice(&user.document);
    line.extend_from_slice(b",\"groups\":");
    write(line, &groups);
    line.extend_from_slice(b",\"proved_at\":");
    write(line, &user.proved_at);
    if let Some((hash, set_by)) = &user.password {
        line.extend_from_slice(b",\"password\":{\"hash\":");
        write(line, &hash.to_stored());
        line.extend_from_slice(b",\"set_by\":");
        write(line, &set_by.as_str());
        line.push(b'}');
    }
    line.push(b'}');
}

fn write(line: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(line, value).expect("texts, numbers and lists of them can be written");
}
