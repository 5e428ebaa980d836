-- name: append
INSERT INTO audit (instance, sequence, at_ms, records) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (instance, sequence) DO UPDATE SET at_ms = excluded.at_ms, records = excluded.records;

-- name: forget
DELETE FROM audit WHERE instance = ?1;

-- name: read
SELECT sequence, at_ms, records FROM audit WHERE instance = ?1 ORDER BY sequence;
