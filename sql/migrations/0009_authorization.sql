-- Authorization: clients with secrets or keys, issuers whose tokens are trusted, assertions that were used; credentials for some resource
-- types and networks only.

ALTER TABLE credential ADD COLUMN types text[];

ALTER TABLE credential ADD COLUMN networks cidr[];

ALTER TABLE credential ADD COLUMN warned smallint;

CREATE TABLE oauth_client (
    tenant     integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id         text        COLLATE "C" NOT NULL,
    label      text        NOT NULL,
    scopes     text[]      NOT NULL,
    types      text[],
    networks   cidr[],
    lifetime   integer     NOT NULL CHECK (lifetime > 0),
    jwks       text,
    edition    integer     NOT NULL DEFAULT 1,
    created    timestamptz NOT NULL DEFAULT now(),
    last_used  timestamptz,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE oauth_secret (
    tenant   integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    client   text        COLLATE "C" NOT NULL,
    kid      text        COLLATE "C" NOT NULL,
    digest   bytea       NOT NULL,
    created  timestamptz NOT NULL DEFAULT now(),
    expires  timestamptz,
    warned   smallint,
    PRIMARY KEY (tenant, client, kid),
    FOREIGN KEY (tenant, client) REFERENCES oauth_client (tenant, id) ON DELETE CASCADE
);

CREATE TABLE trust (
    tenant      integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id          text        COLLATE "C" NOT NULL,
    label       text        NOT NULL,
    issuer      text        COLLATE "C" NOT NULL,
    audiences   text[]      NOT NULL,
    pins        json        NOT NULL,
    algorithms  text[]      NOT NULL,
    jwks        text,
    jwks_uri    text,
    uses        text[]      NOT NULL,
    single_use  boolean     NOT NULL,
    scopes      text[]      NOT NULL,
    types       text[],
    networks    cidr[],
    roles       json        NOT NULL,
    lifetime    integer     NOT NULL CHECK (lifetime > 0),
    created     timestamptz NOT NULL DEFAULT now(),
    last_used   timestamptz,
    PRIMARY KEY (tenant, id),
    CHECK ((jwks IS NULL) <> (jwks_uri IS NULL))
);

CREATE INDEX trust_by_issuer ON trust (tenant, issuer);

CREATE TABLE used_assertion (
    tenant   integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    digest   bytea       NOT NULL,
    expires  timestamptz NOT NULL,
    PRIMARY KEY (tenant, digest)
);

CREATE INDEX used_assertion_by_age ON used_assertion (tenant, expires);
