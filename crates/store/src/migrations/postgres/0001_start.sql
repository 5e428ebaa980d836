-- The first format. Keys are BIGINT; times are milliseconds since 1970 UTC. PostgreSQL 13 and later.
--
-- Few indexes, and those partial where only some rows are looked for: each one is paid for by every
-- commit. No row is written by more than one shard on the way of a step. Rows that are replaced in
-- place have room beside them (fillfactor), so that no index is touched. Names sort by their
-- bytes, as everywhere (COLLATE "C").

-- What this is. One row.
-- How far these tables are, and the oldest format a program may know that uses them.
CREATE TABLE pointsman (
    format INTEGER NOT NULL,
    oldest INTEGER NOT NULL
);

-- Numbers that only grow: revisions by name.
CREATE TABLE revisions (
    name TEXT COLLATE "C" PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO revisions (name, revision)
VALUES ('catalog', 0), ('deployments', 0), ('settings', 0), ('slots', 0);

-- One number for each process that opened the store: what it tries carries it, so that it can ask
-- afterwards whether a try took effect whose answer was lost.
CREATE SEQUENCE openings;

-- mark: the last try that advanced the shard. attempt: of the last acquisition. after_failure: that
-- one was after a failure, and nothing was committed since. owner: 0 is a server that failed and
-- whose key is not known.
CREATE TABLE shards (
    shard INTEGER PRIMARY KEY,
    epoch BIGINT NOT NULL DEFAULT 0,
    sequence BIGINT NOT NULL DEFAULT 0,
    blocks_next BIGINT NOT NULL DEFAULT 1,
    owner BIGINT,
    mark BIGINT NOT NULL DEFAULT 0,
    attempt BIGINT NOT NULL DEFAULT 0,
    after_failure BOOLEAN NOT NULL DEFAULT FALSE
) WITH (fillfactor = 10);

-- The last try under each epoch that has ended.
CREATE TABLE epochs (
    shard INTEGER NOT NULL,
    epoch BIGINT NOT NULL,
    mark BIGINT NOT NULL,
    PRIMARY KEY (shard, epoch)
);

CREATE TABLE slots (
    slot INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL
);

-- standing: 1 serving, 2 draining, 3 standby.
CREATE TABLE members (
    server BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    peer TEXT NOT NULL,
    http TEXT NOT NULL,
    grpc TEXT NOT NULL,
    hosts TEXT[] NOT NULL,
    build TEXT NOT NULL,
    format_max BIGINT NOT NULL,
    standing SMALLINT NOT NULL,
    lease_until_ms BIGINT NOT NULL,
    joined_ms BIGINT NOT NULL,
    catalog BIGINT NOT NULL,
    attempt BIGINT NOT NULL
) WITH (fillfactor = 50);

-- Snapshots of instances, apart from the other aggregates: an integer key costs half a blob's.
CREATE TABLE snapshots (
    instance BIGINT PRIMARY KEY,
    snapshot BYTEA NOT NULL
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE aggregates (
    shard INTEGER NOT NULL,
    address BYTEA NOT NULL,
    snapshot BYTEA NOT NULL,
    PRIMARY KEY (shard, address)
) WITH (fillfactor = 60);

CREATE TABLE blocks (
    block BIGINT PRIMARY KEY,
    instance BIGINT NOT NULL
);
CREATE INDEX blocks_instance ON blocks (instance);

-- state: 1 active, 2 completed, 3 cancelled, 4 failed. How many are active is counted when somebody asks.
CREATE TABLE instances (
    instance BIGINT PRIMARY KEY,
    definition BIGINT NOT NULL,
    process TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    incidents BIGINT NOT NULL,
    parent BIGINT,
    business_key TEXT COLLATE "C",
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    forget_ms BIGINT
);
CREATE INDEX instances_active ON instances (instance) INCLUDE (definition) WHERE state = 1;
CREATE INDEX instances_incidents ON instances (instance) INCLUDE (definition) WHERE incidents > 0;
CREATE INDEX instances_parent ON instances (parent, instance) WHERE parent IS NOT NULL;
CREATE INDEX instances_business_key ON instances (business_key, instance)
WHERE business_key IS NOT NULL;
CREATE INDEX instances_forget ON instances ((instance >> 51), forget_ms)
WHERE forget_ms IS NOT NULL;

CREATE TABLE audit (
    instance BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    records BYTEA NOT NULL,
    PRIMARY KEY (instance, sequence)
);

-- Ready if there is no deadline, leased if there is one.
CREATE TABLE jobs (
    job BIGINT PRIMARY KEY,
    shard INTEGER NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    deadline_ms BIGINT
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX jobs_ready ON jobs (shard, type, job) WHERE deadline_ms IS NULL;
CREATE INDEX jobs_leased ON jobs (shard, job) WHERE deadline_ms IS NOT NULL;

CREATE TABLE timers (
    shard INTEGER NOT NULL,
    due_ms BIGINT NOT NULL,
    address BYTEA NOT NULL,
    id BIGINT NOT NULL,
    PRIMARY KEY (shard, due_ms, address, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE incidents (
    incident BIGINT PRIMARY KEY,
    instance BIGINT NOT NULL,
    step BIGINT NOT NULL,
    job BIGINT,
    element TEXT NOT NULL,
    process TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);
CREATE INDEX incidents_instance ON incidents (instance, incident);

CREATE TABLE documents (
    document BIGINT PRIMARY KEY,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    content BYTEA NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
-- Rows are appended in order of time: a summary of each range of pages is enough.
CREATE INDEX documents_at ON documents USING brin (at_ms) WITH (autosummarize = on);

-- state: 1 queued, 2 in process, 3 parked, 4 dead.
CREATE TABLE entries (
    entry BIGINT PRIMARY KEY,
    trigger TEXT COLLATE "C" NOT NULL,
    document BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    instance BIGINT,
    reason TEXT
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX entries_held ON entries (state, entry) WHERE state IN (3, 4);

CREATE TABLE seen (
    source TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    document BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (source, id)
);
CREATE INDEX seen_at ON seen USING brin (at_ms) WITH (autosummarize = on);

CREATE TABLE definitions (
    definition BIGINT PRIMARY KEY,
    process TEXT NOT NULL,
    version BIGINT NOT NULL,
    package TEXT NOT NULL,
    package_version TEXT NOT NULL,
    resource TEXT NOT NULL,
    digest TEXT NOT NULL,
    deployment BIGINT NOT NULL,
    enabled BOOLEAN NOT NULL,
    at_ms BIGINT NOT NULL
);

CREATE TABLE packages (
    name TEXT COLLATE "C" NOT NULL,
    version TEXT COLLATE "C" NOT NULL,
    digest TEXT NOT NULL,
    active BOOLEAN NOT NULL,
    disabled BOOLEAN NOT NULL,
    note TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (name, version)
);

-- state: 1 open, 2 committed, 3 aborted.
CREATE TABLE deployments (
    deployment BIGINT PRIMARY KEY,
    state SMALLINT NOT NULL,
    detail BYTEA NOT NULL,
    at_ms BIGINT NOT NULL
) WITH (fillfactor = 60);

CREATE TABLE blobs (
    digest TEXT COLLATE "C" PRIMARY KEY,
    content BYTEA NOT NULL
);

CREATE TABLE settings (
    name TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE inbox (
    shard INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    sequence BIGINT NOT NULL,
    position BIGINT NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (shard, sender, sequence, position)
) WITH (autovacuum_vacuum_scale_factor = 0.05);

-- state: 1 waiting, 2 claimed, 3 running, 4 completed, 5 failed, 6 refused, 7 withdrawn.
-- attempt: of the claim.
CREATE TABLE requests (
    request BIGINT PRIMARY KEY,
    process TEXT COLLATE "C" NOT NULL,
    variables BYTEA NOT NULL,
    state SMALLINT NOT NULL,
    at_ms BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    shard INTEGER,
    instance BIGINT,
    reason TEXT,
    ended_ms BIGINT,
    attempt BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX requests_waiting ON requests (request) WHERE state = 1;
CREATE INDEX requests_open ON requests (shard, request) WHERE state IN (2, 3);

CREATE TABLE locks (
    name TEXT COLLATE "C" PRIMARY KEY,
    holder TEXT NOT NULL,
    instance BIGINT,
    fence BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    waiting BIGINT NOT NULL
) WITH (fillfactor = 60);

-- role: 1 viewer, 2 operator, 3 developer, 4 admin.
CREATE TABLE tokens (
    name TEXT COLLATE "C" PRIMARY KEY,
    hash TEXT NOT NULL,
    role SMALLINT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT
);

-- The clock of leases and claims.
CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE sql AS $$
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

-- The fence: fails with PM001 unless every shard is held under the epoch and stands before `firsts`.
-- The row stays locked to the end, so nobody raises the epoch in between.
CREATE FUNCTION advance(
    shards INTEGER[], held BIGINT[], firsts BIGINT[], lasts BIGINT[], blocks BIGINT[], try BIGINT
) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    advanced BIGINT;
BEGIN
    UPDATE shards AS stored
    SET sequence = unit.last, blocks_next = unit.blocks, mark = try, after_failure = FALSE
    FROM unnest(shards, held, firsts, lasts, blocks) AS unit (shard, epoch, first, last, blocks)
    WHERE stored.shard = unit.shard AND stored.epoch = unit.epoch AND unit.epoch > 0
        AND stored.sequence = unit.first - 1;
    GET DIAGNOSTICS advanced = ROW_COUNT;
    IF advanced <> cardinality(shards) THEN
        RAISE EXCEPTION 'a shard has another owner or sequence' USING ERRCODE = 'PM001';
    END IF;
END
$$;

-- What units do to deployments, in order. kind: 1 open, 2 commit, 3 detail, 4 forget. Fails with
-- PM002 and the deployment if one is to be committed that is not open. Behind the fence: who does
-- not hold the shard hears of that first. An abort of the same moment waits, or was waited for.
CREATE FUNCTION deploy(kinds SMALLINT[], keys BIGINT[], details BYTEA[], times BIGINT[])
RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    FOR at IN 1 .. cardinality(kinds) LOOP
        CASE kinds[at]
            WHEN 1 THEN
                INSERT INTO deployments (deployment, state, detail, at_ms)
                VALUES (keys[at], 1, details[at], times[at]) ON CONFLICT DO NOTHING;
            WHEN 2 THEN
                UPDATE deployments SET state = 2, detail = details[at]
                WHERE deployment = keys[at] AND state = 1;
                IF NOT FOUND THEN
                    RAISE EXCEPTION 'a deployment is not open'
                        USING ERRCODE = 'PM002', DETAIL = keys[at]::text;
                END IF;
            WHEN 3 THEN
                UPDATE deployments SET detail = details[at] WHERE deployment = keys[at];
            WHEN 4 THEN
                DELETE FROM deployments WHERE deployment = keys[at] AND state <> 1;
        END CASE;
    END LOOP;
END
$$;

-- How the deployment stands then; NULL: there is none. Each statement sees what was committed
-- before it, so also what the first one waited for. Who commits and goes on and on is not waited
-- for: that is not decided yet. Whatever is told others must not be undone by a crash.
CREATE FUNCTION abort_deployment(asked BIGINT, last BYTEA) RETURNS SMALLINT
LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'on', TRUE)
    WHERE current_setting('synchronous_commit') = 'off';
    UPDATE deployments SET state = 3, detail = last WHERE deployment = asked AND state = 1;
    IF FOUND THEN
        UPDATE revisions SET revision = revision + 1 WHERE name = 'deployments';
        PERFORM pg_notify('pointsman_' || to_hex(hashtext(current_schema())), '');
    END IF;
    RETURN (SELECT state FROM deployments WHERE deployment = asked);
END
$$;

-- Active ones stay.
CREATE FUNCTION forget(asked BIGINT[]) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    ended BIGINT[] := ARRAY(
        SELECT one FROM unnest(asked) AS one
        WHERE NOT EXISTS (SELECT 1 FROM instances WHERE instance = one AND state = 1)
    );
BEGIN
    DELETE FROM audit WHERE instance = ANY (ended);
    DELETE FROM blocks WHERE instance = ANY (ended);
    DELETE FROM instances WHERE instance = ANY (ended);
END
$$;

-- Documents that an entry holds stay. Few entries, many documents: hashed.
CREATE FUNCTION forget_documents(before_ms BIGINT, low BIGINT, high BIGINT)
RETURNS VOID LANGUAGE plpgsql SET enable_hashjoin = on SET enable_seqscan = on AS $$
BEGIN
    DELETE FROM seen WHERE at_ms < before_ms AND document BETWEEN low AND high;
    DELETE FROM documents WHERE at_ms < before_ms AND document BETWEEN low AND high
        AND NOT EXISTS (SELECT 1 FROM entries WHERE entries.document = documents.document);
END
$$;

CREATE FUNCTION found(wanted INTEGER, slots_wanted INTEGER) RETURNS INTEGER
LANGUAGE plpgsql AS $$
DECLARE
    before INTEGER;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('pointsman'), hashtext(current_schema() || '.found'));
    SELECT count(*) INTO before FROM shards;
    IF wanted <= before THEN
        RETURN before;
    END IF;
    INSERT INTO shards (shard) SELECT generate_series(before + 1, wanted);
    IF before = 0 THEN
        INSERT INTO slots (slot, shard)
        SELECT slot, slot % wanted + 1 FROM generate_series(0, slots_wanted - 1) AS slot;
        UPDATE revisions SET revision = revision + 1 WHERE name = 'slots';
    END IF;
    RETURN wanted;
END
$$;

-- outcome: 0 leased, 1 held, 2 not a member, 3 no such shard. Held is also a shard whose row is
-- locked by a transaction that goes on and on: of an owner that was cut off in a commit, say.
--
-- The shard's row first: whoever waits for it must hold nothing that a beat waits for.
CREATE FUNCTION acquire(
    wanted INTEGER, asking BIGINT, try BIGINT,
    OUT outcome INTEGER, OUT holder BIGINT, OUT held BIGINT, OUT last BIGINT, OUT blocks BIGINT,
    OUT failed BOOLEAN
) LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    stored shards;
    lease_ms BIGINT;
BEGIN
    SELECT * INTO stored FROM shards WHERE shard = wanted FOR UPDATE;
    -- Locked rows: a beat or an end of the same moment comes before or after all of this.
    SELECT lease_until_ms INTO lease_ms FROM members WHERE server = asking FOR SHARE;
    IF lease_ms IS NULL OR lease_ms <= now_ms() THEN
        outcome := 2;
        RETURN;
    END IF;
    IF stored.shard IS NULL THEN
        outcome := 3;
        RETURN;
    END IF;
    holder := stored.owner;
    IF holder <> asking THEN
        SELECT lease_until_ms INTO lease_ms FROM members WHERE server = holder FOR SHARE;
        IF lease_ms > now_ms() THEN
            outcome := 1;
            RETURN;
        END IF;
    END IF;
    outcome := 0;
    last := stored.sequence;
    blocks := stored.blocks_next;
    IF stored.attempt = try THEN
        -- This very try took effect, only its answer was lost.
        held := stored.epoch;
        failed := stored.after_failure;
        RETURN;
    END IF;
    held := stored.epoch + 1;
    failed := stored.after_failure OR (holder IS NOT NULL AND holder <> asking);
    INSERT INTO epochs (shard, epoch, mark) VALUES (wanted, stored.epoch, stored.mark);
    DELETE FROM epochs WHERE shard = wanted AND epoch < stored.epoch - 100;
    UPDATE shards SET epoch = held, owner = asking, attempt = try, after_failure = failed
    WHERE shard = wanted;
EXCEPTION
    WHEN lock_not_available THEN
        outcome := 1;
        SELECT coalesce(owner, 0) INTO holder FROM shards WHERE shard = wanted;
END
$$;

-- A shard whose owner died before and nothing was committed since is still one whose owner died.
-- In the same order as acquire.
CREATE FUNCTION leave(leaving BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    UPDATE shards SET owner = CASE WHEN after_failure THEN 0 END WHERE owner = leaving;
    DELETE FROM members WHERE server = leaving;
END
$$;

CREATE FUNCTION claim(wanted INTEGER, held BIGINT, most BIGINT, try BIGINT)
RETURNS SETOF requests LANGUAGE plpgsql AS $$
BEGIN
    -- Nobody takes the shard over before this is decided.
    PERFORM 1 FROM shards WHERE shard = wanted AND epoch = held AND epoch > 0 FOR SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF NOT EXISTS (
        SELECT 1 FROM requests WHERE state IN (2, 3) AND shard = wanted AND attempt = try
    ) THEN
        WITH due AS MATERIALIZED (
            SELECT request FROM requests
            WHERE state = 1 AND due_ms <= now_ms()
            ORDER BY request LIMIT most FOR UPDATE SKIP LOCKED
        )
        UPDATE requests SET state = 2, shard = wanted, attempt = try
        FROM due WHERE requests.request = due.request;
    END IF;
    RETURN QUERY SELECT * FROM requests
        WHERE state = 2 AND shard = wanted AND attempt = try ORDER BY request;
END
$$;
