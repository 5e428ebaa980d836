-- name: put_ready
INSERT OR REPLACE INTO jobs_ready (shard, type, job) VALUES (?1, ?2, ?3);

-- name: delete_ready
DELETE FROM jobs_ready WHERE shard = ?1 AND type = ?2 AND job = ?3;

-- name: put_leased
INSERT OR REPLACE INTO jobs_leased (job, shard, type, deadline_ms) VALUES (?1, ?2, ?3, ?4);

-- name: delete_leased
DELETE FROM jobs_leased WHERE job = ?1;

-- name: ready
SELECT job FROM jobs_ready WHERE shard = ?1 AND type = ?2 AND job > ?3 ORDER BY job LIMIT ?4;

-- name: types
SELECT type, count(*) FROM jobs_ready WHERE shard = ?1 GROUP BY type ORDER BY type;

-- name: leased
SELECT job, type, deadline_ms FROM jobs_leased
WHERE shard = ?1 AND job > ?2 ORDER BY job LIMIT ?3;
