-- Tenants define schemas and resource types: what changed in a definition, work that follows from it, and values of removed attributes.

ALTER TABLE tenant ADD COLUMN edition bigint NOT NULL DEFAULT 1;

ALTER TABLE tenant ADD COLUMN changing timestamptz;

ALTER TABLE tenant_schema ADD COLUMN forms jsonb NOT NULL DEFAULT '{}';

CREATE TABLE tenant_job (
    tenant    integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    number    integer     NOT NULL,
    kind      text        NOT NULL CHECK (kind IN ('rework', 'rekey', 'restore', 'purge')),
    subject   text        COLLATE "C" NOT NULL,
    plan      jsonb       NOT NULL,
    state     text        NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    position  text        COLLATE "C" NOT NULL DEFAULT '',
    done      bigint      NOT NULL DEFAULT 0,
    total     bigint      NOT NULL DEFAULT 0,
    result    jsonb       NOT NULL DEFAULT '{}',
    actor     text        NOT NULL,
    created   timestamptz NOT NULL DEFAULT now(),
    since     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, number)
);

CREATE TABLE removed_value (
    tenant     integer     NOT NULL,
    type       text        COLLATE "C" NOT NULL,
    attribute  text        COLLATE "C" NOT NULL,
    id         text        COLLATE "C" NOT NULL,
    value      text        NOT NULL,
    removed    timestamptz NOT NULL,
    PRIMARY KEY (tenant, type, attribute, id, removed)
);

CREATE INDEX removed_value_by_resource ON removed_value (tenant, id);

ALTER INDEX resource_search SET (gin_pending_list_limit = 64);
