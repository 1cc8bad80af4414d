-- Makes filters with co and ew fast on attributes whose pieces are indexed. Nothing depends on it: without it they read every key.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE INDEX IF NOT EXISTS resource_key_substring ON resource_key USING gin (key gin_trgm_ops) WHERE substring;
