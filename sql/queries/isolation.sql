-- Row-level security, the second wall around a tenant's rows (`isolation = "rls"`). A tenant's table is one with a column `tenant`, or
-- the table of tenants itself. None of these statements touches a tenant's rows, so $1 is not a tenant here.

-- What policies say, once for all tables:
--   tenant_rows  a transaction sees and writes the rows of the tenant that it has named by SET LOCAL scimsrv.tenant; without, none;
--   across       authentication and the background, which do not know the tenant yet, read a few tables when they say so
--                by SET LOCAL scimsrv.across; they write nothing that way;
--   owner_rows   the role that made the policies (migrations, administration) has all rows: row-level security is forced upon it, too, so
--                that this is a policy to be seen, and no exemption.
-- The conditions stand in sub-selects, which are evaluated once for a statement and not for each row.

-- Statements, in their order, that put the tables without all of it behind the wall, and give the application's role what it needs:
-- every right on rows but those of changing what has happened. $1 role of the application
-- name: isolate
WITH found AS (
    SELECT c.oid, c.relname AS name, CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant' END AS owner,
           c.relname IN ('credential', 'tenant', 'tenant_config', 'tenant_index', 'tenant_job', 'erasure', 'request_job', 'first_answer',
                         'rate', 'tombstone', 'audit_chain', 'change', 'oauth_client', 'oauth_secret', 'trust',
                         'badge_key', 'badge_credential', 'activity_head') AS looked_at,
           c.relrowsecurity AND c.relforcerowsecurity AS forced
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    AND (c.relname = 'tenant' OR EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
    ))
), tenant_table AS (
    SELECT f.name, f.owner, f.looked_at, f.forced AND (
        SELECT coalesce(array_agg(p.polname::text), '{}') @> (ARRAY['tenant_rows', 'owner_rows'] || CASE WHEN f.looked_at THEN ARRAY['across'] END)
        FROM pg_policy p WHERE p.polrelid = f.oid
    ) AS walled
    FROM found f
), policy (place, name, kind, condition) AS (
    VALUES (1, 'tenant_rows', 'TO PUBLIC', '%I = (SELECT nullif(current_setting(''scimsrv.tenant'', true), '''')::integer)'),
           (3, 'across', 'FOR SELECT TO PUBLIC', '(SELECT current_setting(''scimsrv.across'', true) = ''on'')'),
           (5, 'owner_rows', 'TO CURRENT_USER', 'true')
), wanted AS (
    SELECT t.name, p.place, format('DROP POLICY IF EXISTS %I ON %I', p.name, t.name) AS statement
    FROM tenant_table t, policy p WHERE NOT t.walled
    UNION ALL
    SELECT t.name, p.place + 1, format('CREATE POLICY %I ON %I %s USING (%s)', p.name, t.name, p.kind, format(p.condition, t.owner))
    FROM tenant_table t, policy p WHERE NOT t.walled AND (t.looked_at OR p.name <> 'across')
    UNION ALL SELECT t.name, 7, format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t.name) FROM tenant_table t WHERE NOT t.walled
    UNION ALL SELECT t.name, 8, format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t.name) FROM tenant_table t WHERE NOT t.walled
    UNION ALL
    SELECT t.name, 9, format(
        'GRANT SELECT, INSERT%s ON %I TO %I',
        CASE WHEN t.name IN ('change', 'change_seal') THEN '' ELSE ', UPDATE, DELETE' END, t.name, $1::text
    )
    FROM tenant_table t WHERE NOT has_table_privilege($1::text, format('%I', t.name), 'INSERT')
    UNION ALL
    SELECT '', 10, format('GRANT SELECT ON %I TO %I', t.name, $1::text)
    FROM (VALUES ('schema_migration'), ('schema_state')) t (name) WHERE NOT has_table_privilege($1::text, t.name, 'SELECT')
)
SELECT statement FROM wanted ORDER BY name, place

-- Whether the wall stands for the role that asks: what it is, and the tenants' tables that are open to it.
-- name: inspect
SELECT current_user AS role, r.rolsuper OR r.rolbypassrls AS exempt, t.owned, t.open, t.walled
FROM pg_roles r, LATERAL (
    SELECT coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE pg_has_role(c.relowner, 'MEMBER')), '{}') AS owned,
           coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE NOT (
               c.relrowsecurity AND c.relforcerowsecurity
               AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'tenant_rows')
           )), '{}') AS open,
           coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE c.relrowsecurity), '{}') AS walled
    FROM pg_class c
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p')
    AND (c.relname = 'tenant' OR EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped
    ))
) t
WHERE r.rolname = current_user
