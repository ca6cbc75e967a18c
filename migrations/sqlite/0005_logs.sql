-- Logs are the events of some types, those that the compatible vocabulary has a code for. They have
-- indexes of their own, so that events of other types, verifying above all, pay nothing for them.
-- The types are those of src/directory/log.rs, in its order, and joined by `or`: of one that is
-- asked for, SQLite then sees that the index has it.

create index events_logs on events (tenant_id, type, position) where
    type = 'group.created' or type = 'group.deleted' or type = 'group.updated'
    or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
    or type = 'user.deleted' or type = 'user.group.removed';
create index events_logs_time on events (tenant_id, type, time, position) where
    type = 'group.created' or type = 'group.deleted' or type = 'group.updated'
    or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
    or type = 'user.deleted' or type = 'user.group.removed';
-- The type is looked at beside each, so it is there, too.
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

-- A log is found by the name of its actor, too, which is the name of a key.
create index api_keys_tenant on api_keys (tenant_id);

-- How many logs there are: counting them by millions is too slow for a list's total.
alter table tenants add column logs integer not null default 0;
update tenants set logs = (
    select count(*) from events where events.tenant_id = tenants.tenant_id and (
        type = 'group.created' or type = 'group.deleted' or type = 'group.updated'
        or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
        or type = 'user.deleted' or type = 'user.group.removed'
    )
);
