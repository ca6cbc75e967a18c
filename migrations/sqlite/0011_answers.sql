-- Answers to requests that their clients have named by an idempotency key: whoever makes such a request again
-- gets the same answer for a day, and nothing is changed.

-- One row tells of as much as a whole user, so it is not kept in the tree of the key.
create table answers (
    tenant_id text not null,
    -- The API key that the request was made with, and what its client calls it.
    key_id text not null,
    idempotency_key text not null,
    -- An HMAC of the path and the body.
    fingerprint blob not null,
    kept_at integer not null,
    -- The user that the answer tells of. When that user goes, the location and the body go, too.
    user_id text,
    status integer not null,
    location text,
    version integer,
    body text,
    primary key (tenant_id, key_id, idempotency_key)
) strict;

create index answers_kept_at on answers (kept_at);
create index answers_user on answers (tenant_id, user_id) where user_id is not null;
