-- name: put
-- takes: bigint[], bigint[], bigint[], bigint[], text[], text[], text[], text[], bigint[]
INSERT INTO incidents (incident, instance, step, job, element, process, kind, message, at_ms)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (incident) DO UPDATE SET
    instance = excluded.instance, step = excluded.step, job = excluded.job,
    element = excluded.element, process = excluded.process, kind = excluded.kind,
    message = excluded.message, at_ms = excluded.at_ms;

-- name: delete
-- takes: bigint[]
DELETE FROM incidents WHERE incident = ANY ($1);

-- name: one
-- takes: bigint
SELECT incident, instance, step, job, element, process, kind, message, at_ms
FROM incidents WHERE incident = $1;

-- name: all
-- takes: bigint, bigint
SELECT incident, instance, step, job, element, process, kind, message, at_ms
FROM incidents WHERE incident > $1 ORDER BY incident LIMIT $2;

-- name: of_instance
-- takes: bigint, bigint, bigint
SELECT incident, instance, step, job, element, process, kind, message, at_ms
FROM incidents WHERE instance = $3 AND incident > $1 ORDER BY incident LIMIT $2;
