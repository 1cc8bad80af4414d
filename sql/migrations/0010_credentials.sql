-- Credentials of awards: issuers' keys, status lists, signed forms, pictures, and credentials that others keep here.

CREATE TABLE badge_key (
    tenant       integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    issuer       text        COLLATE "C" NOT NULL,
    purpose      text        NOT NULL CHECK (purpose IN ('token', 'proof')),
    number       integer     NOT NULL,
    thumbprint   text        COLLATE "C" NOT NULL,
    alg          text        NOT NULL,
    public       json        NOT NULL,
    sealed       bytea       NOT NULL,
    created      timestamptz NOT NULL DEFAULT now(),
    signs_from   timestamptz NOT NULL,
    retired      timestamptz,
    compromised  timestamptz,
    PRIMARY KEY (tenant, issuer, purpose, number)
);

CREATE UNIQUE INDEX badge_key_by_thumbprint ON badge_key (tenant, issuer, thumbprint);

CREATE TABLE badge_status_list (
    tenant     integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    issuer     text        COLLATE "C" NOT NULL,
    number     integer     NOT NULL,
    revision   bigint      NOT NULL DEFAULT 1,
    published  bigint      NOT NULL DEFAULT 0,
    jwt        text,
    key        text        COLLATE "C",
    PRIMARY KEY (tenant, issuer, number)
);

CREATE TABLE badge_status (
    tenant   integer     NOT NULL,
    issuer   text        COLLATE "C" NOT NULL,
    list     integer     NOT NULL,
    place    integer     NOT NULL,
    award    text        COLLATE "C" NOT NULL,
    revoked  timestamptz,
    PRIMARY KEY (tenant, issuer, list, place)
);

CREATE INDEX badge_status_revoked ON badge_status (tenant, issuer, list, place) WHERE revoked IS NOT NULL;

CREATE TABLE badge_credential (
    tenant      integer     NOT NULL,
    award       text        COLLATE "C" NOT NULL,
    issuer      text        COLLATE "C" NOT NULL,
    list        integer     NOT NULL,
    place       integer     NOT NULL,
    token       text        COLLATE "C" NOT NULL,
    credential  text        NOT NULL,
    created     timestamptz NOT NULL DEFAULT now(),
    jwt         text,
    key         text        COLLATE "C",
    PRIMARY KEY (tenant, award)
);

CREATE UNIQUE INDEX badge_credential_by_token ON badge_credential (tenant, token);

CREATE INDEX badge_credential_unsigned ON badge_credential (tenant, issuer, created) WHERE jwt IS NULL;

CREATE TABLE badge_image (
    tenant      integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    type        text        COLLATE "C" NOT NULL,
    id          text        COLLATE "C" NOT NULL,
    media_type  text        NOT NULL,
    image       bytea       NOT NULL,
    plan        bytea,
    digest      text        COLLATE "C" NOT NULL,
    modified    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, type, id)
);

CREATE TABLE badge_kept (
    tenant      integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    holder      text        COLLATE "C" NOT NULL,
    identity    text        COLLATE "C" NOT NULL,
    issued      timestamptz NOT NULL,
    media_type  text        NOT NULL,
    body        bytea       NOT NULL,
    stored      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, holder, identity)
);
