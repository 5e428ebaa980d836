//! Services of kind `command`: one child process, JSON in, JSON or text out.
//!
//! Boundary: no shell unless asked for, an empty environment but for what is listed, a working
//! directory of its own that is removed afterwards. Not a sandbox: the program has the rights
//! of the server.
//! Invariants: when a call ends, in whatever way, nothing of its process group is left.
//! Read first: [`run`], then [`Group`].   Tests: `tests/service_command.rs`

mod output;

use std::io::ErrorKind;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use feel::Value;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::package::PackageSource;
use crate::service::scope::ResultScope;
use crate::service::{
    CommandService, Failure, Options, Output, Shell, Template, Work, permanent, template, transient,
};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// A program that was written a moment ago may still be open in a process that is starting.
const BUSY_TRIES: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Points program and arguments that name files of the package at where these are unpacked.
pub(super) fn locate(command: &mut CommandService, package: &PackageSource, directory: &Path) {
    let located = |text: &str| {
        let known = text.starts_with("services/") && package.files.contains_key(text);
        known.then(|| directory.join(text).to_string_lossy().into_owned())
    };
    if command.shell == Shell::None
        && let Some(program) = located(&command.program)
    {
        command.program = program;
    }
    for arg in &mut command.args {
        if let Template::Text(text) = arg
            && let Some(path) = located(text)
        {
            *text = path;
        }
    }
}

/// Runs one call. Cancellation safe: dropping it kills the process group.
pub(super) async fn run(
    service: &CommandService,
    work: &Work<'_>,
    options: &Options,
) -> Result<Value, Failure> {
    let scratch = scratch(options)?;
    let mut command = prepare(service, work, scratch.path()).await?;
    let input = match &service.input {
        Some(input) => &input.evaluate(&work.scope, &work.environment).value,
        None => &work.call.input,
    };
    let mut json = String::new();
    feel::json::write(input, &mut json);
    let mut child = spawn(&mut command, service).await?;
    let group = Group::of(&child);
    let stdin = child.stdin.take();
    let stdout = output::whole(child.stdout.take(), options.output_bytes_max);
    let stderr = output::tail(child.stderr.take(), work.printed);
    let end = async move {
        let status = child.wait().await;
        // What the program left running would keep its output open.
        drop(group);
        status.map_err(|error| transient(format!("`{}`: {error}", service.program)))
    };
    let ((), stdout, stderr, status) =
        tokio::try_join!(write(stdin, json.as_bytes()), stdout, stderr, end)?;
    if !status.success() {
        // It is no result then.
        work.printed.append(&stdout);
    }
    let output = outcome(service, status, (&stdout, &stderr))?;
    let Some(result) = &work.definition.result else { return Ok(output) };
    let scope = ResultScope { request: &work.scope, answer: &[("output", output)] };
    Ok(result.evaluate(&scope, &work.environment).value)
}

fn scratch(options: &Options) -> Result<tempfile::TempDir, Failure> {
    let unusable = |error| {
        let scratch = options.scratch.display();
        transient(format!("no working directory can be made in `{scratch}`: {error}"))
    };
    let make = || tempfile::Builder::new().prefix("call-").tempdir_in(&options.scratch);
    match make() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            std::fs::create_dir_all(&options.scratch).map_err(unusable)?;
            make().map_err(unusable)
        }
        made => made.map_err(unusable),
    }
}

async fn prepare(
    service: &CommandService,
    work: &Work<'_>,
    scratch: &Path,
) -> Result<Command, Failure> {
    let mut command = match service.shell {
        Shell::None => Command::new(&service.program),
        Shell::Posix => {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", &service.program, "sh"]);
            shell
        }
    };
    for arg in &service.args {
        let text = arg.text(&work.scope, &work.environment).await?.unwrap_or_default();
        if text.contains('\0') {
            return Err(permanent("an argument contains a NUL character".to_owned()));
        }
        command.arg(text);
    }
    command.env_clear().env("PATH", PATH).env("HOME", scratch).env("TMPDIR", scratch);
    command.env("POINTSMAN_IDEMPOTENCY_KEY", &work.call.idempotency_key);
    if !work.call.chain.packages().is_empty() {
        command.env("POINTSMAN_CALL_CHAIN", work.call.chain.text());
    }
    command.env("POINTSMAN_ATTEMPT", work.call.attempt.to_string());
    if let Some(directory) = work.directory {
        command.env("POINTSMAN_PACKAGE", directory);
    }
    for name in &service.pass_environment {
        if let Some(value) = template::environment(name) {
            command.env(name, value);
        }
    }
    for (name, template) in &service.environment {
        if let Some(value) = template.text(&work.scope, &work.environment).await? {
            if value.contains('\0') {
                return Err(permanent(format!("`{name}` contains a NUL character")));
            }
            command.env(name, value);
        }
    }
    command.current_dir(scratch).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(command)
}

async fn spawn(command: &mut Command, service: &CommandService) -> Result<Child, Failure> {
    let mut tries_left = BUSY_TRIES;
    loop {
        let error = match command.spawn() {
            Ok(child) => return Ok(child),
            Err(error) => error,
        };
        let message = format!("`{}` cannot be started: {error}", service.program);
        match error.kind() {
            ErrorKind::ExecutableFileBusy if tries_left > 0 => {
                tries_left -= 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::ArgumentListTooLong
            | ErrorKind::InvalidInput => return Err(permanent(message)),
            _ => return Err(transient(message)),
        }
    }
}

/// A child's process group; killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Self(leader.map(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // No such group: everything in it has ended already.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

async fn write(stdin: Option<tokio::process::ChildStdin>, bytes: &[u8]) -> Result<(), Failure> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    match stdin.write_all(bytes).await {
        // A program that does not read its input is free to do so.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(transient(format!("its input cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn outcome(
    service: &CommandService,
    status: ExitStatus,
    (stdout, stderr): (&[u8], &str),
) -> Result<Value, Failure> {
    let program = &service.program;
    let because = |what: String| match stderr {
        "" => format!("`{program}` {what}"),
        lines => format!("`{program}` {what}: {lines}"),
    };
    match status.code() {
        Some(0) => {}
        Some(code) => {
            let message = because(format!("ended with exit code {code}"));
            return Err(match service.errors.get(&code) {
                Some(error) => Failure::Error { code: error.clone(), message },
                None => transient(message),
            });
        }
        None => return Err(transient(because(format!("was killed ({status})")))),
    }
    match service.output {
        Output::Json if stdout.trim_ascii().is_empty() => Ok(Value::Null),
        Output::Json => feel::json::parse(stdout).map_err(|error| {
            let offset = error.offset;
            permanent(format!("`{program}` wrote no JSON: at byte {offset}: {}", error.message))
        }),
        Output::Text => match std::str::from_utf8(stdout) {
            Ok(text) => Ok(Value::String(text.strip_suffix('\n').unwrap_or(text).into())),
            Err(_) => Err(permanent(format!("`{program}` wrote something that is not UTF-8"))),
        },
    }
}
