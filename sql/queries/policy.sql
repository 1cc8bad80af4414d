-- A tenant's policy; $1 is always the tenant.

-- name: read
SELECT policy::text AS policy, version FROM tenant_config WHERE tenant = $1

-- Changes of one tenant's policy happen one after the other.
-- name: lock
SELECT c.policy::text AS policy, c.version FROM tenant_config c WHERE c.tenant = $1 FOR UPDATE

-- $2 policy, $3 actor, $4 names of changed switches, $5 old and new value of each. Servers see the tenant's revision within a second.
-- name: write
WITH stored AS (
    UPDATE tenant_config SET policy = $2::text::jsonb, version = version + 1 WHERE tenant = $1 RETURNING version
), revised AS (
    UPDATE tenant SET revision = revision + 1 WHERE id = $1
), logged AS (
    INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes, diff)
    SELECT $1, date_trunc('milliseconds', now()), $3::text, 'update', 'Policy', 'policy', stored.version, $4::text[], $5::text::jsonb
    FROM stored
)
SELECT version FROM stored

-- $2 resource types
-- name: count
SELECT coalesce(sum(resources), 0)::bigint AS resources FROM resource_count WHERE tenant = $1 AND type = ANY ($2::text[])
