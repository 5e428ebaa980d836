//! Timer definitions.
//!
//! Boundary: a constant text is checked here, a computed one by the engine when it is evaluated.
//! Read first: [`timer`].

use feel::{Expression, Value};
use markup::{Report, Spot};

use crate::code;
use crate::compile::{expression, iso8601};
use crate::program::{TimerSpec, TimerText};
use crate::source::Text;

/// Where a timer stands decides which kinds are possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    ProcessStart,
    Catch,
    InterruptingBoundary,
    NonInterruptingBoundary,
}

impl Position {
    fn allows(self, kind: TimerText) -> bool {
        match (self, kind) {
            (Self::ProcessStart, TimerText::Duration) => false,
            (Self::Catch | Self::InterruptingBoundary, TimerText::Cycle) => false,
            (
                Self::ProcessStart
                | Self::Catch
                | Self::InterruptingBoundary
                | Self::NonInterruptingBoundary,
                TimerText::Date | TimerText::Duration | TimerText::Cycle,
            ) => true,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::ProcessStart => "a start event of a process",
            Self::Catch => "an intermediate catch event",
            Self::InterruptingBoundary => "an interrupting boundary event",
            Self::NonInterruptingBoundary => "a non-interrupting boundary event",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::ProcessStart => "use a date or a cycle such as `R/PT1H`",
            Self::Catch | Self::InterruptingBoundary => "use a duration or a date",
            Self::NonInterruptingBoundary => "use a duration, a date or a cycle",
        }
    }
}

/// The one definition among `texts`.
pub(super) fn timer(
    texts: &[(TimerText, Text<'_>)],
    position: Position,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) -> TimerSpec {
    let [(kind, text)] = texts else {
        let message = format!("a timer needs exactly one definition, this has {}", texts.len());
        let hint = "give it one date, duration or cycle";
        report.error(code::TIMER_DEFINITION, spot, message, hint);
        return TimerSpec { text: TimerText::Duration, expression: expression::nothing() };
    };
    let spot = spot.moved(text.at);
    if text.is_blank() {
        let message = format!("the `{}` of the timer is empty", attribute(*kind));
        report.error(code::TIMER_DEFINITION, spot, message, position.hint());
        return TimerSpec { text: *kind, expression: expression::nothing() };
    }
    if !position.allows(*kind) {
        let message = format!("`{}` is not possible at {}", attribute(*kind), position.title());
        report.error(code::TIMER_KIND, spot, message, position.hint());
    }
    let expression = expression::feel_or_constant(attribute(*kind), text, spot, report);
    check_constant(*kind, &expression, spot, report);
    TimerSpec { text: *kind, expression }
}

/// The BPMN element that holds this kind.
fn attribute(kind: TimerText) -> &'static str {
    match kind {
        TimerText::Date => "timeDate",
        TimerText::Duration => "timeDuration",
        TimerText::Cycle => "timeCycle",
    }
}

/// Checks the text of an expression that is constant.
pub(super) fn check_constant(
    kind: TimerText,
    expression: &Expression,
    spot: Spot<'_>,
    report: &mut Report<'_>,
) {
    let Some(Value::String(text)) = expression.as_constant() else { return };
    if kind == TimerText::Cycle && iso8601::is_cron(text) {
        let message = format!("`{text}` is a cron text, which is not supported yet");
        let hint = "write the cycle as ISO 8601: `R/PT1H` is every hour, for ever";
        report.error(code::TIMER_CRON, spot, message, hint);
        return;
    }
    let (checked, hint) = match kind {
        TimerText::Date => (iso8601::date_time(text), "write it like `2030-01-31T08:00:00Z`"),
        TimerText::Duration => (iso8601::duration(text), "write it like `PT15M` or `P1DT12H`"),
        TimerText::Cycle => (iso8601::cycle(text), "write it like `R3/PT1H`"),
    };
    if let Err(message) = checked {
        report.error(code::TIMER_TEXT, spot, message, hint);
    }
}
