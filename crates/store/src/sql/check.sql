-- name: shards_in_order
SELECT abs(coalesce(max(shard), 0) - count(*)), CAST(max(shard) AS TEXT) FROM shards;

-- name: slots_complete
SELECT 256 - count(*), NULL FROM slots WHERE EXISTS (SELECT 1 FROM shards) HAVING count(*) <> 256
    AND EXISTS (SELECT 1 FROM shards);

-- name: slots_of_shards
SELECT count(*), CAST(min(slot) AS TEXT) FROM slots
WHERE NOT EXISTS (SELECT 1 FROM shards WHERE shards.shard = slots.shard);

-- name: instances_state
SELECT count(*), CAST(min(instance) AS TEXT) FROM instances WHERE state NOT IN (1, 2, 3, 4);

-- name: instances_without_snapshot
SELECT count(*), CAST(min(instance) AS TEXT) FROM instances
WHERE state = 1
    AND NOT EXISTS (SELECT 1 FROM snapshots WHERE snapshots.instance = instances.instance);

-- name: instances_incidents
SELECT count(*), CAST(min(instance) AS TEXT) FROM instances
WHERE state = 1 AND incidents <>
    (SELECT count(*) FROM incidents WHERE incidents.instance = instances.instance);

-- name: instances_ended
SELECT count(*), CAST(min(instance) AS TEXT) FROM instances
WHERE (state = 1) <> (ended_ms IS NULL) OR (state = 1) <> (forget_ms IS NULL);

-- name: snapshots_without_instance
SELECT count(*), CAST(min(instance) AS TEXT) FROM snapshots
WHERE NOT EXISTS
    (SELECT 1 FROM instances WHERE instances.instance = snapshots.instance AND state = 1);

-- name: keys_ahead
SELECT count(*), CAST(min(shard) AS TEXT) FROM shards
WHERE (SELECT max(instance) FROM instances
    WHERE instance BETWEEN CAST(shard AS BIGINT) << 51 AND (CAST(shard + 1 AS BIGINT) << 51) - 1)
        >= (CAST(shard AS BIGINT) << 51) + blocks_next * 256
    OR (SELECT max(block) FROM blocks
    WHERE block BETWEEN CAST(shard AS BIGINT) << 51 AND (CAST(shard + 1 AS BIGINT) << 51) - 1)
        >= (CAST(shard AS BIGINT) << 51) + blocks_next * 256;

-- name: audit_without_instance
SELECT count(*), CAST(min(instance) AS TEXT) FROM audit
WHERE NOT EXISTS (SELECT 1 FROM instances WHERE instances.instance = audit.instance);

-- name: blocks_without_instance
SELECT count(*), CAST(min(block) AS TEXT) FROM blocks
WHERE NOT EXISTS (SELECT 1 FROM instances WHERE instances.instance = blocks.instance);

-- name: incidents_without_instance
SELECT count(*), CAST(min(incident) AS TEXT) FROM incidents
WHERE NOT EXISTS
    (SELECT 1 FROM instances WHERE instances.instance = incidents.instance AND state = 1);

-- name: entries_without_document
SELECT count(*), CAST(min(entry) AS TEXT) FROM entries
WHERE NOT EXISTS (SELECT 1 FROM documents WHERE documents.document = entries.document);

-- name: entries_state
SELECT count(*), CAST(min(entry) AS TEXT) FROM entries WHERE state NOT IN (1, 2, 3, 4);

-- name: definitions_without_resource
SELECT count(*), CAST(min(definition) AS TEXT) FROM definitions
WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = definitions.digest);

-- name: packages_without_archive
SELECT count(*), min(name) FROM packages
WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = packages.digest);

-- name: deployments_state
SELECT count(*), CAST(min(deployment) AS TEXT) FROM deployments WHERE state NOT IN (1, 2, 3);

-- name: inbox_of_shards
SELECT count(*), CAST(min(shard) AS TEXT) FROM inbox
WHERE NOT EXISTS (SELECT 1 FROM shards WHERE shards.shard = inbox.shard);

-- name: requests_state
SELECT count(*), CAST(min(request) AS TEXT) FROM requests
WHERE state NOT IN (1, 2, 3, 4, 5, 6, 7)
    OR (state = 1 AND shard IS NOT NULL) OR (state IN (2, 3) AND shard IS NULL)
    OR (state IN (3, 4) AND instance IS NULL);

-- name: tokens_role
SELECT count(*), min(name) FROM tokens WHERE role NOT IN (1, 2, 3, 4);

-- name: counts_differ
SELECT count(*), CAST(min(definition) AS TEXT) FROM (
    SELECT definition, sum(active) AS active, sum(failing) AS failing FROM (
        SELECT definition, active, with_incidents AS failing FROM counts
        UNION ALL
        SELECT definition, -count(*), -sum(incidents > 0)
        FROM instances WHERE state = 1 GROUP BY definition
    ) GROUP BY definition
) WHERE active <> 0 OR failing <> 0;

-- name: jobs_twice
SELECT count(*), CAST(min(job) AS TEXT) FROM jobs_leased
WHERE EXISTS (SELECT 1 FROM jobs_ready WHERE jobs_ready.job = jobs_leased.job);
