-- name: put
-- takes: bigint[], int[], text[], bigint[]
INSERT INTO jobs (job, shard, type, deadline_ms) SELECT * FROM unnest($1, $2, $3, $4)
ON CONFLICT (job) DO UPDATE SET
    shard = excluded.shard, type = excluded.type, deadline_ms = excluded.deadline_ms;

-- name: delete
-- takes: bigint[]
DELETE FROM jobs WHERE job = ANY ($1);

-- name: ready
-- takes: int, text, bigint, bigint
SELECT job FROM jobs
WHERE deadline_ms IS NULL AND shard = $1 AND type = $2 AND job > $3 ORDER BY job LIMIT $4;

-- name: types
-- takes: int
SELECT type, count(*) FROM jobs
WHERE deadline_ms IS NULL AND shard = $1 GROUP BY type ORDER BY type;

-- name: leased
-- takes: int, bigint, bigint
SELECT job, type, deadline_ms FROM jobs
WHERE deadline_ms IS NOT NULL AND shard = $1 AND job > $2 ORDER BY job LIMIT $3;
