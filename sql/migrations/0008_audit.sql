-- The audit trail's values and chain, deleted resources that can be brought back, and the guard against mass deletions.

ALTER TABLE change ADD COLUMN content text;

ALTER TABLE change ADD COLUMN salt bytea;

ALTER TABLE change ALTER COLUMN salt SET DEFAULT uuid_send(gen_random_uuid());

CREATE TABLE change_seal (
    tenant    integer     NOT NULL,
    number    bigint      NOT NULL,
    position  bigint      NOT NULL,
    at        timestamptz NOT NULL,
    seqs      bigint[]    NOT NULL,
    highest   bigint      NOT NULL,
    digests   bytea       NOT NULL,
    hashes    bytea       NOT NULL,
    previous  bytea       NOT NULL,
    mac       bytea       NOT NULL,
    PRIMARY KEY (tenant, number)
);

CREATE TABLE audit_chain (
    tenant        integer     NOT NULL PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
    number        bigint      NOT NULL DEFAULT 0,
    position      bigint      NOT NULL DEFAULT 0,
    head          bytea       NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    highest       bigint      NOT NULL DEFAULT 0,
    floor         bigint      NOT NULL DEFAULT 0,
    floor_number  bigint      NOT NULL DEFAULT 0,
    sealed        timestamptz NOT NULL DEFAULT now(),
    looked        timestamptz NOT NULL DEFAULT now()
);

INSERT INTO audit_chain (tenant) SELECT id FROM tenant;

CREATE TABLE tombstone (
    tenant    integer     NOT NULL,
    id        text        COLLATE "C" NOT NULL,
    type      text        COLLATE "C" NOT NULL,
    version   bigint      NOT NULL,
    created   timestamptz NOT NULL,
    deleted   timestamptz NOT NULL,
    actor     text        NOT NULL,
    document  text        NOT NULL,
    user_name    text     COLLATE "C",
    external_id  text     COLLATE "C",
    restored  timestamptz,
    PRIMARY KEY (tenant, id)
);

CREATE INDEX tombstone_by_time ON tombstone (tenant, deleted);

CREATE INDEX tombstone_by_user_name ON tombstone (tenant, type, user_name);

CREATE INDEX tombstone_by_external_id ON tombstone (tenant, type, external_id);

CREATE INDEX tombstone_restored ON tombstone (tenant, id) WHERE restored IS NOT NULL;

CREATE TABLE tombstone_reference (
    tenant     integer NOT NULL,
    id         text    COLLATE "C" NOT NULL,
    source     text    COLLATE "C" NOT NULL,
    attribute  text    COLLATE "C" NOT NULL,
    target     text    COLLATE "C" NOT NULL,
    pointer    text,
    PRIMARY KEY (tenant, id, source, attribute, target)
);

CREATE TABLE deletion_guard (
    tenant     integer     NOT NULL,
    type       text        COLLATE "C" NOT NULL,
    since      timestamptz NOT NULL,
    base       bigint      NOT NULL,
    present    bigint      NOT NULL,
    former     bigint      NOT NULL,
    allowance  bigint      NOT NULL DEFAULT 0,
    held       timestamptz,
    PRIMARY KEY (tenant, type)
);
