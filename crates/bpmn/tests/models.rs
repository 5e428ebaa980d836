//! Real model files: each is read within the limits and without a panic; the executable ones of
//! the zeebe flavour compile, or are refused for a reason that is printed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bpmn::{
    CODES, Diagnostic, ElementIndex, FlowIndex, Kind, Limits, Program, Severity, StartTrigger, read,
};

/// Where the model files are, if they are there.
fn models() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/models");
    root.is_dir().then_some(root)
}

fn bpmn_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            bpmn_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "bpmn") {
            found.push(path);
        }
    }
}

fn is_zeebe(text: &str) -> bool {
    text.contains("http://camunda.org/schema/zeebe/1.0") && text.contains("isExecutable=\"true\"")
}

#[test]
fn every_model_file_is_read() {
    let Some(root) = models() else {
        println!("skipped: every_model_file_is_read");
        return;
    };
    let mut files = Vec::new();
    bpmn_files(&root, &mut files);
    let (mut compiled, mut zeebe, mut zeebe_compiled) = (0, 0, 0);
    let mut reasons: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut verbose = String::new();
    for path in &files {
        let bytes = fs::read(path).unwrap();
        let is_zeebe = is_zeebe(&String::from_utf8_lossy(&bytes));
        let result = read(&bytes, &Limits::default());
        zeebe += usize::from(is_zeebe);
        match result {
            Ok(model) => {
                assert!(!model.programs.is_empty());
                assert!(model.warnings.iter().all(|found| found.severity == Severity::Warning));
                model.programs.iter().for_each(check_program);
                compiled += 1;
                zeebe_compiled += usize::from(is_zeebe);
                for found in &model.warnings {
                    verbose += &format!("{}\n{}", path.display(), shown(found));
                }
            }
            Err(found) => {
                check_diagnostics(&found);
                if is_zeebe {
                    let mut codes: Vec<&str> = found
                        .iter()
                        .filter(|found| found.severity == Severity::Error)
                        .map(|found| found.code)
                        .collect();
                    codes.sort_unstable();
                    codes.dedup();
                    for code in codes {
                        *reasons
                            .entry(CODES.iter().find(|c| c.0 == code).unwrap().0)
                            .or_default() += 1;
                    }
                    for found in &found {
                        verbose += &format!("{}\n{}", path.display(), shown(found));
                    }
                }
            }
        }
    }
    println!("{verbose}");
    println!("{} files, {compiled} compiled", files.len());
    println!("{zeebe} executable zeebe files, {zeebe_compiled} compiled; reasons (files):");
    for (code, count) in &reasons {
        let title = CODES.iter().find(|known| known.0 == *code).unwrap().1;
        println!("  {count:4} {code} {title}");
    }
    assert!(files.len() > 1000);
    assert!(zeebe_compiled * 10 > zeebe * 4, "{zeebe_compiled} of {zeebe}");
}

fn shown(found: &Diagnostic) -> String {
    format!(
        "  {:?} {} {}:{} {:?} {}\n",
        found.severity,
        found.code,
        found.place.line,
        found.place.column,
        found.element,
        found.message
    )
}

/// What the engine relies on: PRG-1 to PRG-3, and with them WIR-1 and CMP-1.
fn check_program(program: &Program) {
    assert!(matches!(program.elements[0].kind, Kind::Process));
    for (position, element) in program.elements.iter().enumerate() {
        let index = ElementIndex(u32::try_from(position).unwrap_or(u32::MAX));
        assert_eq!(element.scope.is_none(), position == 0, "PRG-2: {}", element.id);
        if let Some(scope) = element.scope {
            assert!(scope < index && program.element(scope).children.contains(&index));
        }
        for flow in &element.outgoing {
            assert_eq!(program.flow(*flow).source, index);
        }
        for flow in &element.incoming {
            assert_eq!(program.flow(*flow).target, index);
        }
        match &element.kind {
            Kind::Boundary { attached_to, .. } => {
                assert!(program.element(*attached_to).boundary.contains(&index), "PRG-3");
            }
            Kind::SubProcess { start } => {
                assert!(element.children.contains(start));
                assert!(matches!(program.element(*start).kind, Kind::Start(StartTrigger::None)));
            }
            Kind::ExclusiveGateway { default: Some(default) } => {
                assert!(element.outgoing.contains(default));
            }
            _ => {}
        }
    }
    for (position, flow) in program.flows.iter().enumerate() {
        let index = FlowIndex(u32::try_from(position).unwrap_or(u32::MAX));
        assert!(program.element(flow.source).outgoing.contains(&index), "PRG-1");
        assert!(program.element(flow.target).incoming.contains(&index), "PRG-1");
    }
}

fn check_diagnostics(found: &[Diagnostic]) {
    assert!(found.iter().any(|found| found.severity == Severity::Error));
    for found in found {
        assert!(CODES.iter().any(|known| known.0 == found.code), "{}", found.code);
        assert!(found.place.line > 0 && found.place.column > 0);
        assert!(!found.message.is_empty() && !found.hint.is_empty());
        assert!(!found.message.ends_with('.'), "{}", found.message);
    }
    let limits = ["BPMN-001", "BPMN-005", "BPMN-006", "BPMN-007", "BPMN-008"];
    assert!(found.iter().all(|found| !limits.contains(&found.code)), "{found:?}");
    assert!(found.windows(2).all(|pair| pair[0].place <= pair[1].place));
}
