-- Badges: credentials that could not be signed are set aside until a later attempt, and what was found of credentials that users keep here is
-- kept with them.

ALTER TABLE badge_credential ADD COLUMN failures integer NOT NULL DEFAULT 0;

ALTER TABLE badge_credential ADD COLUMN problem text;

ALTER TABLE badge_credential ADD COLUMN again timestamptz;

ALTER TABLE badge_kept ADD COLUMN verdicts text;
