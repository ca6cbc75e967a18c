-- Rises by one with every change of a key but the note of its last use; a change states the version
-- that it was decided on.
alter table api_keys add column version integer not null default 0;

-- When a key was given another secret. The hash of the one before works until `previous_until`.
alter table api_keys add column rotated_at integer;
alter table api_keys add column previous_hash blob;
alter table api_keys add column previous_until integer;

-- How often a key may be used, like 600/minute, and the networks it may be used from, with spaces
-- between them. Null where it is not bounded.
alter table api_keys add column rate_limit text;
alter table api_keys add column networks text;
