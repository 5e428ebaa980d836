-- Servers, slots, and what shards tell each other.

-- Who owns the shard; nobody, if it was given back; 0: a server that failed and whose key is not
-- known. Servers' names are with the members. after_failure: the shard was acquired after a failure,
-- and nothing was committed since.
ALTER TABLE shards DROP COLUMN server;
ALTER TABLE shards ADD COLUMN owner INTEGER;
ALTER TABLE shards ADD COLUMN after_failure INTEGER NOT NULL DEFAULT 0;

-- Numbers that only grow: revisions, and the key of the last server that joined.
CREATE TABLE revisions (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO revisions (name, revision)
VALUES ('catalog', 0), ('deployments', 0), ('servers', 0), ('settings', 0), ('slots', 0);

CREATE TABLE slots (
    slot INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL
) STRICT;

-- A store of the first format had its shards without being founded.
WITH RECURSIVE numbers (slot) AS (SELECT 0 UNION ALL SELECT slot + 1 FROM numbers WHERE slot < 255)
INSERT INTO slots (slot, shard)
SELECT slot, slot % (SELECT max(shard) FROM shards) + 1 FROM numbers
WHERE EXISTS (SELECT 1 FROM shards);

CREATE TABLE inbox (
    shard INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    position INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (shard, sender, sequence, position)
) STRICT, WITHOUT ROWID;

-- state: 1 waiting, 2 claimed, 3 running, 4 completed, 5 failed, 6 refused, 7 withdrawn.
CREATE TABLE requests (
    request INTEGER PRIMARY KEY,
    process TEXT NOT NULL,
    variables BLOB NOT NULL,
    state INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    shard INTEGER,
    instance INTEGER,
    reason TEXT,
    ended_ms INTEGER
) STRICT;
CREATE INDEX requests_waiting ON requests (request) WHERE state = 1;
CREATE INDEX requests_open ON requests (shard, request) WHERE state IN (2, 3);

CREATE TABLE locks (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    instance INTEGER,
    fence INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    waiting INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- state: 1 open, 2 committed, 3 aborted.
CREATE TABLE deployments (
    deployment INTEGER PRIMARY KEY,
    state INTEGER NOT NULL,
    detail BLOB NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

-- role: 1 viewer, 2 operator, 3 developer, 4 admin.
CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL,
    role INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Each shard forgets its own; a key begins with the number of its shard.
DROP INDEX instances_forget;
CREATE INDEX instances_forget ON instances (instance >> 51, forget_ms)
WHERE forget_ms IS NOT NULL;
