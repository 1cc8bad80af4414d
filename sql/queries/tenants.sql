-- Tenants as the operator sees them. create and list have no tenant yet, or mean all of them; everywhere else $1 is the tenant.

-- $1 is the slug: the tenant does not exist yet.
-- name: create
INSERT INTO tenant (slug) VALUES ($1) ON CONFLICT (slug) DO NOTHING RETURNING id;

-- name: begin_chain
INSERT INTO audit_chain (tenant) VALUES ($1);

-- name: add_config
INSERT INTO tenant_config (tenant, policy) VALUES ($1, $2::text::jsonb);

-- name: add_schema
INSERT INTO tenant_schema (tenant, urn_key, definition) VALUES ($1, $2, $3::text::json);

-- name: add_resource_type
INSERT INTO tenant_resource_type (tenant, name_key, definition) VALUES ($1, $2, $3::text::json);

-- name: add_index
INSERT INTO tenant_index (tenant, number, type, attribute, substring, state) VALUES ($1, $2, $3, $4, $5, 'ready');

-- All tenants: the operator's listing.
-- name: list_all
SELECT t.id, t.slug, t.status, t.revision, t.created, coalesce(c.policy ->> 'profile', 'standard') AS profile
FROM tenant t LEFT JOIN tenant_config c ON c.tenant = t.id
ORDER BY t.slug;

-- $1 is the slug: this is where it becomes a tenant.
-- name: find
SELECT t.id, t.slug, t.status, t.revision, t.created, coalesce(c.policy ->> 'profile', 'standard') AS profile
FROM tenant t LEFT JOIN tenant_config c ON c.tenant = t.id
WHERE t.slug = $1;

-- $1 are slugs: this is where they become tenants.
-- name: keys_of
SELECT t.id, t.slug FROM tenant t WHERE t.slug = ANY ($1::text[]);

-- name: count_resources
SELECT type, sum(resources)::bigint AS resources FROM resource_count WHERE tenant = $1 GROUP BY type HAVING sum(resources) <> 0
ORDER BY type;

-- name: set_status
UPDATE tenant SET status = $2, revision = revision + 1 WHERE id = $1;

-- name: drop_credentials
DELETE FROM credential WHERE tenant = $1;

-- name: drop_tenant
DELETE FROM tenant WHERE id = $1;

-- Batches: a big tenant leaves in many short transactions, none of which holds locks for long.
-- name: drop_resource
DELETE FROM resource WHERE tenant = $1 AND id IN (SELECT r.id FROM resource r WHERE r.tenant = $1 LIMIT $2);

-- name: drop_unique_key
DELETE FROM unique_key WHERE tenant = $1 AND (type, attribute, key) IN
    (SELECT u.type, u.attribute, u.key FROM unique_key u WHERE u.tenant = $1 LIMIT $2);

-- name: drop_resource_key
DELETE FROM resource_key WHERE tenant = $1 AND (attribute, key, id) IN
    (SELECT k.attribute, k.key, k.id FROM resource_key k WHERE k.tenant = $1 LIMIT $2);

-- name: drop_erasure
DELETE FROM erasure WHERE tenant = $1 AND id IN (SELECT e.id FROM erasure e WHERE e.tenant = $1 LIMIT $2);

-- A tenant has one row; the number is that of the other batches.
-- name: drop_unusual_reference
DELETE FROM unusual_reference WHERE tenant = $1 AND $2::bigint > 0;

-- name: drop_resource_count
DELETE FROM resource_count WHERE tenant = $1 AND (type, slot) IN
    (SELECT c.type, c.slot FROM resource_count c WHERE c.tenant = $1 LIMIT $2);

-- name: drop_activity
DELETE FROM activity WHERE tenant = $1 AND number IN (SELECT a.number FROM activity a WHERE a.tenant = $1 LIMIT $2);

-- name: drop_activity_batch
DELETE FROM activity_batch WHERE tenant = $1 AND base IN (SELECT a.base FROM activity_batch a WHERE a.tenant = $1 LIMIT $2);

-- name: drop_naming
DELETE FROM naming WHERE tenant = $1 AND slot IN (SELECT n.slot FROM naming n WHERE n.tenant = $1 LIMIT $2);

-- name: drop_reference
DELETE FROM reference WHERE tenant = $1 AND (source, attribute, target) IN
    (SELECT r.source, r.attribute, r.target FROM reference r WHERE r.tenant = $1 LIMIT $2);

-- name: drop_secret
DELETE FROM secret WHERE tenant = $1 AND (id, attribute) IN (SELECT s.id, s.attribute FROM secret s WHERE s.tenant = $1 LIMIT $2);

-- name: drop_change_seal
DELETE FROM change_seal WHERE tenant = $1 AND number IN (SELECT s.number FROM change_seal s WHERE s.tenant = $1 LIMIT $2);

-- name: drop_tombstone
DELETE FROM tombstone WHERE tenant = $1 AND id IN (SELECT t.id FROM tombstone t WHERE t.tenant = $1 LIMIT $2);

-- name: drop_tombstone_reference
DELETE FROM tombstone_reference WHERE tenant = $1 AND (id, source, attribute, target) IN
    (SELECT r.id, r.source, r.attribute, r.target FROM tombstone_reference r WHERE r.tenant = $1 LIMIT $2);

-- name: drop_deletion_guard
DELETE FROM deletion_guard WHERE tenant = $1 AND type IN (SELECT g.type FROM deletion_guard g WHERE g.tenant = $1 LIMIT $2);

-- name: drop_change
DELETE FROM change WHERE tenant = $1 AND seq IN (SELECT c.seq FROM change c WHERE c.tenant = $1 LIMIT $2);

-- name: drop_removed_value
DELETE FROM removed_value WHERE tenant = $1 AND (type, attribute, id) IN
    (SELECT v.type, v.attribute, v.id FROM removed_value v WHERE v.tenant = $1 LIMIT $2);

-- name: drop_award
DELETE FROM award WHERE tenant = $1 AND id IN (SELECT a.id FROM award a WHERE a.tenant = $1 LIMIT $2);

-- name: drop_badge_credential
DELETE FROM badge_credential WHERE tenant = $1 AND award IN (SELECT c.award FROM badge_credential c WHERE c.tenant = $1 LIMIT $2);

-- name: drop_badge_status
DELETE FROM badge_status WHERE tenant = $1 AND (issuer, list, place) IN
    (SELECT s.issuer, s.list, s.place FROM badge_status s WHERE s.tenant = $1 LIMIT $2);
