-- Issuers' keys, status lists, credentials and pictures; $1 is the tenant.

-- Keys ------------------------------------------------------------------------------------------------------------------

-- $1 is a slug: from a public URL to its tenant.
-- name: tenant_of
SELECT t.id FROM tenant t WHERE t.slug = $1

-- name: suspended
SELECT 1 FROM tenant t WHERE t.id = $1 AND t.status <> 'active'

-- Every issuer's keys that are published, for the authority as a whole.
-- name: all_keys
SELECT t.slug, k.issuer, k.thumbprint, k.public::text AS public FROM badge_key k JOIN tenant t ON t.id = k.tenant
WHERE k.compromised IS NULL ORDER BY t.slug, k.issuer, k.purpose, k.number

-- $2 issuer
-- name: keys
SELECT k.purpose, k.number, k.thumbprint, k.alg, k.public::text AS public, k.created, k.signs_from, k.retired, k.compromised
FROM badge_key k WHERE k.tenant = $1 AND k.issuer = $2 ORDER BY k.purpose, k.number

-- $2 issuer or NULL
-- name: list_keys
SELECT k.issuer, k.purpose, k.number, k.thumbprint, k.alg, k.created, k.signs_from, k.retired, k.compromised
FROM badge_key k WHERE k.tenant = $1 AND ($2::text IS NULL OR k.issuer = $2) ORDER BY k.issuer, k.purpose, k.number

-- $2 issuer, $3 purpose: the key that signs now; a pending one where no other is left
-- name: signing_key
SELECT k.thumbprint, k.alg, k.sealed FROM badge_key k
WHERE k.tenant = $1 AND k.issuer = $2 AND k.purpose = $3 AND k.retired IS NULL AND k.compromised IS NULL
ORDER BY k.signs_from <= now() DESC, k.number DESC LIMIT 1

-- $2 issuer, $3 purpose, $4 thumbprint, $5 algorithm, $6 public JWK, $7 sealed private key, $8 seconds until it signs,
-- $9 its number, or NULL for the next one
-- name: add_key
INSERT INTO badge_key (tenant, issuer, purpose, number, thumbprint, alg, public, sealed, signs_from)
SELECT $1, $2::text, $3::text,
       coalesce($9::integer, 1 + (SELECT max(k.number) FROM badge_key k WHERE k.tenant = $1 AND k.issuer = $2 AND k.purpose = $3), 1),
       $4::text, $5::text, $6::text::json, $7::bytea, now() + make_interval(secs => $8::float8)
ON CONFLICT DO NOTHING

-- $2 issuer, $3 thumbprint
-- name: retire_key
UPDATE badge_key SET retired = now() WHERE tenant = $1 AND issuer = $2 AND thumbprint = $3 AND retired IS NULL AND compromised IS NULL

-- $2 issuer, $3 thumbprint, $4 since when
-- name: compromise_key
UPDATE badge_key SET compromised = least($4::timestamptz, compromised) WHERE tenant = $1 AND issuer = $2 AND thumbprint = $3

-- $2 issuer, $3 thumbprint: the lists that the key signed are signed again, by another
-- name: unsign_lists
UPDATE badge_status_list SET revision = revision + 1 WHERE tenant = $1 AND issuer = $2 AND key = $3

-- $2 issuer, $3 thumbprint, $4 how many: so are credentials
-- name: unsign_credentials
UPDATE badge_credential SET jwt = NULL, key = NULL WHERE tenant = $1 AND award IN (
    SELECT c.award FROM badge_credential c WHERE c.tenant = $1 AND c.issuer = $2 AND c.key = $3 ORDER BY c.award LIMIT $4)

-- Status lists ----------------------------------------------------------------------------------------------------------

-- $2 issuer: its newest list
-- name: newest_list
SELECT l.number FROM badge_status_list l WHERE l.tenant = $1 AND l.issuer = $2 ORDER BY l.number DESC LIMIT 1

-- $2 issuer, $3 number
-- name: open_list
INSERT INTO badge_status_list (tenant, issuer, number) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- $2 issuer, $3 list, $4 places in ascending order, $5 the awards for them: those that were free
-- name: take_places
INSERT INTO badge_status (tenant, issuer, list, place, award)
SELECT $1, $2::text, $3::integer, given.place, given.award FROM unnest($4::integer[], $5::text[]) given (place, award)
ON CONFLICT DO NOTHING RETURNING place, award

