-- How far a replica is behind, by positions in the primary's log.

-- Of the primary: how far its log has come, what is not on its disk yet included. Where the last row ended with a page, the place for the next
-- one is behind the next page's head, of 40 bytes at most, where no replica comes before there is one.
-- name: written
SELECT at - CASE WHEN at % page <= 40 THEN at % page ELSE 0 END AS position
FROM (SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint AS at, current_setting('wal_block_size')::bigint AS page) log

-- Of a replica: how far it has come; NULL where it is none.
-- name: replayed
SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0')::bigint END AS position
