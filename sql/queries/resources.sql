-- Statements on the resources of one tenant; $1 is always the tenant. By whom a change is made is said in one array: the actor, and, where
-- a request is behind it, the request's id and the address that it came from.

-- name: insert_resource
-- $2 id, $3 type, $4 time, $5 display, $6 document, $7 search, $8/$9 unique attributes and keys, $10/$11 secrets and hashes, $12 by whom,
-- $13/$14/$15 index numbers, keys and whether pieces are looked for, $16 slot, $17 coercions or NULL, $18 edition of the tenant by which
-- it was planned, NULL for any: nothing is inserted where the tenant has another; $19 what the trail keeps, NULL for the document. The
-- slot's row, which others wait for, is taken last: Postgres runs the parts that nothing reads from the last to the first.
WITH planned AS (
    SELECT WHERE $18::bigint IS NULL OR EXISTS (SELECT FROM tenant t WHERE t.id = $1 AND t.edition = $18::bigint
        AND (t.changing IS NULL OR t.changing < now() - interval '10 seconds'))
), counted AS (
    INSERT INTO resource_count (tenant, type, slot, resources) SELECT $1, $3::text, $16::smallint, 1 FROM planned
    ON CONFLICT (tenant, type, slot) DO UPDATE SET resources = resource_count.resources + 1
), stored AS (
    INSERT INTO resource (tenant, id, type, version, created, modified, display, document, search)
    SELECT $1, $2::text, $3::text, 1, $4::timestamptz, $4::timestamptz, $5::text, $6::text, $7::jsonb FROM planned
), indexed AS (
    INSERT INTO resource_key (tenant, attribute, key, id, substring)
    SELECT $1, given.attribute, given.key, $2::text, given.substring
    FROM planned CROSS JOIN unnest($13::integer[], $14::text[], $15::boolean[]) given (attribute, key, substring)
), claimed AS (
    INSERT INTO unique_key (tenant, type, attribute, key, id)
    SELECT $1, $3::text, given.attribute, given.key, $2::text
    FROM planned CROSS JOIN unnest($8::text[], $9::text[]) given (attribute, key)
), kept AS (
    INSERT INTO secret (tenant, id, attribute, hash)
    SELECT $1, $2::text, given.attribute, given.hash FROM planned CROSS JOIN unnest($10::text[], $11::text[]) given (attribute, hash)
)
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, coercions, content)
SELECT $1, $4::timestamptz, ($12::text[])[1], nullif(($12::text[])[2:], '{}'), 'create', $3::text, $2::text, 1, '{}', $17::text[],
    coalesce($19::text, $6::text)
FROM planned

-- name: still_planned_by
-- $2 edition: whether the tenant still has it
SELECT EXISTS (SELECT FROM tenant t WHERE t.id = $1 AND t.edition = $2
    AND (t.changing IS NULL OR t.changing < now() - interval '10 seconds')) AS still

