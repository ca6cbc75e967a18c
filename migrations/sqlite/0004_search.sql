-- What users and groups are sorted and found by beside what there was.

-- The claims of these names as they are compared, '' where there is none: users are sorted by them.
alter table users add column name text not null default '';
alter table users add column given_name text not null default '';
alter table users add column middle_name text not null default '';
alter table users add column family_name text not null default '';

create index users_name on users (tenant_id, name, user_id);
create index users_given_name on users (tenant_id, given_name, user_id);
create index users_middle_name on users (tenant_id, middle_name, user_id);
create index users_family_name on users (tenant_id, family_name, user_id);

-- The words of the name, folded, with a space before and after each.
alter table groups add column words text not null default '';
-- The description as it is compared; null where there is none, or one too long to be searched.
alter table groups add column folded_description text;

-- The code that reads documents fills these columns, and computes index_terms anew: addresses that
-- are not verified, and values that are false, are terms from now on.
