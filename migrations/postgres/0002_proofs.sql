-- Proofs of addresses, mail that is to be sent, and what tenants choose: as SQLite's step 0006.

-- What was sent to an address, or handed out for it, and comes back when its owner proves it: one an
-- address. It is found before its tenant is known, by its own public id: whole on every node.
create table proofs (
    proof_id text collate "C" not null primary key,
    tenant_id text collate "C" not null,
    user_id text collate "C" not null,
    identifier_id bytea not null,
    kind text collate "C" not null check (kind in ('email', 'phone')),
    canonical text collate "C" not null,
    -- That of the identifier when the proof was started: it counts while they are the same.
    generation bigint not null,
    -- The SHA-256 of the secret of the link, if there is one.
    link_hash bytea,
    link_expires_at bigint,
    -- An HMAC of the code, if there is one, and how often codes were tried.
    code_hash bytea,
    code_expires_at bigint,
    tries bigint not null default 0,
    issued_at bigint not null,
    used_at bigint
);

create unique index proofs_identifier on proofs (tenant_id, user_id, identifier_id);

-- Which proofs were started within the last hour, by the second: they are counted by address, whoever's
-- it is, and by user.
create table proof_requests (
    tenant_id text collate "C" not null,
    requested_at bigint not null,
    kind text collate "C" not null,
    canonical text collate "C" not null,
    user_id text collate "C" not null,
    requests bigint not null,
    primary key (tenant_id, requested_at, kind, canonical, user_id)
);

create index proof_requests_address on proof_requests (tenant_id, kind, canonical, requested_at);
create index proof_requests_user on proof_requests (tenant_id, user_id, requested_at);

-- Mail that is to be sent. What it brings is known by its public id and made when it is sent.
create table outbox (
    tenant_id text collate "C" not null,
    mail_id bytea not null,
    kind text collate "C" not null,
    token_id text collate "C" not null,
    user_id text collate "C" not null,
    identifier_id bytea not null,
    created_at bigint not null,
    due_at bigint not null,
    -- How often it was tried.
    attempts bigint not null default 0,
    -- Until when one server tries it and others leave it alone.
    leased_until bigint not null default 0,
    primary key (tenant_id, mail_id)
);

create index outbox_due on outbox (due_at);

-- Whether there may be rows in proofs: most users never have any, and their changes do not look.
alter table users add column has_proofs boolean not null default false;
-- When an address of the user was first proved by a link or a code.
alter table users add column proved_at bigint;

-- Who set the password: 'admin', or 'owner' for the account's own user.
alter table secrets add column set_by text collate "C" not null default 'admin';

-- Who did it, where that is no key: 'owner' or 'server'. Then key_id and key_name are empty.
alter table events add column actor text collate "C";
alter table pending_events add column actor text collate "C";
-- A JSON object of what else came of it, by ids.
alter table events add column details text;
alter table pending_events add column details text;

-- What the tenant has chosen, a JSON object.
alter table tenants add column settings text;