-- name: update_resource
-- $2 id, $3 type, $4 version that must be the present one, $5 time, $6 display, $7 document, $8 search, $9/$10 keys given up,
-- $11/$12 keys claimed, $13/$14 secrets and hashes (NULL removes), $15 by whom, $16 names of changed attributes,
-- $17/$18 number of the index of meta.lastModified or NULL, and the key that the resource had there, $19/$20/$21 index numbers, keys
-- and substring marks that come, $22 change of `naming` where backlinks may show its name, else NULL, $23 coercions or NULL,
-- $24 edition of the tenant by which it was planned, NULL for any: nothing is changed where the tenant has another, $25 what the trail
-- keeps. What an index loses is said row by row in $26 and on: see `dropping`. The slot's row is taken last, as in insert_resource.
WITH stored AS (
    UPDATE resource SET version = version + 1, modified = greatest(modified, $5), display = $6, document = $7, search = $8::jsonb
    WHERE tenant = $1 AND id = $2 AND type = $3 AND version = $4
      AND ($24::bigint IS NULL OR EXISTS (SELECT FROM tenant t WHERE t.id = $1 AND t.edition = $24::bigint
        AND (t.changing IS NULL OR t.changing < now() - interval '10 seconds')))
    RETURNING version, modified
), renamed AS (
    INSERT INTO naming (tenant, slot, changes)
    SELECT $1, ($22::bigint % 16)::smallint, $22::bigint / 16 + 1 FROM stored WHERE $22::bigint IS NOT NULL
    ON CONFLICT (tenant, slot) DO UPDATE SET changes = naming.changes + excluded.changes
), released AS (
    DELETE FROM unique_key held USING unnest($9::text[], $10::text[]) given (attribute, key)
    WHERE held.tenant = $1 AND held.id = $2 AND held.type = $3 AND held.attribute = given.attribute AND held.key = given.key
      AND EXISTS (SELECT FROM stored)
), claimed AS (
    INSERT INTO unique_key (tenant, type, attribute, key, id)
    SELECT $1, $3, given.attribute, given.key, $2 FROM unnest($11::text[], $12::text[]) given (attribute, key)
    WHERE EXISTS (SELECT FROM stored)
), moved AS (
    UPDATE resource_key held SET key = '=' || to_char(stored.modified AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    FROM stored WHERE held.tenant = $1 AND held.attribute = $17::integer AND held.key = $18::text AND held.id = $2
), indexed AS (
    INSERT INTO resource_key (tenant, attribute, key, id, substring)
    SELECT $1, given.attribute, given.key, $2, given.substring
    FROM unnest($19::integer[], $20::text[], $21::boolean[]) given (attribute, key, substring)
    WHERE EXISTS (SELECT FROM stored)
    ON CONFLICT (tenant, attribute, key, id) DO NOTHING
), forgotten AS (
    DELETE FROM secret held USING unnest($13::text[], $14::text[]) given (attribute, hash)
    WHERE held.tenant = $1 AND held.id = $2 AND held.attribute = given.attribute AND given.hash IS NULL AND EXISTS (SELECT FROM stored)
), kept AS (
    INSERT INTO secret (tenant, id, attribute, hash)
    SELECT $1, $2, given.attribute, given.hash FROM unnest($13::text[], $14::text[]) given (attribute, hash)
    WHERE given.hash IS NOT NULL AND EXISTS (SELECT FROM stored)
    ON CONFLICT (tenant, id, attribute) DO UPDATE SET hash = excluded.hash
), logged AS (
    INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, coercions, content)
    SELECT $1, $5, ($15::text[])[1], nullif(($15::text[])[2:], '{}'), 'update', $3, $2, stored.version, $16::text[], $23::text[], $25::text
    FROM stored
)
SELECT version, modified FROM stored

-- name: touch_resource
-- $2 id, $3 type, $4 time, $5 by whom, $6 names of changed attributes, $7/$8 number of the index of meta.lastModified or NULL, and the key
-- that the resource had there, $9 coercions or NULL, $10 what the trail keeps: for changes that touch rows beside the document only,
-- under the resource's lock
WITH stored AS (
    UPDATE resource SET version = version + 1, modified = greatest(modified, $4)
    WHERE tenant = $1 AND id = $2 AND type = $3
    RETURNING version, modified
), moved AS (
    UPDATE resource_key held SET key = '=' || to_char(stored.modified AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
    FROM stored WHERE held.tenant = $1 AND held.attribute = $7::integer AND held.key = $8::text AND held.id = $2
), logged AS (
    INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, coercions, content)
    SELECT $1, $4, ($5::text[])[1], nullif(($5::text[])[2:], '{}'), 'update', $3, $2, stored.version, $6::text[], $9::text[], $10::text FROM stored
)
SELECT version, modified FROM stored

-- name: lock_document
-- $2 id, $3 type: other writers of the resource wait; adding it to a group does not
SELECT id, type, version, created, modified, document, search::text AS search FROM resource WHERE tenant = $1 AND id = $2 AND type = $3
FOR NO KEY UPDATE

-- name: lock_targets
-- $2 ids in their order: what is to be referred to cannot be deleted until this transaction ends
SELECT t.id, t.type FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (SELECT r.id, r.type FROM resource r WHERE r.tenant = $1 AND r.id = given.id FOR KEY SHARE) t