-- $2 awards, $3 time, $4 by whom: marks their places, which is in the trail, and returns the lists that changed
-- name: revoke_places
WITH revoked AS (
    UPDATE badge_status s SET revoked = given.at FROM unnest($2::text[], $5::timestamptz[]) given (award, at), badge_credential c
    WHERE c.tenant = $1 AND c.award = given.award AND s.tenant = $1 AND s.issuer = c.issuer AND s.list = c.list AND s.place = c.place
      AND s.revoked IS NULL
    RETURNING s.award, s.issuer, s.list, s.place
), logged AS (
    INSERT INTO change (tenant, at, actor, origin, operation, type, id, version, attributes, content)
    SELECT $1, $3::timestamptz, ($4::text[])[1], nullif(($4::text[])[2:], '{}'), 'revoke', 'Credential', r.award, 1, '{}',
           json_build_object('issuer', r.issuer, 'list', r.list, 'place', r.place)::text
    FROM revoked r
)
SELECT issuer, list FROM revoked

-- $2 issuers, $3 lists, in ascending order
-- name: lists_changed
UPDATE badge_status_list l SET revision = l.revision + 1 FROM unnest($2::text[], $3::integer[]) given (issuer, number)
WHERE l.tenant = $1 AND l.issuer = given.issuer AND l.number = given.number

-- $2 issuer, $3 number
-- name: list
SELECT l.revision, l.published, l.jwt, l.key FROM badge_status_list l WHERE l.tenant = $1 AND l.issuer = $2 AND l.number = $3

-- $2 issuer, $3 list
-- name: revoked_places
SELECT s.place FROM badge_status s WHERE s.tenant = $1 AND s.issuer = $2 AND s.list = $3 AND s.revoked IS NOT NULL

-- $2 issuer, $3 list, $4 place
-- name: is_revoked
SELECT s.revoked IS NOT NULL AS revoked FROM badge_status s WHERE s.tenant = $1 AND s.issuer = $2 AND s.list = $3 AND s.place = $4

-- $2 issuer, $3 number, $4 revision that was read, $5 token, $6 thumbprint, $7 time: not where somebody else has published it meanwhile, or
-- the key was given up
-- name: publish_list
WITH published AS (
    UPDATE badge_status_list SET jwt = $5, key = $6, published = $4
    WHERE tenant = $1 AND issuer = $2 AND number = $3 AND published < $4
      AND NOT EXISTS (SELECT 1 FROM badge_key k WHERE k.tenant = $1 AND k.issuer = $2 AND k.thumbprint = $6 AND k.compromised IS NOT NULL)
    RETURNING issuer, number, published, key
)
INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes, content)
SELECT $1, $7::timestamptz, 'system', 'issue', 'StatusList', p.issuer, p.published, '{}',
       json_build_object('list', p.number, 'key', p.key)::text FROM published p

-- Credentials -----------------------------------------------------------------------------------------------------------

-- $2 ids of achievements and issuers
-- name: catalogue
SELECT r.id, r.document, r.media_type FROM unnest($2::text[]) given (id)
CROSS JOIN LATERAL (
    SELECT r.id, r.document,
           (SELECT i.media_type FROM badge_image i WHERE i.tenant = $1 AND i.type = r.type AND i.id = given.id) AS media_type
    FROM resource r WHERE r.tenant = $1 AND r.id = given.id OFFSET 0
) r

-- $2 awards, $3 issuers, $4 lists, $5 places, $6 tokens, $7 credentials
-- name: add_credentials
INSERT INTO badge_credential (tenant, award, issuer, list, place, token, credential)
SELECT $1, given.* FROM unnest($2::text[], $3::text[], $4::integer[], $5::integer[], $6::text[], $7::text[]) given

-- Tenants and issuers whose credentials wait for being signed, but for those that were set aside until later.
-- name: with_unsigned
SELECT DISTINCT c.tenant, c.issuer FROM badge_credential c WHERE c.jwt IS NULL AND (c.again IS NULL OR c.again <= now())

-- $2 issuer, $3 how many
-- name: unsigned
SELECT c.award, c.credential FROM badge_credential c
WHERE c.tenant = $1 AND c.issuer = $2 AND c.jwt IS NULL AND (c.again IS NULL OR c.again <= now()) ORDER BY c.created LIMIT $3

-- $2 how many: what is not signed, with what was tried
-- name: waiting
SELECT c.award, c.issuer, c.created AS issued, c.failures, c.problem, c.again FROM badge_credential c
WHERE c.tenant = $1 AND c.jwt IS NULL ORDER BY c.failures DESC, c.created, c.award LIMIT $2

-- $2 awards, $3 reasons, $4 the credentials that could not be signed: they are tried again in ten seconds, then in twice that, until it
-- is an hour
-- name: set_aside
UPDATE badge_credential c SET failures = c.failures + 1, problem = given.problem,
       again = now() + least(interval '1 hour', interval '10 seconds' * power(2, least(c.failures, 10)))
FROM unnest($2::text[], $3::text[], $4::text[]) given (award, problem, credential)
WHERE c.tenant = $1 AND c.award = given.award AND c.jwt IS NULL AND c.credential = given.credential

