-- name: arm
-- takes: int[], bigint[], bytea[], bigint[]
INSERT INTO timers (shard, due_ms, address, id) SELECT * FROM unnest($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: disarm
-- takes: int[], bigint[], bytea[], bigint[]
DELETE FROM timers USING unnest($1, $2, $3, $4) AS gone (shard, due_ms, address, id)
WHERE timers.shard = gone.shard AND timers.due_ms = gone.due_ms
    AND timers.address = gone.address AND timers.id = gone.id;

-- name: due
-- takes: int, bigint, bigint
SELECT due_ms, address, id FROM timers
WHERE shard = $1 AND due_ms < $2
ORDER BY due_ms, address, id LIMIT $3;

-- name: due_after
-- takes: int, bigint, bigint, bigint, bytea, bigint
SELECT due_ms, address, id FROM timers
WHERE shard = $1 AND (due_ms, address, id) > ($4, $5, $6) AND due_ms < $2
ORDER BY due_ms, address, id LIMIT $3;
