-- Where applications of the Open Badges API registered from, and where users who are asked come from, so that one network cannot take the
-- places of the others.

ALTER TABLE badge_application ADD COLUMN network text COLLATE "C";

ALTER TABLE badge_grant ADD COLUMN network text COLLATE "C";
