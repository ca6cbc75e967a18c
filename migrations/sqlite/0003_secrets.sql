-- What only the server may know of a user, apart from the document that answers are made from.

create table secrets (
    tenant_id text not null,
    user_id text not null,
    -- An Argon2id hash in its PHC form, or a bcrypt hash that was brought along.
    password_hash text not null,
    primary key (tenant_id, user_id)
) strict, without rowid;

-- Old passwords that were tried and may have been wrong, by the second.
create table password_tries (
    tenant_id text not null,
    user_id text not null,
    tried_at integer not null,
    tries integer not null,
    primary key (tenant_id, user_id, tried_at)
) strict, without rowid;

-- The link by which a password can be reset, one a user. It is found before its tenant is known, by
-- its own public id.
create table reset_tokens (
    token_id text not null primary key,
    tenant_id text not null,
    user_id text not null,
    -- The SHA-256 of the token's secret.
    secret_hash blob not null,
    expires_at integer not null
) strict, without rowid;

create unique index reset_tokens_user on reset_tokens (tenant_id, user_id);
