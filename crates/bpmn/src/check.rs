//! What can only be said of the whole graph: where it starts, which flows are possible, loops,
//! what is never reached.
//!
//! Boundary: reads the compiled program beside its source; changes nothing but the conditions of
//! default flows, which are dropped. No recursion: a model may be as deep as it likes.
//! Read first: [`check`].

mod catch;
mod cycle;
mod flow;
mod reach;
mod scope;

use markup::Report;

use crate::program::{Kind, Program};
use crate::source::{Flow, Form, Process};

/// Checks one process; `flow_sources` stand beside `program.flows`.
pub(crate) fn check(
    source: &Process<'_>,
    flow_sources: &[&Flow<'_>],
    program: &mut Program,
    report: &mut Report<'_>,
) {
    scope::check(source, program, report);
    flow::check(source, flow_sources, program, report);
    catch::check(source, program, report);
    cycle::check(program, source, report);
    if is_wired(source, flow_sources, program) {
        reach::check(source, program, report);
    }
}

/// Whether every edge of the file is in the program, so that what is not reached is really not.
fn is_wired(source: &Process<'_>, flow_sources: &[&Flow<'_>], program: &Program) -> bool {
    let attached =
        source.nodes.iter().zip(program.elements.iter().skip(1)).all(|(node, element)| {
            !matches!(node.form, Form::Boundary(_))
                || matches!(element.kind, Kind::Boundary { attached_to, .. } if attached_to.0 > 0)
        });
    attached && flow_sources.len() == source.flows.len()
}
