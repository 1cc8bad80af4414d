-- What `scimsrv verify` looks at and mends: rows that follow from others; $1 is the tenant.

-- name: revision
SELECT t.revision FROM tenant t WHERE t.id = $1

-- Numbers of every index, also those of which nobody may keep rows any more.
-- name: index_numbers
SELECT i.number, i.state FROM tenant_index i WHERE i.tenant = $1

-- $2 id after which to go on, $3 how many
-- name: resources
SELECT id, type, version, modified, display, document, search::text AS search FROM resource WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3

-- $2 ids in their order: nobody changes or deletes them until this transaction ends
-- name: hold
SELECT r.id FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.id = given.id FOR NO KEY UPDATE) r

-- $2 ids
-- name: unique_keys_of
SELECT k.id, k.type, k.attribute, k.key FROM unnest($2::text[]) given (id) CROSS JOIN LATERAL (
    SELECT u.id, u.type, u.attribute, u.key FROM unique_key u WHERE u.tenant = $1 AND u.id = given.id OFFSET 0
) k

-- $2/$3/$4/$5 numbers, keys, ids and substring marks of rows that ought to be there: the places of those that are not
-- name: missing_keys
SELECT given.place FROM unnest($2::integer[], $3::text[], $4::text[], $5::boolean[]) WITH ORDINALITY
    given (attribute, key, id, substring, place)
WHERE NOT EXISTS (
    SELECT FROM resource_key k WHERE k.tenant = $1 AND k.attribute = given.attribute AND k.key = given.key AND k.id = given.id
    AND k.substring = given.substring OFFSET 0
)

-- $2 sources, $3 attributes
-- name: references_of
SELECT ref.source, ref.attribute, ref.target FROM unnest($2::text[]) given (source) CROSS JOIN LATERAL (
    SELECT f.source, f.attribute, f.target FROM reference f WHERE f.tenant = $1 AND f.source = given.source AND f.attribute = ANY ($3::text[])
    OFFSET 0
) ref

-- $2 ids: which of them there are
-- name: present
SELECT r.id FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (SELECT o.id FROM resource o WHERE o.tenant = $1 AND o.id = given.id OFFSET 0) r

-- $2 ids: the version that the newest change of each left
-- name: newest_changes
SELECT given.id, c.version FROM unnest($2::text[]) given (id) CROSS JOIN LATERAL (
    SELECT h.version FROM change h WHERE h.tenant = $1 AND h.id = given.id AND h.operation IN ('create', 'update', 'delete', 'restore')
    ORDER BY h.seq DESC LIMIT 1
) c

-- $2 id after which to go on, $3 types, $4 how many: what the trail has changes of, and whether it says that it is there, and it is
-- name: trail_rows
SELECT h.id, h.operation <> 'delete' AS lives, EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = h.id OFFSET 0) AS held
FROM change h
WHERE h.tenant = $1 AND h.id > $2 AND h.type = ANY ($3::text[]) AND h.operation IN ('create', 'update', 'delete', 'restore')
  AND NOT EXISTS (
      SELECT FROM change later WHERE later.tenant = $1 AND later.id = h.id AND later.seq > h.seq
      AND later.operation IN ('create', 'update', 'delete', 'restore') OFFSET 0
  )
ORDER BY h.id LIMIT $4

-- $2 ids of awards
-- name: awards_of
SELECT w.id, w.recipient, w.achievement, w.issuer, w.state, w.by_hand, w.automatic, w.awarded, w.valid_until FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (
    SELECT a.id, a.recipient, a.achievement, a.issuer, a.state, a.by_hand, a.automatic, a.awarded, a.valid_until
    FROM award a WHERE a.tenant = $1 AND a.id = given.id OFFSET 0
) w

-- $2 recipient: all awards, by what their documents say, since their rows may be wrong
-- name: awards_to
SELECT r.id, r.created, r.document FROM resource r
WHERE r.tenant = $1 AND r.type = 'Award' AND r.search @> jsonb_build_object('recipient', jsonb_build_object('value', $2::text))

-- $2 ids of awards: what was issued for each, and what its place in the list of states says
-- name: credentials_of
SELECT c.award, c.issuer, c.list, c.place, c.token, s.award AS taken_by, s.revoked IS NOT NULL AS revoked
FROM unnest($2::text[]) given (id) CROSS JOIN LATERAL (
    SELECT b.award, b.issuer, b.list, b.place, b.token FROM badge_credential b WHERE b.tenant = $1 AND b.award = given.id OFFSET 0
) c LEFT JOIN LATERAL (
    SELECT p.award, p.revoked FROM badge_status p WHERE p.tenant = $1 AND p.issuer = c.issuer AND p.list = c.list AND p.place = c.place
) s ON true

