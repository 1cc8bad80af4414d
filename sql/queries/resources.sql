-- Statements on the resources of one tenant; $1 is always the tenant.

-- name: insert_resource
-- $2 id, $3 type, $4 time, $5 display, $6 document, $7 search, $8/$9 unique attributes and keys, $10/$11 secrets and hashes, $12 actor
WITH stored AS (
    INSERT INTO resource (tenant, id, type, version, created, modified, display, document, search)
    VALUES ($1, $2, $3, 1, $4, $4, $5, $6, $7::jsonb)
), claimed AS (
    INSERT INTO unique_key (tenant, type, attribute, key, id)
    SELECT $1, $3, given.attribute, given.key, $2 FROM unnest($8::text[], $9::text[]) given (attribute, key)
), kept AS (
    INSERT INTO secret (tenant, id, attribute, hash)
    SELECT $1, $2, given.attribute, given.hash FROM unnest($10::text[], $11::text[]) given (attribute, hash)
)
INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)
VALUES ($1, $4, $12, 'create', $3, $2, 1, '{}')

-- name: update_resource
-- $2 id, $3 type, $4 version that must be the present one, $5 time, $6 display, $7 document, $8 search, $9/$10 keys given up,
-- $11/$12 keys claimed, $13/$14 secrets and hashes (NULL removes), $15 actor, $16 names of changed attributes
WITH stored AS (
    UPDATE resource SET version = version + 1, modified = greatest(modified, $5), display = $6, document = $7, search = $8::jsonb
    WHERE tenant = $1 AND id = $2 AND type = $3 AND version = $4
    RETURNING version, modified
), released AS (
    DELETE FROM unique_key held USING unnest($9::text[], $10::text[]) given (attribute, key)
    WHERE held.tenant = $1 AND held.type = $3 AND held.attribute = given.attribute AND held.key = given.key AND held.id = $2
      AND EXISTS (SELECT FROM stored)
), claimed AS (
    INSERT INTO unique_key (tenant, type, attribute, key, id)
    SELECT $1, $3, given.attribute, given.key, $2 FROM unnest($11::text[], $12::text[]) given (attribute, key)
    WHERE EXISTS (SELECT FROM stored)
), forgotten AS (
    DELETE FROM secret held USING unnest($13::text[], $14::text[]) given (attribute, hash)
    WHERE held.tenant = $1 AND held.id = $2 AND held.attribute = given.attribute AND given.hash IS NULL AND EXISTS (SELECT FROM stored)
), kept AS (
    INSERT INTO secret (tenant, id, attribute, hash)
    SELECT $1, $2, given.attribute, given.hash FROM unnest($13::text[], $14::text[]) given (attribute, hash)
    WHERE given.hash IS NOT NULL AND EXISTS (SELECT FROM stored)
    ON CONFLICT (tenant, id, attribute) DO UPDATE SET hash = excluded.hash
), logged AS (
    INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)
    SELECT $1, $5, $15, 'update', $3, $2, stored.version, $16::text[] FROM stored
)
SELECT version, modified FROM stored

-- name: touch_resource
-- $2 id, $3 type, $4 time, $5 actor, $6 names of changed attributes: for changes that touch rows beside the document only
WITH stored AS (
    UPDATE resource SET version = version + 1, modified = greatest(modified, $4)
    WHERE tenant = $1 AND id = $2 AND type = $3
    RETURNING version, modified
), logged AS (
    INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)
    SELECT $1, $4, $5, 'update', $3, $2, stored.version, $6::text[] FROM stored
)
SELECT version, modified FROM stored

-- name: lock_document
-- $2 id, $3 type: other writers of the resource wait; adding it to a group does not
SELECT id, type, version, created, modified, document FROM resource WHERE tenant = $1 AND id = $2 AND type = $3
FOR NO KEY UPDATE

