-- Deleted resources that can be brought back; $1 is the tenant but for `with_old`.

-- $2 type or NULL for all, $3 id or NULL for all, $4 time after which they were deleted, $5 the id after which to go on, $6 how many
-- name: list
SELECT id, type, version, created, deleted, actor, document FROM tombstone
WHERE tenant = $1 AND ($2::text IS NULL OR type = $2) AND ($3::text IS NULL OR id = $3) AND deleted > $4 AND restored IS NULL AND id > $5
ORDER BY id LIMIT $6

-- $2 id, $3 time after which it was deleted
-- name: lock
SELECT type, version, created, document FROM tombstone WHERE tenant = $1 AND id = $2 AND deleted > $3 AND restored IS NULL FOR UPDATE

-- $2 type, $3 key, $4 time after which it was deleted: the one that was deleted last
-- name: by_user_name
SELECT id FROM tombstone WHERE tenant = $1 AND type = $2 AND user_name = $3 AND deleted > $4 AND restored IS NULL
ORDER BY deleted DESC, id LIMIT 1

-- name: by_external_id
SELECT id FROM tombstone WHERE tenant = $1 AND type = $2 AND external_id = $3 AND deleted > $4 AND restored IS NULL
ORDER BY deleted DESC, id LIMIT 1

-- $2 type, $3 keys, $4 time after which they were deleted: which of the keys are those of something that can be brought back
-- name: with_user_names
SELECT DISTINCT user_name AS key FROM tombstone
WHERE tenant = $1 AND type = $2 AND user_name = ANY ($3::text[]) AND deleted > $4 AND restored IS NULL

-- name: with_external_ids
SELECT DISTINCT external_id AS key FROM tombstone
WHERE tenant = $1 AND type = $2 AND external_id = ANY ($3::text[]) AND deleted > $4 AND restored IS NULL

-- What is being removed of it in the background stays.
-- $2 id
-- name: stop_erasure
DELETE FROM erasure WHERE tenant = $1 AND id = $2

-- $2 id, $3 type, $4 time, $5 display, $6 document, $7 search, $8/$9 unique attributes and keys, $10 by whom, $11/$12/$13 index numbers,
-- keys and whether pieces are looked for, $14 slot, $15 edition of the tenant, $16 version, $17 time of creation, $18/$19 secrets and hashes,
-- $20 change of `naming` or NULL; see insert_resource
-- name: restore
WITH planned AS (
    SELECT WHERE $15::bigint IS NULL OR EXISTS (SELECT FROM tenant t WHERE t.id = $1 AND t.edition = $15::bigint
        AND (t.changing IS NULL OR t.changing < now() - interval '10 seconds'))
), renamed AS (
    INSERT INTO naming (tenant, slot, changes)
    SELECT $1, ($20::bigint % 16)::smallint, $20::bigint / 16 + 1 FROM planned WHERE $20::bigint IS NOT NULL
    ON CONFLICT (tenant, slot) DO UPDATE SET changes = naming.changes + excluded.changes
), counted AS (
    INSERT INTO resource_count (tenant, type, slot, resources) SELECT $1, $3::text, $14::smallint, 1 FROM planned
    ON CONFLICT (tenant, type, slot) DO UPDATE SET resources = resource_count.resources + 1
), stored AS (
    INSERT INTO resource (tenant, id, type, version, created, modified, display, document, search)
    SELECT $1, $2::text, $3::text, $16::bigint, $17::timestamptz, $4::timestamptz, $5::text, $6::text, $7::jsonb FROM planned
), indexed AS (
    INSERT INTO resource_key (tenant, attribute, key, id, substring)
    SELECT $1, given.attribute, given.key, $2::text, given.substring
    FROM planned CROSS JOIN unnest($11::integer[], $12::text[], $13::boolean[]) given (attribute, key, substring)
), claimed AS (
    INSERT INTO unique_key (tenant, type, attribute, key, id)
    SELECT $1, $3::text, given.attribute, given.key, $2::text
    FROM planned CROSS JOIN unnest($8::text[], $9::text[]) given (attribute, key)
), kept AS (
    INSERT INTO secret (tenant, id, attribute, hash)
    SELECT $1, $2::text, given.attribute, given.hash FROM planned CROSS JOIN unnest($18::text[], $19::text[]) given (attribute, hash)
)
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, content)
SELECT $1, $4::timestamptz, ($10::text[])[1], nullif(($10::text[])[2:], '{}'), 'restore', $3::text, $2::text, $16::bigint, '{}', $6::text FROM planned

