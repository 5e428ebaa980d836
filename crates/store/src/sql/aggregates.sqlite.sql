-- name: put_instance
INSERT OR REPLACE INTO snapshots (instance, snapshot) VALUES (?1, ?2);

-- name: delete_instance
DELETE FROM snapshots WHERE instance = ?1;

-- name: load_instance
SELECT snapshot FROM snapshots WHERE instance = ?1;

-- name: put
INSERT OR REPLACE INTO aggregates (shard, address, snapshot) VALUES (?1, ?2, ?3);

-- name: delete
DELETE FROM aggregates WHERE shard = ?1 AND address = ?2;

-- name: load
SELECT snapshot FROM aggregates WHERE shard = ?1 AND address = ?2;

-- name: others
SELECT address, snapshot FROM aggregates
WHERE shard = ?1 AND address > ?2 ORDER BY address LIMIT ?3;
