//! Operations one at a time, each a transaction of its own.

use std::borrow::Cow;

use tokio_postgres::error::SqlState;

use super::super::{
    Arrival, DOCUMENT_SHAPE, DocumentChange, Identifier, IdentifierChange, KeepError, Row, SortNames,
    UserChange, Version,
};
use super::connection::{Answer, Session, Values};
use super::rows::{storable, violates};
use super::writer::{Operation, Outcome};
use super::{answers, events, failure, groups, keys, outbox, person, proofs, requests, secrets};
use crate::error::Error;

/// How often an operation is tried that others stood in the way of.
const ATTEMPTS: u32 = 5;

/// Why an operation was not done.
pub(super) enum Fault {
    /// It was refused.
    Refused(KeepError),
    /// The server failed.
    Failed(tokio_postgres::Error),
}

impl From<KeepError> for Fault {
    fn from(error: KeepError) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Failed(error)
    }
}

/// Does one operation, again when others stood in its way.
pub(super) async fn alone(session: &Session, operation: &Operation) -> Outcome {
    let mut attempt = 1;
    loop {
        match transaction(session, operation).await {
            Ok(done) => return Ok(done),
            Err(Fault::Refused(error)) => return Err(error),
            Err(Fault::Failed(error)) if attempt < ATTEMPTS && stood_in_the_way(&error) => {
                tokio::time::sleep(super::writer::jitter(attempt)).await;
                attempt += 1;
            }
            Err(Fault::Failed(error)) => {
                if error.as_db_error().is_none() {
                    session.spoil();
                }
                return Err(KeepError::Failed(failure(&error)));
            }
        }
    }
}

/// Whether others were doing what cannot be done at once with this: then nothing was done, and
/// trying again helps.
fn stood_in_the_way(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code)
    })
}

/// Does one operation in a transaction, which is kept only if the operation did something.
async fn transaction(session: &Session, operation: &Operation) -> Result<bool, Fault> {
    session.run("begin").await?;
    let done = apply(session, operation).await;
    match &done {
        Ok(true) => session.run("commit").await?,
        // Where the server is gone, so is the transaction.
        Err(Fault::Failed(error)) if error.as_db_error().is_none() => {}
        Ok(false) | Err(_) => session.run("rollback").await?,
    }
    done
}

async fn apply(session: &Session, operation: &Operation) -> Result<bool, Fault> {
    let done = match operation {
        Operation::Keep(change) => return keep_together(session, std::slice::from_ref(&**change)).await,
        Operation::KeepTogether(changes) => return keep_together(session, changes).await,
        Operation::KeepGroup(change) => return groups::keep(session, change).await,
        Operation::KeepMembership(change) => return groups::keep_membership(session, change).await,
        Operation::CreateTenant(tenant, now) => keys::create_tenant(session, tenant, *now).await,
        Operation::KeepAnswer(answer) => {
            return answers::keep(session, Some(answer)).await.map(|()| true);
        }
        Operation::KeepKey(change) => return keys::keep(session, change).await,
        Operation::TouchKey(id, now) => keys::touch(session, *id, *now).await,
        Operation::RehashPassword(change) => secrets::rehash(session, change).await,
        Operation::CountPasswordTry(tenant, user_id, attempt) => {
            secrets::count_try(session, tenant, *user_id, *attempt).await
        }
        Operation::CountCodeTry(id, most) => proofs::count_try(session, *id, *most).await,
        Operation::HurryMails(now) => outbox::hurry(session, *now).await,
        Operation::ClaimMail(mail, now, until) => outbox::claim(session, mail, *now, *until).await,
        Operation::RenewMail(mail, until) => outbox::renew(session, mail, *until).await,
        Operation::PostponeMail(mail, due_at) => outbox::postpone(session, mail, *due_at).await,
        Operation::RemoveMail(tenant, id) => outbox::remove(session, tenant, *id).await,
        Operation::Choose(tenant, choices) => keys::choose(session, tenant, choices).await,
        Operation::ForgetRequests(until) => requests::forget(session, *until).await,
        Operation::ForgetAnswers(until) => answers::forget(session, *until).await,
        Operation::EraseRecord(tenant, user_id, receipt) => {
            person::erase_record(session, tenant, *user_id, receipt).await
        }
        Operation::Nothing => return nothing(session).await,
    };
    Ok(done?)
}