-- name: held_keys
-- $2 type, $3 id of the writer, $4/$5 attributes and keys: which of them another resource holds
SELECT given.attribute, held.id FROM unnest($4::text[], $5::text[]) WITH ORDINALITY given (attribute, key, position)
CROSS JOIN LATERAL (
    SELECT held.id FROM unique_key held
    WHERE held.tenant = $1 AND held.type = $2 AND held.attribute = given.attribute AND held.key = given.key OFFSET 0
) held
WHERE held.id <> $3 ORDER BY given.position

-- name: not_yet_linked
-- $2 source, $3 attribute, $4 targets; OFFSET 0 keeps it a look-up for each of them
SELECT given.target FROM unnest($4::text[]) given (target)
WHERE NOT EXISTS (
    SELECT FROM reference ref
    WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3 AND ref.target = given.target OFFSET 0
)

-- name: add_links
-- $2 source, $3 attribute, $4 targets; returns how many are new, and some of them
WITH made AS (
    INSERT INTO reference (tenant, source, attribute, target)
    SELECT $1, $2, $3, given.target FROM unnest($4::text[]) given (target)
    ON CONFLICT (tenant, source, attribute, target) DO NOTHING RETURNING target
)
SELECT (SELECT count(*) FROM made) AS number, ARRAY(SELECT made.target FROM made LIMIT 1000) AS targets

-- name: note_unusual_reference
INSERT INTO unusual_reference (tenant) VALUES ($1) ON CONFLICT (tenant) DO NOTHING

-- name: remove_links
-- $2 source, $3 attribute, $4 targets, $5 true: with it known, Postgres drops the costly rest; a plan for any parameters, which cannot
-- know how many targets there are, is so costly that it is never taken. Returns how many went, and some of them.
WITH gone AS (
    DELETE FROM reference WHERE tenant = $1 AND source = $2 AND attribute = $3 AND target = ANY ($4::text[])
    AND ($5::boolean OR (SELECT count(*) FROM generate_series(1, 1000000000)) > 0) RETURNING target
)
SELECT (SELECT count(*) FROM gone) AS number, ARRAY(SELECT gone.target FROM gone LIMIT 1000) AS targets

-- name: keep_links
-- $2 source, $3 attribute, $4 targets that stay, $5 true: see remove_links
WITH gone AS (
    DELETE FROM reference ref WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3
    AND NOT EXISTS (SELECT FROM unnest($4::text[]) given (target) WHERE given.target = ref.target)
    AND ($5::boolean OR (SELECT count(*) FROM generate_series(1, 1000000000)) > 0) RETURNING ref.target
)
SELECT (SELECT count(*) FROM gone) AS number, ARRAY(SELECT gone.target FROM gone LIMIT 1000) AS targets

-- name: links_of
-- $2 source, $3 attribute, $4 target after which to go on, $5 how many; OFFSET 0 keeps it a look-up for each of them, where Postgres may
-- merge them with all of the tenant's resources from the first one on
SELECT ref.target, t.type, t.display FROM reference ref
CROSS JOIN LATERAL (SELECT r.type, r.display FROM resource r WHERE r.tenant = $1 AND r.id = ref.target OFFSET 0) t
WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3 AND ref.target > $4 ORDER BY ref.target LIMIT $5

-- name: count_links
-- $2 source, $3 attribute, $4 how many to count at most
SELECT count(*) AS links FROM (
    SELECT FROM reference ref WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3 LIMIT $4
) l

-- name: names
-- $2 ids; with the state that the tenant's names are in
SELECT t.id, t.type, t.display, (SELECT coalesce(sum(n.changes), 0)::bigint FROM naming n WHERE n.tenant = $1) AS naming
FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (SELECT r.id, r.type, r.display FROM resource r WHERE r.tenant = $1 AND r.id = given.id OFFSET 0) t

-- name: lock_referring
-- $2 target, $3 how many, $4 attributes by which what refers to it does not count: the resources that refer to it, in one order for
-- everybody
SELECT r.id, r.type, r.modified FROM (
    SELECT DISTINCT ref.source FROM reference ref WHERE ref.tenant = $1 AND ref.target = $2 AND ref.attribute <> ALL ($4::text[]) ORDER BY ref.source LIMIT $3
) s
CROSS JOIN LATERAL (
    SELECT r.id, r.type, r.modified FROM resource r WHERE r.tenant = $1 AND r.id = s.source FOR NO KEY UPDATE
) r

