-- Bulk, /Me, asynchronous requests and their repetition: whom a token stands for, requests that are carried out later, first answers.

ALTER TABLE credential ADD COLUMN subject text COLLATE "C";

-- The alias `scim` has scim:bulk from now on: tokens that were made by it lose nothing against new ones.
UPDATE credential SET scopes = scopes || ARRAY['scim:bulk']
WHERE scopes @> ARRAY['scim:read', 'scim:write'] AND NOT scopes @> ARRAY['scim:bulk'];

CREATE TABLE request_job (
    tenant      integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    txn         text        COLLATE "C" NOT NULL,
    actor       text        COLLATE "C" NOT NULL,
    created     timestamptz NOT NULL DEFAULT now(),
    finished    timestamptz,
    holder      text        COLLATE "C",
    held_until  timestamptz NOT NULL DEFAULT now(),
    operations  integer     NOT NULL,
    request     bytea       NOT NULL,
    PRIMARY KEY (tenant, txn)
);

CREATE INDEX request_job_by_age ON request_job (tenant, finished NULLS FIRST, created);

CREATE TABLE request_result (
    tenant  integer NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    txn     text    COLLATE "C" NOT NULL,
    number  integer NOT NULL,
    result  text    NOT NULL,
    PRIMARY KEY (tenant, txn, number),
    FOREIGN KEY (tenant, txn) REFERENCES request_job (tenant, txn) ON DELETE CASCADE
);

CREATE TABLE first_answer (
    tenant      integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    key         text        COLLATE "C" NOT NULL,
    digest      bytea       NOT NULL,
    created     timestamptz NOT NULL DEFAULT now(),
    holder      text        COLLATE "C" NOT NULL,
    held_until  timestamptz NOT NULL,
    txn         text        COLLATE "C",
    status      smallint,
    headers     text,
    body        bytea,
    PRIMARY KEY (tenant, key)
);

CREATE INDEX first_answer_by_age ON first_answer (tenant, created);
