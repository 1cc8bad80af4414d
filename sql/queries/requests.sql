-- Requests that are carried out later; $1 is always the tenant.

-- Whose requests wait for somebody to carry them out: the one statement here that looks at all tenants.
-- name: with_jobs
SELECT DISTINCT tenant FROM request_job WHERE finished IS NULL AND held_until <= now()

-- name: add_job
-- $2 txn, $3 actor, $4 operations, $5 request, $6 most that may wait; no row where there are as many
INSERT INTO request_job (tenant, txn, actor, operations, request)
SELECT $1, $2, $3, $4, $5
WHERE (SELECT count(*) FROM (SELECT FROM request_job j WHERE j.tenant = $1 AND j.finished IS NULL LIMIT $6) waiting) < $6
RETURNING txn

-- name: take_job
-- $2 holder, $3 seconds, $4 txn or NULL for the oldest that nobody holds
UPDATE request_job SET holder = $2, held_until = now() + make_interval(secs => $3)
WHERE tenant = $1 AND txn = (
    SELECT j.txn FROM request_job j
    WHERE j.tenant = $1 AND j.finished IS NULL AND j.held_until <= now() AND j.txn = coalesce($4::text, j.txn)
    ORDER BY j.created, j.txn LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING txn, actor, request

-- name: hold_job
-- $2 txn, $3 holder, $4 seconds: no row when another one has taken over
UPDATE request_job SET held_until = now() + make_interval(secs => $4)
WHERE tenant = $1 AND txn = $2 AND holder = $3 AND finished IS NULL RETURNING txn

-- name: add_results
-- $2 txn, $3 numbers, $4 results
INSERT INTO request_result (tenant, txn, number, result)
SELECT $1, $2, given.number, given.result FROM unnest($3::integer[], $4::text[]) given (number, result)

-- name: finish_job
-- $2 txn
UPDATE request_job SET finished = now(), request = '' WHERE tenant = $1 AND txn = $2

-- name: job
-- $2 txn
SELECT actor, created, finished, holder, held_until > now() AS held, operations FROM request_job WHERE tenant = $1 AND txn = $2

-- name: results
-- $2 txn
SELECT number, result FROM request_result WHERE tenant = $1 AND txn = $2 ORDER BY number

-- name: prune_jobs
-- $2 seconds for which what is finished is kept
DELETE FROM request_job WHERE tenant = $1 AND finished < now() - make_interval(secs => $2)

-- name: actor
-- $2 short id of a token: what it may do now
SELECT c.scopes, t.status FROM credential c JOIN tenant t ON t.id = c.tenant
WHERE c.tenant = $1 AND c.kid = $2 AND (c.expires IS NULL OR c.expires > now())
