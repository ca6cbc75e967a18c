-- Links to reset a password that were mailed. From here on secrets.set_by can be 'untrusted', too, for a
-- password that was set before anything was proved, and proof_requests counts mails to reset passwords.

-- The email that the link was mailed to, if it was, and the generation that the email had then: the link
-- counts while they are the same.
alter table reset_tokens add column identifier_id blob;
alter table reset_tokens add column canonical text;
alter table reset_tokens add column generation integer;