/// Shows that the server takes changes: one that only follows another does not.
async fn nothing(session: &Session) -> Result<bool, Fault> {
    let row = session.row("select current_setting('transaction_read_only')", &[]).await?;
    match row.map(|row| row.try_get::<_, &str>(0).map(|setting| setting == "off")).transpose()? {
        Some(true) => Ok(false),
        _ => Err(KeepError::Failed(Error::Unavailable("PostgreSQL takes no changes".to_owned())).into()),
    }
}

/// Applies changes of users, all of one tenant where they are several.
async fn keep_together(session: &Session, changes: &[UserChange]) -> Result<bool, Fault> {
    let mut users = 0_i64;
    for change in changes {
        keep(session, change).await?;
        users += match change.document {
            DocumentChange::Create(..) => 1,
            DocumentChange::Delete(_) | DocumentChange::Erase(_) => -1,
            DocumentChange::Replace(..) | DocumentChange::Stay(_) => 0,
        };
    }
    // Last, because everybody who makes or removes a user waits for this row.
    if let Some(change) = changes.first()
        && users != 0
    {
        let count = "update tenants set users = users + $2 where tenant_id = $1";
        session.execute(count, &[&change.tenant.as_str(), &users]).await?;
    }
    Ok(true)
}

/// Applies a change of a user, but for the number of users. Nothing is changed before what it was decided
/// on is known to be still so.
async fn keep(session: &Session, change: &UserChange) -> Result<(), Fault> {
    let UserChange { tenant, user_id, document, .. } = change;
    match document {
        DocumentChange::Create(row, names, arrival) => {
            insert_user(session, change, row, names, arrival).await.map_err(|error| {
                if violates(&error, "users_pkey") { KeepError::Exists.into() } else { Fault::from(error) }
            })?;
            if !groups::join(session, tenant, *user_id, arrival, row.last_updated).await? {
                return Err(KeepError::Conflict.into());
            }
        }
        DocumentChange::Replace(version, row, names) => {
            if !update_user(session, change, *version, row, names.as_ref()).await? {
                return Err(KeepError::Conflict.into());
            }
        }
        DocumentChange::Stay(version) => {
            let rises = i64::from(change.is_decided_on());
            let lock = "update users set version = version + $4 where tenant_id = $1 and user_id = $2 and version = $3";
            let values: Values<'_> = &[&tenant.as_str(), &user_id.as_str(), &version.0, &rises];
            if session.execute(lock, values).await? != 1 {
                return Err(KeepError::Conflict.into());
            }
        }
        DocumentChange::Delete(version) | DocumentChange::Erase(version) => {
            let sql = "delete from users where tenant_id = $1 and user_id = $2 and version = $3";
            let values: Values<'_> = &[&tenant.as_str(), &user_id.as_str(), &version.0];
            if session.execute(sql, values).await? != 1 {
                return Err(KeepError::Conflict.into());
            }
            groups::leave_all(session, tenant, *user_id).await?;
            answers::forget_user(session, tenant, *user_id).await?;
        }
    }
    for identifier in &change.identifiers {
        keep_identifier(session, change, identifier).await?;
    }
    keep_terms(session, change).await?;
    requests::count(session, change).await?;
    secrets::keep(session, change).await?;
    proofs::keep(session, change).await?;
    outbox::keep(session, tenant, &change.mail).await?;
    answers::keep(session, change.answer.as_deref()).await?;
    if matches!(document, DocumentChange::Erase(_)) {
        person::erase(session, tenant, *user_id).await?;
    }
    events::append(session, tenant, &change.events).await?;
    Ok(())
}

/// A document as a text.
pub(super) fn text(row: &Row) -> &str {
    std::str::from_utf8(&row.document).expect("a document is JSON, and so UTF-8")
}

/// The names that a user is sorted by, in the order of their columns.
pub(super) fn columns(names: &SortNames) -> [Cow<'_, str>; 4] {
    [&names.name, &names.given_name, &names.middle_name, &names.family_name].map(|name| storable(name))
}

async fn insert_user(
    session: &Session,
    change: &UserChange,
    row: &Row,
    names: &SortNames,
    arrival: &Arrival,
) -> Answer<()> {
    let sql = "insert into users (tenant_id, user_id, version, shape, document, creation_time, last_updated, \
               name, given_name, middle_name, family_name, proved_at) \
               values ($1, $2, 1, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let [name, given, middle, family] = columns(names);
    session
        .execute(
            sql,
            &[
                &change.tenant.as_str(),
                &change.user_id.as_str(),
                &DOCUMENT_SHAPE,
                &text(row),
                &row.creation_time.0,
                &row.last_updated.0,
                &name,
                &given,
                &middle,
                &family,
                &arrival.proved_at.map(|time| time.0),
            ],
        )
        .await
        .map(drop)
}

