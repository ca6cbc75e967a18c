-- Where the events of a user begin whose personal values were erased: the last of them tells of that.
create index events_of_erased on events (tenant_id, user_id) where type = 'user.erased';
