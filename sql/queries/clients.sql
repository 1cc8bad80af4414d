-- Clients of a tenant and their secrets, as the operator handles them; $1 is always the tenant. Finding one by what it shows is
-- authentication's own query.

-- name: lock_tenant
SELECT id FROM tenant WHERE id = $1 FOR UPDATE

-- name: count
SELECT count(*) AS clients FROM oauth_client WHERE tenant = $1

-- $2 id, $3 label, $4 scopes, $5 resource types or NULL, $6 networks or NULL, $7 seconds, $8 public keys or NULL
-- name: create
INSERT INTO oauth_client (tenant, id, label, scopes, types, networks, lifetime, jwks) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)

-- $2 client or NULL for all
-- name: find
SELECT c.id, c.label, c.scopes, c.types, c.networks, c.lifetime, c.jwks IS NOT NULL AS signs, c.created, c.last_used,
       coalesce((SELECT json_agg(json_build_array(s.kid, s.created, s.expires) ORDER BY s.created, s.kid)
                 FROM oauth_secret s WHERE s.tenant = $1 AND s.client = c.id), '[]')::text AS secrets
FROM oauth_client c WHERE c.tenant = $1 AND c.id = coalesce($2::text, c.id) ORDER BY c.created, c.id

-- $2 client
-- name: prune
DELETE FROM oauth_secret WHERE tenant = $1 AND client = $2 AND expires < now()

-- $2 client
-- name: count_secrets
SELECT count(*) AS live FROM oauth_secret WHERE tenant = $1 AND client = $2 AND (expires IS NULL OR expires > now())

-- $2 client, $3 until when
-- name: limit_life
UPDATE oauth_secret SET expires = least(expires, now() + $3::interval) WHERE tenant = $1 AND client = $2

-- $2 client, $3 short id, $4 digest, $5 end or NULL
-- name: add_secret
INSERT INTO oauth_secret (tenant, client, kid, digest, expires) VALUES ($1, $2, $3, $4, $5)

-- $2 client, $3 short id
-- name: remove_secret
DELETE FROM oauth_secret WHERE tenant = $1 AND client = $2 AND kid = $3

-- $2 client
-- name: lock_keys
SELECT jwks FROM oauth_client WHERE tenant = $1 AND id = $2 FOR UPDATE

-- $2 client, $3 public keys: of a client that signs
-- name: replace_keys
UPDATE oauth_client SET jwks = $3 WHERE tenant = $1 AND id = $2 AND jwks IS NOT NULL

-- Ends the access tokens that the client has. $2 client
-- name: end_tokens
UPDATE oauth_client SET edition = edition + 1 WHERE tenant = $1 AND id = $2

-- $2 client
-- name: remove
DELETE FROM oauth_client WHERE tenant = $1 AND id = $2
