-- Applications of users that reach the Open Badges API, and what users permit them; $1 is the tenant. Of secrets, codes and tokens there are
-- digests alone.

-- $2 id, $3 digest of its secret, $4 metadata, $5 the network that it comes from, $6 how many there may be, $7 how many of one network that
-- no user has permitted anything: beyond either the oldest of these goes, of the network that has the most. No row where users permitted
-- all of them something.
-- name: register
WITH unused AS (
    SELECT a.id, a.created, a.network IS NOT DISTINCT FROM $5::text AS own,
           row_number() OVER (PARTITION BY a.network ORDER BY a.created DESC, a.id DESC) AS place
    FROM badge_application a WHERE a.tenant = $1 AND a.used IS NULL
), outnumbered AS (
    SELECT u.id FROM unused u ORDER BY (u.own AND u.place >= $7::integer) DESC, u.place DESC, u.created, u.id
    LIMIT greatest((SELECT count(*) FROM unused u WHERE u.own AND u.place >= $7::integer),
                   (SELECT count(*) FROM badge_application a WHERE a.tenant = $1) + 1 - $6::integer)
), gone AS (
    DELETE FROM badge_application WHERE tenant = $1 AND used IS NULL AND id = ANY (ARRAY(
        SELECT a.id FROM badge_application a WHERE a.tenant = $1 AND a.id = ANY (ARRAY(SELECT o.id FROM outnumbered o)) FOR UPDATE SKIP LOCKED))
)
INSERT INTO badge_application (tenant, id, secret, metadata, network) SELECT $1, $2::text, $3::bytea, $4::text, $5::text
WHERE (SELECT count(*) FROM badge_application a WHERE a.tenant = $1) - (SELECT count(*) FROM outnumbered) < $6::integer
RETURNING created

-- $2 id
-- name: application
SELECT a.id, a.secret, a.metadata, a.created FROM badge_application a WHERE a.tenant = $1 AND a.id = $2

-- $2 id, $3 application, $4 scopes, $5 where to go back to, $6 state, $7 challenge, $8 seconds for a user to answer, $9 the network that the
-- user comes from, $10 how many there may be that wait, $11 how many of one network: beyond either the oldest that waits goes, of the
-- network that has the most, and there of the application that has. No row where the application is gone. What has expired is
-- forgotten, where there were tokens for it a day later: until then they are known as what they were.
-- name: ask
WITH forgotten AS (
    DELETE FROM badge_grant WHERE tenant = $1 AND expires < now() AND (NOT redeemed OR expires < now() - interval '1 day')
), waiting AS (
    SELECT g.id, g.application, g.network, g.created,
           row_number() OVER (PARTITION BY g.network, g.application ORDER BY g.created DESC, g.id DESC) AS of_both
    FROM badge_grant g WHERE g.tenant = $1 AND g.subject IS NULL AND g.expires >= now()
), placed AS (
    SELECT w.id, w.created, w.network IS NOT DISTINCT FROM $9::text AS own,
           row_number() OVER (PARTITION BY w.network ORDER BY w.of_both, w.created DESC, w.id DESC) AS place,
           row_number() OVER (PARTITION BY w.application ORDER BY w.created DESC, w.id DESC) AS of_application
    FROM waiting w
), outnumbered AS (
    SELECT p.id FROM placed p ORDER BY (p.own AND p.place >= $11::integer) DESC, p.place DESC, p.of_application DESC, p.created, p.id
    LIMIT greatest((SELECT count(*) FROM placed p WHERE p.own AND p.place >= $11::integer),
                   (SELECT count(*) FROM placed p) + 1 - $10::integer)
), gone AS (
    DELETE FROM badge_grant WHERE tenant = $1 AND subject IS NULL AND id = ANY (ARRAY(
        SELECT g.id FROM badge_grant g WHERE g.tenant = $1 AND g.id = ANY (ARRAY(SELECT o.id FROM outnumbered o)) FOR UPDATE SKIP LOCKED))
)
INSERT INTO badge_grant (tenant, id, application, scopes, redirect, state, challenge, expires, network)
SELECT $1, $2::text, a.id, $4::text[], $5::text, $6::text, $7::text, now() + make_interval(secs => $8::float8), $9::text
FROM badge_application a WHERE a.tenant = $1 AND a.id = $3 FOR KEY SHARE
RETURNING id

