-- The guard against mass deletions; $1 is always the tenant.

-- $2 type: the count under its lock, and how many resources there are now
-- name: lock
SELECT g.since, g.base, g.present, g.former, g.allowance, g.held, statement_timestamp() AS at,
    (SELECT coalesce(sum(c.resources), 0)::bigint FROM resource_count c WHERE c.tenant = $1 AND c.type = $2) AS resources
FROM deletion_guard g WHERE g.tenant = $1 AND g.type = $2 FOR UPDATE OF g

-- $2 type
-- name: begin
INSERT INTO deletion_guard (tenant, type, since, base, present, former)
SELECT $1, $2::text, now() - interval '10 years', 0, 0, 0 ON CONFLICT (tenant, type) DO NOTHING

-- $2 type, $3 beginning of the window, $4 resources then, $5/$6 deletions in it and in the one before, $7 allowance
-- name: count
UPDATE deletion_guard SET since = $3, base = $4, present = $5, former = $6, allowance = $7 WHERE tenant = $1 AND type = $2

-- $2 type, $3 by whom, $4 what is said of it: nothing where it is held already
-- name: hold
WITH held AS (
    INSERT INTO deletion_guard (tenant, type, since, base, present, former, held)
    SELECT $1, $2::text, now(), 0, 0, 0, now()
    ON CONFLICT (tenant, type) DO UPDATE SET held = now() WHERE deletion_guard.held IS NULL RETURNING type
)
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, diff)
SELECT $1, now(), ($3::text[])[1], nullif(($3::text[])[2:], '{}'), 'hold', held.type, '', 0, '{}', $4::text::jsonb FROM held

-- $2 type, $3 how many are let through uncounted
-- name: release
UPDATE deletion_guard SET held = NULL, present = 0, former = 0, allowance = $3, since = now() - interval '10 years'
WHERE tenant = $1 AND type = $2

-- name: list
SELECT type, since, base, present, former, allowance, held FROM deletion_guard WHERE tenant = $1 ORDER BY type
