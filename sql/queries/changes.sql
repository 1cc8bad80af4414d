-- What happened in a tenant and how much it holds, for its operator; $1 is always the tenant.

-- $2 id of a resource or NULL for all, $3 the number before which to look, $4 how many; the newest first
-- name: list
SELECT seq, at, actor, origin, operation, type, id, version, attributes, coercions, diff::text AS diff FROM change
WHERE tenant = $1 AND ($2::text IS NULL OR id = $2) AND seq < $3 AND operation <> 'denied' AND type <> 'Administration'
ORDER BY seq DESC LIMIT $4

-- name: statistics
SELECT (SELECT count(*) FROM credential c WHERE c.tenant = $1 AND (c.expires IS NULL OR c.expires > now())) AS tokens,
       (SELECT max(c.last_used) FROM credential c WHERE c.tenant = $1) AS last_used,
       (SELECT count(*) FROM tenant_index i WHERE i.tenant = $1) AS indexes,
       (SELECT h.at FROM change h WHERE h.tenant = $1 AND h.operation <> 'denied' AND h.type <> 'Administration' ORDER BY h.seq DESC LIMIT 1) AS last_change
