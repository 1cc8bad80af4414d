-- Deleted resources that can be brought back; $1 is the tenant but for `with_old`.

-- $2 id
-- name: erase
DELETE FROM tombstone WHERE tenant = $1 AND id = $2

-- $2 id
-- name: erase_references
DELETE FROM tombstone_reference WHERE tenant = $1 AND id = $2