-- name: lock_resources
-- $2 ids in their order
SELECT r.id, r.type, r.modified FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (SELECT r.id, r.type, r.modified FROM resource r WHERE r.tenant = $1 AND r.id = given.id FOR NO KEY UPDATE) r

-- name: lock_documents
-- $2 ids in their order: as they are to be rewritten
SELECT r.id, r.version, r.modified, r.document, r.search FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (
    SELECT r.id, r.version, r.modified, r.document, r.search::text AS search FROM resource r WHERE r.tenant = $1 AND r.id = given.id
    FOR NO KEY UPDATE
) r

-- name: count_referring
-- $2 target, $3 how many to count at most: what refers to it, by type and attribute
SELECT s.type, s.attribute, count(*) AS resources, min(s.id) AS example FROM (
    SELECT r.id, r.type, ref.attribute FROM reference ref JOIN resource r ON r.tenant = $1 AND r.id = ref.source
    WHERE ref.tenant = $1 AND ref.target = $2 AND ref.source <> $2 LIMIT $3
) s GROUP BY s.type, s.attribute ORDER BY s.type, s.attribute

-- name: count_pointing
-- $2 type, $3 search document that contains the pointer, $4 id of what it points at, $5 how many to count at most, $6 true: see
-- remove_links
SELECT count(*) AS resources, min(s.id) AS example FROM (
    SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.type = $2 AND r.search @> $3::jsonb AND r.id <> $4
    AND ($6::boolean OR (SELECT count(*) FROM generate_series(1, 1000000000)) > 0) LIMIT $5
) s HAVING count(*) > 0

-- name: sources_of
-- $2 target, $3 how many
SELECT DISTINCT ref.source FROM reference ref WHERE ref.tenant = $1 AND ref.target = $2 ORDER BY ref.source LIMIT $3

-- name: leave_sources
-- $2 target, $3 sources; returns by which attributes they referred to it
WITH left_by AS (
    DELETE FROM reference ref USING unnest($3::text[]) given (source)
    WHERE ref.tenant = $1 AND ref.target = $2 AND ref.source = given.source RETURNING ref.source, ref.attribute
), kept AS (
    INSERT INTO tombstone_reference (tenant, id, source, attribute, target)
    SELECT $1, $2, left_by.source, left_by.attribute, $2 FROM left_by
    WHERE EXISTS (SELECT FROM tombstone t WHERE t.tenant = $1 AND t.id = $2)
    ON CONFLICT (tenant, id, source, attribute, target) DO NOTHING
)
SELECT left_by.source AS id, array_agg(DISTINCT left_by.attribute) AS attributes FROM left_by GROUP BY left_by.source ORDER BY left_by.source

-- $2 target, $3 attribute, $4/$5 sources and values: pointers that are being cleared, for when it is brought back; $6 whether it can be,
-- false where its tombstone says so
-- name: keep_pointers
INSERT INTO tombstone_reference (tenant, id, source, attribute, target, pointer)
SELECT $1, $2, given.source, $3, $2, given.pointer FROM unnest($4::text[], $5::text[]) given (source, pointer)
WHERE $6::boolean OR EXISTS (SELECT FROM tombstone t WHERE t.tenant = $1 AND t.id = $2)
ON CONFLICT (tenant, id, source, attribute, target) DO NOTHING

-- name: deletion
-- $2 id: who deleted it, and what it was
SELECT type, actor FROM change WHERE tenant = $1 AND id = $2 AND operation = 'delete' ORDER BY seq DESC LIMIT 1

-- name: lock_for_deletion
-- $2 id, $3 type
SELECT version, modified, search::text AS search FROM resource WHERE tenant = $1 AND id = $2 AND type = $3 FOR UPDATE

