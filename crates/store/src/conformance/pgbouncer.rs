//! A real PgBouncer in transaction mode, in front of a test's PostgreSQL.
//!
//! Each user of it has a schema of its own: what a client asks for when it connects does not
//! reach the database through such a pool, what the database knows of a user does.
//!
//! Boundary: needs the program `pgbouncer`; where it is not, tests say by name that they are
//! skipped.
//! Read first: [`Pool::shared`], then [`Pool::schema`].

#![expect(clippy::unwrap_used, reason = "these are for other crates' tests")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#![expect(clippy::disallowed_methods, reason = "tests are told by the environment")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::postgres::{Server, wait_for};

/// Names the program.
const PROGRAM: &str = "POINTSMAN_TEST_PGBOUNCER";
/// Where it listens, as part of a socket's name.
const PORT: u16 = 6432;
/// Users that it knows.
const USERS: u32 = 500;

/// Stops it at the end of the test program, however that ends.
const SHELL: &str =
    r#""$1" "$2" >>"$2.log" 2>&1 & pool=$!; read -r end; kill -KILL $pool; wait $pool"#;

/// A running pool.
pub struct Pool<'s> {
    server: &'s Server,
    _stdin: ChildStdin,
    _shell: Child,
    users: AtomicU32,
}

impl Pool<'static> {
    /// The one that all tests of a program share; none if a program is not installed, which is
    /// said under the name of the test.
    #[must_use]
    pub fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Pool<'static>>> = OnceLock::new();
        let server = Server::shared(test)?;
        let shared = SHARED.get_or_init(|| Some(Self::start(server, &program()?))).as_ref();
        if shared.is_none() {
            say_skipped(test);
        }
        shared
    }
}

impl<'s> Pool<'s> {
    /// One in front of a test's own server.
    #[must_use]
    pub fn before(server: &'s Server, test: &str) -> Option<Self> {
        let program = program();
        if program.is_none() {
            say_skipped(test);
        }
        Some(Self::start(server, &program?))
    }

    fn start(server: &'s Server, program: &Path) -> Self {
        let directory = server.directory();
        let users = (0..USERS).fold(String::new(), |mut users, number| {
            let _infallible = writeln!(users, "\"pooled_{number}\" \"\"");
            users
        });
        server.write(&directory.join("users.txt"), &users);
        let place = directory.display();
        let settings = format!(
            "[databases]\n* = host={place} port=5432\n\
             [pgbouncer]\nlisten_port = {PORT}\nunix_socket_dir = {place}\n\
             auth_type = trust\nauth_file = {place}/users.txt\n\
             pool_mode = transaction\ndefault_pool_size = 5\nserver_idle_timeout = 1\n\
             server_login_retry = 1\n\
             max_client_conn = 1000\n"
        );
        let file = directory.join("pgbouncer.ini");
        server.write(&file, &settings);
        let mut shell = server
            .run(Path::new("/bin/sh"))
            .args(["-c", SHELL, "pgbouncer"])
            .arg(program)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let socket = directory.join(format!(".s.PGSQL.{PORT}"));
        wait_for(|| socket.exists(), "get a pool");
        let stdin = shell.stdin.take().unwrap();
        Self { server, _stdin: stdin, _shell: shell, users: AtomicU32::new(0) }
    }

    /// The address of a new, empty schema behind the pool.
    pub async fn schema(&self) -> String {
        let user = format!("pooled_{}", self.users.fetch_add(1, Ordering::Relaxed));
        let made = format!(
            "CREATE ROLE {user} SUPERUSER LOGIN; CREATE SCHEMA {user}; \
             ALTER ROLE {user} SET search_path = {user}"
        );
        self.server.execute(&self.server.url("postgres"), &made).await;
        let place = self.server.directory().display();
        format!("host={place} port={PORT} user={user} dbname=postgres")
    }
}

fn say_skipped(test: &str) {
    eprintln!("skipped: {test}: no PgBouncer; `{PROGRAM}` may name its program");
}

/// The program.
fn program() -> Option<PathBuf> {
    if let Ok(program) = std::env::var(PROGRAM) {
        return Some(program.into());
    }
    let places = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].map(PathBuf::from);
    places.into_iter().find(|place| place.exists())
}