-- $2/$3/$4 type, attribute and key after which to go on, $5 how many
-- name: unique_rows
SELECT k.type, k.attribute, k.key, k.id,
       EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = k.id AND r.type = k.type OFFSET 0) AS held
FROM unique_key k WHERE k.tenant = $1 AND (k.type, k.attribute, k.key) > ($2, $3, $4) ORDER BY k.type, k.attribute, k.key LIMIT $5

-- $2 number after which to look: the next of which there are rows
-- name: next_number
SELECT min(k.attribute) AS number FROM resource_key k WHERE k.tenant = $1 AND k.attribute > $2

-- $2 number, $3/$4 key and id after which to go on, $5 how many, $6 where in a search document the values are
-- name: key_rows
SELECT k.key, k.id, r.type, r.modified, r.held FROM resource_key k LEFT JOIN LATERAL (
    SELECT o.type, o.modified, (o.search #> $6::text[])::text AS held FROM resource o WHERE o.tenant = $1 AND o.id = k.id OFFSET 0
) r ON true
WHERE k.tenant = $1 AND k.attribute = $2 AND (k.key, k.id) > ($3, $4) ORDER BY k.key, k.id LIMIT $5

-- Whether reads look for references to what has references itself.
-- name: has_unusual
SELECT EXISTS (SELECT FROM unusual_reference u WHERE u.tenant = $1) AS noted

-- $2/$3/$4 source, attribute and target after which to go on, $5 how many, $6 whether it does not matter if what refers is referred to.
-- What is being erased has references for a while.
-- name: reference_rows
SELECT ref.source, ref.attribute, ref.target,
       EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = ref.source OFFSET 0)
       AND EXISTS (SELECT FROM resource t WHERE t.tenant = $1 AND t.id = ref.target OFFSET 0)
       OR EXISTS (SELECT FROM erasure e WHERE e.tenant = $1 AND e.id IN (ref.source, ref.target)) AS whole,
       NOT $6::boolean AND EXISTS (SELECT FROM reference above WHERE above.tenant = $1 AND above.target = ref.source OFFSET 0) AS nested
FROM reference ref WHERE ref.tenant = $1 AND (ref.source, ref.attribute, ref.target) > ($2, $3, $4)
ORDER BY ref.source, ref.attribute, ref.target LIMIT $5

-- $2/$3 id and attribute after which to go on, $4 how many
-- name: secret_rows
SELECT s.id, s.attribute, EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = s.id OFFSET 0) AS held
FROM secret s WHERE s.tenant = $1 AND (s.id, s.attribute) > ($2, $3) ORDER BY s.id, s.attribute LIMIT $4

-- $2 id after which to go on, $3 how many
-- name: award_rows
SELECT a.id, EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = a.id AND r.type = 'Award' OFFSET 0) AS held
FROM award a WHERE a.tenant = $1 AND a.id > $2 ORDER BY a.id LIMIT $3

-- $2 award after which to go on, $3 how many
-- name: credential_rows
SELECT b.award AS id, EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = b.award AND r.type = 'Award' OFFSET 0) AS held
FROM badge_credential b WHERE b.tenant = $1 AND b.award > $2 ORDER BY b.award LIMIT $3

-- $2 id after which to go on, $3 how many
-- name: tombstone_rows
SELECT t.id, t.type, t.document, t.user_name, t.external_id FROM tombstone t WHERE t.tenant = $1 AND t.id > $2 ORDER BY t.id LIMIT $3

-- Types whose number is not the sum that is kept.
-- name: counts
SELECT n.type, (sum(n.there) - sum(n.kept))::bigint AS lacking FROM (
    SELECT c.type, c.resources AS kept, 0 AS there FROM resource_count c WHERE c.tenant = $1
    UNION ALL SELECT r.type, 0, count(*) FROM resource r WHERE r.tenant = $1 GROUP BY r.type
) n GROUP BY n.type HAVING sum(n.there) <> sum(n.kept)

-- Mending. Each statement changes nothing where it was done already ------------------------------------------------------------

-- $2 id, $3 display, $4 search document
-- name: fold_anew
UPDATE resource SET display = $3, search = $4::text::jsonb WHERE tenant = $1 AND id = $2

