-- Badges: awards as progression, credentials and public pages look them up, and the work that follows from a change of a catalogue.

CREATE TABLE award (
    tenant       integer     NOT NULL,
    id           text        COLLATE "C" NOT NULL,
    recipient    text        COLLATE "C" NOT NULL,
    achievement  text        COLLATE "C" NOT NULL,
    issuer       text        COLLATE "C" NOT NULL,
    state        text        NOT NULL CHECK (state IN ('active', 'revoked')),
    by_hand      boolean     NOT NULL DEFAULT false,
    automatic    boolean     NOT NULL,
    awarded      timestamptz NOT NULL,
    valid_until  timestamptz,
    token        text        COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX award_by_recipient ON award (tenant, recipient, achievement);

CREATE INDEX award_by_achievement ON award (tenant, achievement, recipient);

CREATE UNIQUE INDEX award_by_token ON award (tenant, token);

ALTER TABLE tenant_job DROP CONSTRAINT tenant_job_kind_check;

ALTER TABLE tenant_job ADD CONSTRAINT tenant_job_kind_check CHECK (kind IN ('rework', 'rekey', 'restore', 'purge', 'progress'));
