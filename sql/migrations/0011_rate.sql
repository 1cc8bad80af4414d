-- How much of its rate a token, or a whole tenant (subject ''), has used: when all that it has asked for so far would be paid off. Servers
-- count for themselves and settle here several times a second. Unlogged: a crash forgives, and no write waits for the disk.
CREATE UNLOGGED TABLE rate (
    tenant   integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    subject  text        COLLATE "C" NOT NULL,
    paid     timestamptz NOT NULL,
    PRIMARY KEY (tenant, subject)
) WITH (fillfactor = 50);