-- $2 type, $3 attribute, $4 key, $5 id: another resource that has the key keeps it
-- name: add_unique_key
INSERT INTO unique_key (tenant, type, attribute, key, id) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, type, attribute, key) DO NOTHING

-- $2 type, $3 attribute, $4 key, $5 id
-- name: drop_unique_key
DELETE FROM unique_key WHERE tenant = $1 AND type = $2 AND attribute = $3 AND key = $4 AND id = $5

-- $2 number, $3 key, $4 id, $5 substring mark
-- name: add_key
INSERT INTO resource_key (tenant, attribute, key, id, substring) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, attribute, key, id) DO UPDATE SET substring = excluded.substring

-- $2 number, $3 key, $4 id
-- name: drop_key
DELETE FROM resource_key WHERE tenant = $1 AND attribute = $2 AND key = $3 AND id = $4

-- $2 source, $3 attribute, $4 target: where the target is there, which cannot be deleted until this transaction ends
-- name: add_reference
INSERT INTO reference (tenant, source, attribute, target)
SELECT $1, $2, $3, t.id FROM (SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.id = $4 FOR KEY SHARE) t
ON CONFLICT (tenant, source, attribute, target) DO NOTHING

-- $2 source, $3 attribute, $4 target
-- name: drop_reference
DELETE FROM reference WHERE tenant = $1 AND source = $2 AND attribute = $3 AND target = $4

-- $2 source, $3 attribute, $4 target: where one of them is not there, and nobody is at work on them
-- name: drop_dangling
DELETE FROM reference ref WHERE ref.tenant = $1 AND ref.source = $2 AND ref.attribute = $3 AND ref.target = $4
AND NOT (EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = ref.source)
         AND EXISTS (SELECT FROM resource t WHERE t.tenant = $1 AND t.id = ref.target))
AND NOT EXISTS (SELECT FROM erasure e WHERE e.tenant = $1 AND e.id IN (ref.source, ref.target))

-- name: note_nested
INSERT INTO unusual_reference (tenant) VALUES ($1) ON CONFLICT (tenant) DO NOTHING

-- $2 id, $3 attribute
-- name: drop_secret
DELETE FROM secret WHERE tenant = $1 AND id = $2 AND attribute = $3

-- $2 id, $3 recipient, $4 achievement, $5 issuer, $6 state, $7 whether somebody revoked it although it was earned, $8 automatic, $9 time, $10 end or NULL,
-- $11 token, for an award that has no row
-- name: put_award
INSERT INTO award (tenant, id, recipient, achievement, issuer, state, by_hand, automatic, awarded, valid_until, token)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant, id) DO UPDATE SET recipient = excluded.recipient, achievement = excluded.achievement, issuer = excluded.issuer,
    state = excluded.state, by_hand = excluded.by_hand, automatic = excluded.automatic, awarded = excluded.awarded,
    valid_until = excluded.valid_until

-- $2 id
-- name: drop_award
DELETE FROM award WHERE tenant = $1 AND id = $2

-- $2 award, $3 issuer, $4 list, $5 place, $6 whether it is revoked: the list changes with it, and is signed anew when it is asked for
-- name: put_status
WITH changed AS (
    UPDATE badge_status_list SET revision = revision + 1 WHERE tenant = $1 AND issuer = $3 AND number = $4
)
INSERT INTO badge_status (tenant, issuer, list, place, award, revoked)
VALUES ($1, $3, $4, $5, $2, CASE WHEN $6::boolean THEN now() END)
ON CONFLICT (tenant, issuer, list, place) DO UPDATE SET revoked = excluded.revoked
WHERE badge_status.award = excluded.award AND badge_status.revoked IS NULL

-- $2 id, $3/$4 keys of userName and externalId
-- name: put_tombstone_keys
UPDATE tombstone SET user_name = $3, external_id = $4 WHERE tenant = $1 AND id = $2

-- name: lock_tenant
SELECT t.id FROM tenant t WHERE t.id = $1 FOR NO KEY UPDATE

-- $2 type: what the sum lacks goes into one row of it, whatever writers add to the others meanwhile; in a transaction that holds the
-- tenant's row
-- name: correct_count
INSERT INTO resource_count (tenant, type, slot, resources)
SELECT $1, $2::text, 0, (SELECT count(*) FROM resource r WHERE r.tenant = $1 AND r.type = $2::text)
    - (SELECT coalesce(sum(c.resources), 0) FROM resource_count c WHERE c.tenant = $1 AND c.type = $2::text)
ON CONFLICT (tenant, type, slot) DO UPDATE SET resources = resource_count.resources + excluded.resources
