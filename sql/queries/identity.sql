-- From a token to its tenant, and what a tenant serves.

-- $1 is a digest: this is where a credential becomes a tenant.
-- name: credential
SELECT c.tenant, t.slug, t.status, t.revision, c.kid, c.scopes, c.subject,
       c.last_used IS NULL OR c.last_used < now() - interval '1 minute' AS stale
FROM credential c JOIN tenant t ON t.id = c.tenant
WHERE c.digest = $1 AND (c.expires IS NULL OR c.expires > now())

-- $1 is the tenant, $2 the token's short id.
-- name: mark_used
UPDATE credential SET last_used = now() WHERE tenant = $1 AND kid = $2

-- name: catalog
SELECT t.revision, t.edition, c.policy::text AS policy,
       (SELECT json_agg(json_build_array(s.version, s.definition, s.forms) ORDER BY s.urn_key)::text
        FROM tenant_schema s WHERE s.tenant = $1) AS schemas,
       (SELECT json_agg(json_build_array(r.version, r.definition) ORDER BY r.name_key)::text
        FROM tenant_resource_type r WHERE r.tenant = $1) AS resource_types,
       (SELECT json_agg(json_build_array(i.number, i.type, i.attribute, i.substring, i.state) ORDER BY i.number)::text
        FROM tenant_index i WHERE i.tenant = $1 AND i.state <> 'dropping') AS indexes,
       (SELECT json_agg(json_build_array(j.subject, j.plan -> 'claims'))::text
        FROM tenant_job j WHERE j.tenant = $1 AND j.kind = 'rework' AND j.state <> 'done') AS reworks,
       (SELECT json_agg(json_build_array(j.subject, j.plan))::text
        FROM tenant_job j WHERE j.tenant = $1 AND j.kind = 'rekey' AND j.state <> 'done') AS rekeyings
FROM tenant t JOIN tenant_config c ON c.tenant = t.id WHERE t.id = $1
