-- The same tables as SQLite's, but for what stands beside each. Every key leads with the tenant, so
-- that the tables can be spread by it. Times are whole seconds since the Unix epoch. Texts are
-- compared by their bytes, as SQLite does, whatever language the database was made for.

-- A table that is small and asked for on its own: whole on every node where others are spread.
create table tenants (
    tenant_id text collate "C" not null primary key,
    created_at bigint not null,
    -- How many users there are: counting them by millions is too slow for a list's total.
    users bigint not null default 0,
    -- How many logs there are: counted as events get their positions.
    logs bigint not null default 0
);

-- A user is one document: the JSON that a GET answers. The other columns exist to find and sort it.
create table users (
    tenant_id text collate "C" not null,
    user_id text collate "C" not null,
    -- Rises by one with every change; a change states the version that it was decided on.
    version bigint not null,
    -- Which shape the document has.
    shape bigint not null,
    document text not null,
    creation_time bigint not null,
    last_updated bigint not null,
    -- The claims of these names as they are compared, '' where there is none.
    name text collate "C" not null default '',
    given_name text collate "C" not null default '',
    middle_name text collate "C" not null default '',
    family_name text collate "C" not null default '',
    primary key (tenant_id, user_id)
);

create index users_creation_time on users (tenant_id, creation_time, user_id);
create index users_last_updated on users (tenant_id, last_updated, user_id);
create index users_name on users (tenant_id, name, user_id);
create index users_given_name on users (tenant_id, given_name, user_id);
create index users_middle_name on users (tenant_id, middle_name, user_id);
create index users_family_name on users (tenant_id, family_name, user_id);

-- The addresses and names of users, in the form in which they are compared. Where an address is
-- verified, and for a username always, `claimant` is empty: so the primary key gives it to one user
-- of a tenant only. Elsewhere it is the user's id, and unverified claims stand beside each other.
create table identifiers (
    tenant_id text collate "C" not null,
    kind text collate "C" not null check (kind in ('email', 'phone', 'username')),
    canonical text collate "C" not null,
    claimant text collate "C" not null,
    user_id text collate "C" not null,
    identifier_id bytea not null,
    -- Rises whenever the address loses its trust, so that no proof of an earlier generation counts.
    generation bigint not null default 0,
    primary key (tenant_id, kind, canonical, claimant)
);

-- One row for each searchable value of a user.
create table index_terms (
    tenant_id text collate "C" not null,
    field text collate "C" not null,
    value text collate "C" not null,
    user_id text collate "C" not null,
    primary key (tenant_id, field, value, user_id)
);

-- What happened, in the order in which it was committed. Rows are added and never changed, except
-- that `personal` can be erased.
create table events (
    tenant_id text collate "C" not null,
    position bigint not null,
    event_id bytea not null,
    type text collate "C" not null,
    time bigint not null,
    -- Empty where the event is about no user.
    user_id text collate "C" not null,
    identifier_id bytea,
    method text collate "C" not null,
    key_id text collate "C" not null,
    key_name text collate "C" not null,
    request_id text collate "C" not null,
    -- A JSON object of the values that can be erased: address, remote_address, user_agent, reason.
    personal text,
    -- The group that the event is about.
    group_id bytea,
    primary key (tenant_id, position)
);

create index events_user on events (tenant_id, user_id, position);
-- Logs are the events of some types, those of src/directory/log.rs. They have indexes of their own, so
-- that events of other types, verifying above all, pay nothing for them.
create index events_logs on events (tenant_id, type, position) where
    type = 'group.created' or type = 'group.deleted' or type = 'group.updated'
    or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
    or type = 'user.deleted' or type = 'user.group.removed';
create index events_logs_time on events (tenant_id, type, time, position) where
    type = 'group.created' or type = 'group.deleted' or type = 'group.updated'
    or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
    or type = 'user.deleted' or type = 'user.group.removed';
create index events_logs_actor on events (tenant_id, key_id, position, type) where
    type = 'group.created' or type = 'group.deleted' or type = 'group.updated'
    or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
    or type = 'user.deleted' or type = 'user.group.removed';
