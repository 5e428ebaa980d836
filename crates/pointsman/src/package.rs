//! `pointsman package`: makes, checks, tests, builds and shows packages, without a server; and
//! lists and switches those of a server.
//!
//! Boundary: reads packages from disk; what is right and wrong about them is decided by `host` and
//! `node`, in the same way as on a server.
//! Read first: [`Command`], then [`load`].

mod check;
mod installed;
mod new;
mod scenario;
mod show;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use host::package::{Limits, MANIFEST, PackageSource};
use serde_json::json;

use crate::client::Remote;
use crate::finding::{Finding, Sources, summary};
use crate::output::{self, Format, remark};
use crate::problem::{Exit, Failure};

use installed::Switch;

/// What to do with packages.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a small package that works, to start from.
    New {
        /// Its name; also the directory's.
        name: String,
    },
    /// Check packages as a server would: all problems at once.
    Check {
        /// Package directories or archives.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Run the scenarios of packages.
    Test {
        /// Package directories or archives.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Only scenarios whose name contains this.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
    },
    /// Make the archive of a package; the same package gives the same bytes.
    Build {
        /// The package directory.
        path: PathBuf,
        /// Where to; else NAME-VERSION.tar.zst here.
        #[arg(short, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show what a package holds; one of a server, if there is no such path.
    Show {
        /// The package directory or archive, or the name of a package of the server.
        #[arg(value_name = "PATH|NAME")]
        path: PathBuf,
        /// The one of the server, even if there is such a path.
        #[arg(long)]
        installed: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// List the packages of a server: whether they are loaded, their gates, what is in flight.
    List {
        /// Also those that were removed and can be recovered.
        #[arg(long)]
        removed: bool,
        #[command(flatten)]
        remote: Remote,
    },
    /// Offer a disabled package of a server again.
    Enable(Switch),
    /// Offer a package of a server no longer; it stays.
    Disable(Switch),
    /// Load a package of a server again.
    Reload(Switch),
    /// Bring a removed package of a server back.
    Recover(Switch),
    /// Remove a package from a server; `recover` brings it back.
    Remove(Switch),
    /// Go back to an earlier version of a package, in one hot deployment.
    Rollback {
        #[command(flatten)]
        switch: Switch,
        /// Which one; else the one before.
        version: Option<String>,
    },
}

/// Runs a `package` command.
///
/// # Errors
/// A package cannot be read, is wrong, or fails its scenarios.
pub(crate) fn run(command: &Command, format: Format) -> Result<(), Failure> {
    match command {
        Command::New { name } => new::run(name, format),
        Command::Check { paths } => check::run(paths, format),
        Command::Test { paths, only } => scenario::run(paths, only.as_deref(), format),
        Command::Build { path, out } => show::build(path, out.as_deref(), format),
        Command::Show { path, installed, remote } => match of_server(path, *installed) {
            Some(name) => installed::show(remote, name, format),
            None => show::run(path, format),
        },
        Command::List { removed, remote } => installed::list(remote, *removed, format),
        Command::Enable(switch) => installed::switch(switch, Some("enable"), None, format),
        Command::Disable(switch) => installed::switch(switch, Some("disable"), None, format),
        Command::Reload(switch) => installed::switch(switch, Some("reload"), None, format),
        Command::Recover(switch) => installed::switch(switch, Some("recover"), None, format),
        Command::Remove(switch) => installed::switch(switch, None, None, format),
        Command::Rollback { switch, version } => {
            installed::switch(switch, Some("rollback"), version.as_deref(), format)
        }
    }
}

/// The name of a package of the server, if that is what is meant: there is no such path.
fn of_server(path: &Path, is_asked: bool) -> Option<&str> {
    let name = path.to_str().filter(|_| is_asked || !path.exists())?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (is_asked || name.bytes().all(is_name)).then_some(name)
}

/// Packages that were read, and where their files are.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) packages: Vec<PackageSource>,
    pub(crate) sources: Sources,
}

/// Reads packages from directories and archives.
///
/// # Errors
/// One cannot be read, or its manifest is wrong; every problem is shown.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Loaded, Failure> {
    let mut loaded = Loaded { packages: Vec::new(), sources: Sources::default() };
    let mut findings = Vec::new();
    for path in paths {
        match PackageSource::read(path, &Limits::default()) {
            Ok(package) => {
                loaded.sources.add(path.clone(), &package);
                loaded.packages.push(package);
            }
            Err(found) => findings.extend(found.iter().map(|problem| unread(problem, path))),
        }
    }
    if findings.is_empty() {
        return Ok(loaded);
    }
    for finding in &findings {
        remark(&loaded.sources.render(finding));
    }
    remark(&summary(&findings));
    Err(Failure::told(Exit::Refused))
}

/// A problem of a package whose name is not known yet.
fn unread(problem: &host::Diagnostic, path: &Path) -> Finding {
    let mut finding = Finding::from(problem);
    finding.file = match path.is_file() {
        true => path.display().to_string(),
        false => path.join(&finding.file).display().to_string(),
    };
    finding
}

/// Adds the packages that the given ones depend on and that stand beside them.
pub(crate) fn add_neighbours(loaded: &mut Loaded, paths: &[PathBuf]) {
    let parents = paths.iter().filter_map(|path| Some(path.canonicalize().ok()?.parent()?.into()));
    let parents: Vec<PathBuf> = parents.collect();
    let mut next = 0;
    while next < loaded.packages.len() {
        let wanted = loaded.packages[next].manifest.dependencies.clone();
        next += 1;
        for dependency in wanted {
            let known = |known: &PackageSource| known.manifest.name == dependency.name;
            if loaded.packages.iter().any(known) {
                continue;
            }
            let beside = parents.iter().map(|parent| parent.join(&dependency.name));
            let Some(path) = beside.into_iter().find(|path| path.join(MANIFEST).is_file()) else {
                continue;
            };
            if let Ok(package) = PackageSource::read(&path, &Limits::default()) {
                let version = &package.manifest.version;
                remark(&format!("using {} {version} from {}", dependency.name, path.display()));
                loaded.sources.add(path, &package);
                loaded.packages.push(package);
            }
        }
    }
}

/// Shows findings and says whether there was an error among them.
fn tell(findings: &[Finding], sources: &Sources, format: Format) -> Result<(), Failure> {
    let data = json!({ "problems": findings });
    output::show(format, &data, || {
        let shown = findings.iter().map(|finding| sources.render(finding));
        let mut shown: Vec<String> = shown.collect();
        shown.push(summary(findings));
        shown.join("\n")
    })?;
    if findings.iter().any(|finding| finding.severity == "error") {
        return Err(Failure::told(Exit::Refused));
    }
    Ok(())
}
