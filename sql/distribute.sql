-- Distributes the tables over the nodes of a Citus cluster: docs/scaling.md. Run after `scimsrv db migrate`, by the role that owns the tables, on
-- the coordinator; one statement per execute. What has been distributed already is left alone, so run it again after each upgrade.
--
-- What is asked for before the tenant is known, and is small and seldom changed, is whole on every node (reference tables). The rest has a shard
-- for each tenant's number, and the shards of one tenant lie together, so that a statement and a transaction of one tenant stay on one node.
-- References between tables decide about the order: what is referred to comes first.

SELECT create_reference_table('tenant')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tenant'::regclass);

SELECT create_reference_table('tenant_config')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tenant_config'::regclass);

SELECT create_reference_table('credential')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'credential'::regclass);

SELECT create_reference_table('oauth_client')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'oauth_client'::regclass);

SELECT create_reference_table('oauth_secret')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'oauth_secret'::regclass);

SELECT create_reference_table('trust')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'trust'::regclass);

SELECT create_distributed_table('resource', 'tenant')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'resource'::regclass);

SELECT create_distributed_table('used_assertion', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'used_assertion'::regclass);

SELECT create_distributed_table('tenant_schema', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tenant_schema'::regclass);

SELECT create_distributed_table('tenant_resource_type', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tenant_resource_type'::regclass);

SELECT create_distributed_table('unique_key', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'unique_key'::regclass);

SELECT create_distributed_table('tenant_index', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tenant_index'::regclass);

SELECT create_distributed_table('resource_key', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'resource_key'::regclass);

SELECT create_distributed_table('resource_count', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'resource_count'::regclass);

SELECT create_distributed_table('naming', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'naming'::regclass);

SELECT create_distributed_table('erasure', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'erasure'::regclass);

SELECT create_distributed_table('reference', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'reference'::regclass);

SELECT create_distributed_table('unusual_reference', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'unusual_reference'::regclass);

SELECT create_distributed_table('secret', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'secret'::regclass);

SELECT create_distributed_table('change', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'change'::regclass);

SELECT create_distributed_table('tenant_job', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tenant_job'::regclass);

SELECT create_distributed_table('removed_value', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'removed_value'::regclass);

SELECT create_distributed_table('request_job', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'request_job'::regclass);

SELECT create_distributed_table('request_result', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'request_result'::regclass);

SELECT create_distributed_table('first_answer', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'first_answer'::regclass);

SELECT create_distributed_table('award', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'award'::regclass);

SELECT create_distributed_table('change_seal', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'change_seal'::regclass);

SELECT create_distributed_table('audit_chain', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'audit_chain'::regclass);

SELECT create_distributed_table('tombstone', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tombstone'::regclass);

SELECT create_distributed_table('tombstone_reference', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'tombstone_reference'::regclass);

SELECT create_distributed_table('deletion_guard', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'deletion_guard'::regclass);

SELECT create_distributed_table('badge_key', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_key'::regclass);

SELECT create_distributed_table('badge_status_list', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_status_list'::regclass);

SELECT create_distributed_table('badge_status', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_status'::regclass);

SELECT create_distributed_table('badge_credential', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_credential'::regclass);

SELECT create_distributed_table('badge_image', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_image'::regclass);

SELECT create_distributed_table('badge_kept', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_kept'::regclass);

SELECT create_distributed_table('rate', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'rate'::regclass);

SELECT create_distributed_table('badge_application', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_application'::regclass);

SELECT create_distributed_table('badge_grant', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'badge_grant'::regclass);

SELECT create_distributed_table('activity_head', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'activity_head'::regclass);

SELECT create_distributed_table('activity', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'activity'::regclass);

SELECT create_distributed_table('activity_batch', 'tenant', colocate_with => 'resource')
WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'activity_batch'::regclass);
