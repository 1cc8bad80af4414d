-- Which searches of the tenant $1 a replica may answer. Numbers of changes are not in the order in which they are committed, but a replica's state is one that
-- the primary had: among the numbers above a floor it has as many as the primary only when it has the same ones, or is further.

-- Of the primary: what the tenant has by now. $2 is how many changes are counted at most.
-- name: mark
SELECT t.revision, a.floor,
       (SELECT count(*) FROM (SELECT FROM change c WHERE c.tenant = $1 AND c.seq > a.floor LIMIT $2) counted) AS changes
FROM tenant t JOIN audit_chain a ON a.tenant = t.id WHERE t.id = $1

-- Of the replica: whether it has all that. $2 revision, $3 floor, $4 changes
-- name: holds
SELECT coalesce(bool_and(t.revision >= $2 AND a.floor >= $3
    AND (SELECT count(*) FROM (SELECT FROM change c WHERE c.tenant = $1 AND c.seq > $3 LIMIT $4) counted) >= $4), false) AS holds
FROM tenant t JOIN audit_chain a ON a.tenant = t.id WHERE t.id = $1
