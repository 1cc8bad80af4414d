-- What monitoring shows of the database's contents: read once a minute by the process that answers scrapes.

-- name: tenants
SELECT t.id, t.slug FROM tenant t ORDER BY t.id

-- Numbers by resource type, from the counters. inactive are users with `active` false, by the keys of that index alone; NULL where the tenant
-- has no such index, or one that is being built.
-- name: resources
SELECT c.type, sum(c.resources)::bigint AS resources,
       CASE WHEN c.type = 'User' THEN (
           SELECT CASE WHEN i.number IS NOT NULL THEN (
               SELECT count(*) FROM resource_key k WHERE k.tenant = $1 AND k.attribute = i.number AND k.key = '=false'
           ) END
           FROM tenant_index i WHERE i.tenant = $1 AND i.type = 'User' AND i.attribute = 'active' AND i.state = 'ready'
       ) ELSE 0 END AS inactive
FROM resource_count c WHERE c.tenant = $1 GROUP BY c.type

-- The credentials that end next. $1 how many of a tenant, $2 how many in all
-- name: endings
SELECT e.slug, e.id, extract(epoch FROM e.expires)::float8 AS expires FROM (
    SELECT t.slug, soon.id, soon.expires, row_number() OVER (PARTITION BY soon.tenant ORDER BY soon.expires, soon.id) AS place FROM (
        SELECT c.tenant, c.kid AS id, c.expires FROM credential c
        WHERE NOT EXISTS (SELECT 1 FROM credential n WHERE n.tenant = c.tenant AND n.label = c.label AND n.created > c.created)
        UNION ALL SELECT s.tenant, s.client || '/' || s.kid, s.expires FROM oauth_secret s
        WHERE NOT EXISTS (SELECT 1 FROM oauth_secret n WHERE n.tenant = s.tenant AND n.client = s.client AND n.created > s.created)
    ) soon JOIN tenant t ON t.id = soon.tenant WHERE soon.expires > now()
) e WHERE e.place <= $1 ORDER BY e.expires, e.slug, e.id LIMIT $2

-- When the chain that was sealed last was, and the age of the oldest change that has no place in its chain.
-- name: audit
SELECT extract(epoch FROM max(a.sealed))::float8 AS sealed, greatest(coalesce(extract(epoch FROM now() - min(c.at)), 0), 0)::float8 AS unsealed
FROM audit_chain a
LEFT JOIN LATERAL (SELECT c.at FROM change c WHERE c.tenant = a.tenant AND c.seq > a.highest ORDER BY c.seq LIMIT 1) c ON true

-- Asynchronous requests that are not finished, and the age of the oldest.
-- name: waiting
SELECT count(*) AS requests, greatest(coalesce(extract(epoch FROM now() - min(j.created)), 0), 0)::float8 AS age
FROM request_job j WHERE j.finished IS NULL

-- name: unsigned
SELECT count(*) AS credentials FROM badge_credential c WHERE c.jwt IS NULL
