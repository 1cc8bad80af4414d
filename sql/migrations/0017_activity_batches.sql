-- Recent requests of a tenant's clients as they were written, those of a moment in a row: entries that changed something or were refused,
-- and, in reads, those that succeeded and changed nothing; number and number_read are how many of each are left. An entry is JSON, has words
-- of the program, names of schemas, numbers and ids, but no values, and says at what place behind base it was counted; last is the number
-- of the last one that was, at when the newest arrived. What changed is read from the change that an entry led to.
CREATE TABLE activity_batch (
    tenant       integer     NOT NULL,
    base         bigint      NOT NULL,
    last         bigint      NOT NULL,
    at           timestamptz NOT NULL,
    number       integer     NOT NULL,
    number_read  integer     NOT NULL,
    entries      text[]      COLLATE "C" NOT NULL,
    reads        text[]      COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, base)
);

-- Compressing what lives for hours costs more than the room.
ALTER TABLE activity_batch ALTER COLUMN entries SET STORAGE EXTERNAL, ALTER COLUMN reads SET STORAGE EXTERNAL;