-- name: pointing_at
-- $2 type, $3 search document that contains the pointer, $4 true: see remove_links, $5 id of what it points at, which if it points at
-- itself goes as it is, $6 how many
SELECT id, version, modified, document, search::text AS search FROM resource WHERE tenant = $1 AND type = $2 AND search @> $3::jsonb
AND ($4::boolean OR (SELECT count(*) FROM generate_series(1, 1000000000)) > 0) AND id <> $5 ORDER BY id LIMIT $6 FOR NO KEY UPDATE

-- name: drop_key
-- $2 index number, $3 key, $4 id
DELETE FROM resource_key WHERE tenant = $1 AND attribute = $2 AND key = $3 AND id = $4

-- name: delete_resource
-- $2 id, $3 type, $4 time, $5 by whom, $6 version, $7 slot, $8 whether its own references are left to be removed in the background,
-- $9 whether those to it are, $10 whether there is anything left to be done there, $11 change of `naming` where backlinks may have shown
-- its name, else NULL, $12 whether it can be brought back, $13/$14 the keys of its userName and externalId, or NULL; returns what referred to
-- it, and by which attributes
WITH renamed AS (
    INSERT INTO naming (tenant, slot, changes)
    SELECT $1, ($11::bigint % 16)::smallint, $11::bigint / 16 + 1 WHERE $11::bigint IS NOT NULL
    ON CONFLICT (tenant, slot) DO UPDATE SET changes = naming.changes + excluded.changes
), counted AS (
    INSERT INTO resource_count (tenant, type, slot, resources) VALUES ($1, $3, $7::smallint, -1)
    ON CONFLICT (tenant, type, slot) DO UPDATE SET resources = resource_count.resources - 1
), gone AS (
    DELETE FROM resource WHERE tenant = $1 AND id = $2 RETURNING created, document
), buried AS (
    INSERT INTO tombstone (tenant, id, type, version, created, deleted, actor, document, user_name, external_id)
    SELECT $1, $2, $3, $6, gone.created, $4, ($5::text[])[1], gone.document, $13::text, $14::text FROM gone WHERE $12::boolean
    ON CONFLICT (tenant, id) DO UPDATE SET version = excluded.version, deleted = excluded.deleted, actor = excluded.actor,
        document = excluded.document, user_name = excluded.user_name, external_id = excluded.external_id, restored = NULL
), released AS (
    DELETE FROM unique_key WHERE tenant = $1 AND id = $2
), forgotten AS (
    DELETE FROM secret WHERE tenant = $1 AND id = $2
), purged AS (
    DELETE FROM removed_value WHERE tenant = $1 AND id = $2
), unlinked AS (
    DELETE FROM reference WHERE tenant = $1 AND source = $2 AND NOT $8::boolean RETURNING attribute, target
), erased AS (
    INSERT INTO erasure (tenant, id, at) SELECT $1, $2, $4 WHERE $10::boolean
), left_by AS (
    DELETE FROM reference WHERE tenant = $1 AND target = $2 AND source <> $2 AND NOT $9::boolean RETURNING source, attribute
), kept AS (
    INSERT INTO tombstone_reference (tenant, id, source, attribute, target)
    SELECT $1, $2, link.source, link.attribute, link.target FROM (
        SELECT $2::text AS source, unlinked.attribute, unlinked.target FROM unlinked
        UNION ALL SELECT left_by.source, left_by.attribute, $2::text FROM left_by
    ) link WHERE $12::boolean
    ON CONFLICT (tenant, id, source, attribute, target) DO NOTHING
), logged AS (
    INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, content)
    SELECT $1, $4, ($5::text[])[1], nullif(($5::text[])[2:], '{}'), 'delete', $3, $2, $6, '{}', gone.document FROM gone
)
SELECT left_by.source AS id, array_agg(DISTINCT left_by.attribute) AS attributes FROM left_by GROUP BY left_by.source ORDER BY left_by.source

