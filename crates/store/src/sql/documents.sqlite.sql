-- name: put
INSERT OR REPLACE INTO documents (document, type, id, source, at_ms, content)
VALUES (?1, ?2, ?3, ?4, ?5, ?6);

-- name: delete
DELETE FROM documents WHERE document = ?1;

-- name: one
SELECT type, id, source, at_ms, content FROM documents WHERE document = ?1;

-- name: put_entry
INSERT INTO entries (entry, trigger, document, state, attempts, due_ms, instance, reason)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (entry) DO UPDATE SET
    trigger = excluded.trigger, document = excluded.document, state = excluded.state,
    attempts = excluded.attempts, due_ms = excluded.due_ms, instance = excluded.instance,
    reason = excluded.reason;

-- name: delete_entry
DELETE FROM entries WHERE entry = ?1;

-- name: entry
SELECT entry, trigger, document, state, attempts, due_ms, instance, reason
FROM entries WHERE entry = ?1;

-- name: entries
SELECT entry, trigger, document, state, attempts, due_ms, instance, reason
FROM entries
WHERE entry > ?1 AND entry <= ?2 AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR trigger = ?4)
ORDER BY entry LIMIT ?5;

-- name: entries_in_state
SELECT entry, trigger, document, state, attempts, due_ms, instance, reason
FROM entries
WHERE state = ?3 AND entry > ?1 AND entry <= ?2 AND (?4 IS NULL OR trigger = ?4)
ORDER BY entry LIMIT ?5;

-- name: put_seen
INSERT INTO seen (source, id, document, at_ms) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (source, id) DO UPDATE SET document = excluded.document, at_ms = excluded.at_ms;

-- name: seen
SELECT document FROM seen WHERE source = ?1 AND id = ?2;

-- name: forget_seen
DELETE FROM seen WHERE at_ms < ?1 AND document BETWEEN ?2 AND ?3;

-- name: forget_delivered
DELETE FROM documents WHERE at_ms < ?1 AND document BETWEEN ?2 AND ?3
AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.document = documents.document);
