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

-- $2 how many, $3 those that changed something or were refused, $4 those that succeeded and changed nothing, each JSON with its place
-- among all of them, counted from 1; $5 when the newest arrived, $6 when the oldest did. What is about a resource that was erased since is
-- left out: an erasure keeps the row of the head until it is committed, so that one that this statement has waited for is told by that row,
-- and one that it did not have to wait for by the trail. Clocks of servers may differ.
-- name: add
WITH head AS (
    INSERT INTO activity_head (tenant, last) VALUES ($1, $2::bigint)
    ON CONFLICT (tenant) DO UPDATE SET last = activity_head.last + $2::bigint
    RETURNING last, erased, erased_at
), since AS (
    SELECT head.last, CASE WHEN head.erased_at > to_timestamp($6::double precision) - interval '5 minutes' THEN head.erased || ARRAY(
        SELECT c.id FROM change c
        WHERE c.tenant = $1 AND c.operation = 'erase' AND c.at > to_timestamp($6::double precision) - interval '5 minutes'
            AND c.id = ANY (ARRAY(SELECT DISTINCT one::json ->> 'resource' FROM unnest($3::text[] || $4::text[]) given (one)))
    ) ELSE '{}' END AS erased
    FROM head
), kept AS (
    SELECT since.last, since.last - $2::bigint AS base,
           CASE WHEN since.erased = '{}' THEN $3::text[] ELSE ARRAY(
               SELECT one FROM unnest($3::text[]) WITH ORDINALITY given (one, place)
               WHERE coalesce(one::json ->> 'resource' <> ALL (since.erased), true) ORDER BY place
           ) END AS entries,
           CASE WHEN since.erased = '{}' THEN $4::text[] ELSE ARRAY(
               SELECT one FROM unnest($4::text[]) WITH ORDINALITY given (one, place)
               WHERE coalesce(one::json ->> 'resource' <> ALL (since.erased), true) ORDER BY place
           ) END AS reads
    FROM since
)
INSERT INTO activity_batch (tenant, base, last, at, number, number_read, entries, reads)
SELECT $1, kept.base, kept.last, to_timestamp($5::double precision), cardinality(kept.entries), cardinality(kept.reads), kept.entries, kept.reads
FROM kept
RETURNING last

-- $2 number below which and $3 number above which some are, $4 time since when some are, $5 how many rows; the newest first
-- name: list
SELECT base, last, entries, reads FROM activity_batch WHERE tenant = $1 AND base < $2::bigint - 1 AND last > $3 AND at >= $4
ORDER BY base DESC LIMIT $5

-- As list, the oldest first.
-- name: following
SELECT base, last, entries, reads FROM activity_batch WHERE tenant = $1 AND base < $2::bigint - 1 AND last > $3 AND at >= $4
ORDER BY base LIMIT $5

-- $2 ids, $3 and $4 times between which: what happened to these resources, by which request, and that they were erased since. It is read in
-- one go whichever index is taken for it: one whose rows are sought for each id by themselves can be read from end to end for each of them,
-- where little is known of the table.
-- name: changes
SELECT c.seq, c.id, c.at, split_part(c.actor, '/', 1) AS token, c.origin[1] AS request, c.operation, c.type, c.version, c.attributes,
       coalesce(c.coercions, '{}') AS coercions
FROM change c
WHERE c.tenant = $1 AND c.id = ANY ($2::text[]) AND c.at >= $3
    AND (c.operation = 'erase' OR c.at <= $4 AND c.operation IN ('create', 'update', 'delete', 'restore'))
ORDER BY c.seq

-- $2 numbers of changes: what was done to `active` and to members
-- name: values
SELECT made.seq, made.active,
       ARRAY(SELECT jsonb_array_elements_text(jsonb_path_query_array(made.members, '$.added[0 to 99] ? (@.type() == "string")'))) AS added,
       ARRAY(SELECT jsonb_array_elements_text(jsonb_path_query_array(made.members, '$.removed[0 to 99] ? (@.type() == "string")'))) AS removed,
       coalesce((made.members ->> 'added_in_all')::integer, jsonb_array_length(made.members -> 'added'), 0) AS number_added,
       coalesce((made.members ->> 'removed_in_all')::integer, jsonb_array_length(made.members -> 'removed'), 0) AS number_removed
FROM (
    SELECT c.seq, CASE WHEN 'members' = ANY (c.attributes) THEN c.content::jsonb -> 'members' END AS members,
           CASE WHEN 'active' = ANY (c.attributes) THEN c.content::jsonb #>> '{active,1}' = 'true' END AS active
    FROM change c WHERE c.tenant = $1 AND c.seq = ANY ($2::bigint[])
) made

