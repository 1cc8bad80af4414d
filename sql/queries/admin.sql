-- Administrators' tokens, and what administrators did. None of it is a tenant's: a slug in admin_change only says whom it concerned.

-- $1 digest
-- name: find
SELECT kid, scopes, last_used IS NULL OR last_used < now() - interval '1 minute' AS stale
FROM admin_credential WHERE digest = $1 AND (expires IS NULL OR expires > now())

-- $1 short id
-- name: mark_used
UPDATE admin_credential SET last_used = now() WHERE kid = $1

-- $1 digest, $2 short id, $3 label, $4 scopes, $5 end or NULL, $6 how many live ones there may be
-- name: create
INSERT INTO admin_credential (digest, kid, label, scopes, expires)
SELECT $1, $2, $3, $4::text[], $5::timestamptz
WHERE (SELECT count(*) FROM admin_credential held WHERE held.expires IS NULL OR held.expires > now()) < $6::bigint
RETURNING kid, label, scopes, created, expires, last_used

-- name: list_all
SELECT kid, label, scopes, created, expires, last_used FROM admin_credential ORDER BY created, kid

-- $1 short id
-- name: revoke
DELETE FROM admin_credential WHERE kid = $1

-- name: prune
DELETE FROM admin_credential WHERE expires < now() - interval '30 days'

-- $1 actor, $2 operation, $3 slug or NULL, $4 subject or NULL, $5 detail or NULL, $6 id and address of the request or NULL
-- name: note
INSERT INTO admin_change (actor, operation, slug, subject, detail, origin) VALUES ($1, $2, $3, $4, $5::text::jsonb, $6)

-- $1 slug or NULL for all, $2 the number before which to look, $3 how many, $4 what was denied, or what was done; the newest first
-- name: changes
SELECT seq, at, actor, operation, slug, subject, detail::text AS detail, origin FROM admin_change
WHERE ($1::text IS NULL OR slug = $1) AND seq < $2 AND (operation = 'denied') = $4 ORDER BY seq DESC LIMIT $3