/// Replaces the document, and the names where they are given, if the user still has this version.
async fn update_user(
    session: &Session,
    change: &UserChange,
    version: Version,
    row: &Row,
    names: Option<&SortNames>,
) -> Answer<bool> {
    let sql = "update users set version = version + 1, shape = $4, document = $5, last_updated = $6, \
               name = coalesce($7, name), given_name = coalesce($8, given_name), \
               middle_name = coalesce($9, middle_name), family_name = coalesce($10, family_name) \
               where tenant_id = $1 and user_id = $2 and version = $3";
    let [name, given, middle, family] = names.map_or([const { None }; 4], |names| columns(names).map(Some));
    session
        .execute(
            sql,
            &[
                &change.tenant.as_str(),
                &change.user_id.as_str(),
                &version.0,
                &DOCUMENT_SHAPE,
                &text(row),
                &row.last_updated.0,
                &name,
                &given,
                &middle,
                &family,
            ],
        )
        .await
        .map(|changed| changed == 1)
}

async fn keep_identifier(
    session: &Session,
    change: &UserChange,
    identifier: &IdentifierChange,
) -> Result<(), Fault> {
    let (tenant, user) = (change.tenant.as_str(), change.user_id.as_str());
    let claimant = |owned: bool| if owned { "" } else { user };
    let (IdentifierChange::Add(of)
    | IdentifierChange::Remove(of)
    | IdentifierChange::Own(of)
    | IdentifierChange::Disown(of)) = identifier;
    let Identifier { id, kind, canonical, owned } = of;
    let (kind_name, id) = (kind.as_str(), id.as_bytes().as_slice());
    let changed = match identifier {
        IdentifierChange::Add(_) => {
            let sql = "insert into identifiers (tenant_id, kind, canonical, claimant, user_id, identifier_id) \
                       values ($1, $2, $3, $4, $5, $6)";
            session.execute(sql, &[&tenant, &kind_name, canonical, &claimant(*owned), &user, &id]).await
        }
        IdentifierChange::Remove(_) => {
            let sql = "delete from identifiers \
                       where tenant_id = $1 and kind = $2 and canonical = $3 and claimant = $4 and user_id = $5";
            session.execute(sql, &[&tenant, &kind_name, canonical, &claimant(*owned), &user]).await
        }
        IdentifierChange::Own(_) => {
            let sql = "update identifiers set claimant = '' \
                       where tenant_id = $1 and kind = $2 and canonical = $3 and claimant = $4";
            session.execute(sql, &[&tenant, &kind_name, canonical, &user]).await
        }
        IdentifierChange::Disown(_) => {
            let sql = "update identifiers set claimant = user_id, generation = generation + 1 \
                       where tenant_id = $1 and kind = $2 and canonical = $3 and claimant = '' and user_id = $4";
            session.execute(sql, &[&tenant, &kind_name, canonical, &user]).await
        }
    };
    match changed {
        Ok(1) => Ok(()),
        Ok(_) => {
            let fault = format!("user {user} has an identifier in the document that the table does not have");
            Err(KeepError::Failed(Error::Internal(fault)).into())
        }
        Err(error) if violates(&error, "identifiers_pkey") => Err(KeepError::Taken(*kind).into()),
        Err(error) => Err(error.into()),
    }
}

async fn keep_terms(session: &Session, change: &UserChange) -> Answer<()> {
    let (tenant, user) = (change.tenant.as_str(), change.user_id.as_str());
    for (terms, sql) in [
        (
            &change.removed_terms,
            "delete from index_terms using unnest($3::text[], $4::text[]) as term (field, value) \
             where index_terms.tenant_id = $1 and index_terms.field = term.field \
             and index_terms.value = term.value and index_terms.user_id = $2",
        ),
        // A term that is there already is no reason to refuse the change.
        (
            &change.added_terms,
            "insert into index_terms (tenant_id, field, value, user_id) \
             select $1, term.field, term.value, $2 from unnest($3::text[], $4::text[]) as term (field, value) \
             on conflict do nothing",
        ),
    ] {
        if !terms.is_empty() {
            let fields: Vec<_> = terms.iter().map(|term| storable(&term.field)).collect();
            let values: Vec<_> = terms.iter().map(|term| storable(&term.value)).collect();
            session.execute(sql, &[&tenant, &user, &fields, &values]).await?;
        }
    }
    Ok(())
}
