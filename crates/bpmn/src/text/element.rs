//! What each kind of line of the text form takes.
//!
//! | line | element |
//! | --- | --- |
//! | `start ID [message=NAME] [timer=TEXT]` | start event |
//! | `end ID`, `end-terminate ID`, `end-error ID code=CODE`, `end-message ID SEND` | end events |
//! | `task ID type=TYPE [retries=N]`, `send ID SEND` | service task, send task |
//! | `script ID "=FEEL" result=NAME`, `script ID type=TYPE` | script task |
//! | `rule ID decision=ID result=NAME [binding=…] [tag=…]` or `type=TYPE` | business rule task |
//! | `receive ID NAME key="=FEEL"`, `manual ID`, `undefined ID` | the tasks of these names |
//! | `call ID process=ID [binding=…] [tag=…] [propagate-child=…] [propagate-parent=…]` | a call |
//! | `sub ID {`, lines, `}` | embedded subprocess |
//! | `xor ID -> A if "FEEL", B default`, `and ID -> A, B` | exclusive, parallel gateway |
//! | `catch-message ID NAME key="=FEEL"`, `catch-timer ID TIMER` | intermediate catch events |
//! | `throw ID`, `throw-message ID SEND` | intermediate throw events |
//! | `message ID @ACTIVITY NAME key="=FEEL" [non-interrupting]` | message boundary event |
//! | `timer ID @ACTIVITY TIMER [non-interrupting]` | timer boundary event |
//! | `error ID @ACTIVITY [code=CODE]` | error boundary event |
//!
//! TIMER is ISO 8601 text (`PT1H`, `R3/PT1H`, a date and time), or `duration=`, `date=`, `cycle=`,
//! which may be FEEL. SEND is `type=TYPE [retries=N]` (a job), `message=NAME` (a document of that
//! type) or `publish=NAME key=KEY [message-id=ID] [ttl=DURATION]` (a message to waiting instances).
//!
//! Boundary: as `text`.
//! Read first: [`form`].

use markup::Report;

use crate::program::TimerText;
use crate::source::{
    Boundary, CalledDecision, CalledElement, ErrorCode, Event, Extensions, FeelScript, Form,
    Message, PublishMessage, Reference, TaskDefinition, Text,
};
use crate::text::line::Line;
use crate::text::unreadable_line;

/// The element of `line` and how such a line is written. An unknown kind is reported.
pub(super) fn form<'a>(
    line: &mut Line<'a>,
    extensions: &mut Extensions<'a>,
    report: &mut Report<'_>,
) -> Option<(Form<'a>, &'static str)> {
    let kind = line.kind.to_string();
    Some(match kind.as_str() {
        "start" => (Form::Start(start(line)), "`start ID [message=NAME] [timer=TEXT] -> ID`"),
        "task" => {
            job(line, extensions);
            (Form::ServiceTask, "`task ID type=TYPE [retries=N] -> ID`")
        }
        "send" => (Form::SendTask(send(line, extensions)), "`send ID SEND -> ID`"),
        "script" => (script(line, extensions), "`script ID \"=FEEL\" result=NAME -> ID`"),
        "rule" => (rule(line, extensions), "`rule ID decision=ID result=NAME -> ID`"),
        "receive" => (Form::ReceiveTask(awaited(line)), "`receive ID NAME key=\"=FEEL\" -> ID`"),
        "manual" => (Form::ManualTask, "`manual ID -> ID`"),
        "undefined" => (Form::Task, "`undefined ID -> ID`"),
        "call" => (call(line, extensions), "`call ID process=ID [binding=…] -> ID`"),
        "sub" => (Form::SubProcess, "`sub ID {`"),
        "xor" => (Form::ExclusiveGateway, "`xor ID -> ID if \"FEEL\", ID default`"),
        "and" => (Form::ParallelGateway, "`and ID -> ID, ID`"),
        _ => return event(&kind, line, extensions, report),
    })
}

fn event<'a>(
    kind: &str,
    line: &mut Line<'a>,
    extensions: &mut Extensions<'a>,
    report: &mut Report<'_>,
) -> Option<(Form<'a>, &'static str)> {
    let at = line.kind.at;
    Some(match kind {
        "end" => (Form::End(Vec::new()), "`end ID`"),
        "end-terminate" => (Form::End(vec![Event::Terminate { at }]), "`end-terminate ID`"),
        "end-error" => (Form::End(vec![error(line)]), "`end-error ID code=CODE`"),
        "end-message" => {
            let message = send(line, extensions);
            (Form::End(vec![Event::Message { at, message }]), "`end-message ID SEND`")
        }
        "throw" => (Form::Throw(Vec::new()), "`throw ID -> ID`"),
        "throw-message" => {
            let message = send(line, extensions);
            (Form::Throw(vec![Event::Message { at, message }]), "`throw-message ID SEND -> ID`")
        }
        "catch-message" => {
            let message = awaited(line);
            let usage = "`catch-message ID NAME key=\"=FEEL\" -> ID`";
            (Form::Catch(vec![Event::Message { at, message }]), usage)
        }
        "catch-timer" => (Form::Catch(vec![timer(line)]), "`catch-timer ID PT1H -> ID`"),
        "message" | "timer" | "error" => boundary(kind, line),
        _ => {
            let message = format!("there is no kind of element `{kind}`");
            let hint = "known are start, end, end-error, end-message, end-terminate, task, send, \
                        script, rule, receive, manual, undefined, call, sub, xor, and, catch-message, \
                        catch-timer, throw, throw-message, message, timer, error";
            unreadable_line(at, message, hint, report);
            return None;
        }
    })
}

