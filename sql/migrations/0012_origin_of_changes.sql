-- Where a change came from: of the request behind it the id and the address.
ALTER TABLE change ADD COLUMN origin text[];
