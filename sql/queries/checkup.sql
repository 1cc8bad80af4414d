-- What doctor looks at. None of these touches a tenant's rows, so $1 is not a tenant here.

-- name: facts
SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_version') AS version_text,
       current_setting('server_encoding') AS encoding,
       current_setting('fsync') AS fsync,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('max_connections')::int AS max_connections,
       current_user AS role,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser,
       clock_timestamp() AS now,
       inet_server_addr() IS NULL OR host(inet_server_addr()) IN ('127.0.0.1', '::1') AS here,
       coalesce((SELECT s.ssl FROM pg_stat_ssl s WHERE s.pid = pg_backend_pid()), false) AS encrypted,
       (SELECT extversion FROM pg_extension WHERE extname = 'citus') AS citus,
       current_setting('citus.propagate_set_commands', true) AS propagation;

-- name: unicode
SELECT unicode FROM schema_state

-- name: role
SELECT current_user::text AS role;

-- Whether the role may take rows from the audit trail, as retention does.
-- name: may_truncate
SELECT has_table_privilege('change', 'DELETE') AND has_table_privilege('change_seal', 'DELETE') AS granted

-- name: pid
SELECT pg_backend_pid()
