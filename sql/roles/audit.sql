-- The audit trail append-only for the server's role `scim_app`; erasure, retention and the deletion of tenants are `scim_admin`'s. For
-- databases where the server does not own its tables; run by their owner, after the migrations.

REVOKE ALL ON change, change_seal FROM scim_app;

GRANT SELECT, INSERT ON change, change_seal TO scim_app;

GRANT SELECT, INSERT, UPDATE ON audit_chain TO scim_app;

GRANT SELECT, INSERT ON change, change_seal TO scim_admin;

GRANT UPDATE (content, salt), DELETE ON change TO scim_admin;

GRANT DELETE ON change_seal TO scim_admin;

GRANT SELECT, INSERT, UPDATE, DELETE ON audit_chain TO scim_admin;
