-- A tenant's policy; $1 is always the tenant.

-- name: read
SELECT policy::text AS policy, version FROM tenant_config WHERE tenant = $1

-- $2 policy, $3 actor, $4 names of changed switches, $5 old and new value of each
-- name: write
WITH stored AS (
    UPDATE tenant_config SET policy = $2::text::jsonb, version = version + 1 WHERE tenant = $1 RETURNING version
), logged AS (
    INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes, diff)
    SELECT $1, date_trunc('milliseconds', now()), $3::text, 'update', 'Policy', 'policy', stored.version, $4::text[], $5::text::jsonb
    FROM stored
)
SELECT version FROM stored
