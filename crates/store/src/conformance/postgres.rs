//! A PostgreSQL of a test's own.
//!
//! It is made in a temporary directory, listens on a socket in there, and goes with the test
//! program however that ends: a shell beside it waits for the program's end of a pipe.
//!
//! Boundary: needs the programs `initdb` and `postgres`; where they are not, tests
//! say by name that they are skipped.
//! Read first: [`Server::shared`], then [`Server::schema`].

#![expect(clippy::unwrap_used, reason = "these are for other crates' tests")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#![expect(clippy::disallowed_methods, reason = "tests are told by the environment")]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

/// Names the directory of the programs.
const PROGRAMS: &str = "POINTSMAN_TEST_POSTGRES_BIN";
/// How long it may take until it answers.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts and stops the server as told by lines, and stops it at the end of them.
const SHELL: &str = r#"
start() { "$1/postgres" -D "$2/data" -k "$2" -h "" $3 >>"$2/log" 2>&1 & server=$!; }
start "$@"
while read -r order; do
  case $order in
    start) start "$@";;
    stop) kill -INT $server; wait $server; echo >"$2/stopped";;
    crash) kill -QUIT $server; wait $server; echo >"$2/stopped";;
    pause) kill -STOP $(cat "$2/data/postmaster.pid" | head -1); echo >"$2/stopped";;
  esac
done
kill -QUIT $server; wait $server; rm -rf "$2"
"#;

/// Whether what is committed has to be on the disk.
#[derive(Clone, Copy, PartialEq)]
pub enum Disk {
    /// No: nobody takes the power away in a test.
    Careless,
    /// Yes: for benchmarks.
    Safe,
}

/// A running server.
pub struct Server {
    directory: PathBuf,
    /// As whom it runs, if not as the test.
    user: Option<(u32, u32)>,
    orders: Mutex<ChildStdin>,
    _shell: Child,
    schemas: AtomicU32,
}

impl Server {
    /// The one that all tests of a program share; none if the programs are not installed, which
    /// is said under the name of the test.
    #[must_use]
    pub fn shared(test: &str) -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start(Disk::Careless, "")).as_ref();
        if shared.is_none() {
            Self::say_skipped(test);
        }
        shared
    }

    /// One of the test's own, which it may stop.
    #[must_use]
    pub fn own(test: &str) -> Option<Self> {
        let own = Self::start(Disk::Careless, "");
        if own.is_none() {
            Self::say_skipped(test);
        }
        own
    }

    /// Says that a test is skipped because there is no PostgreSQL.
    pub fn say_skipped(test: &str) {
        eprintln!("skipped: {test}: no PostgreSQL; `{PROGRAMS}` may name its programs");
    }

    /// A new one, with further arguments of the program `postgres`.
    #[must_use]
    pub fn start(disk: Disk, arguments: &str) -> Option<Self> {
        let programs = programs()?;
        let directory = tempfile::Builder::new().prefix("pointsman-postgres-").tempdir().unwrap();
        // The shell removes it.
        let directory = directory.keep();
        let user = user_for(&directory);
        let run = |program: &Path| command_as(user, program, &directory);
        let made = run(&programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale"])
            .args(["--no-sync", "-D"])
            .arg(directory.join("data"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let careless = "-F -c full_page_writes=off -c synchronous_commit=on";
        let options = match disk {
            Disk::Careless => format!("{careless} -c max_connections=200 {arguments}"),
            Disk::Safe => arguments.to_owned(),
        };
        let mut shell = run(Path::new("/bin/sh"))
            .args(["-c", SHELL, "postgres"])
            .arg(&programs)
            .arg(&directory)
            .arg(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let orders = Mutex::new(shell.stdin.take().unwrap());
        let server = Self { directory, user, orders, _shell: shell, schemas: AtomicU32::new(0) };
        server.wait_until_ready();
        Some(server)
    }

    /// The directory of its socket `.s.PGSQL.5432`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The address of a database, which need not be there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("host={} user=postgres dbname={database}", self.directory.display())
    }

    /// The address of a new, empty schema: as good as a database, and made at once.
    pub async fn schema(&self) -> String {
        let name = format!("test_{}", self.schemas.fetch_add(1, Ordering::Relaxed));
        self.execute(&self.url("postgres"), &format!("CREATE SCHEMA {name}")).await;
        format!("{} options='-c search_path={name}'", self.url("postgres"))
    }

    /// Runs statements as the superuser.
    pub async fn execute(&self, url: &str, sql: &str) {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let mut driver = tokio::task::JoinSet::new();
        driver.spawn(connection);
        client.batch_execute(sql).await.unwrap();
    }

    /// A program that is run as its user, in its directory.
    pub(super) fn run(&self, program: &Path) -> Command {
        command_as(self.user, program, &self.directory)
    }

    /// Writes a file that only its user may read.
    pub fn write(&self, path: &Path, content: &str) {
        fs::write(path, content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.user {
            chown(path, Some(user), Some(group)).unwrap();
        }
    }

    /// Ends it in order, as an administrator does; what is connected is cut off.
    pub fn stop(&self) {
        self.order_and_wait("stop");
    }

    /// Ends it at once, as a broken machine does; what was committed is recovered.
    pub fn crash(&self) {
        self.order_and_wait("crash");
    }

    /// Starts it again, and waits until it answers.
    pub fn start_again(&self) {
        self.order("start");
        self.wait_until_ready();
    }

    fn order(&self, order: &str) {
        let mut orders = self.orders.lock().unwrap();
        writeln!(orders, "{order}").unwrap();
    }

    fn order_and_wait(&self, order: &str) {
        let stopped = self.directory.join("stopped");
        self.order(order);
        wait_for(|| fs::remove_file(&stopped).is_ok(), order);
    }

    fn wait_until_ready(&self) {
        let file = self.directory.join("data/postmaster.pid");
        let is_ready = || {
            let text = fs::read_to_string(&file).unwrap_or_default();
            text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
        };
        wait_for(is_ready, "start");
    }
}

/// A program that is run as a user.
fn command_as(user: Option<(u32, u32)>, program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory);
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

pub(super) fn wait_for(condition: impl Fn() -> bool, what: &str) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "PostgreSQL does not {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The directory of the programs.
fn programs() -> Option<PathBuf> {
    if let Ok(directory) = std::env::var(PROGRAMS) {
        return Some(directory.into());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|directory| directory.join("initdb").exists())
        .collect();
    found.sort();
    found.pop()
}

/// PostgreSQL does not run as root: another user, who owns the directory from now on.
fn user_for(directory: &Path) -> Option<(u32, u32)> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids_of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let (user, group) = ids_of("postgres").or_else(|| ids_of("nobody")).unwrap();
    chown(directory, Some(user), Some(group)).unwrap();
    Some((user, group))
}
