-- Every key leads with the tenant. Times are whole seconds since the Unix epoch.

create table tenants (
    tenant_id text not null primary key,
    created_at integer not null,
    -- How many users there are: counting them by millions is too slow for a list's total.
    users integer not null default 0
) strict, without rowid;

-- A user is one document: the JSON that a GET answers. The other columns exist to find and sort it.
-- The table keeps its rowid, because documents of kilobytes in a tree ordered by a text key would
-- take twice the room.
create table users (
    user_row integer primary key,
    tenant_id text not null,
    user_id text not null,
    -- Rises by one with every change; a change states the version that it was decided on.
    version integer not null,
    -- Which shape the document has.
    shape integer not null,
    document text not null,
    creation_time integer not null,
    last_updated integer not null,
    -- The position of the user's newest event, from which `previous` leads to the older ones.
    last_event integer
) strict;

create unique index users_id on users (tenant_id, user_id);
create index users_creation_time on users (tenant_id, creation_time, user_id);
create index users_last_updated on users (tenant_id, last_updated, user_id);

-- The addresses and names of users, in the form in which they are compared. Where an address is
-- verified, and for a username always, `claimant` is empty: so the primary key gives it to one user
-- of a tenant only. Elsewhere it is the user's id, and unverified claims stand beside each other.
-- One tree does both, so that a change of trust writes one page.
create table identifiers (
    tenant_id text not null,
    kind text not null check (kind in ('email', 'phone', 'username')),
    canonical text not null,
    claimant text not null,
    user_id text not null,
    identifier_id blob not null,
    -- Rises whenever the address loses its trust, so that no proof of an earlier generation counts.
    generation integer not null default 0,
    primary key (tenant_id, kind, canonical, claimant)
) strict, without rowid;

-- One row for each searchable value of a user.
create table index_terms (
    tenant_id text not null,
    field text not null,
    value text not null,
    user_id text not null,
    primary key (tenant_id, field, value, user_id)
) strict, without rowid;

-- What happened, in the order in which it was committed. Rows are added and never changed, except
-- that `personal` can be erased.
create table events (
    tenant_id text not null,
    position integer not null,
    event_id blob not null,
    type text not null,
    time integer not null,
    user_id text not null,
    identifier_id blob,
    method text not null,
    key_id text not null,
    key_name text not null,
    request_id text not null,
    -- A JSON object of the values that can be erased: address, remote_address, user_agent, reason.
    personal text,
    -- The position of the user's event before this one. An index on the user would be one more page
    -- to write for every change; this column lies where the event is written anyway.
    previous integer,
    primary key (tenant_id, position)
) strict, without rowid;

-- Where the events of a user begin who has no row any more.
create index events_of_deleted on events (tenant_id, user_id) where type = 'user.deleted';

-- A key is found before its tenant is known, by its own public id.
create table api_keys (
    key_id text not null primary key,
    tenant_id text not null,
    name text not null,
    secret_hash blob not null,
    -- Names of scopes with spaces between them.
    scopes text not null,
    created_at integer not null,
    expires_at integer,
    revoked_at integer,
    last_used_at integer
) strict, without rowid;
