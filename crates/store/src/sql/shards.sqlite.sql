-- name: read
SELECT epoch, sequence, blocks_next FROM shards WHERE shard = ?1;

-- name: advance
UPDATE shards SET sequence = ?2, blocks_next = ?3, after_failure = 0 WHERE shard = ?1;

-- name: take_block
INSERT INTO blocks (block, instance) VALUES (?1, ?2)
ON CONFLICT (block) DO UPDATE SET instance = excluded.instance;

-- name: block_owner
SELECT instance FROM blocks WHERE block = ?1;

-- name: forget_blocks
DELETE FROM blocks WHERE instance = ?1;
