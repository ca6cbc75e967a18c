-- Groups of users, and who is in them.

create table groups (
    tenant_id text not null,
    group_id blob not null,
    -- Rises by one with every change of name, description or is_auto_assigned; a change states the
    -- version that it was decided on. Members come and go without it.
    version integer not null,
    name text not null,
    -- The form in which names are compared, and sorted.
    canonical text not null,
    description text,
    is_auto_assigned integer not null,
    -- How many rows of memberships there are: changed together with them.
    users_assigned integer not null default 0,
    creation_time integer not null,
    last_updated integer not null,
    -- When a user last became a member; until one does, creation_time.
    last_assigned integer not null,
    primary key (tenant_id, group_id)
) strict, without rowid;

create unique index groups_canonical on groups (tenant_id, canonical);
create index groups_users_assigned on groups (tenant_id, users_assigned, group_id);
create index groups_creation_time on groups (tenant_id, creation_time, group_id);
create index groups_last_updated on groups (tenant_id, last_updated, group_id);
create index groups_last_assigned on groups (tenant_id, last_assigned, group_id);
-- Asked with every new user.
create index groups_auto_assigned on groups (tenant_id, group_id) where is_auto_assigned = 1;

create table memberships (
    tenant_id text not null,
    group_id blob not null,
    user_id text not null,
    creation_time integer not null,
    primary key (tenant_id, group_id, user_id)
) strict, without rowid;

create index memberships_user on memberships (tenant_id, user_id, creation_time, group_id);

-- The group that an event is about. Where it is about no user, user_id is empty.
alter table events add column group_id blob;