-- $2 id: what a user is asked, as long as nobody has answered
-- name: asked
SELECT g.id, g.scopes, g.expires, a.metadata FROM badge_grant g JOIN badge_application a ON a.tenant = $1 AND a.id = g.application
WHERE g.tenant = $1 AND g.id = $2 AND g.subject IS NULL AND g.expires > now()

-- $2 id, $3 user, $4 subject of the user's token, $5 digest of the code, $6 seconds for which the code is good, $7 by whom it is
-- done, $8 how much a user may permit at a time: no redirect where that is so much. The application is locked before its grant, the order in
-- which it is removed. That it has registered is in the trail with the first permission: anybody may register, and nobody fills the trail by it.
-- name: permit
WITH held AS (
    SELECT count(*) AS permissions FROM badge_grant g WHERE g.tenant = $1 AND g.holder = $3 AND g.expires > now()
), asking AS (
    SELECT a.id, a.metadata, a.created, a.network, a.used FROM badge_application a WHERE a.tenant = $1 AND a.id = (
        SELECT g.application FROM badge_grant g WHERE g.tenant = $1 AND g.id = $2 AND g.subject IS NULL AND g.expires > now()
    ) FOR NO KEY UPDATE
), permitted AS (
    UPDATE badge_grant SET holder = $3, subject = $4, code = $5, expires = now() + make_interval(secs => $6::float8)
    WHERE tenant = $1 AND id = $2 AND subject IS NULL AND expires > now() AND (SELECT h.permissions FROM held h) < $8::integer
      AND application IN (SELECT a.id FROM asking a)
    RETURNING application, scopes, holder, redirect, state
), used AS (
    UPDATE badge_application a SET used = now() FROM permitted p WHERE a.tenant = $1 AND a.id = p.application
), logged AS (
    INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, content)
    SELECT $1, date_trunc('milliseconds', now()), said.actor, said.origin, said.operation, said.type, said.id, 1, '{}', said.content FROM (
        SELECT 1 AS place, a.id AS actor, NULL::text[] AS origin, 'register' AS operation, 'Application' AS type, a.id AS id,
               json_build_object('metadata', a.metadata::json, 'registered', a.created, 'network', a.network)::text AS content
        FROM asking a JOIN permitted p ON p.application = a.id WHERE a.used IS NULL
        UNION ALL
        SELECT 2, ($7::text[])[1], nullif(($7::text[])[2:], '{}'), 'permit', 'Permission', p.holder,
               json_build_object('application', p.application, 'scopes', p.scopes)::text
        FROM permitted p
    ) said ORDER BY said.place
)
SELECT p.redirect, p.state FROM held h LEFT JOIN permitted p ON true WHERE p.state IS NOT NULL OR h.permissions >= $8::integer

-- $2 id
-- name: deny
DELETE FROM badge_grant WHERE tenant = $1 AND id = $2 AND subject IS NULL AND expires > now() RETURNING redirect, state

-- $2 id, $3 application, $4 digest of the code, $5 where it went back to, $6 challenge, $7/$8 digest of the access token and its seconds,
-- $9 digest of the refresh token, or NULL where there is to be none, $10 seconds for which that is good: once only, and for a user who is
-- active
-- name: redeem
UPDATE badge_grant SET redeemed = true, access = $7, access_until = now() + make_interval(secs => $8::float8),
       refresh = CASE WHEN 'offline_access' = ANY (scopes) THEN $9::bytea END,
       expires = now() + make_interval(secs => CASE WHEN 'offline_access' = ANY (scopes) AND $9::bytea IS NOT NULL THEN $10::float8
                                                    ELSE $8::float8 END)
WHERE tenant = $1 AND id = $2 AND application = $3 AND code = $4 AND redirect = $5 AND challenge = $6 AND NOT redeemed
  AND subject IS NOT NULL AND expires > now()
  AND EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = holder AND r.document::json ->> 'active' IS DISTINCT FROM 'false')