-- $2 id, $3 attributes that its type has as rows, $4 how many: its own references, to what is there; those to what is deleted, too, wait for
-- that to be brought back
-- name: put_back_own
WITH chosen AS (
    SELECT ref.attribute, ref.target FROM tombstone_reference ref
    WHERE ref.tenant = $1 AND ref.id = $2 AND ref.source = $2 AND ref.pointer IS NULL ORDER BY ref.attribute, ref.target LIMIT $4::bigint
), gone AS (
    DELETE FROM tombstone_reference held USING chosen
    WHERE held.tenant = $1 AND held.id = $2 AND held.source = $2 AND held.attribute = chosen.attribute AND held.target = chosen.target
), waiting AS (
    INSERT INTO tombstone_reference (tenant, id, source, attribute, target)
    SELECT $1, t.id, $2, chosen.attribute, chosen.target FROM chosen JOIN tombstone t ON t.tenant = $1 AND t.id = chosen.target
    WHERE t.restored IS NULL ON CONFLICT (tenant, id, source, attribute, target) DO NOTHING
), there AS (
    SELECT chosen.attribute, r.id FROM chosen
    CROSS JOIN LATERAL (SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.id = chosen.target FOR KEY SHARE) r
    WHERE chosen.attribute = ANY ($3::text[])
), back AS (
    INSERT INTO reference (tenant, source, attribute, target)
    SELECT $1, $2, there.attribute, there.id FROM there
    ON CONFLICT (tenant, source, attribute, target) DO NOTHING RETURNING attribute, target
)
SELECT (SELECT count(*) FROM chosen) AS taken, ARRAY(SELECT back.attribute FROM back) AS attributes, ARRAY(SELECT back.target FROM back) AS targets

-- $2 id, $3 how many: what referred to it
-- name: referred
SELECT ref.source, ref.attribute, ref.pointer FROM tombstone_reference ref
WHERE ref.tenant = $1 AND ref.id = $2 AND ref.target = $2 AND (ref.source <> $2 OR ref.pointer IS NOT NULL) ORDER BY ref.source, ref.attribute LIMIT $3

-- $2 id, $3/$4 sources and attributes: that are dealt with; of what is deleted too, it is kept for when that is brought back
-- name: forget_referred
WITH gone AS (
    DELETE FROM tombstone_reference held USING unnest($3::text[], $4::text[]) given (source, attribute)
    WHERE held.tenant = $1 AND held.id = $2 AND held.target = $2 AND held.source = given.source AND held.attribute = given.attribute
    RETURNING held.source, held.attribute, held.pointer
)
INSERT INTO tombstone_reference (tenant, id, source, attribute, target)
SELECT $1, t.id, gone.source, gone.attribute, $2 FROM gone JOIN tombstone t ON t.tenant = $1 AND t.id = gone.source
WHERE t.restored IS NULL AND gone.pointer IS NULL ON CONFLICT (tenant, id, source, attribute, target) DO NOTHING

-- $2 id, $3 time
-- name: mark_restored
UPDATE tombstone SET restored = $3 WHERE tenant = $1 AND id = $2

-- One that was brought back and still lacks references; another worker's is passed over.
-- name: take_restored
SELECT id, type, actor FROM tombstone WHERE tenant = $1 AND restored IS NOT NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED

-- $2 id
-- name: erase
DELETE FROM tombstone WHERE tenant = $1 AND id = $2 RETURNING type

-- $2 id of a user, $3 types: resources of these types that refer to the user, whether that is there or not
-- name: erase_telling
WITH gone AS (
    DELETE FROM tombstone WHERE tenant = $1 AND type = ANY ($3::text[]) AND strpos(document, '"value":"' || $2 || '"') > 0 RETURNING id
), left_over AS (
    DELETE FROM tombstone_reference held USING gone WHERE held.tenant = $1 AND held.id = gone.id
)
SELECT id FROM gone

-- $2 id
-- name: erase_references
DELETE FROM tombstone_reference WHERE tenant = $1 AND id = $2

-- Every tenant with tombstones, and its policy.
-- name: with_old
SELECT c.tenant, c.policy::text AS policy FROM tenant_config c
WHERE EXISTS (SELECT FROM tombstone t WHERE t.tenant = c.tenant)

-- $2 time before which they were deleted, $3 how many
-- name: old
SELECT id FROM tombstone WHERE tenant = $1 AND deleted <= $2 AND restored IS NULL ORDER BY deleted LIMIT $3 FOR UPDATE SKIP LOCKED

-- $2 ids, $3 how many
-- name: purge_references
DELETE FROM tombstone_reference WHERE tenant = $1 AND (id, source, attribute, target) IN (
    SELECT ref.id, ref.source, ref.attribute, ref.target FROM tombstone_reference ref
    WHERE ref.tenant = $1 AND ref.id = ANY ($2::text[]) LIMIT $3
)

-- $2 ids
-- name: purge
DELETE FROM tombstone WHERE tenant = $1 AND id = ANY ($2::text[])
