-- Which programs may still work on the database. A migration that takes away what they use says so by raising it; all others only add, so
-- that servers of the version before go on beside it.
CREATE TABLE schema_reach (
    one    boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    least  integer NOT NULL
);

-- The number of this migration: programs before it do not look here.
INSERT INTO schema_reach (least) SELECT count(*) + 1 FROM schema_migration;
