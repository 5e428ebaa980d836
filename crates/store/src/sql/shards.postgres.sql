-- name: advance
-- takes: int[], bigint[], bigint[], bigint[], bigint[], bigint
SELECT advance($1, $2, $3, $4, $5, $6);

-- name: stored
-- takes: int[]
SELECT shard, epoch, sequence FROM shards WHERE shard = ANY ($1);

-- name: marks
-- takes: int[], bigint[]
SELECT asked.shard,
    CASE WHEN shards.epoch = asked.epoch THEN shards.mark ELSE epochs.mark END
FROM unnest($1, $2) AS asked (shard, epoch)
JOIN shards ON shards.shard = asked.shard
LEFT JOIN epochs ON epochs.shard = asked.shard AND epochs.epoch = asked.epoch;

-- name: take_blocks
-- takes: bigint[], bigint[]
INSERT INTO blocks (block, instance) SELECT * FROM unnest($1, $2)
ON CONFLICT (block) DO UPDATE SET instance = excluded.instance;

-- name: block_owner
-- takes: bigint
SELECT instance FROM blocks WHERE block = $1;
