-- name: start
INSERT OR IGNORE INTO instances
    (instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms, forget_ms)
VALUES (?1, ?2, ?3, ?4, ?8, 0, ?5, ?6, ?7, ?9, ?10);

-- name: remove
DELETE FROM instances WHERE instance = ?1;

-- name: active
SELECT definition, incidents FROM instances WHERE instance = ?1 AND state = 1;

-- name: set_incidents
UPDATE instances SET incidents = ?2 WHERE instance = ?1;

-- name: end
UPDATE instances SET state = ?2, ended_ms = ?3, forget_ms = ?4 WHERE instance = ?1;

-- name: forget
DELETE FROM instances WHERE instance = ?1 AND state <> 1;

-- name: forgettable
SELECT instance FROM instances
WHERE instance >> 51 = ?1 AND forget_ms < ?2 ORDER BY forget_ms, instance LIMIT ?3;

-- name: one
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances WHERE instance = ?1;

-- name: list
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances NOT INDEXED
WHERE instance < ?1 AND instance >= ?9
    AND (?2 IS NULL OR process = ?2) AND (?3 IS NULL OR version = ?3)
    AND (?4 IS NULL OR state = ?4) AND (NOT ?5 OR incidents > 0)
    AND (?6 IS NULL OR business_key = ?6) AND (?7 IS NULL OR parent = ?7)
ORDER BY instance DESC LIMIT ?8;

-- name: list_active
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances INDEXED BY instances_active
WHERE state = 1 AND instance < ?1 AND instance >= ?9
    AND (?2 IS NULL OR process = ?2) AND (?3 IS NULL OR version = ?3)
    AND (?4 IS NULL OR state = ?4) AND (NOT ?5 OR incidents > 0)
    AND (?6 IS NULL OR business_key = ?6) AND (?7 IS NULL OR parent = ?7)
ORDER BY instance DESC LIMIT ?8;

-- name: list_incidents
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances INDEXED BY instances_incidents
WHERE incidents > 0 AND instance < ?1 AND instance >= ?9
    AND (?2 IS NULL OR process = ?2) AND (?3 IS NULL OR version = ?3)
    AND (?4 IS NULL OR state = ?4) AND (NOT ?5 OR incidents > 0)
    AND (?6 IS NULL OR business_key = ?6) AND (?7 IS NULL OR parent = ?7)
ORDER BY instance DESC LIMIT ?8;

-- name: list_parent
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances INDEXED BY instances_parent
WHERE parent = ?7 AND instance < ?1 AND instance >= ?9
    AND (?2 IS NULL OR process = ?2) AND (?3 IS NULL OR version = ?3)
    AND (?4 IS NULL OR state = ?4) AND (NOT ?5 OR incidents > 0)
    AND (?6 IS NULL OR business_key = ?6) AND (?7 IS NULL OR parent = ?7)
ORDER BY instance DESC LIMIT ?8;

-- name: list_business_key
SELECT instance, definition, process, version, state, incidents, parent, business_key, started_ms,
    ended_ms
FROM instances INDEXED BY instances_business_key
WHERE business_key = ?6 AND instance < ?1 AND instance >= ?9
    AND (?2 IS NULL OR process = ?2) AND (?3 IS NULL OR version = ?3)
    AND (?4 IS NULL OR state = ?4) AND (NOT ?5 OR incidents > 0)
    AND (?6 IS NULL OR business_key = ?6) AND (?7 IS NULL OR parent = ?7)
ORDER BY instance DESC LIMIT ?8;

-- name: count
INSERT INTO counts (definition, active, with_incidents) VALUES (?1, ?2, ?3)
ON CONFLICT (definition) DO UPDATE SET
    active = active + excluded.active,
    with_incidents = with_incidents + excluded.with_incidents;

-- name: counts
SELECT definition, active, with_incidents FROM counts WHERE active > 0 ORDER BY definition;
