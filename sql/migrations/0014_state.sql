-- Which programs may work on the database: a migration that takes away what they use says so by raising least; all others only add, so that
-- servers of the version before go on beside it. And by which Unicode text was folded, which the migrator notes.
CREATE TABLE schema_state (
    one      boolean NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    least    integer NOT NULL,
    unicode  text
);

-- The number of this migration: programs before it do not look here.
INSERT INTO schema_state (least) SELECT count(*) + 1 FROM schema_migration;
