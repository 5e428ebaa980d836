-- name: send
INSERT OR REPLACE INTO inbox (shard, sender, sequence, position, content)
VALUES (?1, ?2, ?3, ?4, ?5);

-- name: receive
DELETE FROM inbox WHERE shard = ?1 AND sender = ?2 AND sequence = ?3 AND position = ?4;

-- name: inbox
SELECT sender, sequence, position, content FROM inbox
WHERE shard = ?1 ORDER BY sender, sequence, position LIMIT ?2;

-- name: put_request
INSERT INTO requests (request, process, variables, state, at_ms, due_ms, shard, instance, reason,
    ended_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (request) DO UPDATE SET
    process = excluded.process, variables = excluded.variables, state = excluded.state,
    at_ms = excluded.at_ms, due_ms = excluded.due_ms, shard = excluded.shard,
    instance = excluded.instance, reason = excluded.reason, ended_ms = excluded.ended_ms;

-- name: delete_request
DELETE FROM requests WHERE request = ?1;

-- name: waiting
SELECT request, process, variables, state, at_ms, due_ms, shard, instance, reason, ended_ms
FROM requests INDEXED BY requests_waiting
WHERE state = 1 AND due_ms <= ?1 ORDER BY request LIMIT ?2;

-- name: claim
UPDATE requests SET state = 2, shard = ?2 WHERE request = ?1;

-- name: requests
SELECT request, process, variables, state, at_ms, due_ms, shard, instance, reason, ended_ms
FROM requests
WHERE request < ?1 AND request >= ?2 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR shard = ?4)
    AND (?5 IS NULL OR process = ?5)
ORDER BY request DESC LIMIT ?6;

-- name: requests_open
SELECT request, process, variables, state, at_ms, due_ms, shard, instance, reason, ended_ms
FROM requests INDEXED BY requests_open
WHERE state IN (2, 3) AND shard = ?4
    AND request < ?1 AND request >= ?2 AND (?3 IS NULL OR state = ?3)
    AND (?5 IS NULL OR process = ?5)
ORDER BY request DESC LIMIT ?6;

-- name: put_lock
INSERT OR REPLACE INTO locks (name, holder, instance, fence, since_ms, waiting)
VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: delete_lock
DELETE FROM locks WHERE name = ?1;

-- name: locks
SELECT name, holder, instance, fence, since_ms, waiting FROM locks ORDER BY name;

-- name: put_token
INSERT OR REPLACE INTO tokens (name, hash, role, created_ms, expires_ms)
VALUES (?1, ?2, ?3, ?4, ?5);

-- name: delete_token
DELETE FROM tokens WHERE name = ?1;

-- name: tokens
SELECT name, hash, role, created_ms, expires_ms FROM tokens ORDER BY name;
