-- name: arm
INSERT OR REPLACE INTO timers (shard, due_ms, address, id) VALUES (?1, ?2, ?3, ?4);

-- name: disarm
DELETE FROM timers WHERE shard = ?1 AND due_ms = ?2 AND address = ?3 AND id = ?4;

-- name: due
SELECT due_ms, address, id FROM timers
WHERE shard = ?1 AND due_ms < ?2
ORDER BY due_ms, address, id LIMIT ?3;

-- name: due_after
SELECT due_ms, address, id FROM timers
WHERE shard = ?1 AND (due_ms, address, id) > (?4, ?5, ?6) AND due_ms < ?2
ORDER BY due_ms, address, id LIMIT ?3;