fn boundary<'a>(kind: &str, line: &mut Line<'a>) -> (Form<'a>, &'static str) {
    let interrupting = !line.flag("non-interrupting");
    line.flag("interrupting");
    let (event, usage) = match kind {
        "message" => {
            let message = Event::Message { at: line.kind.at, message: awaited(line) };
            (message, "`message ID @ACTIVITY NAME key=\"=FEEL\" [non-interrupting] -> ID`")
        }
        "timer" => (timer(line), "`timer ID @ACTIVITY PT1H [non-interrupting] -> ID`"),
        _ => (error(line), "`error ID @ACTIVITY [code=CODE] -> ID`"),
    };
    let boundary = Boundary { attached_to: line.host(), interrupting, events: vec![event] };
    (Form::Boundary(boundary), usage)
}

fn start<'a>(line: &mut Line<'a>) -> Vec<Event<'a>> {
    let mut events = Vec::new();
    let at = line.kind.at;
    if let Some(name) = line.pair("message") {
        let message = Message { name: Some(name), correlation_key: None };
        events.push(Event::Message { at, message: Reference::Known(message) });
    }
    if let Some(text) = line.pair("timer") {
        events.push(Event::Timer { at, texts: vec![(kind_of(&text), text)] });
    }
    events
}

/// A message that is waited for.
fn awaited<'a>(line: &mut Line<'a>) -> Reference<'a, Message<'a>> {
    let correlation_key = line.pair("key");
    match line.word() {
        Some(name) => Reference::Known(Message { name: Some(name), correlation_key }),
        None => Reference::Absent,
    }
}

/// How something is sent; the message or document that is named.
fn send<'a>(line: &mut Line<'a>, extensions: &mut Extensions<'a>) -> Reference<'a, Message<'a>> {
    job(line, extensions);
    let name = match line.pair("publish") {
        Some(name) => {
            extensions.publish_message = Some(PublishMessage {
                at: line.kind.at,
                correlation_key: line.pair("key"),
                message_id: line.pair("message-id"),
                time_to_live: line.pair("ttl"),
            });
            Some(name)
        }
        None => line.pair("message"),
    };
    match name {
        Some(name) => Reference::Known(Message { name: Some(name), correlation_key: None }),
        None => Reference::Absent,
    }
}

fn job<'a>(line: &mut Line<'a>, extensions: &mut Extensions<'a>) {
    let (job_type, retries) = (line.pair("type"), line.pair("retries"));
    if job_type.is_some() || retries.is_some() {
        extensions.task_definition = Some(TaskDefinition { at: line.kind.at, job_type, retries });
    }
}

fn script<'a>(line: &mut Line<'a>, extensions: &mut Extensions<'a>) -> Form<'a> {
    job(line, extensions);
    let (expression, result_variable) = (line.word(), line.pair("result"));
    if expression.is_some() || result_variable.is_some() {
        extensions.script = Some(FeelScript { at: line.kind.at, expression, result_variable });
    }
    Form::ScriptTask
}

fn rule<'a>(line: &mut Line<'a>, extensions: &mut Extensions<'a>) -> Form<'a> {
    job(line, extensions);
    let (decision_id, result_variable) = (line.pair("decision"), line.pair("result"));
    let (binding, version_tag) = (line.pair("binding"), line.pair("tag"));
    if decision_id.is_some() || result_variable.is_some() {
        let at = line.kind.at;
        extensions.called_decision =
            Some(CalledDecision { at, decision_id, result_variable, binding, version_tag });
    }
    Form::BusinessRuleTask
}

fn call<'a>(line: &mut Line<'a>, extensions: &mut Extensions<'a>) -> Form<'a> {
    extensions.called_element = Some(CalledElement {
        at: line.kind.at,
        process_id: line.pair("process"),
        propagate_all_child_variables: line.pair("propagate-child"),
        propagate_all_parent_variables: line.pair("propagate-parent"),
        binding: line.pair("binding"),
        version_tag: line.pair("tag"),
    });
    Form::CallActivity
}

fn error<'a>(line: &mut Line<'a>) -> Event<'a> {
    let code = line.pair("code");
    Event::Error { at: line.kind.at, error: Reference::Known(ErrorCode { code }) }
}

fn timer<'a>(line: &mut Line<'a>) -> Event<'a> {
    let mut texts = Vec::new();
    let keys =
        [("duration", TimerText::Duration), ("date", TimerText::Date), ("cycle", TimerText::Cycle)];
    for (key, kind) in keys {
        texts.extend(line.pair(key).map(|text| (kind, text)));
    }
    texts.extend(line.word().map(|text| (kind_of(&text), text)));
    Event::Timer { at: line.kind.at, texts }
}

/// `P…` is a duration, `R…` and what looks like cron a cycle, anything else a date.
fn kind_of(text: &Text<'_>) -> TimerText {
    match text.chars().next() {
        Some('P' | '=') => TimerText::Duration,
        Some('R' | '@') => TimerText::Cycle,
        Some(_) if text.contains(' ') => TimerText::Cycle,
        Some(_) | None => TimerText::Date,
    }
}
