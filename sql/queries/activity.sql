-- The log of a tenant's recent requests; $1 is the tenant but for `settings` and `with_log`.

-- $1 are slugs of tenants that requests named: their keys, how many entries their policies keep, and for how many days. $2, $3 the
-- numbers without a policy's own
-- name: settings
SELECT t.id, t.slug, coalesce((c.policy ->> 'activity_rows')::integer, $2::integer) AS rows,
       coalesce((c.policy ->> 'activity_days')::integer, $3::integer) AS days
FROM tenant t JOIN tenant_config c ON c.tenant = t.id WHERE t.slug = ANY ($1::text[])

-- Every tenant that has a log.
-- $1, $2 as $2, $3 of settings
-- name: with_log
SELECT h.tenant, coalesce((c.policy ->> 'activity_rows')::integer, $1::integer) AS rows,
       coalesce((c.policy ->> 'activity_days')::integer, $2::integer) AS days
FROM activity_head h JOIN tenant_config c ON c.tenant = h.tenant

-- $2 how many, $3 the entries as a JSON array, each with its place, counted from 1. The change that a request led to is one of the last of
-- its resource: made by the same credential while the request was served. They are sought as a range of (id, seq), so that no other index
-- than that of resources has their order.
-- name: add
WITH head AS (
    INSERT INTO activity_head (tenant, last) VALUES ($1, $2::bigint)
    ON CONFLICT (tenant) DO UPDATE SET last = activity_head.last + $2::bigint,
        erased = CASE WHEN activity_head.erased_at > now() - interval '1 minute' THEN activity_head.erased ELSE '{}' END
    RETURNING last, erased
)
INSERT INTO activity (tenant, number, reads, at, request_id, correlation, operation, token, client, method, route, op, type, resource,
                      status, result, reason, scim_type, detail, milliseconds,
                      changed, version, attributes, coercions, active, added, removed, number_added, number_removed)
SELECT $1, head.last - $2::bigint + given.place, given.reads, to_timestamp(given.at), given.request_id, given.correlation, given.operation,
       given.token, given.client, given.method, given.route, given.op, coalesce(made.type, given.type), given.resource,
       given.status, given.result, given.reason, given.scim_type, given.detail, given.milliseconds,
       made.operation, made.version, coalesce(made.attributes, '{}'), coalesce(made.coercions, '{}'), made.active,
       CASE WHEN made.members IS NULL THEN '{}' ELSE ARRAY(
           SELECT one FROM jsonb_array_elements_text(jsonb_path_query_array(made.members, '$.added[0 to 99] ? (@.type() == "string")')) AS one
           WHERE one <> ALL (head.erased)
       ) END,
       CASE WHEN made.members IS NULL THEN '{}' ELSE ARRAY(
           SELECT one FROM jsonb_array_elements_text(jsonb_path_query_array(made.members, '$.removed[0 to 99] ? (@.type() == "string")')) AS one
           WHERE one <> ALL (head.erased)
       ) END,
       coalesce((made.members ->> 'added_in_all')::integer, jsonb_array_length(made.members -> 'added'), 0),
       coalesce((made.members ->> 'removed_in_all')::integer, jsonb_array_length(made.members -> 'removed'), 0)
FROM head CROSS JOIN json_to_recordset($3::text::json) given (
    place integer, reads boolean, at double precision, request_id text, correlation text, operation integer, token text, client text,
    method text, route text, op text, type text, resource text, status smallint, result text, reason text, scim_type text, detail text,
    milliseconds real, version bigint
)
LEFT JOIN LATERAL (
    SELECT c.operation, c.type, c.version, c.attributes, c.coercions,
           CASE WHEN 'members' = ANY (c.attributes) THEN c.content::jsonb -> 'members' END AS members,
           CASE WHEN 'active' = ANY (c.attributes) THEN c.content::jsonb #>> '{active,1}' = 'true' END AS active
    FROM (
        SELECT h.* FROM change h
        WHERE h.tenant = $1 AND h.id >= given.resource AND (h.id, h.seq) <= (given.resource, 9223372036854775807)
        ORDER BY h.id DESC, h.seq DESC LIMIT 20
    ) c
    WHERE given.status < 400 AND NOT given.reads AND c.operation IN ('create', 'update', 'delete', 'restore')
      AND c.at BETWEEN to_timestamp(given.at - 0.001) AND to_timestamp(given.at + given.milliseconds / 1000)
      AND split_part(c.actor, '/', 1) = given.token AND (given.version IS NULL OR c.version = given.version)
    ORDER BY c.seq DESC LIMIT 1
) made ON true
WHERE given.resource IS NULL OR given.resource <> ALL (head.erased)

