-- Bookkeeping of migrations. None of these touches a tenant's rows, so $1 is not a tenant here.

-- Made before the first migration, because it is what keeps two first migrations apart.
-- name: make_lock_table
CREATE TABLE IF NOT EXISTS migration_lock (
    name    text        NOT NULL PRIMARY KEY,
    holder  text        NOT NULL,
    taken   timestamptz NOT NULL
);

-- Takes the lock, or takes it over from a migrator that has not been heard of for a minute.
-- name: take_lock
INSERT INTO migration_lock AS held (name, holder, taken) VALUES ('schema', $1, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, taken = excluded.taken
WHERE held.taken < clock_timestamp() - interval '60 seconds'
RETURNING holder;

-- Run at the start of a migration's transaction: proves that the lock is still ours, and its row lock keeps a takeover waiting.
-- name: keep_lock
UPDATE migration_lock SET taken = clock_timestamp() WHERE name = 'schema' AND holder = $1 RETURNING holder;

-- name: release_lock
DELETE FROM migration_lock WHERE name = 'schema' AND holder = $1;

-- name: has_history
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: history
SELECT number, name, checksum, applied_at FROM schema_migration ORDER BY number;

-- name: record
INSERT INTO schema_migration (number, name, checksum) VALUES ($1, $2, $3);

-- name: has_state
SELECT to_regclass('schema_state') IS NOT NULL;

-- name: least
SELECT least FROM schema_state;

-- Where there is no such table the database is older than any program that asks this.
-- name: version
SELECT max(number) AS number, (SELECT least FROM schema_state) AS least FROM schema_migration;

-- $1 version of Unicode: unless one is noted
-- name: note_unicode
UPDATE schema_state SET unicode = $1 WHERE unicode IS NULL;

-- $1 version of Unicode: everything was folded anew
-- name: folded_anew
UPDATE schema_state SET unicode = $1;
