//! What both kinds of store have: the tables, and the columns that are copied.

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// True or false; where there is no such type, 1 or 0.
    Flag,
    /// Bytes.
    Bytes,
}

/// A column of a table.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub kind: Kind,
}

/// A table of a store.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns. The first ones are its key: rows are copied in the order of these.
    pub columns: &'static [Column],
    /// How many columns the key has.
    pub key: usize,
}

impl Table {
    /// The names of all columns, as a statement lists them.
    pub fn names(&self) -> String {
        names(self.columns)
    }

    /// The names of the key's columns, likewise.
    pub fn key_names(&self) -> String {
        names(&self.columns[..self.key])
    }
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// Declares tables: the columns of the key, then the others, each with its kind.
macro_rules! tables {
    ($($table:ident ($($key:ident $key_kind:ident),+; $($column:ident $kind:ident),*),)+) => {
        &[$(Table {
            name: stringify!($table),
            columns: &[
                $(Column { name: stringify!($key), kind: Kind::$key_kind },)+
                $(Column { name: stringify!($column), kind: Kind::$kind },)*
            ],
            key: [$(stringify!($key)),+].len(),
        },)+]
    };
}

/// All tables in the order in which they are copied. Columns that only one kind of store has are not
/// here: [`Target::finish`](super::Target::finish) fills them.
pub const TABLES: &[Table] = tables! {
    tenants(tenant_id Text; created_at Integer, users Integer, logs Integer, settings Text),
    users(
        tenant_id Text, user_id Text;
        version Integer, shape Integer, document Text, creation_time Integer, last_updated Integer,
        name Text, given_name Text, middle_name Text, family_name Text,
        has_proofs Flag, proved_at Integer
    ),
    identifiers(
        tenant_id Text, kind Text, canonical Text, claimant Text;
        user_id Text, identifier_id Bytes, generation Integer
    ),
    index_terms(tenant_id Text, field Text, value Text, user_id Text;),
    events(
        tenant_id Text, position Integer;
        event_id Bytes, type Text, time Integer, user_id Text, identifier_id Bytes, method Text,
        key_id Text, key_name Text, request_id Text, personal Text, group_id Bytes,
        actor Text, details Text
    ),
    groups(
        tenant_id Text, group_id Bytes;
        version Integer, name Text, canonical Text, description Text, is_auto_assigned Flag,
        users_assigned Integer, creation_time Integer, last_updated Integer, last_assigned Integer,
        words Text, folded_description Text
    ),
    memberships(tenant_id Text, group_id Bytes, user_id Text; creation_time Integer),
    secrets(tenant_id Text, user_id Text; password_hash Text, set_by Text),
    password_tries(tenant_id Text, user_id Text, tried_at Integer; tries Integer),
    reset_tokens(
        token_id Text;
        tenant_id Text, user_id Text, secret_hash Bytes, expires_at Integer,
        identifier_id Bytes, canonical Text, generation Integer
    ),
    proofs(
        proof_id Text;
        tenant_id Text, user_id Text, identifier_id Bytes, kind Text, canonical Text, generation Integer,
        link_hash Bytes, link_expires_at Integer, code_hash Bytes, code_expires_at Integer,
        tries Integer, issued_at Integer, used_at Integer
    ),
    proof_requests(
        tenant_id Text, requested_at Integer, kind Text, canonical Text, user_id Text;
        requests Integer
    ),
    outbox(
        tenant_id Text, mail_id Bytes;
        kind Text, token_id Text, user_id Text, identifier_id Bytes, created_at Integer, due_at Integer,
        attempts Integer, leased_until Integer
    ),
    api_keys(
        key_id Text;
        tenant_id Text, name Text, secret_hash Bytes, scopes Text, created_at Integer,
        expires_at Integer, revoked_at Integer, last_used_at Integer,
        version Integer, rotated_at Integer, previous_hash Bytes, previous_until Integer,
        rate_limit Text, networks Text
    ),
};
