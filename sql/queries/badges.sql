-- Awards and what follows from them; $1 is the tenant.

-- $2 type, $3 attribute, $4 substring mark: of a type that the same transaction makes, so that no key can be missing
-- name: add_index
INSERT INTO tenant_index (tenant, number, type, attribute, substring, state)
SELECT $1, 1 + coalesce((SELECT max(i.number) FROM tenant_index i WHERE i.tenant = $1), 0), $2::text, $3::text, $4::boolean, 'ready'
ON CONFLICT (tenant, type, attribute) DO NOTHING

-- $2 users in their order: whoever awards them something waits, and what is read of their awards after this is all there is. Groups may
-- take them in meanwhile.
-- name: lock_recipients
SELECT r.id, r.document FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (
    SELECT r.id, r.document FROM resource r WHERE r.tenant = $1 AND r.id = given.id AND r.type = 'User' FOR NO KEY UPDATE
) r

-- $2 ids
-- name: documents
SELECT r.id, r.type, r.document FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (SELECT r.id, r.type, r.document FROM resource r WHERE r.tenant = $1 AND r.id = given.id OFFSET 0) r

-- $2 ids in their order: what is referred to cannot be deleted until this transaction ends
-- name: hold
SELECT r.id, r.document FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (SELECT r.id, r.document FROM resource r WHERE r.tenant = $1 AND r.id = given.id FOR KEY SHARE) r

-- $2 ids, $3 keys that new awards claim, $4 time: the resources, and the creators of those of them that are achievements, which cannot be
-- deleted until this transaction ends. What has expired by then holds its key no more.
-- name: named
WITH released AS (
    DELETE FROM unique_key held USING unnest($3::text[]) given (key)
    WHERE held.tenant = $1 AND held.type = 'Award' AND held.attribute = '$live' AND held.key = given.key
      AND EXISTS (SELECT FROM award a WHERE a.tenant = $1 AND a.id = held.id AND a.valid_until < $4::timestamptz OFFSET 0)
), named AS (
    SELECT r.id, r.type, r.document, r.creator FROM unnest($2::text[]) given (id) CROSS JOIN LATERAL (
        SELECT r.id, r.type, r.document, r.search #>> '{creator,value}' AS creator FROM resource r WHERE r.tenant = $1 AND r.id = given.id OFFSET 0
    ) r
), creator AS (
    SELECT r.id, r.document FROM (SELECT DISTINCT named.creator AS id FROM named WHERE named.type = 'Achievement') given CROSS JOIN LATERAL (
        SELECT r.id, r.document FROM resource r WHERE r.tenant = $1 AND r.id = given.id FOR KEY SHARE
    ) r
)
SELECT named.id, named.document FROM named UNION ALL SELECT creator.id, creator.document FROM creator

-- $2 ids, $3 recipients, $4 achievements, $5 issuers, $6 automatic or not, $7 times, $8 ends or NULL, $9 tokens; each has a row in the
-- reference table too, so that the user shows it
-- name: add_awards
WITH tied AS (
    INSERT INTO reference (tenant, source, attribute, target)
    SELECT $1, given.id, 'recipient', given.recipient FROM unnest($2::text[], $3::text[]) given (id, recipient)
)
INSERT INTO award (tenant, id, recipient, achievement, issuer, state, automatic, awarded, valid_until, token)
SELECT $1, given.id, given.recipient, given.achievement, given.issuer, 'active', given.automatic, given.awarded, given.valid_until, given.token
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::timestamptz[], $8::timestamptz[], $9::text[])
    given (id, recipient, achievement, issuer, automatic, awarded, valid_until, token)

-- $2 ids, $3 those of them that do not come again by themselves
-- name: revoke_awards
UPDATE award SET state = 'revoked', by_hand = id = ANY ($3::text[]) WHERE tenant = $1 AND id = ANY ($2::text[]) AND state = 'active'
RETURNING id, recipient, achievement, issuer

-- $2 keys that new awards claim, $3 time: what has expired by then holds them no more
-- name: release_expired
DELETE FROM unique_key held USING unnest($2::text[]) given (key)
WHERE held.tenant = $1 AND held.type = 'Award' AND held.attribute = '$live' AND held.key = given.key
  AND EXISTS (SELECT FROM award a WHERE a.tenant = $1 AND a.id = held.id AND a.valid_until < $3::timestamptz OFFSET 0)

-- $2 recipients, $3 time: their awards that are live then, and those that somebody revoked although they were earned
-- name: held
SELECT a.recipient, a.id, a.achievement, a.automatic, a.by_hand FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (
    SELECT a.recipient, a.id, a.achievement, a.automatic, a.by_hand FROM award a
    WHERE a.tenant = $1 AND a.recipient = given.id
      AND (a.by_hand OR (a.state = 'active' AND (a.valid_until IS NULL OR a.valid_until >= $3::timestamptz))) OFFSET 0
) a
ORDER BY a.recipient, a.id