-- $2 ids: those that were erased, with the number of the change that says so
-- name: erased
SELECT c.id, max(c.seq) AS seq FROM change c WHERE c.tenant = $1 AND c.id = ANY ($2::text[]) AND c.operation = 'erase' GROUP BY c.id

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

-- $2 how many are kept of those that changed something or were refused, and of the others, $3 days for which they are: whether there is
-- what is beyond, and whether there is anything of a server of the version before
-- name: due
SELECT coalesce(sum(b.number) > $2 OR sum(b.number_read) > $2 OR min(b.at) < now() - make_interval(days => $3), false) AS due,
       EXISTS (SELECT FROM activity a WHERE a.tenant = $1) AS former
FROM activity_batch b WHERE b.tenant = $1

-- The log belongs to this transaction until it ends: nobody else writes, removes or erases entries.
-- name: hold
SELECT FROM activity_head WHERE tenant = $1 FOR UPDATE

-- $2 how many are kept of those that changed something or were refused, and of the others, $3 days for which they are, $4 how many rows go
-- at most: those without any that is kept
-- name: drop
DELETE FROM activity_batch WHERE tenant = $1 AND base IN (
    SELECT c.base FROM (
        SELECT b.base, b.at, b.number = 0 OR sum(b.number) OVER newer - b.number >= $2 AS full_up,
               b.number_read = 0 OR sum(b.number_read) OVER newer - b.number_read >= $2 AS full_of_reads
        FROM activity_batch b WHERE b.tenant = $1 WINDOW newer AS (ORDER BY b.base DESC)
    ) c WHERE c.full_up AND c.full_of_reads OR c.at < now() - make_interval(days => $3) LIMIT $4
)

-- $2 as in drop: the rows that have some that are kept lose those that are not
-- name: cut
WITH counted AS (
    SELECT b.base, least(greatest(sum(b.number) OVER newer - $2, 0), b.number)::integer AS beyond,
           least(greatest(sum(b.number_read) OVER newer - $2, 0), b.number_read)::integer AS beyond_read
    FROM activity_batch b WHERE b.tenant = $1 WINDOW newer AS (ORDER BY b.base DESC)
)
UPDATE activity_batch b SET entries = b.entries[c.beyond + 1:], number = b.number - c.beyond,
    reads = b.reads[c.beyond_read + 1:], number_read = b.number_read - c.beyond_read
FROM counted c WHERE b.tenant = $1 AND b.base = c.base AND c.beyond + c.beyond_read > 0

-- $2 days, $3 how many go at most: what servers of the version before wrote longer ago
-- name: drop_former
DELETE FROM activity WHERE tenant = $1 AND number IN (
    SELECT a.number FROM activity a WHERE a.tenant = $1 AND a.at < now() - make_interval(days => $2) ORDER BY a.number LIMIT $3
)

-- $2 id of a resource that is erased: entries on their way leave it out. The ids are for those who wait for this row; they are few.
-- name: bar
INSERT INTO activity_head (tenant, last, erased, erased_at) VALUES ($1, 0, ARRAY[$2::text], clock_timestamp())
ON CONFLICT (tenant) DO UPDATE SET erased_at = clock_timestamp(),
    erased = activity_head.erased[greatest(cardinality(activity_head.erased) - 998, 1):] || $2::text

-- $2 id
-- name: erase
UPDATE activity_batch b SET entries = left_over.entries, reads = left_over.reads,
    number = cardinality(left_over.entries), number_read = cardinality(left_over.reads)
FROM (
    SELECT a.base,
           ARRAY(SELECT one FROM unnest(a.entries) WITH ORDINALITY given (one, place)
                 WHERE one::json ->> 'resource' IS DISTINCT FROM $2 ORDER BY place) AS entries,
           ARRAY(SELECT one FROM unnest(a.reads) WITH ORDINALITY given (one, place)
                 WHERE one::json ->> 'resource' IS DISTINCT FROM $2 ORDER BY place) AS reads
    FROM activity_batch a WHERE a.tenant = $1
) left_over
WHERE b.tenant = $1 AND b.base = left_over.base AND cardinality(left_over.entries) + cardinality(left_over.reads) < b.number + b.number_read

-- $2 id
-- name: erase_former
DELETE FROM activity WHERE tenant = $1 AND resource = $2

-- $2 id
-- name: erase_former_member
UPDATE activity SET added = array_remove(added, $2::text), removed = array_remove(removed, $2::text)
WHERE tenant = $1 AND ($2::text = ANY (added) OR $2::text = ANY (removed))
