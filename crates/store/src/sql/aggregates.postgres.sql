-- name: put_instances
-- takes: bigint[], bytea[]
INSERT INTO snapshots (instance, snapshot) SELECT * FROM unnest($1, $2)
ON CONFLICT (instance) DO UPDATE SET snapshot = excluded.snapshot;

-- name: delete_instances
-- takes: bigint[]
DELETE FROM snapshots WHERE instance = ANY ($1);

-- name: put
-- takes: int[], bytea[], bytea[]
INSERT INTO aggregates (shard, address, snapshot) SELECT * FROM unnest($1, $2, $3)
ON CONFLICT (shard, address) DO UPDATE SET snapshot = excluded.snapshot;

-- name: delete
-- takes: int[], bytea[]
DELETE FROM aggregates USING unnest($1, $2) AS gone (shard, address)
WHERE aggregates.shard = gone.shard AND aggregates.address = gone.address;

-- name: load
-- takes: int, bigint[], bytea[]
SELECT place, snapshot
FROM unnest($2) WITH ORDINALITY AS asked (instance, place)
JOIN snapshots ON snapshots.instance = asked.instance
UNION ALL
SELECT place, snapshot
FROM unnest($3) WITH ORDINALITY AS asked (address, place)
JOIN aggregates ON aggregates.shard = $1 AND aggregates.address = asked.address;

-- name: others
-- takes: int, bytea, bigint
SELECT address, snapshot FROM aggregates
WHERE shard = $1 AND address > $2 ORDER BY address LIMIT $3;
