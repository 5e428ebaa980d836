-- name: put
-- takes: bigint[], text[], text[], text[], bigint[], bytea[]
INSERT INTO documents (document, type, id, source, at_ms, content)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6)
ON CONFLICT (document) DO UPDATE SET
    type = excluded.type, id = excluded.id, source = excluded.source, at_ms = excluded.at_ms,
    content = excluded.content;

-- name: delete
-- takes: bigint[]
DELETE FROM documents WHERE document = ANY ($1);

-- name: one
-- takes: bigint
SELECT type, id, source, at_ms, content FROM documents WHERE document = $1;

-- name: put_entries
-- takes: bigint[], text[], bigint[], smallint[], bigint[], bigint[], bigint[], text[]
INSERT INTO entries (entry, trigger, document, state, attempts, due_ms, instance, reason)
SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (entry) DO UPDATE SET
    trigger = excluded.trigger, document = excluded.document, state = excluded.state,
    attempts = excluded.attempts, due_ms = excluded.due_ms, instance = excluded.instance,
    reason = excluded.reason;

-- name: delete_entries
-- takes: bigint[]
DELETE FROM entries WHERE entry = ANY ($1);

-- name: entry
-- takes: bigint
SELECT entry, trigger, document, state, attempts, due_ms, instance, reason
FROM entries WHERE entry = $1;

-- name: entries
-- takes: bigint, bigint, smallint, text, bigint
SELECT entry, trigger, document, state, attempts, due_ms, instance, reason
FROM entries
WHERE entry > $1 AND entry <= $2 AND ($3 IS NULL OR state = $3) AND ($4 IS NULL OR trigger = $4)
ORDER BY entry LIMIT $5;

-- name: entries_held
-- takes: bigint, bigint, smallint, text, bigint
SELECT entry, trigger, document, state, attempts, due_ms, instance, reason
FROM entries
WHERE state IN (3, 4) AND state = $3 AND entry > $1 AND entry <= $2
    AND ($4 IS NULL OR trigger = $4)
ORDER BY entry LIMIT $5;

-- name: put_seen
-- takes: text[], text[], bigint[], bigint[]
INSERT INTO seen (source, id, document, at_ms) SELECT * FROM unnest($1, $2, $3, $4)
ON CONFLICT (source, id) DO UPDATE SET document = excluded.document, at_ms = excluded.at_ms;

-- name: seen
-- takes: text[], text[]
SELECT place, document
FROM unnest($1, $2) WITH ORDINALITY AS asked (source, id, place)
JOIN seen ON seen.source = asked.source AND seen.id = asked.id;

-- name: forget
-- takes: bigint, bigint, bigint
SELECT forget_documents($1, $2, $3);
