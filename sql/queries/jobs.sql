-- Work that follows from changes of definitions; $1 is the tenant but for `with_work`.

-- name: list
SELECT number, kind, subject, plan::text AS plan, state, done, total, result::text AS result, actor, created, since
FROM tenant_job WHERE tenant = $1 ORDER BY number

-- $2 number
-- name: find
SELECT number, kind, subject, plan::text AS plan, state, done, total, result::text AS result, actor, created, since
FROM tenant_job WHERE tenant = $1 AND number = $2

-- $2 number: one that failed begins again
-- name: retry
UPDATE tenant_job SET state = 'waiting', position = '', done = 0, result = '{}', since = now()
WHERE tenant = $1 AND number = $2 AND state = 'failed'

-- Every tenant with such work: the background's own look-up.
-- name: with_work
SELECT DISTINCT tenant FROM tenant_job WHERE state IN ('waiting', 'running')

-- $2 seconds since the job was asked for, so that every server knows of what it follows from. What follows from resources is known when
-- everything has ended that was under way (or cannot be any more: a database that was moved counts transactions anew). Another worker's job
-- is passed over.
-- name: take
SELECT number, kind, subject, plan::text AS plan, state, position, result::text AS result, actor FROM tenant_job
WHERE tenant = $1 AND state IN ('waiting', 'running')
AND (kind = 'progress' OR since <= now() - make_interval(secs => $2::double precision))
AND (kind <> 'progress' OR plan ->> 'after' IS NULL OR pg_snapshot_xmin(pg_current_snapshot()) > (plan ->> 'after')::xid8
     OR since <= now() - interval '2 minutes')
ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED

-- $2 number, $3 position, $4 how many more, $5 result, $6 plan
-- name: advance
UPDATE tenant_job SET state = 'running', position = $3, done = done + $4::bigint, result = $5::text::jsonb, plan = $6::text::jsonb
WHERE tenant = $1 AND number = $2

-- $2 number, $3 state
-- name: finish
UPDATE tenant_job SET state = $3, since = now() WHERE tenant = $1 AND number = $2

-- $2 type, $3 attribute, $4 how many
-- name: release
DELETE FROM unique_key WHERE tenant = $1 AND type = $2 AND attribute = $3 AND key IN (
    SELECT u.key FROM unique_key u WHERE u.tenant = $1 AND u.type = $2 AND u.attribute = $3 ORDER BY u.key LIMIT $4
)

-- $2 type, $3 the id after which to go on, $4 how many; writers of these resources wait
-- name: batch
SELECT id, version, modified, document, search::text AS search FROM resource WHERE tenant = $1 AND type = $2 AND id > $3
ORDER BY id LIMIT $4 FOR NO KEY UPDATE

-- $2 type, $3/$4/$5 attributes, keys and ids: claimed where nobody has them
-- name: claim
INSERT INTO unique_key (tenant, type, attribute, key, id)
SELECT $1, $2, given.attribute, given.key, given.id FROM unnest($3::text[], $4::text[], $5::text[]) given (attribute, key, id)
ON CONFLICT (tenant, type, attribute, key) DO NOTHING

-- $2 type, $3/$4/$5 attributes, keys and ids: those that are another resource's
-- name: claimed_by_others
SELECT given.attribute, given.id FROM unnest($3::text[], $4::text[], $5::text[]) given (attribute, key, id)
CROSS JOIN LATERAL (
    SELECT held.id FROM unique_key held
    WHERE held.tenant = $1 AND held.type = $2 AND held.attribute = given.attribute AND held.key = given.key OFFSET 0
) held
WHERE held.id <> given.id ORDER BY given.id

-- $2 id, $3 search document: the resource itself does not change
-- name: reindex
UPDATE resource SET search = $3::text::jsonb WHERE tenant = $1 AND id = $2

-- $2 type, $3 id, $4/$5 attributes and values, $6 time
-- name: set_aside
INSERT INTO removed_value (tenant, type, attribute, id, value, removed)
SELECT $1, $2, given.attribute, $3, given.value, $6 FROM unnest($4::text[], $5::text[]) given (attribute, value)

-- $2 id, $3 attributes: what their values referred to
-- name: forget_references
DELETE FROM reference WHERE tenant = $1 AND source = $2 AND attribute = ANY ($3::text[])

-- name: list_removed
SELECT type, attribute, count(DISTINCT id) AS resources, max(removed) AS removed FROM removed_value WHERE tenant = $1
GROUP BY type, attribute ORDER BY type, attribute

-- $2 type, $3 attribute
-- name: count_removed
SELECT count(DISTINCT id) AS resources FROM removed_value WHERE tenant = $1 AND type = $2 AND attribute = $3

-- $2 type, $3 attribute: whether such a job is under way
-- name: open_of
SELECT number FROM tenant_job WHERE tenant = $1 AND subject = $2 AND plan ->> 'attribute' = $3 AND state IN ('waiting', 'running')

-- $2 type, $3 attribute, $4 the id after which to go on, $5 how many resources: what each had, the latest first
-- name: removed
SELECT v.id, array_agg(v.value ORDER BY v.removed DESC) AS held, array_agg(v.removed ORDER BY v.removed DESC) AS times
FROM removed_value v WHERE v.tenant = $1 AND v.type = $2 AND v.attribute = $3 AND v.id > $4 GROUP BY v.id ORDER BY v.id LIMIT $5

-- $2 type, $3 attribute, $4 ids
-- name: forget_removed
DELETE FROM removed_value WHERE tenant = $1 AND type = $2 AND attribute = $3 AND id = ANY ($4::text[])

-- $2 type, $3 attribute, $4 ids, $5 when the value of each was set aside
-- name: forget_restored
DELETE FROM removed_value WHERE tenant = $1 AND type = $2 AND attribute = $3
    AND (id, removed) IN (SELECT given.id, given.removed FROM unnest($4::text[], $5::timestamptz[]) given (id, removed))

-- $2 type, $3 ids in their order
-- name: lock_documents
SELECT r.id, r.version, r.modified, r.document, r.search::text AS search FROM unnest($3::text[]) given (id)
CROSS JOIN LATERAL (
    SELECT r.id, r.version, r.modified, r.document, r.search FROM resource r WHERE r.tenant = $1 AND r.id = given.id AND r.type = $2
    FOR NO KEY UPDATE
) r

-- $2 URN in lower case, $3 definition, $4 forms that are new
-- name: turn
UPDATE tenant_schema SET definition = $3::text::json, version = version + 1, forms = forms || $4::text::jsonb
WHERE tenant = $1 AND urn_key = $2 RETURNING version

-- $2 number, $3 plan: the next stage, which has to settle in its turn
-- name: next_stage
UPDATE tenant_job SET state = 'waiting', plan = $3::text::jsonb, position = '', since = now() WHERE tenant = $1 AND number = $2
