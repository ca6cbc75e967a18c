-- Answers to requests that their clients have named by an idempotency key: as SQLite's step 0010.

create table answers (
    tenant_id text collate "C" not null,
    -- The API key that the request was made with, and what its client calls it.
    key_id text collate "C" not null,
    idempotency_key text collate "C" not null,
    -- An HMAC of the path and the body.
    fingerprint bytea not null,
    kept_at bigint not null,
    -- The user that the answer tells of. When that user goes, the location and the body go, too.
    user_id text collate "C",
    status bigint not null,
    location text,
    version bigint,
    body text,
    primary key (tenant_id, key_id, idempotency_key)
);

create index answers_kept_at on answers (kept_at);
create index answers_user on answers (tenant_id, user_id) where user_id is not null;
