-- Keys of indexed attributes, numbers of resources that need no counting, and deletions that go on in the background.

CREATE TABLE tenant_index (
    tenant     integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    number     integer     NOT NULL,
    type       text        COLLATE "C" NOT NULL,
    attribute  text        COLLATE "C" NOT NULL,
    substring  boolean     NOT NULL,
    state      text        NOT NULL CHECK (state IN ('building', 'ready', 'retiring', 'dropping')),
    since      timestamptz NOT NULL DEFAULT now(),
    position   text        COLLATE "C" NOT NULL DEFAULT '',
    done       bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, number),
    UNIQUE (tenant, type, attribute)
);

CREATE TABLE resource_key (
    tenant     integer NOT NULL,
    attribute  integer NOT NULL,
    key        text    COLLATE "C" NOT NULL,
    id         text    COLLATE "C" NOT NULL,
    substring  boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant, attribute, key, id)
);

CREATE TABLE resource_count (
    tenant     integer  NOT NULL,
    type       text     COLLATE "C" NOT NULL,
    slot       smallint NOT NULL,
    resources  bigint   NOT NULL,
    PRIMARY KEY (tenant, type, slot)
) WITH (fillfactor = 50);

CREATE TABLE erasure (
    tenant  integer     NOT NULL,
    id      text        COLLATE "C" NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE unusual_reference (
    tenant  integer NOT NULL PRIMARY KEY
);

INSERT INTO unusual_reference (tenant)
SELECT DISTINCT ref.tenant FROM reference ref
WHERE ref.source ~ '[^A-Za-z0-9-]' OR EXISTS (SELECT FROM reference above WHERE above.tenant = ref.tenant AND above.target = ref.source);

INSERT INTO resource_count (tenant, type, slot, resources)
SELECT tenant, type, 0, count(*) FROM resource GROUP BY tenant, type;

INSERT INTO tenant_index (tenant, number, type, attribute, substring, state)
SELECT t.id, given.number, given.type, given.attribute, given.substring, 'building'
FROM tenant t CROSS JOIN (VALUES
    (1, 'User', 'username', true),
    (2, 'User', 'externalid', false),
    (3, 'User', 'displayname', true),
    (4, 'User', 'name.familyname', false),
    (5, 'User', 'emails.value', false),
    (6, 'User', 'active', false),
    (7, 'User', 'meta.lastmodified', false),
    (8, 'Group', 'displayname', true),
    (9, 'Group', 'externalid', false),
    (10, 'Group', 'meta.lastmodified', false)
) AS given (number, type, attribute, substring);
