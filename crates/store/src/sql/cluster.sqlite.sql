-- name: members
CREATE TEMP TABLE members (
    server INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    peer TEXT NOT NULL,
    http TEXT NOT NULL,
    grpc TEXT NOT NULL,
    hosts TEXT NOT NULL,
    build TEXT NOT NULL,
    format_max INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    lease_until_ms INTEGER NOT NULL,
    joined_ms INTEGER NOT NULL,
    catalog INTEGER NOT NULL
) STRICT

-- name: now
SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER);

-- name: count
SELECT count(*) FROM shards;

-- name: add_shard
INSERT OR IGNORE INTO shards (shard, epoch, sequence, blocks_next) VALUES (?1, 0, 0, 1);

-- name: put_slot
INSERT OR REPLACE INTO slots (slot, shard) VALUES (?1, ?2);

-- name: slots
SELECT shard FROM slots ORDER BY slot;

-- name: raise
UPDATE revisions SET revision = revision + 1 WHERE name = ?1 RETURNING revision;

-- name: revision
SELECT revision FROM revisions WHERE name = ?1;

-- name: want_storage
INSERT OR IGNORE INTO revisions (name, revision) VALUES ('storage', ?1);

-- name: make_storage
UPDATE revisions SET revision = ?1 WHERE name = 'storage' AND revision = -?1;

-- name: storage
SELECT revision FROM revisions WHERE name = 'storage';

-- name: forget_members
DELETE FROM members;

-- name: join
INSERT INTO members (server, name, peer, http, grpc, hosts, build, format_max, standing,
    lease_until_ms, joined_ms, catalog)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 + ?11, ?10, 0);

-- name: beat
UPDATE members SET lease_until_ms = ?2 + ?3, standing = ?4, catalog = ?5
WHERE server = ?1 AND lease_until_ms > ?2;

-- name: alive
SELECT server, name, peer, http, grpc, hosts, build, format_max, standing, lease_until_ms,
    joined_ms, catalog
FROM members WHERE lease_until_ms > ?1 ORDER BY server;

-- name: is_alive
SELECT 1 FROM members WHERE server = ?1 AND lease_until_ms > ?2;

-- name: remove_member
DELETE FROM members WHERE server = ?1;

-- name: owners
SELECT shard, owner, epoch FROM shards ORDER BY shard;

-- name: owner
SELECT owner, after_failure FROM shards WHERE shard = ?1;

-- name: acquire
UPDATE shards SET epoch = epoch + 1, owner = ?2, after_failure = ?3 WHERE shard = ?1;

-- name: release
UPDATE shards SET owner = iif(after_failure, 0, NULL)
WHERE shard = ?1 AND owner = ?2 AND epoch = ?3;

-- name: release_all
UPDATE shards SET owner = iif(after_failure, 0, NULL) WHERE owner = ?1;
