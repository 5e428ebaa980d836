//! Every command in every state of a job, of a step and of a lock: shown by a scenario, or
//! impossible. The table stands in docs/transitions.md; `UPDATE_EXPECT=1` rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use engine::script;

const JOB_STATES: &[&str] = &["ready", "leased", "backing off", "failed", "gone"];
const JOB_COMMANDS: &[&str] = &[
    "LeaseJob",
    "CompleteJob",
    "FailJob",
    "ThrowError",
    "ExpireLease",
    "ReleaseJob",
    "UpdateRetries",
    "UpdateDeadline",
    "FireTimer",
    "ResolveIncident",
];
const STEP_STATES: &[&str] = &[
    "not entered",
    "not entered, incident",
    "event",
    "job",
    "scope",
    "scope, incident",
    "calling",
    "call refused",
    "child",
    "lock",
    "error thrown",
    "incident",
    "process",
    "process, incident",
    "gone",
    "ended",
];
const STEP_COMMANDS: &[&str] = &[
    "Correlate",
    "AcceptChild",
    "RefuseChild",
    "CompleteChild",
    "CatchChildError",
    "LeaveUncaught",
    "FailCall",
    "FailForServer",
    "Quarantine",
    "TakeLock",
    "TimeOutLock",
    "LoseLock",
    "SetVariables",
    "FireTimer",
    "ResolveIncident",
    "Cancel",
    "Continue",
];
const LOCK_STATES: &[&str] = &["free", "held", "held by it", "held by another", "it waits"];
const LOCK_COMMANDS: &[&str] =
    &["Acquire", "Release", "ReleaseHolder", "Renew", "Expire", "Forget"];

/// Why a command cannot meet a state; none if it can.
fn impossible(subject: &str, state: &str, command: &str) -> Option<&'static str> {
    let has_incident = state.contains("incident") || state == "call refused";
    match (subject, command) {
        ("job", "ResolveIncident") => match state {
            "failed" => None,
            "gone" => Some("a job that is gone has no incident; see the step"),
            _ => Some("only a failed job has an incident"),
        },
        ("job", "FireTimer") if state == "gone" => {
            Some("its wake-up has gone with it; see the step")
        }
        ("step", "Cancel" | "Continue" | "LoseLock" | "FailForServer" | "Quarantine") => {
            match state {
                "process" | "process, incident" | "ended" => None,
                _ => Some("it is addressed to the instance"),
            }
        }
        ("step", "ResolveIncident") => match state {
            "gone" | "ended" => None,
            _ if has_incident => None,
            _ => Some("there is no incident; that of a job is in the other table"),
        },
        ("step", "FireTimer") => match state {
            "event" | "job" | "scope" | "scope, incident" | "child" | "lock" | "gone" | "ended" => {
                None
            }
            _ => Some("it has no timers in this state"),
        },
        ("lock", "ReleaseHolder" | "Expire") => match state {
            "free" | "held" => None,
            _ => Some("it is addressed to the lock, not to one of those who want it"),
        },
        ("lock", _) if state == "held" => Some("somebody is meant: see the rows below"),
        _ => None,
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "scn") {
            found.push(path);
        }
    }
    found
}

type Shown = BTreeMap<(&'static str, &'static str, &'static str), BTreeSet<String>>;

fn shown(root: &Path) -> Shown {
    let mut shown = Shown::new();
    for path in files(&root.join("tests/scenarios")) {
        let text = fs::read_to_string(&path).expect("readable");
        let outcome = script::run(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        for seen in outcome.seen {
            let pair = (seen.subject, seen.state, seen.command);
            shown.entry(pair).or_default().insert(seen.outcome);
        }
    }
    shown
}

#[test]
fn every_command_in_every_state_is_shown_or_impossible() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shown = shown(root);
    let mut table = String::from(
        "# Transitions\n\nWhat each command does in each state, as the scenarios show it: the \
         state afterwards, or the\nrejection. Made by `tests/transitions.rs`.\n",
    );
    let mut missing = String::new();
    let mut known = BTreeSet::new();
    let subjects = [
        ("job", JOB_STATES, JOB_COMMANDS),
        ("step", STEP_STATES, STEP_COMMANDS),
        ("lock", LOCK_STATES, LOCK_COMMANDS),
    ];
    for (subject, states, commands) in subjects {
        table +=
            &format!("\n## A {subject}\n\n| state | command | outcome |\n| --- | --- | --- |\n");
        for state in states {
            for command in commands {
                known.insert((subject, *state, *command));
                let found = shown.get(&(subject, *state, *command));
                let cell = match (found, impossible(subject, state, command)) {
                    (Some(outcomes), None) => {
                        outcomes.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ")
                    }
                    (None, Some(why)) => format!("impossible: {why}"),
                    (Some(outcomes), Some(why)) => {
                        missing += &format!("{subject} {state} {command}: {outcomes:?}, {why}?\n");
                        continue;
                    }
                    (None, None) => {
                        missing += &format!("{subject} {state} {command}: not shown\n");
                        continue;
                    }
                };
                table += &format!("| {state} | {command} | {cell} |\n");
            }
        }
    }
    for (subject, state, command) in shown.keys() {
        if !known.contains(&(*subject, *state, *command)) {
            missing += &format!("{subject} {state} {command}: not in the table\n");
        }
    }
    assert!(missing.is_empty(), "\n{missing}");
    let path = root.join("tests/docs/transitions.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::create_dir_all(root.join("tests/docs")).expect("writable");
        fs::write(&path, &table).expect("writable");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == table, "UPDATE_EXPECT=1 rewrites {}", path.display());
}
