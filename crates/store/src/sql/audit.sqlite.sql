-- name: append
INSERT OR REPLACE INTO audit (instance, sequence, at_ms, records) VALUES (?1, ?2, ?3, ?4);

-- name: forget
DELETE FROM audit WHERE instance = ?1;

-- name: read
SELECT sequence, at_ms, records FROM audit WHERE instance = ?1 ORDER BY sequence;
