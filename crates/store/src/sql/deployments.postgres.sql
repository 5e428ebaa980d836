-- name: deploy
-- takes: smallint[], bigint[], bytea[], bigint[]
SELECT deploy($1, $2, $3, $4);

-- name: abort
-- takes: bigint, bytea
SELECT abort_deployment($1, $2);

-- name: one
-- takes: bigint
SELECT deployment, state, detail, at_ms FROM deployments WHERE deployment = $1;

-- name: list
-- takes: bigint, smallint, bigint
SELECT deployment, state, detail, at_ms FROM deployments
WHERE deployment < $1 AND ($2 IS NULL OR state = $2)
ORDER BY deployment DESC LIMIT $3;
