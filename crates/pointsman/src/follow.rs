//! Changes of packages as a person or a program follows them: begun, watched, cancelled.
//!
//! Boundary: asks the server and shows; what is shown on the way goes to standard error, or, as
//! JSON, a line for each change to standard output. Ctrl-C asks to cancel and waits for the end.
//! Read first: [`Terms`], then [`Wish::run`].

mod view;

use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::Value;

use crate::client::{Body, Client, Remote, query, segment};
use crate::finding::{Finding, Sources};
use crate::output::{self, Format, remark, text};
use crate::problem::{Exit, Failure, Problem};

use view::Watch;

pub(crate) use view::plan;

/// How long the server may wait for a change before it answers.
const LOOK: &str = "1s";
/// How long a server that cannot be reached any more is asked again: it may be starting.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before that.
const PAUSE: Duration = Duration::from_millis(500);

/// How packages are switched; what is not given is as the shared settings say.
#[derive(Debug, Clone, Args)]
pub(crate) struct Terms {
    /// How long to wait until nothing is in flight: `500ms`, `60s`, `5m`.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// If a start-up service fails, leave its package inactive; else the whole set is put back.
    #[arg(long)]
    no_auto_recover: bool,
    /// Whether calls that run are waited for.
    #[arg(long, value_parser = ["block-and-wait", "side-by-side"])]
    strategy: Option<String>,
    /// What new calls do meanwhile.
    #[arg(long, value_parser = ["hold", "fail-fast", "run-on-old"])]
    policy: Option<String>,
    /// Allow a version that is lower than the active one.
    #[arg(long)]
    allow_downgrade: bool,
    /// Only show what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A change that somebody wants.
pub(crate) struct Wish<'w> {
    pub(crate) remote: &'w Remote,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Parameters beside the terms.
    pub(crate) more: Vec<(&'static str, Option<String>)>,
    pub(crate) body: Body,
    pub(crate) terms: &'w Terms,
    /// Where lines of problems are found.
    pub(crate) sources: &'w Sources,
}

impl Wish<'_> {
    /// Brings the change about, shows how it goes, and answers how it ended; or, in a dry run,
    /// the plan.
    ///
    /// # Errors
    /// It is refused, cancelled, late, or fails; or the server cannot be reached.
    pub(crate) fn run(self, format: Format) -> Result<Value, Failure> {
        let Self { remote, method, path, more, body, terms, sources } = self;
        let is_set = |set: bool, value: &str| set.then(|| value.to_owned());
        let mut parts = vec![
            ("timeout", terms.timeout.clone()),
            ("auto-recover", is_set(terms.no_auto_recover, "false")),
            ("strategy", terms.strategy.clone()),
            ("policy", terms.policy.clone()),
            ("allow-downgrade", is_set(terms.allow_downgrade, "true")),
            ("dry-run", is_set(terms.dry_run, "true")),
            ("wait", is_set(!terms.dry_run, "false")),
        ];
        parts.extend(more);
        let path = format!("{path}{}", query(&parts));
        let is_dry = terms.dry_run;
        let ended = remote.talk(async |client| {
            let begun = client.send(method, &path, body).await?.json()?;
            if is_dry {
                return Ok(begun);
            }
            let id = text(&begun, "id");
            follow(client, &id, format).await
        });
        let ended = ended.map_err(|failure| explain(failure, sources))?;
        for warning in findings(&ended["warnings"]) {
            remark(&sources.render(&warning));
        }
        if is_dry {
            for warning in findings(&ended["plan"]["warnings"]) {
                remark(&sources.render(&warning));
            }
            return Ok(ended);
        }
        judge(ended, sources)
    }

    /// The same, and shows the end; as JSON it was shown already.
    ///
    /// # Errors
    /// As [`Wish::run`].
    pub(crate) fn run_and_show(
        self,
        format: Format,
        table: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        let is_dry = self.terms.dry_run;
        let ended = self.run(format)?;
        match format {
            Format::Json if is_dry => output::print(&ended.to_string()),
            Format::Json => Ok(()),
            Format::Table if is_dry => output::print(&view::plan(&ended["plan"])),
            Format::Table => output::print(&table(&ended)),
        }
    }
}

/// Watches a deployment until it has ended.
async fn follow(client: &mut Client, id: &str, format: Format) -> Result<Value, Failure> {
    let mut watch = Watch::new(format);
    let path = format!("/api/deployments/{}", segment(id));
    let look = format!("{path}?wait={LOOK}");
    let mut is_cancelled = false;
    loop {
        let view = tokio::select! {
            view = look_patiently(client, &look) => Some(view?),
            interrupted = tokio::signal::ctrl_c(), if !is_cancelled => {
                interrupted.map_err(|error| {
                    Failure::internal("cannot wait for signals".to_owned()).because(&error)
                })?;
                None
            }
        };
        let Some(view) = view else {
            is_cancelled = true;
            watch.say(&format!("cancelling deployment {id}"));
            let cancelled = client.send(Method::POST, &format!("{path}/cancel"), Body::None).await;
            if let Err(failure) = cancelled
                && let Some(problem) = failure.problem
            {
                watch.say(&problem.to_string());
            }
            continue;
        };
        watch.show(&view)?;
        if view["stage"] == "ended" {
            watch.end();
            return Ok(view);
        }
    }
}

/// Asks how it is; also a server that is just starting again.
async fn look_patiently(client: &mut Client, path: &str) -> Result<Value, Failure> {
    let asking = async {
        loop {
            match client.get(path).await {
                Err(Failure { exit: Exit::Unreachable, .. }) => tokio::time::sleep(PAUSE).await,
                answer => return answer,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(answer) => answer,
        Err(_) => {
            let place = path.split('?').next().unwrap_or(path);
            let message = "the server cannot be reached any more".to_owned();
            let hint = format!("it may go on: ask any server of the cluster for `{place}`");
            Err(Failure::unreachable(message, &hint))
        }
    }
}

/// The end as success or failure.
fn judge(ended: Value, sources: &Sources) -> Result<Value, Failure> {
    let exit = match ended["outcome"].as_str() {
        Some("done") => return Ok(ended),
        Some("refused") => Exit::Refused,
        Some("timed-out") => Exit::TimedOut,
        Some("cancelled") => Exit::Cancelled,
        _ => Exit::Failed,
    };
    let problem = Problem {
        code: text(&ended, "code"),
        message: text(&ended, "reason"),
        hint: match exit {
            Exit::Refused => "nothing was changed: correct it and try again".to_owned(),
            _ => format!("the original serves; `pointsman deployment show {}`", text(&ended, "id")),
        },
        findings: ended["problems"].as_array().cloned().unwrap_or_default(),
        ..Problem::default()
    };
    Err(explain(Failure { exit, problem: Some(Box::new(problem)) }, sources))
}

/// Shows what is wrong with packages as a compiler does.
fn explain(mut failure: Failure, sources: &Sources) -> Failure {
    let Some(problem) = failure.problem.take() else { return failure };
    if problem.findings.is_empty() {
        failure.problem = Some(problem);
        return failure;
    }
    for finding in findings(&Value::Array(problem.findings.clone())) {
        remark(&sources.render(&finding));
    }
    remark(&problem.to_string());
    Failure::told(failure.exit)
}

fn findings(list: &Value) -> Vec<Finding> {
    let list = list.as_array().cloned().unwrap_or_default();
    list.into_iter().filter_map(|finding| serde_json::from_value(finding).ok()).collect()
}
