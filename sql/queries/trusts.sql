-- Issuers whose tokens a tenant trusts, as the operator handles them; $1 is always the tenant.

-- name: lock_tenant
SELECT id FROM tenant WHERE id = $1 FOR UPDATE

-- name: count
SELECT count(*) AS trusts FROM trust WHERE tenant = $1

-- name: create
INSERT INTO trust (tenant, id, label, issuer, audiences, pins, algorithms, jwks, jwks_uri, uses, single_use, scopes, types, networks, roles, lifetime)
VALUES ($1, $2, $3, $4, $5, $6::text::json, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::json, $16)
RETURNING id, label, issuer, audiences, pins::text AS pins, algorithms, jwks, jwks_uri, uses, single_use, scopes, types, networks,
          roles::text AS roles, lifetime, created, last_used

-- name: list_all
SELECT id, label, issuer, audiences, pins::text AS pins, algorithms, jwks, jwks_uri, uses, single_use, scopes, types, networks,
       roles::text AS roles, lifetime, created, last_used
FROM trust WHERE tenant = $1 ORDER BY created, id

-- $2 the trust
-- name: remove
DELETE FROM trust WHERE tenant = $1 AND id = $2

-- Where keys are fetched from, for whom: what doctor tries. $1 how many
-- name: fetched
SELECT DISTINCT r.jwks_uri FROM trust r WHERE r.jwks_uri IS NOT NULL ORDER BY r.jwks_uri LIMIT $1
