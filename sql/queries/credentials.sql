-- Tokens as the operator handles them; $1 is always the tenant. Looking one up by its digest is authentication's own query.

-- Tokens of one tenant are issued one after the other, so that two at once cannot both be the last that the limit allows.
-- name: lock_tenant
SELECT id FROM tenant WHERE id = $1 FOR UPDATE;

-- name: count_live
SELECT count(*) AS tenant_live, count(*) FILTER (WHERE label = $2) AS label_live
FROM credential WHERE tenant = $1 AND (expires IS NULL OR expires > now());

-- name: create
INSERT INTO credential (tenant, digest, kid, label, scopes, expires, subject, types, networks) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
RETURNING kid, label, scopes, created, expires, last_used, subject, types, networks;

-- name: list_all
SELECT kid, label, scopes, created, expires, last_used, subject, types, networks FROM credential WHERE tenant = $1 ORDER BY created, kid;

-- name: revoke
DELETE FROM credential WHERE tenant = $1 AND kid = $2;

-- Expired tokens stay listed for a month, as an answer to "why did it stop working".
-- name: prune
DELETE FROM credential WHERE tenant = $1 AND expires < now() - interval '30 days';

-- name: live_of_label
SELECT kid, scopes, subject, types, networks FROM credential WHERE tenant = $1 AND label = $2 AND (expires IS NULL OR expires > now()) ORDER BY created DESC, kid;

-- name: limit_life
UPDATE credential SET expires = least(expires, now() + $3::interval)
WHERE tenant = $1 AND label = $2 AND (expires IS NULL OR expires > now());
