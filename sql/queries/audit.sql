-- The audit trail: sealed in batches behind the writes, verified, exported, erased from, truncated. $1 is the tenant but for those that look
-- for tenants.

-- Every tenant with changes that may not be sealed: such as came after the last seal; and, for as long as a transaction may last after it,
-- now and then, such as were under way then.
-- name: with_unsealed
SELECT a.tenant FROM audit_chain a
CROSS JOIN LATERAL (SELECT c.seq FROM change c WHERE c.tenant = a.tenant AND c.seq > a.highest ORDER BY c.seq LIMIT 1) c
UNION
SELECT a.tenant FROM audit_chain a WHERE a.looked < a.sealed + interval '150 seconds' AND a.looked < now() - interval '20 seconds'

-- Tenants that have no chain, as those that an older server made.
-- name: without_chain
SELECT t.id FROM tenant t WHERE NOT EXISTS (SELECT FROM audit_chain a WHERE a.tenant = t.id)

-- name: begin
INSERT INTO audit_chain (tenant) VALUES ($1) ON CONFLICT (tenant) DO NOTHING

-- Another worker's chain is passed over. due: whether to look for what came late.
-- name: take
SELECT number, position, head, highest, floor, floor_number, looked < now() - interval '20 seconds' AS due FROM audit_chain
WHERE tenant = $1 FOR UPDATE SKIP LOCKED

-- name: wait_for
SELECT number, position, head, highest, floor, floor_number, true AS due FROM audit_chain WHERE tenant = $1 FOR UPDATE

-- $2 number above which to look, $3 how many
-- name: numbers
SELECT seq FROM change WHERE tenant = $1 AND seq > $2 ORDER BY seq LIMIT $3

-- $2/$3 numbers above and up to which to look: without their values, of which the digest is enough. By their bounds and not by a list, for
-- which Postgres may read every change of the tenant as long as it has no statistics of them.
-- name: rows_between
SELECT seq, at, actor, origin, operation, type, id, version, attributes, coercions, diff::text AS diff,
    sha256(coalesce(salt, '') || convert_to(coalesce(content, ''), 'UTF8')) AS digest
FROM change WHERE tenant = $1 AND seq > $2 AND seq <= $3 ORDER BY seq

-- $2/$3 numbers above and up to which to look, $4 seal behind which to look: what is not sealed. There may be as many as are written in
-- the time that a transaction may last, so that they are compared here.
-- name: numbers_late
SELECT late.seq FROM (
    SELECT seq FROM change WHERE tenant = $1 AND seq > $2 AND seq <= $3
    EXCEPT SELECT unnest(s.seqs) FROM change_seal s WHERE s.tenant = $1 AND s.number > $4
) late ORDER BY late.seq

-- $2 numbers
-- name: rows
SELECT seq, at, actor, origin, operation, type, id, version, attributes, coercions, diff::text AS diff, content, salt
FROM change WHERE tenant = $1 AND seq = ANY ($2::bigint[]) ORDER BY seq

-- $2 numbers: how large the values of rows are, in bytes
-- name: sizes
SELECT c.seq, coalesce(octet_length(c.content), 0) + coalesce(octet_length(c.diff::text), 0) AS size
FROM change c WHERE c.tenant = $1 AND c.seq = ANY ($2::bigint[])

-- $2 numbers: as rows_between
-- name: rows_late
SELECT seq, at, actor, origin, operation, type, id, version, attributes, coercions, diff::text AS diff,
    sha256(coalesce(salt, '') || convert_to(coalesce(content, ''), 'UTF8')) AS digest
FROM change WHERE tenant = $1 AND seq = ANY ($2::bigint[]) ORDER BY seq

-- $2 number, $3 position, $4 time, $5 numbers of changes, $6 the highest, $7/$8 digests and hashes, $9 hash before, $10 mac
-- name: seal
INSERT INTO change_seal (tenant, number, position, at, seqs, highest, digests, hashes, previous, mac)
VALUES ($1, $2, $3, $4, $5::bigint[], $6, $7, $8, $9, $10)

-- $2 seal, $3 position, $4 hash, $5 highest number of a change
-- name: advance
UPDATE audit_chain SET number = $2, position = $3, head = $4, highest = greatest(highest, $5), sealed = now()
WHERE tenant = $1

-- name: look
UPDATE audit_chain SET looked = now() WHERE tenant = $1

-- $2 seal behind which to look, $3 seconds that a transaction may last: up to which seal there is nothing more to come before
-- name: settled
SELECT max(s.number) AS number, max(s.highest) AS highest FROM change_seal s
WHERE s.tenant = $1 AND s.number > $2 AND s.at < now() - make_interval(secs => $3::double precision)

-- $2 floor, $3 the last seal of what is below
-- name: raise_floor
UPDATE audit_chain SET floor = greatest(floor, $2), floor_number = $3 WHERE tenant = $1

-- name: chain
SELECT number, position, head, highest, floor, floor_number, sealed FROM audit_chain WHERE tenant = $1

