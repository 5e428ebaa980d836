-- name: start
-- takes: bigint[], bigint[], text[], bigint[], smallint[], bigint[], bigint[], text[], bigint[], bigint[], bigint[]
INSERT INTO instances
    (instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms, forget_ms)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (instance) DO UPDATE SET
    definition = excluded.definition, process = excluded.process, version = excluded.version,
    state = excluded.state, incidents = excluded.incidents, parent = excluded.parent,
    business_key = excluded.business_key, started_ms = excluded.started_ms,
    ended_ms = excluded.ended_ms, forget_ms = excluded.forget_ms;

-- name: change
-- takes: bigint[], bigint[], smallint[], bigint[], bigint[]
UPDATE instances SET
    incidents = coalesce(changed.incidents, instances.incidents),
    state = coalesce(changed.state, instances.state),
    ended_ms = coalesce(changed.ended_ms, instances.ended_ms),
    forget_ms = coalesce(changed.forget_ms, instances.forget_ms)
FROM unnest($1, $2, $3, $4, $5) AS changed (instance, incidents, state, ended_ms, forget_ms)
WHERE instances.instance = changed.instance;

-- name: forget
-- takes: bigint[]
SELECT forget($1);

-- name: forgettable
-- takes: bigint, bigint, bigint
SELECT instance FROM instances
WHERE instance >> 51 = $1 AND forget_ms < $2 ORDER BY forget_ms, instance LIMIT $3;

-- name: one
-- takes: bigint
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances
WHERE instance = $1;

-- name: list
-- takes: bigint, text, bigint, smallint, bool, text, bigint, bigint, bigint
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances
WHERE instance < $1 AND instance >= $9
    AND ($2 IS NULL OR process = $2) AND ($3 IS NULL OR version = $3)
    AND ($4 IS NULL OR state = $4) AND (NOT $5 OR incidents > 0)
    AND ($6 IS NULL OR business_key = $6) AND ($7 IS NULL OR parent = $7)
ORDER BY instance DESC LIMIT $8;

-- name: list_active
-- takes: bigint, text, bigint, smallint, bool, text, bigint, bigint, bigint
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances
WHERE state = 1 AND instance < $1 AND instance >= $9
    AND ($2 IS NULL OR process = $2) AND ($3 IS NULL OR version = $3)
    AND ($4 IS NULL OR state = $4) AND (NOT $5 OR incidents > 0)
    AND ($6 IS NULL OR business_key = $6) AND ($7 IS NULL OR parent = $7)
ORDER BY instance DESC LIMIT $8;

-- name: list_incidents
-- takes: bigint, text, bigint, smallint, bool, text, bigint, bigint, bigint
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances
WHERE incidents > 0 AND instance < $1 AND instance >= $9
    AND ($2 IS NULL OR process = $2) AND ($3 IS NULL OR version = $3)
    AND ($4 IS NULL OR state = $4) AND (NOT $5 OR incidents > 0)
    AND ($6 IS NULL OR business_key = $6) AND ($7 IS NULL OR parent = $7)
ORDER BY instance DESC LIMIT $8;

-- name: list_parent
-- takes: bigint, text, bigint, smallint, bool, text, bigint, bigint, bigint
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances
WHERE parent = $7 AND instance < $1 AND instance >= $9
    AND ($2 IS NULL OR process = $2) AND ($3 IS NULL OR version = $3)
    AND ($4 IS NULL OR state = $4) AND (NOT $5 OR incidents > 0)
    AND ($6 IS NULL OR business_key = $6) AND ($7 IS NULL OR parent = $7)
ORDER BY instance DESC LIMIT $8;

-- name: list_business_key
-- takes: bigint, text, bigint, smallint, bool, text, bigint, bigint, bigint
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances
WHERE business_key = $6 AND instance < $1 AND instance >= $9
    AND ($2 IS NULL OR process = $2) AND ($3 IS NULL OR version = $3)
    AND ($4 IS NULL OR state = $4) AND (NOT $5 OR incidents > 0)
    AND ($6 IS NULL OR business_key = $6) AND ($7 IS NULL OR parent = $7)
ORDER BY instance DESC LIMIT $8;

-- name: counts
-- takes:
SELECT definition, sum(active)::bigint, sum(failing)::bigint
FROM (
    SELECT definition, count(*) AS active, 0 AS failing
    FROM instances WHERE state = 1 GROUP BY definition
    UNION ALL
    SELECT definition, 0, count(*)
    FROM instances WHERE state = 1 AND incidents > 0 GROUP BY definition
) AS counted
GROUP BY definition ORDER BY definition;
