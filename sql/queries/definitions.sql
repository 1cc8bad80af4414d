-- Schemas and resource types as a tenant defines them, and what their changes mean for stored resources; $1 is always the tenant.

-- The change is taken only if nothing of the tenant has changed since what it was checked against. $2 that revision.
-- name: lock
UPDATE tenant SET revision = revision + 1, edition = edition + 1, changing = NULL WHERE id = $1 AND revision = $2 RETURNING revision

-- From now on no write is taken that was planned before, and none is planned until the change is taken or given up. $2 the revision that
-- the change was checked against; the transaction is the last one in which a write of before can be found that is not seen by all.
-- name: announce
UPDATE tenant SET revision = revision + 1, edition = edition + 1, changing = now() WHERE id = $1 AND revision = $2
RETURNING revision, pg_current_xact_id()::text AS transaction

-- Whether everything that ran with the transaction $2 has ended. The tenant is looked at for its own sake only.
-- name: all_ended
SELECT pg_snapshot_xmin(pg_current_snapshot()) > $2::text::xid8 AS ended FROM tenant WHERE id = $1

-- name: give_up
UPDATE tenant SET changing = NULL, revision = revision + 1 WHERE id = $1 AND changing IS NOT NULL

-- $2 key, $3 definition, $4 version that it replaces, 0 for none
-- name: put_schema
INSERT INTO tenant_schema (tenant, urn_key, definition, version) VALUES ($1, $2, $3::text::json, $4::bigint + 1)
ON CONFLICT (tenant, urn_key) DO UPDATE SET definition = excluded.definition, version = excluded.version

-- name: drop_schema
DELETE FROM tenant_schema WHERE tenant = $1 AND urn_key = $2

-- $2 key, $3 definition, $4 version that it replaces, 0 for none
-- name: put_resource_type
INSERT INTO tenant_resource_type (tenant, name_key, definition, version) VALUES ($1, $2, $3::text::json, $4::bigint + 1)
ON CONFLICT (tenant, name_key) DO UPDATE SET definition = excluded.definition, version = excluded.version

-- name: drop_resource_type
DELETE FROM tenant_resource_type WHERE tenant = $1 AND name_key = $2

-- $2 time, $3 by whom, $4 operation, $5 Schema or ResourceType, $6 URN or name, $7 version, $8 names of what changed, $9 diff
-- name: note
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, diff)
VALUES ($1, $2, ($3::text[])[1], nullif(($3::text[])[2:], '{}'), $4, $5, $6, $7, $8, $9::text::jsonb)

-- $2 Schema or ResourceType, $3 URN or name: the last version of a definition, which may be gone
-- name: last_version
SELECT c.version FROM change c WHERE c.tenant = $1 AND c.id = $3 AND c.type = $2 ORDER BY c.seq DESC LIMIT 1

-- $2 type
-- name: has_resources
SELECT EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.type = $2) AS found

-- The last change that has surely been seen by a statement of now: transactions end within seconds.
-- name: settled_change
SELECT coalesce((
    SELECT c.seq FROM change c WHERE c.tenant = $1 AND c.at < now() - interval '30 seconds' ORDER BY c.seq DESC LIMIT 1
), 0) AS seq, coalesce((SELECT c.seq FROM change c WHERE c.tenant = $1 ORDER BY c.seq DESC LIMIT 1), 0) AS last

-- $2 change after which, $3 types, $4 how many at most
-- name: changed_since
SELECT c.id, max(c.seq) AS seq FROM change c WHERE c.tenant = $1 AND c.seq > $2 AND c.type = ANY ($3::text[]) GROUP BY c.id
ORDER BY max(c.seq) LIMIT $4

-- $2 type, $3 the id after which to go on, $4 how many
-- name: documents
SELECT id, document FROM resource WHERE tenant = $1 AND type = $2 AND id > $3 ORDER BY id LIMIT $4

-- $2 type, $3 ids
-- name: some_documents
SELECT id, document FROM resource WHERE tenant = $1 AND type = $2 AND id = ANY ($3::text[]) ORDER BY id

-- $2 attribute, $3 ids: which of them have a secret there
-- name: with_secret
SELECT s.id FROM secret s WHERE s.tenant = $1 AND s.attribute = $2 AND s.id = ANY ($3::text[])