-- name: insert_resources
-- Many at once: $2/$3 ids and types, $4 time, $5/$6/$7 displays, documents and searches, $8/$9/$10/$11 types, unique attributes, keys
-- and ids, $12/$13/$14 ids, secrets and hashes, $15 by whom, $16/$17/$18/$19 index numbers, keys, substring marks and ids, $20/$21 types
-- and how many there are of each, $22 slot, which is taken last, $23 coercions as JSON or NULL, $24 edition and $25 what the trail keeps
-- or NULL: see insert_resource. What a resource has several of comes as JSON arrays, documents and searches as texts with record separators
-- between them, which JSON has nowhere (RFC 7464): these cost client and server less than arrays do.
-- The salts of the trail come from one random value that nobody keeps, since making one for each takes its time.
WITH planned AS (
    SELECT WHERE $24::bigint IS NULL OR EXISTS (SELECT FROM tenant t WHERE t.id = $1 AND t.edition = $24::bigint
        AND (t.changing IS NULL OR t.changing < now() - interval '10 seconds'))
), seed AS MATERIALIZED (
    SELECT uuid_send(gen_random_uuid()) AS value
), counted AS (
    INSERT INTO resource_count (tenant, type, slot, resources)
    SELECT $1, given.type, $22::smallint, given.number FROM planned CROSS JOIN unnest($20::text[], $21::bigint[]) given (type, number)
    ON CONFLICT (tenant, type, slot) DO UPDATE SET resources = resource_count.resources + excluded.resources
), stored AS (
    INSERT INTO resource (tenant, id, type, version, created, modified, display, document, search)
    SELECT $1, given.id, given.type, 1, $4, $4, given.display, given.document, given.search::jsonb
    FROM planned CROSS JOIN ROWS FROM (json_array_elements_text($2::json), json_array_elements_text($3::json),
        json_array_elements_text($5::json), string_to_table($6::text, chr(30)), string_to_table($7::text, chr(30)))
        given (id, type, display, document, search)
), indexed AS (
    INSERT INTO resource_key (tenant, attribute, key, id, substring)
    SELECT $1, given.attribute::integer, given.key, given.id, given.substring::boolean
    FROM planned CROSS JOIN ROWS FROM (json_array_elements_text($16::json), json_array_elements_text($17::json),
        json_array_elements_text($18::json), json_array_elements_text($19::json)) given (attribute, key, substring, id)
), claimed AS (
    INSERT INTO unique_key (tenant, type, attribute, key, id)
    SELECT $1, given.type, given.attribute, given.key, given.id
    FROM planned CROSS JOIN ROWS FROM (json_array_elements_text($8::json), json_array_elements_text($9::json),
        json_array_elements_text($10::json), json_array_elements_text($11::json)) given (type, attribute, key, id)
), kept AS (
    INSERT INTO secret (tenant, id, attribute, hash)
    SELECT $1, given.id, given.attribute, given.hash FROM planned CROSS JOIN unnest($12::text[], $13::text[], $14::text[]) given (id, attribute, hash)
)
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, coercions, content, salt)
SELECT $1, $4, ($15::text[])[1], nullif(($15::text[])[2:], '{}'), 'create', given.type, given.id, 1, '{}',
    (SELECT array_agg(name) FROM json_array_elements_text(nullif(given.coercions::text, 'null')::json) name),
    coalesce(given.content, given.document), substring(sha256(seed.value || convert_to(given.id, 'UTF8')) FROM 1 FOR 16)
FROM planned CROSS JOIN seed CROSS JOIN ROWS FROM (json_array_elements_text($2::json), json_array_elements_text($3::json),
    json_array_elements($23::json), string_to_table($6::text, chr(30)), json_array_elements_text($25::json))
    given (id, type, coercions, document, content)

-- name: keys_taken
-- $2/$3/$4 types, attributes and keys: which of them are held
SELECT given.type, given.attribute, given.key, held.id FROM unnest($2::text[], $3::text[], $4::text[]) given (type, attribute, key)
CROSS JOIN LATERAL (
    SELECT held.id FROM unique_key held
    WHERE held.tenant = $1 AND held.type = given.type AND held.attribute = given.attribute AND held.key = given.key OFFSET 0
) held

-- name: add_links_of_many
-- $2 sources, $3 attributes, $4 targets
INSERT INTO reference (tenant, source, attribute, target)
SELECT $1, given.source, given.attribute, given.target FROM unnest($2::text[], $3::text[], $4::text[]) given (source, attribute, target)
ON CONFLICT (tenant, source, attribute, target) DO NOTHING
