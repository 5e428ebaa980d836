-- name: append
-- takes: bigint[], bigint[], bigint[], bytea[]
INSERT INTO audit (instance, sequence, at_ms, records) SELECT * FROM unnest($1, $2, $3, $4)
ON CONFLICT (instance, sequence) DO UPDATE SET
    at_ms = excluded.at_ms, records = excluded.records;

-- name: read
-- takes: bigint
SELECT sequence, at_ms, records FROM audit WHERE instance = $1 ORDER BY sequence;