-- $2 number below which, $3 number above which, $4 id of a resource that it is about, or of a member that came or went, $5 id of a
-- resource, $6 id of a request, $7 results, $8 and $9 the time between which, NULL for any; $10 how many; the newest first
-- name: list
SELECT number, at, request_id, correlation, operation, token, client, method, route, op, type, resource, status, result, reason, scim_type,
       detail, milliseconds, changed, version, attributes, coercions, active, added, removed, number_added, number_removed
FROM activity
WHERE tenant = $1 AND number < $2 AND number > $3
  AND ($4::text IS NULL OR resource = $4 OR $4 = ANY (added) OR $4 = ANY (removed)) AND ($5::text IS NULL OR resource = $5)
  AND ($6::text IS NULL OR request_id = $6) AND ($7::text[] IS NULL OR result = ANY ($7))
  AND at >= $8::timestamptz AND ($9::timestamptz IS NULL OR at < $9)
ORDER BY number DESC LIMIT $10

-- As list, the oldest first.
-- name: following
SELECT number, at, request_id, correlation, operation, token, client, method, route, op, type, resource, status, result, reason, scim_type,
       detail, milliseconds, changed, version, attributes, coercions, active, added, removed, number_added, number_removed
FROM activity
WHERE tenant = $1 AND number < $2 AND number > $3
  AND ($4::text IS NULL OR resource = $4 OR $4 = ANY (added) OR $4 = ANY (removed)) AND ($5::text IS NULL OR resource = $5)
  AND ($6::text IS NULL OR request_id = $6) AND ($7::text[] IS NULL OR result = ANY ($7))
  AND at >= $8::timestamptz AND ($9::timestamptz IS NULL OR at < $9)
ORDER BY number LIMIT $10

-- name: last
SELECT h.last FROM activity_head h WHERE h.tenant = $1

-- $2 ids: what the resources are called, there or deleted
-- name: names
SELECT r.id, coalesce(r.display, r.document::json ->> 'userName') AS name FROM resource r WHERE r.tenant = $1 AND r.id = ANY ($2::text[])
UNION ALL
SELECT t.id, coalesce(t.document::json ->> 'displayName', t.document::json ->> 'userName') AS name FROM tombstone t
WHERE t.tenant = $1 AND t.id = ANY ($2::text[]) AND t.restored IS NULL

-- $2 short ids of credentials: their labels
-- name: labels
SELECT c.kid, c.label FROM credential c WHERE c.tenant = $1 AND c.kid = ANY ($2::text[])
UNION ALL SELECT o.id, o.label FROM oauth_client o WHERE o.tenant = $1 AND o.id = ANY ($2::text[])
UNION ALL SELECT r.id, r.label FROM trust r WHERE r.tenant = $1 AND r.id = ANY ($2::text[])

-- $2 how many are kept of those that changed nothing, and of the others; $3 days for which they are: up to which number there are too many
-- of them (NULL: of none), and the first that is not too old
-- name: bounds
SELECT (SELECT a.number FROM activity a WHERE a.tenant = $1 AND a.reads ORDER BY a.number DESC OFFSET $2::integer LIMIT 1) AS reads,
       (SELECT a.number FROM activity a WHERE a.tenant = $1 AND NOT a.reads ORDER BY a.number DESC OFFSET $2::integer LIMIT 1) AS others,
       (SELECT a.number FROM activity a WHERE a.tenant = $1 AND a.at >= now() - make_interval(days => $3)
        ORDER BY a.number LIMIT 1) AS young

-- $2 whether of those that changed nothing, $3 up to which number, $4 how many go at most: the first ones. The range that they are in is
-- found first, so that this costs the same whatever is known of the table.
-- name: drop
DELETE FROM activity WHERE tenant = $1 AND reads = $2 AND number <= (
    SELECT max(f.number) FROM (
        SELECT a.number FROM activity a WHERE a.tenant = $1 AND a.reads = $2 AND a.number <= $3 ORDER BY a.number LIMIT $4
    ) f
)

-- $2 id of a resource that is erased: entries on their way leave it out
-- name: bar
INSERT INTO activity_head (tenant, last, erased, erased_at) VALUES ($1, 0, ARRAY[$2::text], now())
ON CONFLICT (tenant) DO UPDATE SET erased_at = now(),
    erased = CASE WHEN activity_head.erased_at > now() - interval '1 minute' THEN activity_head.erased ELSE '{}' END || $2::text

-- $2 id
-- name: erase
DELETE FROM activity WHERE tenant = $1 AND resource = $2

-- $2 id
-- name: erase_member
UPDATE activity SET added = array_remove(added, $2::text), removed = array_remove(removed, $2::text)
WHERE tenant = $1 AND ($2::text = ANY (added) OR $2::text = ANY (removed))
