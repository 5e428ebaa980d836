-- The first format. Keys are INTEGER; times are milliseconds since 1970 UTC.
--
-- Every key begins with its shard and grows with time, so rows whose primary key is such a key
-- are appended, and what belongs to one instance stands together. That is worth five times the
-- speed of random keys; keep it when you add a table or an index.

CREATE TABLE shards (
    shard INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    blocks_next INTEGER NOT NULL,
    server TEXT NOT NULL
) STRICT;

-- Snapshots of instances, apart from the other aggregates: an integer key costs half a blob's.
CREATE TABLE snapshots (
    instance INTEGER PRIMARY KEY,
    snapshot BLOB NOT NULL
) STRICT;

CREATE TABLE aggregates (
    shard INTEGER NOT NULL,
    address BLOB NOT NULL,
    snapshot BLOB NOT NULL,
    PRIMARY KEY (shard, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE blocks (
    block INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL
) STRICT;
CREATE INDEX blocks_instance ON blocks (instance);

-- state: 1 active, 2 completed, 3 cancelled, 4 failed.
CREATE TABLE instances (
    instance INTEGER PRIMARY KEY,
    definition INTEGER NOT NULL,
    process TEXT NOT NULL,
    version INTEGER NOT NULL,
    state INTEGER NOT NULL,
    incidents INTEGER NOT NULL,
    parent INTEGER,
    business_key TEXT,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    forget_ms INTEGER
) STRICT;
CREATE INDEX instances_active ON instances (instance) WHERE state = 1;
CREATE INDEX instances_incidents ON instances (instance) WHERE incidents > 0;
CREATE INDEX instances_parent ON instances (parent) WHERE parent IS NOT NULL;
CREATE INDEX instances_business_key ON instances (business_key) WHERE business_key IS NOT NULL;
CREATE INDEX instances_forget ON instances (forget_ms) WHERE forget_ms IS NOT NULL;

-- Active instances per process version, kept in step with `instances` by every transaction.
CREATE TABLE counts (
    definition INTEGER PRIMARY KEY,
    active INTEGER NOT NULL,
    with_incidents INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    instance INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (instance, sequence)
) STRICT, WITHOUT ROWID;

-- A job is in one of these two at most.
CREATE TABLE jobs_ready (
    shard INTEGER NOT NULL,
    type TEXT NOT NULL,
    job INTEGER NOT NULL,
    PRIMARY KEY (shard, type, job)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs_leased (
    job INTEGER PRIMARY KEY,
    shard INTEGER NOT NULL,
    type TEXT NOT NULL,
    deadline_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE timers (
    shard INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    address BLOB NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (shard, due_ms, address, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE incidents (
    incident INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL,
    step INTEGER NOT NULL,
    job INTEGER,
    element TEXT NOT NULL,
    process TEXT NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX incidents_instance ON incidents (instance);

CREATE TABLE documents (
    document INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    source TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    content BLOB NOT NULL
) STRICT;

-- state: 1 queued, 2 in process, 3 parked, 4 dead.
CREATE TABLE entries (
    entry INTEGER PRIMARY KEY,
    trigger TEXT NOT NULL,
    document INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    instance INTEGER,
    reason TEXT
) STRICT;
CREATE INDEX entries_state ON entries (state);
CREATE INDEX entries_document ON entries (document);

CREATE TABLE seen (
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    document INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at_ms);

CREATE TABLE definitions (
    definition INTEGER PRIMARY KEY,
    process TEXT NOT NULL,
    version INTEGER NOT NULL,
    package TEXT NOT NULL,
    package_version TEXT NOT NULL,
    resource TEXT NOT NULL,
    digest TEXT NOT NULL,
    deployment INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE packages (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    active INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    note TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
    digest TEXT PRIMARY KEY,
    content BLOB NOT NULL
) STRICT;

CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
