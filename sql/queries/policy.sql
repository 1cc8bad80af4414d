-- A tenant's policy; $1 is always the tenant.

-- name: read
SELECT policy::text AS policy, version FROM tenant_config WHERE tenant = $1

-- $2 policy
-- name: write
UPDATE tenant_config SET policy = $2::text::jsonb, version = version + 1 WHERE tenant = $1 RETURNING version

-- $2 by whom, $3 version, $4 names of changed switches, $5 old and new value of each
-- name: log
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, diff)
VALUES ($1, date_trunc('milliseconds', now()), ($2::text[])[1], nullif(($2::text[])[2:], '{}'), 'update', 'Policy', 'policy', $3, $4, $5::text::jsonb)
