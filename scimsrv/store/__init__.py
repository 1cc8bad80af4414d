"""Everything that talks to Postgres; nothing outside this package imports its driver."""
