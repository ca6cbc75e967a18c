//! Changes of several users in one statement, and so in one trip to the server and one commit.

use std::borrow::Cow;

use tokio_postgres::types::ToSql;

use super::super::{DOCUMENT_SHAPE, DocumentChange, IdentifierChange, UserChange};
use super::connection::{Answer, Session};
use super::events;
use super::keep::{columns, text};
use super::rows::storable;
use crate::directory::mail::MailChange;
use crate::directory::password::SecretChange;
use crate::directory::proof::ProofChange;

/// Whether a change can be kept together with others: it replaces the document, and at most marks
/// addresses. Whatever adds or takes away addresses is done in an order that one statement does not
/// have; an answer that is kept may have to wait for another server's.
pub(super) fn fits(change: &UserChange) -> bool {
    matches!(change.document, DocumentChange::Replace(..))
        && matches!(change.secret, SecretChange::Keep)
        && matches!(change.proof, ProofChange::Keep | ProofChange::EndOthers(_))
        && matches!(change.mail, MailChange::Keep)
        && change.answer.is_none()
        && change
            .identifiers
            .iter()
            .all(|identifier| matches!(identifier, IdentifierChange::Own(_) | IdentifierChange::Disown(_)))
}

/// Whether a change ends proofs, if there are any. Then it is not kept together with others, but alone.
pub(super) fn ends_proofs(change: &UserChange) -> bool {
    matches!(change.proof, ProofChange::EndOthers(_))
}

/// Each part of the statement works on what the first one, which compares the versions, has changed.
/// Numbers of changes lead from one part to the next.
///
/// The events are numbered when all rows of users are locked: so a user's later events have higher
/// numbers. A change that ends proofs is left out where there may be some. If a row of `identifiers` is
/// missing the whole statement must fail, and dividing by nothing is how a statement fails.
const KEEP: &str = "
with changed as (
    update users set version = users.version + 1, shape = $10, document = change.document, last_updated = change.last_updated,
        name = coalesce(change.name, users.name), given_name = coalesce(change.given_name, users.given_name),
        middle_name = coalesce(change.middle_name, users.middle_name),
        family_name = coalesce(change.family_name, users.family_name)
    from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[],
            $6::text[], $7::text[], $8::text[], $9::text[], $42::boolean[])
        with ordinality as change (tenant_id, user_id, version, document, last_updated,
            name, given_name, middle_name, family_name, ends_proofs, number)
    where users.tenant_id = change.tenant_id and users.user_id = change.user_id and users.version = change.version
        and not (change.ends_proofs and users.has_proofs)
    returning change.number
), marked as (
    update identifiers set
        claimant = case when mark.owned then '' else identifiers.user_id end,
        generation = identifiers.generation + case when mark.owned then 0 else 1 end
    from unnest($11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::boolean[])
        as mark (change, tenant_id, user_id, kind, canonical, owned)
    where mark.change = any ((select array_agg(number) from changed)::bigint[])
        and identifiers.tenant_id = mark.tenant_id and identifiers.kind = mark.kind
        and identifiers.canonical = mark.canonical
        and identifiers.claimant = case when mark.owned then mark.user_id else '' end
        and identifiers.user_id = mark.user_id
    returning 1
), removed as (
    delete from index_terms
    using unnest($17::bigint[], $18::text[], $19::text[], $20::text[], $21::text[])
        as term (change, tenant_id, user_id, field, value)
    where term.change = any ((select array_agg(number) from changed)::bigint[])
        and index_terms.tenant_id = term.tenant_id and index_terms.field = term.field
        and index_terms.value = term.value and index_terms.user_id = term.user_id
), added as (
    insert into index_terms (tenant_id, field, value, user_id)
    select tenant_id, field, value, user_id
    from unnest($22::bigint[], $23::text[], $24::text[], $25::text[], $26::text[])
        as term (change, tenant_id, user_id, field, value)
    where term.change = any ((select array_agg(number) from changed)::bigint[])
    on conflict do nothing
), recorded as (
    insert into pending_events (sequence, tenant_id, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details)
    select nextval('event_sequence'), tenant_id, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details
    from (
        select * from unnest($27::bigint[], $28::text[], $29::bytea[], $30::text[], $31::bigint[], $32::text[], $33::bytea[],
            $34::text[], $35::text[], $36::text[], $37::text[], $38::text[], $39::bytea[], $40::text[], $41::text[])
            with ordinality as event (change, tenant_id, event_id, type, time, user_id, identifier_id, method, key_id, key_name, request_id, personal, group_id, actor, details, number)
        where event.change = any ((select array_agg(number) from changed)::bigint[])
        order by event.number offset 0
    ) as event
)
select number from changed
where 1 = 1 / (select case when (select count(*) from marked) = (
    select count(*) from unnest($11::bigint[]) as mark (change)
    where mark.change = any ((select array_agg(number) from changed)::bigint[])
) then 1 else 0 end)";

