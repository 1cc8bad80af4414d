-- How often the name of a resource that backlinks show was changed or went with it: the sum over a few slots, as for counts. Servers keep
-- names for as long as the sum stays.
CREATE TABLE naming (
    tenant   integer  NOT NULL,
    slot     smallint NOT NULL,
    changes  bigint   NOT NULL,
    PRIMARY KEY (tenant, slot)
) WITH (fillfactor = 50);