-- $2 awards, $3 tokens, $4 thumbprints, $5 credentials that were signed: not where they were replaced, or the key given up, meanwhile;
-- $6 time. Each signature is in the trail.
-- name: store_signed
WITH signed AS (
    UPDATE badge_credential c SET jwt = given.jwt, key = given.key, failures = 0, problem = NULL, again = NULL
    FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) given (award, jwt, key, credential)
    WHERE c.tenant = $1 AND c.award = given.award AND c.jwt IS NULL AND c.credential = given.credential
      AND NOT EXISTS (SELECT 1 FROM badge_key k WHERE k.tenant = $1 AND k.issuer = c.issuer AND k.thumbprint = given.key
                      AND k.compromised IS NOT NULL)
    RETURNING c.award, c.issuer, c.key, c.jwt
)
INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes, content)
SELECT $1, $6::timestamptz, 'system', 'issue', 'Credential', s.award, 1, '{}',
       json_build_object('issuer', s.issuer, 'key', s.key, 'sha256', encode(sha256(convert_to(s.jwt, 'UTF8')), 'hex'))::text
FROM signed s

-- $2 time, $3 actor, $4 award, $5 what is said of the signature
-- name: note_signature
INSERT INTO change (tenant, at, actor, operation, type, id, version, attributes, content)
VALUES ($1, $2, $3, 'issue', 'Credential', $4, 1, '{}', $5)

-- $2 award
-- name: credential_of
SELECT c.award, c.issuer, c.list, c.place, c.token, c.credential, c.jwt FROM badge_credential c WHERE c.tenant = $1 AND c.award = $2

-- $2 token in the public URL
-- name: credential_at
SELECT c.award, c.issuer, c.list, c.place, c.token, c.credential, c.jwt, s.revoked,
       (SELECT r.document FROM resource r WHERE r.tenant = $1 AND r.id = c.award) AS document
FROM badge_credential c
JOIN badge_status s ON s.tenant = $1 AND s.issuer = c.issuer AND s.list = c.list AND s.place = c.place
WHERE c.tenant = $1 AND c.token = $2

-- $2 awards that are deleted: what was published of them goes, their places stay taken
-- name: drop_credentials
DELETE FROM badge_credential WHERE tenant = $1 AND award = ANY ($2::text[])

-- $2 awards
-- name: lock_credentials
SELECT c.award, c.credential FROM badge_credential c WHERE c.tenant = $1 AND c.award = ANY ($2::text[]) ORDER BY c.award FOR UPDATE

-- $2 awards, $3 credentials: they are signed anew
-- name: replace_credentials
UPDATE badge_credential c SET credential = given.credential, jwt = NULL, key = NULL, failures = 0, problem = NULL, again = NULL
FROM unnest($2::text[], $3::text[]) given (award, credential) WHERE c.tenant = $1 AND c.award = given.award

-- $2 award
-- name: recipient
SELECT a.recipient FROM award a WHERE a.tenant = $1 AND a.id = $2

-- $2 type, $3 id
-- name: document
SELECT r.document, (SELECT i.media_type FROM badge_image i WHERE i.tenant = $1 AND i.type = $2 AND i.id = $3) AS media_type
FROM resource r WHERE r.tenant = $1 AND r.type = $2 AND r.id = $3

-- Pictures --------------------------------------------------------------------------------------------------------------

-- $2 type, $3 id, $4 media type, $5 image, $6 plan or NULL, $7 digest: of a resource that is locked
-- name: put_image
INSERT INTO badge_image (tenant, type, id, media_type, image, plan, digest) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant, type, id) DO UPDATE
SET media_type = excluded.media_type, image = excluded.image, plan = excluded.plan, digest = excluded.digest, modified = now()

-- $2 type, $3 id
-- name: image
SELECT i.media_type, i.image, i.plan, i.digest FROM badge_image i JOIN resource r ON r.tenant = $1 AND r.type = i.type AND r.id = i.id
WHERE i.tenant = $1 AND i.type = $2 AND i.id = $3

-- $2 type, $3 id: what is known of a picture without reading it
-- name: image_digest
SELECT i.media_type, i.digest FROM badge_image i WHERE i.tenant = $1 AND i.type = $2 AND i.id = $3

-- $2 type, $3 id
-- name: drop_image
DELETE FROM badge_image WHERE tenant = $1 AND type = $2 AND id = $3

-- Credentials that others keep here -------------------------------------------------------------------------------------

