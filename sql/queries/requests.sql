-- Requests that are carried out later; $1 is always the tenant.

-- Whose requests wait for somebody to carry them out. This and the next are the statements here that look at all tenants.
-- name: with_jobs
SELECT DISTINCT tenant FROM request_job WHERE finished IS NULL AND held_until <= now()

-- name: with_old
-- $1 seconds for which results and answers are kept: who has older ones
SELECT tenant FROM request_job WHERE finished < now() - make_interval(secs => $1)
UNION SELECT tenant FROM first_answer WHERE created < now() - make_interval(secs => $1)
UNION SELECT tenant FROM rate WHERE paid < now() - make_interval(secs => $1)

-- name: add_job
-- $2 txn, $3 actor, $4 operations, $5 request, $6 most that may wait; no row where there are as many. $7 holder, or NULL where it waits,
-- $8 seconds
INSERT INTO request_job (tenant, txn, actor, operations, request, holder, held_until)
SELECT $1, $2, $3, $4, $5, $7::text, now() + CASE WHEN $7::text IS NULL THEN interval '0' ELSE make_interval(secs => $8) END
WHERE $7::text IS NOT NULL OR (SELECT count(*) FROM (SELECT FROM request_job j WHERE j.tenant = $1 AND j.finished IS NULL LIMIT $6) waiting) < $6
RETURNING txn

-- name: take_job
-- $2 holder, $3 seconds, $4 txn or NULL for the oldest that nobody holds, $5 seconds after which one that fails is given up
UPDATE request_job SET holder = $2, held_until = now() + make_interval(secs => $3)
WHERE tenant = $1 AND txn = (
    SELECT j.txn FROM request_job j
    WHERE j.tenant = $1 AND j.finished IS NULL AND j.held_until <= now() AND j.txn = coalesce($4::text, j.txn)
    ORDER BY j.created, j.txn LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING txn, actor, request, operations, created < now() - make_interval(secs => $5) AS overdue

-- name: hold_job
-- $2 txn, $3 holder, $4 seconds: no row when another one has taken over
UPDATE request_job SET held_until = now() + make_interval(secs => $4)
WHERE tenant = $1 AND txn = $2 AND holder = $3 AND finished IS NULL RETURNING txn

-- name: give_back
-- $2 txn, $3 holder
UPDATE request_job SET held_until = now(), holder = NULL WHERE tenant = $1 AND txn = $2 AND holder = $3 AND finished IS NULL

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
-- $2 short id of a token, a client or a trust: what it may do now. $3 edition that a client has to be of, or NULL, $4 digest of an access
-- token that must not be revoked
SELECT c.scopes, t.status, t.revision, NULL AS roles FROM credential c JOIN tenant t ON t.id = c.tenant
WHERE c.tenant = $1 AND c.kid = $2 AND (c.expires IS NULL OR c.expires > now())
UNION ALL
SELECT k.scopes, t.status, t.revision, NULL FROM oauth_client k JOIN tenant t ON t.id = k.tenant
WHERE k.tenant = $1 AND k.id = $2 AND k.edition = coalesce($3::integer, k.edition)
    AND NOT EXISTS (SELECT FROM used_assertion u WHERE u.tenant = $1 AND u.digest = $4)
UNION ALL
SELECT r.scopes, t.status, t.revision, r.roles::text FROM trust r JOIN tenant t ON t.id = r.tenant
WHERE r.tenant = $1 AND r.id = $2 AND NOT EXISTS (SELECT FROM used_assertion u WHERE u.tenant = $1 AND u.digest = $4)

-- name: claim_key
-- $2 key, $3 digest, $4 holder, $5 seconds it is held: a row when the request is the first with this key
INSERT INTO first_answer (tenant, key, digest, holder, held_until)
SELECT $1, $2, $3, $4, now() + make_interval(secs => $5)
ON CONFLICT (tenant, key) DO NOTHING RETURNING key

-- name: inherit_key
-- $2 key, $3 digests, $4 holder, $5 seconds it is held: a row when the first request died without an answer; one that works on is not
-- waited for
UPDATE first_answer SET holder = $4, held_until = now() + make_interval(secs => $5)
WHERE tenant = $1 AND key = (
    SELECT a.key FROM first_answer a
    WHERE a.tenant = $1 AND a.key = $2 AND a.digest = ANY ($3::bytea[]) AND a.status IS NULL AND a.txn IS NULL AND a.held_until <= now()
    FOR UPDATE SKIP LOCKED
)
RETURNING key

-- name: first_answer
-- $2 key
SELECT digest, txn, status, headers, body FROM first_answer WHERE tenant = $1 AND key = $2

-- name: hold_key
-- $2 key, $3 holder: no row when another request has taken over. A lock and no change, for which a repetition would have to wait.
SELECT key FROM first_answer WHERE tenant = $1 AND key = $2 AND holder = $3 AND status IS NULL FOR UPDATE

-- name: keep_answer
-- $2 key, $3 holder, $4 status, $5 headers, $6 body, $7 txn
UPDATE first_answer SET status = $4::smallint, headers = $5, body = $6, txn = $7 WHERE tenant = $1 AND key = $2 AND holder = $3

-- name: release_key
-- $2 key, $3 holder
DELETE FROM first_answer WHERE tenant = $1 AND key = $2 AND holder = $3 AND status IS NULL AND txn IS NULL

-- name: forget_key
-- $2 key, $3 txn of the asynchronous request that it stands for
DELETE FROM first_answer WHERE tenant = $1 AND key = $2 AND txn = $3

-- name: prune_answers
-- $2 seconds for which answers are kept, $3 most of them
DELETE FROM first_answer WHERE tenant = $1 AND key IN (
    SELECT a.key FROM first_answer a
    WHERE a.tenant = $1 AND (
        a.created < now() - make_interval(secs => $2)
        OR a.created <= (SELECT b.created FROM first_answer b WHERE b.tenant = $1 ORDER BY b.created DESC OFFSET $3 LIMIT 1)
    )
    FOR UPDATE SKIP LOCKED
)
