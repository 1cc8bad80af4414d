-- Credentials that end soon, for the operator to be told in time.

-- $1 days before the end at which to tell, in any order
-- name: tenants
SELECT DISTINCT t.id AS tenant, t.slug FROM (
    SELECT c.tenant, c.expires, c.warned FROM credential c
    UNION ALL SELECT s.tenant, s.expires, s.warned FROM oauth_secret s
) soon JOIN tenant t ON t.id = soon.tenant CROSS JOIN unnest($1::smallint[]) threshold (days)
WHERE soon.expires > now() AND soon.expires < now() + make_interval(days => threshold.days) AND coalesce(soon.warned, 32767) > threshold.days

-- Tells once of each threshold, whichever server asks. $1 is the tenant, $2 days
-- name: tokens
UPDATE credential SET warned = $2::smallint WHERE tenant = $1 AND expires > now() AND expires < now() + make_interval(days => $2::smallint)
AND coalesce(warned, 32767) > $2::smallint RETURNING kid AS id, expires

-- $1 is the tenant, $2 days
-- name: secrets
UPDATE oauth_secret SET warned = $2::smallint WHERE tenant = $1 AND expires > now() AND expires < now() + make_interval(days => $2::smallint)
AND coalesce(warned, 32767) > $2::smallint RETURNING client || '/' || kid AS id, expires
