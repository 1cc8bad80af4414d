-- Indexes of a tenant's attributes and what is done in the background, batch by batch; $1 is the tenant but for `with_work`.

-- name: list
SELECT number, type, attribute, substring, state, since, position, done FROM tenant_index WHERE tenant = $1 ORDER BY number

-- $2 type, $3 attribute, $4 whether pieces of the text are looked for. A type without resources has nothing to be built, if nobody can
-- be about to create one: a server may not know of the index yet. The row of the tenant is locked first, so that two additions take
-- two numbers.
-- name: add
INSERT INTO tenant_index (tenant, number, type, attribute, substring, state)
SELECT $1, 1 + coalesce((SELECT max(i.number) FROM tenant_index i WHERE i.tenant = $1), 0), $2::text, $3::text, $4::boolean,
       CASE WHEN EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.type = $2::text)
              OR EXISTS (SELECT FROM credential c WHERE c.tenant = $1) THEN 'building' ELSE 'ready' END
ON CONFLICT (tenant, type, attribute) DO NOTHING
RETURNING number, state

-- name: revise
UPDATE tenant SET revision = revision + 1 WHERE id = $1

-- $2 number. What the background may have made of its state meanwhile is all the same.
-- name: retire
UPDATE tenant_index SET state = 'retiring', since = now() WHERE tenant = $1 AND number = $2 AND state IN ('building', 'ready')

-- $2 number, $3 the state it has to be in, $4 the next one
-- name: set_state
UPDATE tenant_index SET state = $4, since = now() WHERE tenant = $1 AND number = $2 AND state = $3

-- $2 number
-- name: forget
DELETE FROM tenant_index WHERE tenant = $1 AND number = $2 AND state = 'dropping'

-- Every tenant with something to do: the background work's own look-up.
-- name: with_work
SELECT tenant FROM tenant_index WHERE state <> 'ready' UNION SELECT tenant FROM erasure
UNION SELECT tenant FROM tombstone WHERE restored IS NOT NULL

-- $2 seconds that a state has to have lasted, so that every server knows of it. Another worker's index is passed over.
-- name: take
SELECT number, type, attribute, substring, state, position FROM tenant_index
WHERE tenant = $1 AND state <> 'ready' AND since <= now() - make_interval(secs => $2::double precision)
ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED

-- $2 type, $3 the id after which to go on, $4 how many; writers of these resources wait
-- name: batch
SELECT id, modified, search::text AS search FROM resource WHERE tenant = $1 AND type = $2 AND id > $3 ORDER BY id LIMIT $4
FOR NO KEY UPDATE

-- $2/$3/$4/$5 numbers, keys, whether pieces are looked for, and ids
-- name: add_keys
INSERT INTO resource_key (tenant, attribute, key, id, substring)
SELECT $1, given.attribute, given.key, given.id, given.substring
FROM unnest($2::integer[], $3::text[], $4::boolean[], $5::text[]) given (attribute, key, substring, id)
ON CONFLICT (tenant, attribute, key, id) DO NOTHING

-- $2 number, $3 the last id, $4 how many more
-- name: advance
UPDATE tenant_index SET position = $3, done = done + $4::bigint WHERE tenant = $1 AND number = $2

-- $2 number, $3 how many: the first ones, up to the one behind them; a list of them may be planned as a walk over the tenant's keys
-- name: drop_keys
WITH edge AS MATERIALIZED (
    SELECT k.key, k.id FROM resource_key k WHERE k.tenant = $1 AND k.attribute = $2::integer ORDER BY k.key, k.id OFFSET $3 LIMIT 1
)
DELETE FROM resource_key WHERE tenant = $1 AND attribute = $2::integer
AND (key, id) < (coalesce((SELECT edge.key FROM edge), '~~'), coalesce((SELECT edge.id FROM edge), ''))

-- One batch of a deleted resource's own references. $2 how many; returns whose, and how many there were.
-- name: erase
WITH job AS (
    SELECT e.id FROM erasure e WHERE e.tenant = $1 ORDER BY e.id LIMIT 1 FOR UPDATE SKIP LOCKED
), doomed AS (
    SELECT ref.source, ref.attribute, ref.target FROM reference ref
    WHERE ref.tenant = $1 AND ref.source = (SELECT job.id FROM job) LIMIT $2::bigint
), gone AS (
    DELETE FROM reference held USING doomed
    WHERE held.tenant = $1 AND held.source = doomed.source AND held.attribute = doomed.attribute AND held.target = doomed.target
), kept AS (
    INSERT INTO tombstone_reference (tenant, id, source, attribute, target)
    SELECT $1, doomed.source, doomed.source, doomed.attribute, doomed.target FROM doomed
    WHERE EXISTS (SELECT FROM tombstone t WHERE t.tenant = $1 AND t.id = doomed.source)
    ON CONFLICT (tenant, id, source, attribute, target) DO NOTHING
)
SELECT job.id, (SELECT count(*) FROM doomed) AS links FROM job

-- $2 id
-- name: finish_erasure
DELETE FROM erasure WHERE tenant = $1 AND id = $2
