-- There are logs of mail that was sent or given up, too, and of passwords that owners have reset: as
-- SQLite's step 0007. Dropping an index locks the table, so that no event gets a position before the
-- logs are counted.

drop index events_logs;
drop index events_logs_time;
drop index events_logs_actor;
drop index events_logs_request;

create index events_logs on events (tenant_id, type, position) where
    type = 'user.email.mail_given_up' or type = 'group.created' or type = 'group.deleted'
    or type = 'group.updated' or type = 'user.password.reset_mail_sent' or type = 'user.unblocked'
    or type = 'user.group.added' or type = 'user.created' or type = 'user.deleted'
    or type = 'user.password.reset' or type = 'user.group.removed'
    or type = 'user.email.proof_mail_sent';
create index events_logs_time on events (tenant_id, type, time, position) where
    type = 'user.email.mail_given_up' or type = 'group.created' or type = 'group.deleted'
    or type = 'group.updated' or type = 'user.password.reset_mail_sent' or type = 'user.unblocked'
    or type = 'user.group.added' or type = 'user.created' or type = 'user.deleted'
    or type = 'user.password.reset' or type = 'user.group.removed'
    or type = 'user.email.proof_mail_sent';
-- Who is no key has an empty key_id, which no filter asks for.
create index events_logs_actor on events (tenant_id, key_id, position, type) where
    type = 'user.email.mail_given_up' or type = 'group.created' or type = 'group.deleted'
    or type = 'group.updated' or type = 'user.password.reset_mail_sent' or type = 'user.unblocked'
    or type = 'user.group.added' or type = 'user.created' or type = 'user.deleted'
    or type = 'user.password.reset' or type = 'user.group.removed'
    or type = 'user.email.proof_mail_sent';
create index events_logs_request on events (tenant_id, request_id, position) where
    type = 'user.email.mail_given_up' or type = 'group.created' or type = 'group.deleted'
    or type = 'group.updated' or type = 'user.password.reset_mail_sent' or type = 'user.unblocked'
    or type = 'user.group.added' or type = 'user.created' or type = 'user.deleted'
    or type = 'user.password.reset' or type = 'user.group.removed'
    or type = 'user.email.proof_mail_sent';

update tenants set logs = (
    select count(*) from events where events.tenant_id = tenants.tenant_id and (
        type = 'user.email.mail_given_up' or type = 'group.created' or type = 'group.deleted'
        or type = 'group.updated' or type = 'user.password.reset_mail_sent'
        or type = 'user.unblocked' or type = 'user.group.added' or type = 'user.created'
        or type = 'user.deleted' or type = 'user.password.reset' or type = 'user.group.removed'
        or type = 'user.email.proof_mail_sent'
    )
);
