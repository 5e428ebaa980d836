//! Every key of the configuration, once.
//!
//! Boundary: the reference, the environment's names and the checks all read this list.
//! Read first: [`KEYS`].

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// As it stands in the file; dots separate tables.
    pub(crate) name: &'static str,
    /// The environment's variable.
    pub(crate) environment: &'static str,
    pub(crate) default: &'static str,
    /// Whether it is written as a number in the file.
    pub(crate) is_number: bool,
    /// The version that has it first.
    pub(crate) since: &'static str,
    /// What it means, with its unit.
    pub(crate) meaning: &'static str,
}

const fn text(
    name: &'static str,
    environment: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, environment, default, is_number: false, since: "0.1.0", meaning }
}

const fn number(
    name: &'static str,
    environment: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { name, environment, default, is_number: true, since: "0.1.0", meaning }
}

impl Key {
    /// The shared setting whose first value the key gives, if it does.
    pub(crate) fn shared(&self) -> Option<&'static str> {
        match self.name {
            "limits.variable-bytes" => Some("limits.variable-bytes"),
            "retention.finished-days" => Some("retention.finished"),
            _ => None,
        }
    }
}

/// Every key. None can be changed while the server runs.
pub(crate) const KEYS: &[Key] = &[
    text("name", "POINTSMAN_NAME", "pointsman", "the server's name, up to 100 bytes"),
    text(
        "hosts",
        "POINTSMAN_HOSTS",
        "",
        "the logical servers that this server hosts, separated by commas, or a list of them",
    ),
    text(
        "data",
        "POINTSMAN_DATA",
        "pointsman-data",
        "the directory with the database; made if it is not there",
    ),
    text(
        "http",
        "POINTSMAN_HTTP",
        "127.0.0.1:8080",
        "where REST, health and metrics are served; off loopback only with TLS and tokens; port 0 \
         takes a free one",
    ),
    text(
        "grpc",
        "POINTSMAN_GRPC",
        "127.0.0.1:26500",
        "where job workers and clients of the gateway connect; off loopback only with TLS and \
         tokens; port 0 takes a free one",
    ),
    text(
        "standing",
        "POINTSMAN_STANDING",
        "serving",
        "what the server is there for: serving; or standby, which owns nothing until it is told to \
         serve",
    ),
    text(
        "drop-folder",
        "POINTSMAN_DROP_FOLDER",
        "",
        "a folder whose `inbox` deploys the archives that are put into it; whoever may write there \
         may deploy; servers may share it; empty: none",
    ),
    text(
        "insecure-listen",
        "POINTSMAN_INSECURE_LISTEN",
        "",
        "empty; or `i-know-that-anybody-can-do-anything`, to be reached from other machines without \
         TLS and tokens, in a network that nobody else is in",
    ),
    text(
        "database.url",
        "POINTSMAN_DATABASE_URL",
        "",
        "address of the PostgreSQL database that servers share, as \
         `postgresql://USER@HOST/DATABASE`, or a reference to it, `env:NAME` or `file:PATH`; empty: \
         SQLite in the data directory",
    ),
    text(
        "database.ca",
        "POINTSMAN_DATABASE_CA",
        "",
        "file with the authorities that sign the database's certificate, as PEM; empty: those of \
         the system",
    ),
    text(
        "database.pooling",
        "POINTSMAN_DATABASE_POOLING",
        "session",
        "what stands before the database: session, or transaction for a pool that gives a \
         connection for one transaction, as PgBouncer can; slower",
    ),
    number(
        "database.shards",
        "POINTSMAN_DATABASE_SHARDS",
        "8",
        "shards that a new database begins with, from 1 to 256; no server can have more than all, \
         and none fewer than one",
    ),
    text(
        "storage.url",
        "POINTSMAN_STORAGE_URL",
        "",
        "where values that are too large for a row go, the same for all servers: a directory that \
         they share, `file:///DIRECTORY`, or an S3-compatible store, `s3://BUCKET/PREFIX`; empty: \
         they stay in the database",
    ),
    number(
        "storage.threshold",
        "POINTSMAN_STORAGE_THRESHOLD",
        "262144",
        "values with more bytes than this go to the storage, from 64 to 1,073,741,824",
    ),
    text(
        "storage.endpoint",
        "POINTSMAN_STORAGE_ENDPOINT",
        "",
        "address of the S3-compatible store, as `https://HOST:PORT`; empty: `AWS_ENDPOINT_URL`, or \
         AWS itself",
    ),
    text(
        "storage.region",
        "POINTSMAN_STORAGE_REGION",
        "",
        "its region; empty: `AWS_REGION`, or us-east-1",
    ),
    text(
        "storage.access-key",
        "POINTSMAN_STORAGE_ACCESS_KEY",
        "",
        "reference, `env:NAME` or `file:PATH`, to the id of its access key; empty: the usual AWS \
         variables, or what the machine is given",
    ),
    text(
        "storage.secret-key",
        "POINTSMAN_STORAGE_SECRET_KEY",
        "",
        "reference, `env:NAME` or `file:PATH`, to its secret access key; empty: as for \
         `storage.access-key`",
    ),
    text(
        "tls.certificate",
        "POINTSMAN_TLS_CERTIFICATE",
        "",
        "file with the server's certificate and those that lead to an authority, as PEM; every \
         listener then speaks TLS; read again when it changes",
    ),
    text(
        "tls.key",
        "POINTSMAN_TLS_KEY",
        "",
        "file with the certificate's private key, as PEM and not encrypted; read again when it \
         changes",
    ),
    text(
        "tls.client-ca",
        "POINTSMAN_TLS_CLIENT_CA",
        "",
        "file with the authorities whose certificates all clients must have, as PEM; empty: clients \
         need none",
    ),
    text(
        "peer.address",
        "POINTSMAN_PEER_ADDRESS",
        "",
        "where other servers of the cluster connect; empty: a free port on loopback if there is a \
         shared database, else nowhere",
    ),
    text(
        "peer.advertise",
        "POINTSMAN_PEER_ADVERTISE",
        "",
        "HOST:PORT by which other servers reach this one; empty: where it listens",
    ),
    text(
        "peer.certificate",
        "POINTSMAN_PEER_CERTIFICATE",
        "",
        "file with the certificate that this server shows other servers, as PEM, if that is not \
         `tls.certificate`; read again when it changes",
    ),
    text(
        "peer.key",
        "POINTSMAN_PEER_KEY",
        "",
        "file with its private key, as PEM and not encrypted; read again when it changes",
    ),
    text(
        "peer.ca",
        "POINTSMAN_PEER_CA",
        "",
        "file with the authorities that sign the servers' certificates and nobody else's, as PEM; \
         needed with `peer.address` unless everything is on loopback and without tokens",
    ),
    text(
        "auth.method",
        "POINTSMAN_AUTH_METHOD",
        "none",
        "what callers show: none, or tokens: each request carries an API token",
    ),
    text(
        "auth.bootstrap-token",
        "POINTSMAN_AUTH_BOOTSTRAP_TOKEN",
        "",
        "reference, `env:NAME` or `file:PATH`, to a token of the role admin with at least 32 bytes, \
         to make the first tokens with",
    ),
    text(
        "log.level",
        "POINTSMAN_LOG",
        "info",
        "error, warn, info, debug or trace; for one crate as in `info,node=debug`",
    ),
    text(
        "log.format",
        "POINTSMAN_LOG_FORMAT",
        "auto",
        "text, json, or auto: text on a terminal and JSON elsewhere",
    ),
    number(
        "limits.variable-bytes",
        "POINTSMAN_LIMITS_VARIABLE_BYTES",
        "4194304",
        "bytes of one variable, roughly, from 1,024 to 1,073,741,824; the first value of the shared \
         setting `limits.variable-bytes`",
    ),
    number(
        "limits.service-calls",
        "POINTSMAN_LIMITS_SERVICE_CALLS",
        "64",
        "calls of `http` and `command` services at a time, from 1 to 10,000",
    ),
    number(
        "limits.storage-bytes",
        "POINTSMAN_LIMITS_STORAGE_BYTES",
        "0",
        "bytes of the database file, from 1,048,576; beyond it the storage is full; 0 is as many as \
         the disk has",
    ),
    number(
        "retention.finished-days",
        "POINTSMAN_RETENTION_FINISHED_DAYS",
        "30",
        "days for which finished instances are kept if their process does not say, up to 36,500; the \
         first value of the shared setting `retention.finished`",
    ),
];
