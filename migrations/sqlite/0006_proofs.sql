-- Proofs of addresses, mail that is to be sent, and what tenants choose.

-- What was sent to an address, or handed out for it, and comes back when its owner proves it: one an
-- address. It is found before its tenant is known, by its own public id.
create table proofs (
    proof_id text not null primary key,
    tenant_id text not null,
    user_id text not null,
    identifier_id blob not null,
    kind text not null check (kind in ('email', 'phone')),
    canonical text not null,
    -- That of the identifier when the proof was started: it counts while they are the same.
    generation integer not null,
    -- The SHA-256 of the secret of the link, if there is one.
    link_hash blob,
    link_expires_at integer,
    -- An HMAC of the code, if there is one, and how often codes were tried.
    code_hash blob,
    code_expires_at integer,
    tries integer not null default 0,
    issued_at integer not null,
    used_at integer
) strict, without rowid;

create unique index proofs_identifier on proofs (tenant_id, user_id, identifier_id);

-- Which proofs were started within the last hour, by the second: they are counted by address, whoever's
-- it is, and by user.
create table proof_requests (
    tenant_id text not null,
    requested_at integer not null,
    kind text not null,
    canonical text not null,
    user_id text not null,
    requests integer not null,
    primary key (tenant_id, requested_at, kind, canonical, user_id)
) strict, without rowid;

create index proof_requests_address on proof_requests (tenant_id, kind, canonical, requested_at);
create index proof_requests_user on proof_requests (tenant_id, user_id, requested_at);

-- Mail that is to be sent. What it brings is known by its public id and made when it is sent.
create table outbox (
    tenant_id text not null,
    mail_id blob not null,
    kind text not null,
    token_id text not null,
    user_id text not null,
    identifier_id blob not null,
    created_at integer not null,
    due_at integer not null,
    -- How often it was tried.
    attempts integer not null default 0,
    -- Until when one server tries it and others leave it alone.
    leased_until integer not null default 0,
    primary key (tenant_id, mail_id)
) strict, without rowid;

create index outbox_due on outbox (due_at);

-- Whether there may be rows in proofs: most users never have any, and their changes do not look.
alter table users add column has_proofs integer not null default 0;
-- When an address of the user was first proved by a link or a code.
alter table users add column proved_at integer;

-- Who set the password: 'admin', or 'owner' for the account's own user.
alter table secrets add column set_by text not null default 'admin';

-- Who did it, where that is no key: 'owner' or 'server'. Then key_id and key_name are empty.
alter table events add column actor text;
-- A JSON object of what else came of it, by ids.
alter table events add column details text;

-- What the tenant has chosen, a JSON object.
alter table tenants add column settings text;
