-- name: put
INSERT INTO incidents (incident, instance, step, job, element, process, kind, message, at_ms)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (incident) DO UPDATE SET
    instance = excluded.instance, step = excluded.step, job = excluded.job,
    element = excluded.element, process = excluded.process, kind = excluded.kind,
    message = excluded.message, at_ms = excluded.at_ms;

-- name: delete
DELETE FROM incidents WHERE incident = ?1;

-- name: one
SELECT incident, instance, step, job, element, process, kind, message, at_ms
FROM incidents WHERE incident = ?1;

-- name: all
SELECT incident, instance, step, job, element, process, kind, message, at_ms
FROM incidents WHERE incident > ?1 ORDER BY incident LIMIT ?2;

-- name: of_instance
SELECT incident, instance, step, job, element, process, kind, message, at_ms
FROM incidents WHERE instance = ?3 AND incident > ?1 ORDER BY incident LIMIT ?2;
