//! What there is to copy: every table with its columns, the key first.
//!
//! Boundary: what both databases have in common. Left out is what says nothing without the
//! servers of that moment (members, revisions, attempts) and what follows from the rest (counts).
//! Read first: [`TABLES`].   Tests: `tests/transfer.rs`

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Bigint,
    Int,
    Smallint,
    Bool,
    Text,
    Bytes,
    /// Bytes that may be a reference to an object.
    Value,
}

/// A table, or the part of one that is a table in the other database.
pub(super) struct Table {
    /// Its name in SQLite.
    pub(super) name: &'static str,
    /// Its name in PostgreSQL.
    pub(super) postgres: &'static str,
    /// Which rows of that are meant.
    pub(super) only: &'static str,
    /// The first of them are the key.
    pub(super) columns: &'static [(&'static str, Kind)],
    pub(super) keys: usize,
    /// Rows that are read at once.
    pub(super) page: u32,
}

const PAGE: u32 = 500;

macro_rules! table {
    ($name:literal, $keys:literal, [$(($column:literal, $kind:ident)),+ $(,)?]) => {
        Table {
            name: $name,
            postgres: $name,
            only: "TRUE",
            columns: &[$(($column, Kind::$kind)),+],
            keys: $keys,
            page: PAGE,
        }
    };
}

/// In an order in which they may be written.
pub(super) const TABLES: &[Table] = &[
    table!(
        "shards",
        1,
        [
            ("shard", Int),
            ("epoch", Bigint),
            ("sequence", Bigint),
            ("blocks_next", Bigint),
            ("owner", Bigint),
        ]
    ),
    table!("slots", 1, [("slot", Int), ("shard", Int)]),
    table!("snapshots", 1, [("instance", Bigint), ("snapshot", Value)]),
    table!("aggregates", 2, [("shard", Int), ("address", Bytes), ("snapshot", Value)]),
    table!("blocks", 1, [("block", Bigint), ("instance", Bigint)]),
    table!(
        "instances",
        1,
        [
            ("instance", Bigint),
            ("definition", Bigint),
            ("process", Text),
            ("version", Bigint),
            ("state", Smallint),
            ("incidents", Bigint),
            ("parent", Bigint),
            ("business_key", Text),
            ("started_ms", Bigint),
            ("ended_ms", Bigint),
            ("forget_ms", Bigint),
        ]
    ),
    table!(
        "audit",
        2,
        [("instance", Bigint), ("sequence", Bigint), ("at_ms", Bigint), ("records", Value),]
    ),
    Table {
        name: "jobs_ready",
        postgres: "jobs",
        only: "deadline_ms IS NULL",
        columns: &[("shard", Kind::Int), ("type", Kind::Text), ("job", Kind::Bigint)],
        keys: 3,
        page: PAGE,
    },
    Table {
        name: "jobs_leased",
        postgres: "jobs",
        only: "deadline_ms IS NOT NULL",
        columns: &[
            ("job", Kind::Bigint),
            ("shard", Kind::Int),
            ("type", Kind::Text),
            ("deadline_ms", Kind::Bigint),
        ],
        keys: 1,
        page: PAGE,
    },
    table!("timers", 4, [("shard", Int), ("due_ms", Bigint), ("address", Bytes), ("id", Bigint),]),
    table!(
        "incidents",
        1,
        [
            ("incident", Bigint),
            ("instance", Bigint),
            ("step", Bigint),
            ("job", Bigint),
            ("element", Text),
            ("process", Text),
            ("kind", Text),
            ("message", Text),
            ("at_ms", Bigint),
        ]
    ),
    table!(
        "documents",
        1,
        [
            ("document", Bigint),
            ("type", Text),
            ("id", Text),
            ("source", Text),
            ("at_ms", Bigint),
            ("content", Value),
        ]
    ),
    table!(
        "entries",
        1,
        [
            ("entry", Bigint),
            ("trigger", Text),
            ("document", Bigint),
            ("state", Smallint),
            ("attempts", Bigint),
            ("due_ms", Bigint),
            ("instance", Bigint),
            ("reason", Text),
        ]
    ),
    table!("seen", 2, [("source", Text), ("id", Text), ("document", Bigint), ("at_ms", Bigint),]),
    table!(
        "definitions",
        1,
        [
            ("definition", Bigint),
            ("process", Text),
            ("version", Bigint),
            ("package", Text),
            ("package_version", Text),
            ("resource", Text),
            ("digest", Text),
            ("deployment", Bigint),
            ("enabled", Bool),
            ("at_ms", Bigint),
        ]
    ),
    table!(
        "packages",
        2,
        [
            ("name", Text),
            ("version", Text),
            ("digest", Text),
            ("active", Bool),
            ("disabled", Bool),
            ("note", Text),
            ("at_ms", Bigint),
        ]
    ),
    table!(
        "deployments",
        1,
        [("deployment", Bigint), ("state", Smallint), ("detail", Bytes), ("at_ms", Bigint)]
    ),
    Table {
        // Archives of packages: each is large.
        page: 8,
        ..table!("blobs", 1, [("digest", Text), ("content", Value)])
    },
    table!("settings", 1, [("name", Text), ("value", Text)]),
    table!(
        "inbox",
        4,
        [
            ("shard", Int),
            ("sender", Int),
            ("sequence", Bigint),
            ("position", Bigint),
            ("content", Value),
        ]
    ),
    table!(
        "requests",
        1,
        [
            ("request", Bigint),
            ("process", Text),
            ("variables", Value),
            ("state", Smallint),
            ("at_ms", Bigint),
            ("due_ms", Bigint),
            ("shard", Int),
            ("instance", Bigint),
            ("reason", Text),
            ("ended_ms", Bigint),
        ]
    ),
    table!(
        "locks",
        1,
        [
            ("name", Text),
            ("holder", Text),
            ("instance", Bigint),
            ("fence", Bigint),
            ("since_ms", Bigint),
            ("waiting", Bigint),
        ]
    ),
    table!(
        "tokens",
        1,
        [
            ("name", Text),
            ("hash", Text),
            ("role", Smallint),
            ("created_ms", Bigint),
            ("expires_ms", Bigint),
        ]
    ),
];

impl Table {
    /// The names of the first `number` columns, in a list.
    pub(super) fn names(&self, number: usize) -> String {
        let names: Vec<&str> = self.columns[..number].iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// The column that may refer to an object, if there is one; no table has two.
    pub(super) fn value(&self) -> Option<usize> {
        self.columns.iter().position(|(_, kind)| *kind == Kind::Value)
    }
}