-- $2 award or request: who gets it or asks for it, which never changes
-- name: recipient
SELECT coalesce(r.document::json #>> '{recipient,value}', r.document::json #>> '{requester,value}') AS id
FROM resource r WHERE r.tenant = $1 AND r.id = $2

-- $2 achievements: the programmes that they belong to, with everything that belongs to these
-- name: branch
WITH belonging AS (
    SELECT DISTINCT r.parent FROM unnest($2::text[]) given (id) CROSS JOIN LATERAL (
        SELECT r.search #>> '{parent,value}' AS parent FROM resource r WHERE r.tenant = $1 AND r.id = given.id AND r.type = 'Achievement' OFFSET 0
    ) r WHERE r.parent IS NOT NULL
), program AS (
    SELECT DISTINCT coalesce(r.program, r.id) AS id FROM belonging CROSS JOIN LATERAL (
        SELECT r.id, r.search #>> '{program,value}' AS program FROM resource r WHERE r.tenant = $1 AND r.id = belonging.parent OFFSET 0
    ) r
), skill AS (
    SELECT r.id, r.document FROM program CROSS JOIN LATERAL (
        SELECT r.id, r.document FROM resource r WHERE r.tenant = $1 AND r.type = 'BadgeSkill'
        AND r.search @> jsonb_build_object('program', jsonb_build_object('value', program.id)) OFFSET 0
    ) r
), above AS (
    SELECT program.id FROM program UNION ALL SELECT skill.id FROM skill
)
SELECT r.id, 'BadgeProgram' AS type, r.document FROM program CROSS JOIN LATERAL (
    SELECT r.id, r.document FROM resource r WHERE r.tenant = $1 AND r.id = program.id AND r.type = 'BadgeProgram' OFFSET 0
) r
UNION ALL SELECT skill.id, 'BadgeSkill', skill.document FROM skill
UNION ALL SELECT r.id, 'Achievement', r.document FROM above CROSS JOIN LATERAL (
    SELECT r.id, r.document FROM resource r WHERE r.tenant = $1 AND r.type = 'Achievement'
    AND r.search @> jsonb_build_object('parent', jsonb_build_object('value', above.id)) OFFSET 0
) r

-- The whole catalogue.
-- name: catalogue
SELECT r.id, r.type, r.document FROM resource r WHERE r.tenant = $1 AND r.type IN ('BadgeProgram', 'BadgeSkill', 'Achievement')

-- $2 the recipient after whom to go on, $3 how many: those who hold anything
-- name: recipients
SELECT DISTINCT a.recipient FROM award a WHERE a.tenant = $1 AND a.recipient > $2 AND a.state = 'active' ORDER BY a.recipient LIMIT $3

-- The job that has not begun, which cannot while this transaction lasts; and this transaction.
-- name: waiting_recomputation
SELECT number, pg_current_xact_id()::text AS transaction FROM tenant_job
WHERE tenant = $1 AND kind = 'progress' AND state = 'waiting' ORDER BY number LIMIT 1 FOR UPDATE

-- $2 actor: its number, and this transaction; nothing where another job takes the number
-- name: add_recomputation
INSERT INTO tenant_job (tenant, number, kind, subject, plan, state, total, actor)
SELECT $1, 1 + coalesce((SELECT max(j.number) FROM tenant_job j WHERE j.tenant = $1), 0), 'progress', 'Award', '{}', 'waiting',
       (SELECT count(DISTINCT a.recipient) FROM award a WHERE a.tenant = $1 AND a.state = 'active'), $2::text
ON CONFLICT (tenant, number) DO NOTHING RETURNING number, pg_current_xact_id()::text AS transaction

-- $2 number, $3 the transaction with which everything has to have ended before the job begins
-- name: recompute_behind
UPDATE tenant_job SET plan = jsonb_build_object('after', $3::text), since = now() WHERE tenant = $1 AND number = $2

-- $2 user, who is locked: their awards, whatever their state
-- name: lock_awards_of
SELECT r.id, r.version, r.modified, r.document, r.search FROM (
    SELECT a.id FROM award a WHERE a.tenant = $1 AND a.recipient = $2 ORDER BY a.id
) a CROSS JOIN LATERAL (
    SELECT r.id, r.version, r.modified, r.document, r.search::text AS search FROM resource r WHERE r.tenant = $1 AND r.id = a.id
    FOR NO KEY UPDATE
) r

-- $2 awards: nobody shows them any more
-- name: untie
DELETE FROM reference WHERE tenant = $1 AND source = ANY ($2::text[]) AND attribute = 'recipient'

-- $2 awards, $3 user, who shows them again
-- name: tie
INSERT INTO reference (tenant, source, attribute, target) SELECT $1, given.id, 'recipient', $3::text FROM unnest($2::text[]) given (id)
ON CONFLICT (tenant, source, attribute, target) DO NOTHING

-- $2 awards, $3 pseudonym
-- name: rename_recipient
UPDATE award SET recipient = $3 WHERE tenant = $1 AND id = ANY ($2::text[])

-- $2 awards
-- name: drop_awards
DELETE FROM award WHERE tenant = $1 AND id = ANY ($2::text[])
