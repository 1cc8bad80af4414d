-- From a token to its tenant, and what a tenant serves.

-- $1 is a digest: this is where a credential becomes a tenant.
-- name: credential
SELECT c.tenant, t.slug, t.status, t.revision, c.kid, c.scopes, c.subject, c.types, c.networks,
       c.last_used IS NULL OR c.last_used < now() - interval '1 minute' AS stale, coalesce(c.expires <= now(), false) AS ended
FROM credential c JOIN tenant t ON t.id = c.tenant
WHERE c.digest = $1

-- $1 is the tenant, $2 the token's short id.
-- name: mark_used
UPDATE credential SET last_used = now() WHERE tenant = $1 AND kid = $2 AND (last_used IS NULL OR last_used < now() - interval '1 minute')

-- Access tokens and assertions name a client of the tenant whose slug ($1) the URL has. $2 client
-- name: client
SELECT c.tenant, t.slug, t.status, t.revision, c.id, c.scopes, c.types, c.networks, c.lifetime, c.jwks, c.edition,
       c.last_used IS NULL OR c.last_used < now() - interval '1 minute' AS stale
FROM tenant t JOIN oauth_client c ON c.tenant = t.id WHERE t.slug = $1 AND c.id = $2

-- $1 slug, $2 client, $3 the digest of a secret under each of the server's keys; basic says whether it may be shown with each request
-- name: client_by_secret
SELECT c.tenant, t.slug, t.status, t.revision, c.id, c.scopes, c.types, c.networks, c.lifetime, c.jwks, c.edition,
       c.last_used IS NULL OR c.last_used < now() - interval '1 minute' AS stale,
       coalesce((p.policy ->> 'basic')::boolean, false) AS basic
FROM tenant t JOIN tenant_config p ON p.tenant = t.id JOIN oauth_client c ON c.tenant = t.id AND c.id = $2
JOIN oauth_secret s ON s.tenant = t.id AND s.client = c.id
WHERE t.slug = $1 AND s.digest = ANY ($3::bytea[]) AND (s.expires IS NULL OR s.expires > now()) LIMIT 1

-- $1 slug, $2 issuer, $3 the trust's id or NULL: trusts that a token of the issuer, or an access token that one led to, may rest on
-- name: trusts
SELECT r.tenant, t.slug, t.status, t.revision, coalesce(p.policy ->> 'me_claim', 'sub') AS me_claim, r.id, r.label, r.issuer, r.audiences,
       r.pins::text AS pins, r.algorithms, r.jwks, r.jwks_uri, r.uses, r.single_use, r.scopes, r.types, r.networks, r.roles::text AS roles,
       r.lifetime, r.created, r.last_used, r.last_used IS NULL OR r.last_used < now() - interval '1 minute' AS stale
FROM tenant t JOIN tenant_config p ON p.tenant = t.id JOIN trust r ON r.tenant = t.id
WHERE t.slug = $1 AND r.issuer = coalesce($2::text, r.issuer) AND r.id = coalesce($3::text, r.id) ORDER BY r.created, r.id

-- $1 slug: whether a client may show its secret with each request
-- name: basic
SELECT coalesce((p.policy ->> 'basic')::boolean, false) AS basic FROM tenant t JOIN tenant_config p ON p.tenant = t.id WHERE t.slug = $1

-- $1 is the tenant, $2 the client.
-- name: mark_client_used
UPDATE oauth_client SET last_used = now() WHERE tenant = $1 AND id = $2 AND (last_used IS NULL OR last_used < now() - interval '1 minute')

-- $1 is the tenant, $2 the trust.
-- name: mark_trust_used
UPDATE trust SET last_used = now() WHERE tenant = $1 AND id = $2 AND (last_used IS NULL OR last_used < now() - interval '1 minute')

-- $1 is the tenant, $2 the digest of an assertion, $3 its end: no row when it was used before.
-- name: use_assertion
INSERT INTO used_assertion (tenant, digest, expires) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING digest

-- $1 is the tenant, $2 the digest of an assertion, or of an access token that was revoked
-- name: used
SELECT digest FROM used_assertion WHERE tenant = $1 AND digest = $2

-- $1 is the tenant. The times are of servers' clocks, which may be behind the database's: until those are past, too, it is remembered.
-- name: forget_assertions
DELETE FROM used_assertion WHERE tenant = $1 AND expires < now() - interval '1 day'

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
