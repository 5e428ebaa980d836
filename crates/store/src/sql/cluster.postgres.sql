-- name: opening
-- takes:
SELECT nextval('openings'), 'pointsman_' || to_hex(hashtext(current_schema()));

-- name: size
-- takes:
SELECT pg_database_size(current_database());

-- name: notify
-- takes: text
SELECT pg_notify($1, '');

-- name: raise
-- takes: text[]
UPDATE revisions SET revision = revision + 1 WHERE name = ANY ($1);

-- name: found
-- takes: int, int
SELECT found($1, $2);

-- name: put_slots
-- takes: int[], int[]
INSERT INTO slots (slot, shard) SELECT * FROM unnest($1, $2)
ON CONFLICT (slot) DO UPDATE SET shard = excluded.shard;

-- name: slots
-- takes:
SELECT shard FROM slots ORDER BY slot;

-- name: join
-- takes: text, text, text, text, text[], text, bigint, smallint, bigint, bigint
WITH gone AS (
    DELETE FROM members WHERE lease_until_ms <= now_ms() AND attempt <> $10
), clock AS (
    SELECT now_ms() AS now_ms
), earlier AS (
    SELECT server FROM members WHERE attempt = $10
), joined AS (
    INSERT INTO members (name, peer, http, grpc, hosts, build, format_max, standing,
        lease_until_ms, joined_ms, catalog, attempt)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, now_ms + $9, now_ms, 0, $10 FROM clock
    WHERE NOT EXISTS (SELECT 1 FROM earlier)
    RETURNING server
)
SELECT server FROM joined UNION ALL SELECT server FROM earlier;

-- name: beat
-- takes: bigint, bigint, smallint, bigint
UPDATE members SET lease_until_ms = now_ms() + $2, standing = $3, catalog = $4
WHERE server = $1 AND lease_until_ms > now_ms()
RETURNING server;

-- name: alive
-- takes:
SELECT server, name, peer, http, grpc, hosts, build, format_max, standing, lease_until_ms,
    joined_ms, catalog
FROM members WHERE lease_until_ms > now_ms() ORDER BY server;

-- name: now
-- takes:
SELECT now_ms();

-- name: owners
-- takes:
SELECT shard, owner, epoch FROM shards ORDER BY shard;

-- name: revisions
-- takes:
SELECT name, revision FROM revisions;

-- name: want_storage
-- takes: bigint
INSERT INTO revisions (name, revision) VALUES ('storage', $1) ON CONFLICT DO NOTHING;

-- name: make_storage
-- takes: bigint
UPDATE revisions SET revision = $1 WHERE name = 'storage' AND revision = -$1;

-- name: storage
-- takes:
SELECT revision FROM revisions WHERE name = 'storage';

-- name: acquire
-- takes: int, bigint, bigint
SELECT outcome, holder, held, last, blocks, failed FROM acquire($1, $2, $3);

-- name: release
-- takes: int, bigint, bigint
UPDATE shards SET owner = CASE WHEN after_failure THEN 0 END
WHERE shard = $1 AND owner = $2 AND epoch = $3;

-- name: leave
-- takes: bigint
SELECT leave($1);
