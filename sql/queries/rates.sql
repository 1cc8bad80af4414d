-- How much of its rate a token or a tenant has used; $1 is always the tenant.

-- $2 subjects in their order, $3 seconds of its rate that each has used since the last time: how many are to be paid off by now
-- name: settle
INSERT INTO rate (tenant, subject, paid)
SELECT $1, used.subject, now() + make_interval(secs => used.seconds) FROM unnest($2::text[], $3::float8[]) used (subject, seconds)
ON CONFLICT (tenant, subject) DO UPDATE SET paid = greatest(rate.paid, now()) + (excluded.paid - now())
RETURNING subject, date_part('epoch', rate.paid - now()) AS backlog

-- $2 seconds for which nothing has been asked for
-- name: prune
DELETE FROM rate WHERE tenant = $1 AND paid < now() - make_interval(secs => $2)
