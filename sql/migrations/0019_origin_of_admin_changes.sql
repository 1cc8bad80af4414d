-- Id and address of the request by which an administrator did something; NULL for commands on the database, and for what was done before.

ALTER TABLE admin_change ADD COLUMN origin text[];