-- name: lock_targets
-- $2 ids: what is to be referred to cannot be deleted until this transaction ends
SELECT id, type FROM resource WHERE tenant = $1 AND id = ANY ($2::text[]) ORDER BY id FOR KEY SHARE

-- name: held_keys
-- $2 type, $3 id of the writer, $4/$5 attributes and keys: which of them another resource holds
SELECT held.attribute FROM unnest($4::text[], $5::text[]) WITH ORDINALITY given (attribute, key, position)
JOIN unique_key held ON held.tenant = $1 AND held.type = $2 AND held.attribute = given.attribute AND held.key = given.key
WHERE held.id <> $3 ORDER BY given.position

-- name: not_yet_linked
-- $2 source, $3 attribute, $4 targets
SELECT given.target FROM unnest($4::text[]) given (target)
WHERE NOT EXISTS (
    SELECT FROM reference ref
    WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3 AND ref.target = given.target
)

-- name: add_links
-- $2 source, $3 attribute, $4 targets
INSERT INTO reference (tenant, source, attribute, target)
SELECT $1, $2, $3, given.target FROM unnest($4::text[]) given (target)
ON CONFLICT (tenant, source, attribute, target) DO NOTHING

-- name: remove_links
-- $2 source, $3 attribute, $4 targets
DELETE FROM reference WHERE tenant = $1 AND source = $2 AND attribute = $3 AND target = ANY ($4::text[])

-- name: keep_links
-- $2 source, $3 attribute, $4 targets that stay
DELETE FROM reference ref WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3
AND NOT EXISTS (SELECT FROM unnest($4::text[]) given (target) WHERE given.target = ref.target)

-- name: links_of
-- $2 source, $3 attribute, $4 target after which to go on, $5 how many
SELECT ref.target, t.type, t.display FROM reference ref JOIN resource t ON t.tenant = $1 AND t.id = ref.target
WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3 AND ref.target > $4 ORDER BY ref.target LIMIT $5

-- name: count_links
-- $2 source, $3 attributes, $4 how many to count at most
SELECT count(*) AS links FROM (
    SELECT FROM reference ref WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = ANY ($3::text[]) LIMIT $4
) l

-- name: lock_referring
-- $2 target: the resources that refer to it, in one order for everybody
SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.id IN (SELECT ref.source FROM reference ref WHERE ref.tenant = $1 AND ref.target = $2)
ORDER BY r.id FOR NO KEY UPDATE

-- name: lock_for_deletion
-- $2 id, $3 type
SELECT version FROM resource WHERE tenant = $1 AND id = $2 AND type = $3 FOR UPDATE

-- name: pointing_at
-- $2 type, $3 search document that contains the pointer
SELECT id, version, document FROM resource WHERE tenant = $1 AND type = $2 AND search @> $3::jsonb ORDER BY id FOR NO KEY UPDATE

-- name: delete_resource
-- $2 id, $3 type, $4 time, $5 actor, $6 version
WITH gone AS (
    DELETE FROM resource WHERE tenant = $1 AND id = $2
), released AS (
    DELETE FROM unique_key WHERE tenant = $1 AND id = $2
), forgotten AS (
    DELETE FROM secret WHERE tenant = $1 AND id = $2
), unlinked AS (
    DELETE FROM reference WHERE tenant = $1 AND source = $2
), left_by AS (
    DELETE FROM reference WHERE tenant = $1 AND target = $2 AND source <> $2 RETURNING source, attribute
), touched AS (
    UPDATE resource SET version = version + 1, modified = greatest(modified, $4)
    WHERE tenant = $1 AND id IN (SELECT source FROM left_by)
    RETURNING id, type, version
), logged AS (
    INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)
    SELECT $1, $4, $5, 'update', touched.type, touched.id, touched.version,
           ARRAY(SELECT DISTINCT left_by.attribute FROM left_by WHERE left_by.source = touched.id)
    FROM touched
)
INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes)
VALUES ($1, $4, $5, 'delete', $3, $2, $6, '{}')
