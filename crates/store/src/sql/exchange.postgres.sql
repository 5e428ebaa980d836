-- name: send
-- takes: int[], int[], bigint[], bigint[], bytea[]
INSERT INTO inbox (shard, sender, sequence, position, content)
SELECT * FROM unnest($1, $2, $3, $4, $5)
ON CONFLICT (shard, sender, sequence, position) DO UPDATE SET content = excluded.content;

-- name: receive
-- takes: int[], int[], bigint[], bigint[]
DELETE FROM inbox USING unnest($1, $2, $3, $4) AS gone (shard, sender, sequence, position)
WHERE inbox.shard = gone.shard AND inbox.sender = gone.sender
    AND inbox.sequence = gone.sequence AND inbox.position = gone.position;

-- name: inbox
-- takes: int, bigint
SELECT sender, sequence, position, content FROM inbox
WHERE shard = $1 ORDER BY sender, sequence, position LIMIT $2;

-- name: put_requests
-- takes: bigint[], text[], bytea[], smallint[], bigint[], bigint[], int[], bigint[], text[], bigint[]
INSERT INTO requests (request, process, variables, state, at_ms, due_ms, shard, instance, reason, ended_ms)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (request) DO UPDATE SET
    process = excluded.process, variables = excluded.variables, state = excluded.state,
    at_ms = excluded.at_ms, due_ms = excluded.due_ms, shard = excluded.shard,
    instance = excluded.instance, reason = excluded.reason, ended_ms = excluded.ended_ms;

-- name: delete_requests
-- takes: bigint[]
DELETE FROM requests WHERE request = ANY ($1);

-- name: claim
-- takes: int, bigint, bigint, bigint
SELECT request, process, variables, state, at_ms, due_ms, shard, instance, reason, ended_ms
FROM claim($1, $2, $3, $4);

-- name: requests
-- takes: bigint, bigint, smallint, int, text, bigint
SELECT request, process, variables, state, at_ms, due_ms, shard, instance, reason, ended_ms
FROM requests
WHERE request < $1 AND request >= $2 AND ($3 IS NULL OR state = $3) AND ($4 IS NULL OR shard = $4)
    AND ($5 IS NULL OR process = $5)
ORDER BY request DESC LIMIT $6;

-- name: requests_open
-- takes: bigint, bigint, smallint, int, text, bigint
SELECT request, process, variables, state, at_ms, due_ms, shard, instance, reason, ended_ms
FROM requests
WHERE state IN (2, 3) AND shard = $4
    AND request < $1 AND request >= $2 AND ($3 IS NULL OR state = $3)
    AND ($5 IS NULL OR process = $5)
ORDER BY request DESC LIMIT $6;

-- name: put_locks
-- takes: text[], text[], bigint[], bigint[], bigint[], bigint[]
INSERT INTO locks (name, holder, instance, fence, since_ms, waiting)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE SET
    holder = excluded.holder, instance = excluded.instance, fence = excluded.fence,
    since_ms = excluded.since_ms, waiting = excluded.waiting;

-- name: delete_locks
-- takes: text[]
DELETE FROM locks WHERE name = ANY ($1);

-- name: locks
-- takes:
SELECT name, holder, instance, fence, since_ms, waiting FROM locks ORDER BY name;

-- name: put_tokens
-- takes: text[], text[], smallint[], bigint[], bigint[]
INSERT INTO tokens (name, hash, role, created_ms, expires_ms)
SELECT * FROM unnest($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE SET
    hash = excluded.hash, role = excluded.role, created_ms = excluded.created_ms,
    expires_ms = excluded.expires_ms;

-- name: delete_tokens
-- takes: text[]
DELETE FROM tokens WHERE name = ANY ($1);

-- name: tokens
-- takes:
SELECT name, hash, role, created_ms, expires_ms FROM tokens ORDER BY name;