-- $2 floor, $3 the last seal of what is below: changes above it that are not sealed, how many and since when
-- name: waiting
SELECT count(*) AS number, min(c.at) AS oldest FROM change c
LEFT JOIN (SELECT unnest(s.seqs) AS seq FROM change_seal s WHERE s.tenant = $1 AND s.number > $3) u ON u.seq = c.seq
WHERE c.tenant = $1 AND c.seq > $2 AND u.seq IS NULL

-- $2 number after which to go on, $3 how many
-- name: seals
SELECT number, position, at, seqs, highest, digests, hashes, previous, mac FROM change_seal
WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT $3

-- $2 position: the last seal that begins at or before it
-- name: seal_at
SELECT max(s.number) AS number FROM change_seal s WHERE s.tenant = $1 AND s.position <= $2

-- $2 time: the last seal that was made so long before it that no change in it is later, whoever's clock dated that
-- name: sealed_before
SELECT s.number FROM change_seal s WHERE s.tenant = $1 AND s.at < $2::timestamptz - interval '5 minutes' ORDER BY s.number DESC LIMIT 1

-- Changes that are not sealed: how many, since when, and the first of them.
-- name: unsealed
SELECT count(*) AS number, min(c.at) AS oldest FROM change c
LEFT JOIN (SELECT unnest(s.seqs) AS seq FROM change_seal s WHERE s.tenant = $1) u ON u.seq = c.seq
WHERE c.tenant = $1 AND u.seq IS NULL

-- $2 time before which they were made, $3 how many
-- name: unsealed_before
SELECT c.seq FROM change c
LEFT JOIN (SELECT unnest(s.seqs) AS seq FROM change_seal s WHERE s.tenant = $1) u ON u.seq = c.seq
WHERE c.tenant = $1 AND u.seq IS NULL AND c.at < $2 ORDER BY c.seq LIMIT $3

-- $2 how many: changes that are in the chain more than once
-- name: sealed_twice
SELECT u.seq FROM (SELECT unnest(s.seqs) AS seq FROM change_seal s WHERE s.tenant = $1) u GROUP BY u.seq HAVING count(*) > 1 LIMIT $2

-- $2 time, $3 by whom, $4 operation, $5 type, $6 id, $7 what is said of it
-- name: note
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, diff)
VALUES ($1, $2, ($3::text[])[1], nullif(($3::text[])[2:], '{}'), $4, $5, $6, 0, '{}', $7::text::jsonb)

-- $2 id
-- name: exists
SELECT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = $2) AS live,
       EXISTS (SELECT FROM change c WHERE c.tenant = $1 AND c.id = $2 AND c.operation NOT IN ('denied', 'erase')) AS known,
       (SELECT c.type FROM change c WHERE c.tenant = $1 AND c.id = $2 AND c.operation IN ('create', 'update', 'delete', 'restore')
        ORDER BY c.seq DESC LIMIT 1) AS type

-- $2 id, $3 how many
-- name: erase
UPDATE change SET content = NULL, salt = NULL WHERE tenant = $1 AND seq IN (
    SELECT c.seq FROM change c WHERE c.tenant = $1 AND c.id = $2 AND c.content IS NOT NULL LIMIT $3
)

-- $2 id of a user, $3 types: resources of which a row refers to the user; none is older than the user's creation, where retention has
-- left that row
-- name: telling_of
SELECT DISTINCT c.type, c.id FROM change c
WHERE c.tenant = $1 AND c.type = ANY ($3::text[]) AND strpos(c.content, '"value":"' || $2 || '"') > 0
AND c.seq > (SELECT coalesce(min(u.seq), 0) FROM change u WHERE u.tenant = $1 AND u.id = $2 AND u.operation = 'create')

-- $2 id
-- name: erase_aside
DELETE FROM removed_value WHERE tenant = $1 AND id = $2

-- $2 id: what is shown by answers that are kept for repeated requests and are about the resource, or show it beside its name as those about
-- others do. That the requests were answered stays: a repetition has no effect.
-- name: erase_answers
UPDATE first_answer SET body = NULL WHERE tenant = $1 AND (strpos(headers, $2) > 0 OR position(convert_to($2, 'UTF8') IN body) > 0)

-- $2 time before which they were made, $3 how many: the first seals, but for the last of all
-- name: outdated
SELECT number, position, at, seqs, highest, digests, hashes, previous, mac FROM change_seal
WHERE tenant = $1 AND at < $2 AND number < (SELECT a.number FROM audit_chain a WHERE a.tenant = $1) ORDER BY number LIMIT $3

-- $2 numbers
-- name: drop_rows
DELETE FROM change WHERE tenant = $1 AND seq = ANY ($2::bigint[])

-- $2 the last seal to go
-- name: drop_seals
DELETE FROM change_seal WHERE tenant = $1 AND number <= $2

-- Every tenant whose policy keeps the trail for a time.
-- name: with_retention
SELECT c.tenant, (c.policy ->> 'audit_days')::integer AS days FROM tenant_config c WHERE coalesce(c.policy ->> 'audit_days', '0') <> '0'