create index events_logs_request on events (tenant_id, request_id, position) where
    type = 'group.created' or type = 'group.deleted' or type = 'group.updated'
    or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
    or type = 'user.deleted' or type = 'user.group.removed';
-- All that happens to groups, or with them, has a code.
create index events_group on events (tenant_id, group_id, position) where group_id is not null;

-- What happened and has no position yet. A change adds its events here, because several are
-- committed at once and none knows its place; the sequencer moves them over in order.
create table pending_events (
    tenant_id text collate "C" not null,
    -- Of one user's or group's events, the later has the higher number: it is drawn while the row of
    -- the user or group is locked.
    sequence bigint not null,
    event_id bytea not null,
    type text collate "C" not null,
    time bigint not null,
    user_id text collate "C" not null,
    identifier_id bytea,
    method text collate "C" not null,
    key_id text collate "C" not null,
    key_name text collate "C" not null,
    request_id text collate "C" not null,
    personal text,
    group_id bytea
);

create index pending_events_sequence on pending_events (sequence);
create sequence event_sequence;

-- A key is found before its tenant is known, by its own public id: whole on every node.
create table api_keys (
    key_id text collate "C" not null primary key,
    tenant_id text collate "C" not null,
    name text not null,
    secret_hash bytea not null,
    -- Names of scopes with spaces between them.
    scopes text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint,
    last_used_at bigint
);

-- A log is found by the name of its actor, too, which is the name of a key.
create index api_keys_tenant on api_keys (tenant_id);

create table groups (
    tenant_id text collate "C" not null,
    group_id bytea not null,
    -- Rises by one with every change of name, description or is_auto_assigned; a change states the
    -- version that it was decided on. Members come and go without it.
    version bigint not null,
    name text not null,
    -- The form in which names are compared, and sorted.
    canonical text collate "C" not null,
    description text,
    is_auto_assigned boolean not null,
    -- How many rows of memberships there are: changed together with them.
    users_assigned bigint not null default 0,
    creation_time bigint not null,
    last_updated bigint not null,
    -- When a user last became a member; until one does, creation_time.
    last_assigned bigint not null,
    -- The words of the name, folded, with a space before and after each.
    words text collate "C" not null default '',
    -- The description as it is compared; null where there is none, or one too long to be searched.
    folded_description text collate "C",
    primary key (tenant_id, group_id)
);

create unique index groups_canonical on groups (tenant_id, canonical);
create index groups_users_assigned on groups (tenant_id, users_assigned, group_id);
create index groups_creation_time on groups (tenant_id, creation_time, group_id);
create index groups_last_updated on groups (tenant_id, last_updated, group_id);
create index groups_last_assigned on groups (tenant_id, last_assigned, group_id);
-- Asked with every new user.
create index groups_auto_assigned on groups (tenant_id, group_id) where is_auto_assigned;

create table memberships (
    tenant_id text collate "C" not null,
    group_id bytea not null,
    user_id text collate "C" not null,
    creation_time bigint not null,
    primary key (tenant_id, group_id, user_id)
);

create index memberships_user on memberships (tenant_id, user_id, creation_time, group_id);

create table secrets (
    tenant_id text collate "C" not null,
    user_id text collate "C" not null,
    -- An Argon2id hash in its PHC form, or a bcrypt hash that was brought along.
    password_hash text collate "C" not null,
    primary key (tenant_id, user_id)
);

-- Old passwords that were tried and may have been wrong, by the second.
create table password_tries (
    tenant_id text collate "C" not null,
    user_id text collate "C" not null,
    tried_at bigint not null,
    tries bigint not null,
    primary key (tenant_id, user_id, tried_at)
);

-- The link by which a password can be reset, one a user. It is found before its tenant is known, by
-- its own public id: whole on every node.
create table reset_tokens (
    token_id text collate "C" not null primary key,
    tenant_id text collate "C" not null,
    user_id text collate "C" not null,
    -- The SHA-256 of the token's secret.
    secret_hash bytea not null,
    expires_at bigint not null
);

create unique index reset_tokens_user on reset_tokens (tenant_id, user_id);