-- $2 holder, $3 identity, $4 issued, $5 media type, $6 body, $7 how many there may be, $8 verdicts: whether it is new, NULL where nothing is
-- stored; whether the same one was there; and whether the user is, who is not deleted meanwhile. Nothing beyond that many, and none that is
-- older than the one that is there.
-- name: keep
WITH there AS (
    SELECT r.id FROM resource r WHERE r.tenant = $1 AND r.id = $2::text FOR KEY SHARE
), held AS (
    SELECT k.identity FROM badge_kept k WHERE k.tenant = $1 AND k.holder = $2 AND k.identity = $3
), stored AS (
    INSERT INTO badge_kept (tenant, holder, identity, issued, media_type, body, verdicts)
    SELECT $1, there.id, $3::text, $4::timestamptz, $5::text, $6::bytea, $8::text FROM there
    WHERE (SELECT count(*) FROM badge_kept k WHERE k.tenant = $1 AND k.holder = $2 AND k.identity <> $3) < $7::integer
    ON CONFLICT (tenant, holder, identity) DO UPDATE
    SET issued = excluded.issued, media_type = excluded.media_type, body = excluded.body, verdicts = excluded.verdicts, stored = now()
    WHERE badge_kept.issued <= excluded.issued
    RETURNING xmax = 0 AS new
)
SELECT (SELECT stored.new FROM stored) AS new, EXISTS (SELECT FROM held) AS held, EXISTS (SELECT FROM there) AS there

-- $2 holder: what is kept, the oldest first
-- name: kept
SELECT k.issued, k.stored, k.media_type, octet_length(k.body) AS bytes, k.verdicts FROM badge_kept k
WHERE k.tenant = $1 AND k.holder = $2 ORDER BY k.issued, k.identity

-- $2 holder, who is forgotten
-- name: drop_kept
DELETE FROM badge_kept WHERE tenant = $1 AND holder = $2

-- $2 user, $3 since or NULL, $4 limit, $5 offset, $6 bytes: own awards and kept credentials, the oldest first; one at least, and as many more
-- as have no more bytes together
-- name: held_credentials
SELECT page.jwt, page.body FROM (
    SELECT held.jwt, held.body, held.bytes, held.issued, held.identity,
           sum(held.bytes) OVER (ORDER BY held.issued, held.identity ROWS UNBOUNDED PRECEDING) AS until
    FROM (
        SELECT own.jwt, own.body, own.bytes, own.issued, own.identity FROM (
            SELECT c.jwt, NULL::bytea AS body, octet_length(c.jwt) AS bytes, a.awarded AS issued, c.award AS identity
            FROM award a JOIN badge_credential c ON c.tenant = $1 AND c.award = a.id
            WHERE a.tenant = $1 AND a.recipient = $2 AND c.jwt IS NOT NULL
            UNION ALL
            SELECT NULL, k.body, octet_length(k.body), k.issued, k.identity FROM badge_kept k WHERE k.tenant = $1 AND k.holder = $2
        ) own
        WHERE $3::timestamptz IS NULL OR own.issued > $3 ORDER BY own.issued, own.identity LIMIT $4 OFFSET $5
    ) held
) page
WHERE page.until <= $6::bigint OR page.until = page.bytes ORDER BY page.issued, page.identity

-- $2 user, $3 since or NULL, $4 limit, $5 offset, $6 bytes: how many of these, counted from the newest, are a page
-- name: count_held_before
SELECT count(*) AS credentials FROM (
    SELECT held.bytes, sum(held.bytes) OVER (ORDER BY held.issued DESC, held.identity DESC ROWS UNBOUNDED PRECEDING) AS until
    FROM (
        SELECT own.bytes, own.issued, own.identity FROM (
            SELECT octet_length(c.jwt) AS bytes, a.awarded AS issued, c.award AS identity
            FROM award a JOIN badge_credential c ON c.tenant = $1 AND c.award = a.id
            WHERE a.tenant = $1 AND a.recipient = $2 AND c.jwt IS NOT NULL
            UNION ALL
            SELECT octet_length(k.body), k.issued, k.identity FROM badge_kept k WHERE k.tenant = $1 AND k.holder = $2
        ) own
        WHERE $3::timestamptz IS NULL OR own.issued > $3 ORDER BY own.issued, own.identity LIMIT $4 OFFSET $5
    ) held
) page
WHERE page.until <= $6::bigint OR page.until = page.bytes

-- $2 user, $3 since or NULL: how many there are, and their bytes
-- name: count_held
SELECT sum(held.credentials)::bigint AS total, coalesce(sum(held.bytes), 0)::bigint AS bytes FROM (
    SELECT count(*) AS credentials, sum(octet_length(c.jwt)) AS bytes FROM award a JOIN badge_credential c ON c.tenant = $1 AND c.award = a.id
    WHERE a.tenant = $1 AND a.recipient = $2 AND c.jwt IS NOT NULL AND ($3::timestamptz IS NULL OR a.awarded > $3)
    UNION ALL
    SELECT count(*), sum(octet_length(k.body)) FROM badge_kept k
    WHERE k.tenant = $1 AND k.holder = $2 AND ($3::timestamptz IS NULL OR k.issued > $3)
) held