-- $2 attribute, $3 ids: which of them refer to anything by it
-- name: with_links
SELECT given.id FROM unnest($3::text[]) given (id)
WHERE EXISTS (SELECT FROM reference ref WHERE ref.tenant = $1 AND ref.source = given.id AND ref.attribute = $2 OFFSET 0)

-- $2 attribute, $3 ids, $4 types: which of them refer by it to something of another type
-- name: with_other_links
SELECT given.id FROM unnest($3::text[]) given (id)
WHERE EXISTS (
    SELECT FROM reference ref CROSS JOIN LATERAL (
        SELECT t.type FROM resource t WHERE t.tenant = $1 AND t.id = ref.target OFFSET 0
    ) t WHERE ref.tenant = $1 AND ref.source = given.id AND ref.attribute = $2 AND NOT t.type = ANY ($4::text[])
)

-- $2 type, $3 attribute: whether any of its resources refers to anything by it
-- name: refers_at_all
SELECT EXISTS (
    SELECT FROM resource r CROSS JOIN LATERAL (
        SELECT FROM reference ref WHERE ref.tenant = $1 AND ref.source = r.id AND ref.attribute = $3 LIMIT 1
    ) ref WHERE r.tenant = $1 AND r.type = $2
) AS found

-- $2 ids, $3 types: which of them are resources of another type
-- name: of_other_types
SELECT given.id FROM unnest($2::text[]) given (id) CROSS JOIN LATERAL (
    SELECT r.type FROM resource r WHERE r.tenant = $1 AND r.id = given.id OFFSET 0
) r WHERE NOT r.type = ANY ($3::text[])

-- $2 type, $3 path of the values in the search document, $4 how many ids, $5 ids not to be counted: resources that have a value which another
-- one has, too
-- name: duplicates
SELECT d.id, count(*) OVER () AS number FROM (
    SELECT v.id, count(*) OVER (PARTITION BY v.value) AS holders FROM (
        SELECT DISTINCT r.id, e.value FROM resource r CROSS JOIN LATERAL jsonb_path_query(r.search, $3::text::jsonpath) e(value)
        WHERE r.tenant = $1 AND r.type = $2 AND e.value <> '""'::jsonb
    ) v
) d WHERE d.holders > 1 AND d.id <> ALL ($5::text[]) GROUP BY d.id ORDER BY d.id LIMIT $4

-- $2 type, $3 id of the writer, $4 search documents: which of them another resource contains, counted from 1
-- name: held_by_others
SELECT given.position FROM unnest($4::text[]) WITH ORDINALITY given (search, position)
CROSS JOIN LATERAL (
    SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.type = $2 AND r.id <> $3 AND r.search @> given.search::jsonb LIMIT 1
) held
ORDER BY given.position

-- $2 type: its indexes go with it, as it has no resources
-- name: drop_indexes
DELETE FROM tenant_index WHERE tenant = $1 AND type = $2

-- $2 type: the work on it that is not done
-- name: open_rework
SELECT number, plan::text AS plan FROM tenant_job WHERE tenant = $1 AND kind = 'rework' AND subject = $2 AND state <> 'done' FOR UPDATE

-- $2 kind, $3 subject, $4 plan, $5 actor, $6 types whose resources are concerned
-- name: add_job
INSERT INTO tenant_job (tenant, number, kind, subject, plan, state, total, actor)
SELECT $1, 1 + coalesce((SELECT max(j.number) FROM tenant_job j WHERE j.tenant = $1), 0), $2::text, $3::text, $4::text::jsonb, 'waiting',
       coalesce((SELECT sum(c.resources) FROM resource_count c WHERE c.tenant = $1 AND c.type = ANY ($6::text[])), 0), $5::text
RETURNING number

-- It begins again with the wider plan. $2 number, $3 plan, $4 actor
-- name: extend_job
UPDATE tenant_job SET plan = $3::text::jsonb, state = 'waiting', position = '', done = 0, result = '{}', actor = $4, since = now(),
    total = coalesce((SELECT sum(c.resources) FROM resource_count c WHERE c.tenant = $1 AND c.type = tenant_job.subject), 0)
WHERE tenant = $1 AND number = $2

-- Jobs that are done stay listed for a month, as an answer to "what became of it".
-- name: prune_jobs
DELETE FROM tenant_job WHERE tenant = $1 AND state = 'done' AND since < now() - interval '30 days'
