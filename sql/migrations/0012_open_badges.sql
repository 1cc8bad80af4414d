-- Badges: credentials that could not be signed are set aside until a later attempt.

ALTER TABLE badge_credential ADD COLUMN failures integer NOT NULL DEFAULT 0;

ALTER TABLE badge_credential ADD COLUMN problem text;

ALTER TABLE badge_credential ADD COLUMN again timestamptz;
