-- Badges: credentials that could not be signed are set aside until a later attempt, and what was found of credentials that users keep here is
-- kept with them.

ALTER TABLE badge_credential ADD COLUMN failures integer NOT NULL DEFAULT 0;

ALTER TABLE badge_credential ADD COLUMN problem text;

ALTER TABLE badge_credential ADD COLUMN again timestamptz;

ALTER TABLE badge_kept ADD COLUMN verdicts text;

-- Applications that registered themselves for the Open Badges API, and what users permit them: asked for first, then permitted with a code,
-- then redeemed for tokens, of which the digests are kept.
CREATE TABLE badge_application (
    tenant    integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id        text        COLLATE "C" NOT NULL,
    secret    bytea       NOT NULL,
    metadata  text        NOT NULL,
    created   timestamptz NOT NULL DEFAULT now(),
    used      timestamptz,
    PRIMARY KEY (tenant, id)
);

CREATE TABLE badge_grant (
    tenant        integer     NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    id            text        COLLATE "C" NOT NULL,
    application   text        COLLATE "C" NOT NULL,
    scopes        text[]      NOT NULL,
    redirect      text        NOT NULL,
    state         text        NOT NULL,
    challenge     text        COLLATE "C" NOT NULL,
    holder        text        COLLATE "C",
    subject       text        COLLATE "C",
    code          bytea,
    redeemed      boolean     NOT NULL DEFAULT false,
    access        bytea,
    access_until  timestamptz,
    refresh       bytea,
    created       timestamptz NOT NULL DEFAULT now(),
    expires       timestamptz NOT NULL,
    PRIMARY KEY (tenant, id),
    FOREIGN KEY (tenant, application) REFERENCES badge_application (tenant, id) ON DELETE CASCADE
);

CREATE INDEX badge_grant_by_application ON badge_grant (tenant, application);

CREATE INDEX badge_grant_by_holder ON badge_grant (tenant, holder);

CREATE INDEX badge_grant_by_age ON badge_grant (tenant, expires);
