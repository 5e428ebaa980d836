-- name: open
INSERT OR IGNORE INTO deployments (deployment, state, detail, at_ms) VALUES (?1, 1, ?2, ?3);

-- name: decide
UPDATE deployments SET state = ?2, detail = ?3 WHERE deployment = ?1 AND state = 1;

-- name: put_detail
UPDATE deployments SET detail = ?2 WHERE deployment = ?1;

-- name: forget
DELETE FROM deployments WHERE deployment = ?1 AND state <> 1;

-- name: state
SELECT state FROM deployments WHERE deployment = ?1;

-- name: one
SELECT deployment, state, detail, at_ms FROM deployments WHERE deployment = ?1;

-- name: list
SELECT deployment, state, detail, at_ms FROM deployments
WHERE deployment < ?1 AND (?2 IS NULL OR state = ?2)
ORDER BY deployment DESC LIMIT ?3;
