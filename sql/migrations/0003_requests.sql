-- Bulk, /Me, asynchronous requests and their repetition: whom a token stands for, requests that are carried out later, first answers.

ALTER TABLE credential ADD COLUMN subject text COLLATE "C";

-- The alias `scim` has scim:bulk from now on: tokens that were made by it lose nothing against new ones.
UPDATE credential SET scopes = scopes || ARRAY['scim:bulk']
WHERE scopes @> ARRAY['scim:read', 'scim:write'] AND NOT scopes @> ARRAY['scim:bulk'];