/// Keeps changes that [`fits`] takes, all of those whose users have the versions they were decided
/// on. Gives for each whether it was kept.
pub(super) async fn keep(session: &Session, changes: &[&UserChange]) -> Answer<Vec<bool>> {
    let mut users = Users::default();
    let mut marks = Marks::default();
    let (mut removed, mut added) = (Terms::default(), Terms::default());
    let mut recorded = events::Columns::default();
    for (number, change) in (1_i64..).zip(changes) {
        users.push(change);
        marks.push(number, change);
        removed.push(number, change, &change.removed_terms);
        added.push(number, change, &change.added_terms);
        recorded.push(number, &change.tenant, &change.events);
    }
    let mut values: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(42);
    values.extend(users.values());
    values.push(&DOCUMENT_SHAPE);
    values.extend(marks.values());
    values.extend(removed.values());
    values.extend(added.values());
    values.extend(recorded.values());
    values.push(&users.ends_proofs);
    let mut kept = vec![false; changes.len()];
    for row in session.rows(KEEP, &values).await? {
        let number: i64 = row.try_get(0)?;
        let place = usize::try_from(number - 1).expect("numbers of changes begin with 1");
        kept[place] = true;
    }
    Ok(kept)
}

/// The new documents, as columns.
#[derive(Default)]
struct Users<'a> {
    tenants: Vec<&'a str>,
    ids: Vec<&'a str>,
    versions: Vec<i64>,
    documents: Vec<&'a str>,
    last_updated: Vec<i64>,
    /// Where they are others now, by the columns of [`columns`].
    names: [Vec<Option<Cow<'a, str>>>; 4],
    ends_proofs: Vec<bool>,
}

impl<'a> Users<'a> {
    fn push(&mut self, change: &'a UserChange) {
        let DocumentChange::Replace(version, row, names) = &change.document else {
            unreachable!("only changes that replace the document are kept together")
        };
        self.tenants.push(change.tenant.as_str());
        self.ids.push(change.user_id.as_str());
        self.versions.push(version.0);
        self.documents.push(text(row));
        self.last_updated.push(row.last_updated.0);
        self.ends_proofs.push(ends_proofs(change));
        let names = names.as_ref().map_or([const { None }; 4], |names| columns(names).map(Some));
        for (column, name) in self.names.iter_mut().zip(names) {
            column.push(name);
        }
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 9] {
        let [name, given, middle, family] = &self.names;
        [
            &self.tenants,
            &self.ids,
            &self.versions,
            &self.documents,
            &self.last_updated,
            name,
            given,
            middle,
            family,
        ]
    }
}

/// Addresses that are marked, as columns.
#[derive(Default)]
struct Marks<'a> {
    changes: Vec<i64>,
    tenants: Vec<&'a str>,
    users: Vec<&'a str>,
    kinds: Vec<&'static str>,
    canonical: Vec<&'a str>,
    owned: Vec<bool>,
}

impl<'a> Marks<'a> {
    fn push(&mut self, number: i64, change: &'a UserChange) {
        for identifier in &change.identifiers {
            let (IdentifierChange::Own(of)
            | IdentifierChange::Disown(of)
            | IdentifierChange::Add(of)
            | IdentifierChange::Remove(of)) = identifier;
            self.changes.push(number);
            self.tenants.push(change.tenant.as_str());
            self.users.push(change.user_id.as_str());
            self.kinds.push(of.kind.as_str());
            self.canonical.push(&of.canonical);
            self.owned.push(matches!(identifier, IdentifierChange::Own(_)));
        }
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.changes, &self.tenants, &self.users, &self.kinds, &self.canonical, &self.owned]
    }
}

/// Terms that users no longer have, or have newly, as columns.
#[derive(Default)]
struct Terms<'a> {
    changes: Vec<i64>,
    tenants: Vec<&'a str>,
    users: Vec<&'a str>,
    fields: Vec<Cow<'a, str>>,
    values: Vec<Cow<'a, str>>,
}

impl<'a> Terms<'a> {
    fn push(&mut self, number: i64, change: &'a UserChange, terms: &'a [super::super::index::Term]) {
        for term in terms {
            self.changes.push(number);
            self.tenants.push(change.tenant.as_str());
            self.users.push(change.user_id.as_str());
            self.fields.push(storable(&term.field));
            self.values.push(storable(&term.value));
        }
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.changes, &self.tenants, &self.users, &self.fields, &self.values]
    }
}