RETURNING scopes, refresh IS NOT NULL AS renewable

-- $2 id, $3 application, $4 digest of the code or token of it that is shown, NULL for a refresh token that was replaced, $5 by whom it is
-- done, $6 why: what was granted ends, which is in the trail
-- name: end
WITH ended AS (
    DELETE FROM badge_grant WHERE tenant = $1 AND id = $2 AND application = $3 AND redeemed
    AND CASE WHEN $4::bytea IS NULL THEN refresh IS NOT NULL ELSE $4 IN (code, access, refresh) END
    RETURNING application, scopes, holder, expires > now() AS live
)
INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, content)
SELECT $1, date_trunc('milliseconds', now()), ($5::text[])[1], nullif(($5::text[])[2:], '{}'), 'withdraw', 'Permission', e.holder, 1, '{}',
       json_build_object('reason', $6::text, 'ended', json_build_array(json_build_object('application', e.application, 'scopes', e.scopes)))::text
FROM ended e WHERE e.live

-- $2 id, $3 application, $4 digest of the refresh token, $5/$6 digest of the access token and its seconds, $7 digest of the next refresh
-- token, $8 seconds for which that is good: for a user who is active
-- name: refresh
UPDATE badge_grant SET access = $5, access_until = now() + make_interval(secs => $6::float8), refresh = $7,
       expires = now() + make_interval(secs => $8::float8)
WHERE tenant = $1 AND id = $2 AND application = $3 AND refresh = $4 AND redeemed AND expires > now()
  AND EXISTS (SELECT FROM resource r WHERE r.tenant = $1 AND r.id = holder AND r.document::json ->> 'active' IS DISTINCT FROM 'false')
RETURNING scopes

-- $2 id, $3 digest of the access token: whom it stands for and what it may do, and whether it is good, or was
-- name: by_access
SELECT g.application, g.scopes, g.holder, g.subject, t.id AS tenant, t.slug, t.status, t.revision,
       coalesce(g.access = $3 AND g.access_until > now(), false) AS good
FROM badge_grant g JOIN tenant t ON t.id = $1
WHERE g.tenant = $1 AND g.id = $2 AND g.redeemed

-- $2 user: what the user permitted
-- name: permitted
SELECT g.application, g.scopes, g.created, g.expires, a.metadata
FROM badge_grant g JOIN badge_application a ON a.tenant = $1 AND a.id = g.application
WHERE g.tenant = $1 AND g.holder = $2 AND g.redeemed AND g.expires > now() ORDER BY g.created, g.id

-- $2 user, $3 application or NULL for all, $4 by whom it is done, $5 why: how many of what the user permitted end, which is one row of the
-- trail
-- name: withdraw
WITH ended AS (
    DELETE FROM badge_grant WHERE tenant = $1 AND holder = $2 AND application = coalesce($3::text, application)
    RETURNING application, scopes, holder, expires > now() AS live
), logged AS (
    INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, content)
    SELECT $1, date_trunc('milliseconds', now()), ($4::text[])[1], nullif(($4::text[])[2:], '{}'), 'withdraw', 'Permission', e.holder, 1, '{}',
           json_build_object('reason', $5::text, 'ended', json_agg(json_build_object('application', e.application, 'scopes', e.scopes)))::text
    FROM ended e WHERE e.live GROUP BY e.holder
)
SELECT count(*) AS ended FROM ended e WHERE e.live

-- Everything that the tenant's users permit ends.
-- name: withdraw_all
DELETE FROM badge_grant WHERE tenant = $1

-- name: applications
SELECT a.id, a.metadata, a.created, a.used, (SELECT count(DISTINCT g.holder) FROM badge_grant g
    WHERE g.tenant = $1 AND g.application = a.id AND g.redeemed AND g.expires > now()) AS users
FROM badge_application a WHERE a.tenant = $1 ORDER BY a.created, a.id

-- $2 id: with everything that users permitted it
-- name: remove
DELETE FROM badge_application WHERE tenant = $1 AND id = $2
