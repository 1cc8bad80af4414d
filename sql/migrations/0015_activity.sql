-- How far the log of a tenant's requests is: the number of its last entry, and the ids that were erased a moment ago, which entries on
-- their way here must not bring back. Who writes entries holds this row, so that they become visible in the order of their numbers.
CREATE TABLE activity_head (
    tenant     integer     NOT NULL PRIMARY KEY REFERENCES tenant (id) ON DELETE CASCADE,
    last       bigint      NOT NULL,
    erased     text[]      COLLATE "C" NOT NULL DEFAULT '{}',
    erased_at  timestamptz
) WITH (fillfactor = 50);

-- A recent request of a tenant's client, or one operation of a bulk request: words of the program, names of schemas, numbers and ids, but
-- no values. What changed is copied from the change that it led to. reads marks those that succeeded and changed nothing.
CREATE TABLE activity (
    tenant          integer     NOT NULL,
    number          bigint      NOT NULL,
    reads           boolean     NOT NULL,
    at              timestamptz NOT NULL,
    request_id      text        COLLATE "C" NOT NULL,
    correlation     text        COLLATE "C",
    operation       integer,
    token           text        COLLATE "C",
    client          text        COLLATE "C" NOT NULL,
    method          text        COLLATE "C" NOT NULL,
    route           text        COLLATE "C" NOT NULL,
    op              text        COLLATE "C",
    type            text        COLLATE "C",
    resource        text        COLLATE "C",
    status          smallint    NOT NULL,
    result          text        COLLATE "C" NOT NULL,
    reason          text        COLLATE "C",
    scim_type       text        COLLATE "C",
    detail          text,
    milliseconds    real        NOT NULL,
    changed         text        COLLATE "C",
    version         bigint,
    attributes      text[]      NOT NULL DEFAULT '{}',
    coercions       text[]      NOT NULL DEFAULT '{}',
    active          boolean,
    added           text[]      COLLATE "C" NOT NULL DEFAULT '{}',
    removed         text[]      COLLATE "C" NOT NULL DEFAULT '{}',
    number_added    integer     NOT NULL DEFAULT 0,
    number_removed  integer     NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, number)
);
