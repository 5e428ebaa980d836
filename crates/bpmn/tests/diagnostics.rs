//! What is reported of a wrong model, in the text form: text in, text out.

#[path = "support/shown.rs"]
mod shown;

use bpmn::read_text;
use expect_test::expect;
use shown::check;

#[test]
fn everything_that_is_supported() {
    check(
        r#"
        model all name="All of it" tag=1.0
          start s -> first                       # plain
          start by-message message="order" -> first
          start by-timer timer=R/PT1H -> first
          undefined first -> m
          manual m -> t
          task t -> snd type="=prefix + \"-charge\"" retries=5 lane="Back office"
            in  amount = "=order.total"
            in  currency = "EUR"
            out order.paid = "=result.paid"
            header method = POST
            property note = "by hand"
          timer late @t PT30S non-interrupting -> e1
          timer again @t cycle="R3/PT1H" non-interrupting -> e1
          message cancelled @t "=\"cancel-\" + region" key="=orderId" -> e1
          error refused @t code=REFUSED -> e1
          error other @t -> e1
          send snd -> snd2 message=invoice
          send snd2 -> snd3 type=mail
          send snd3 -> sc publish="paid" key="=orderId" message-id="=id" ttl=PT1H
          script sc "=a + 1" result=x -> sj
          script sj type=python -> rcv
          receive rcv "answer" key="=orderId" -> c
          call c process=child binding=versionTag tag=2.0 propagate-child=false -> c2
          call c2 process="=name" binding=deployment -> body
          sub body {
            start begin -> inner
            sub inner {
              start i1 -> i2
              end i2
            } -> finish
            end finish
          } -> g
          xor g -> f if 'status = "new"', j default
          and f -> cm, ct
          catch-message cm "go" key="=orderId" -> j
          catch-timer ct date=2030-01-31T08:00:00Z -> j
          xor j -> th
          throw th -> tm
          throw-message tm message=done -> e2
          end e1
          end-error e2 code="=code"
          end-message e3 type=notify
          end-terminate e4
        "#,
        &expect![[r#"
            37 elements
        "#]],
    );
}

#[test]
fn all_problems_are_found_at_once_in_order_of_place() {
    check(
        "start s -> nowhere
         task t -> g retries=often
         xor g -> a if \"total > \", b
         manual a
         manual b",
        &expect![[r#"
            error[BPMN-040] 1:12 (s->nowhere) a sequence flow leads to `nowhere`, which is not there
              hint: connect both ends of the sequence flow to elements of this process, or remove it
            error[BPMN-082] 2:10 (t) the task definition of service task `t` has no type
              hint: set the job type that a worker or a service is known by
            error[BPMN-083] 2:30 (t) `retries` is `often`, not a number of tries
              hint: write a whole number such as `3`, or a FEEL expression
            error[BPMN-090] 3:25 (g->a) the FEEL of `conditionExpression` does not compile: expected an expression, found the end
              total > 
                      ^
              hint: correct the expression at the caret
            error[BPMN-044] 3:36 (g->b) a sequence flow that leaves exclusive gateway `g` has no condition
              hint: give it a condition or make it the default flow
        "#]],
    );
}

#[test]
fn lines_that_cannot_be_read() {
    check(
        "start s ->
         task
         wait w
         -> x
         task a type=\"open
         task b type=b colour=red extra @s
         in x = \"=1\"
         sub body {
         task c type=c -> d if
         } x
         }
         in a b
         start z -> , y
         model again
         sub open {",
        &expect![[r#"
            error[BPMN-050] 1:1 (process) process `process` has no start event
              hint: add a start event
            error[BPMN-011] 1:9 (-) the line ends too early
              hint: name the element behind `->` or `,`, the condition behind `if`
            error[BPMN-080] 2:10 (task) service task `task` has no task definition
              hint: give it a job type (`zeebe:taskDefinition`), `service:NAME` for a service of a package
            error[BPMN-011] 3:10 (-) there is no kind of element `wait`
              hint: known are start, end, end-error, end-message, end-terminate, task, send, script, rule, receive, manual, undefined, call, sub, xor, and, catch-message, catch-timer, throw, throw-message, message, timer, error
            error[BPMN-011] 4:10 (-) a line cannot start with `->`
              hint: start it with a kind of element such as `task`, or with `in`, `out`
            error[BPMN-011] 5:22 (-) this quote is not closed on the line
              hint: close it
            error[BPMN-011] 6:24 (-) `colour=` means nothing for `task`
              hint: a line like this is `task ID type=TYPE [retries=N] -> ID`
            error[BPMN-011] 6:35 (-) `extra` means nothing for `task`
              hint: a line like this is `task ID type=TYPE [retries=N] -> ID`
            error[BPMN-011] 6:42 (-) `@s` means nothing for `task`
              hint: a line like this is `task ID type=TYPE [retries=N] -> ID`
            error[BPMN-050] 8:10 (body) subprocess `body` has no start event
              hint: add a start event
            error[BPMN-011] 9:29 (-) the line ends too early
              hint: name the element behind `->` or `,`, the condition behind `if`
            error[BPMN-011] 11:10 (-) this `}` closes nothing
              hint: remove it, or open a `sub` before
            error[BPMN-011] 12:10 (-) `in` needs a name, `=` and a value
              hint: write it like `in amount = "=order.total"`
            error[BPMN-011] 13:21 (-) `,` is not expected here
              hint: name the element that the flow leads to
            error[BPMN-011] 14:10 (-) `model` stands only in the first line
              hint: write one process per text
            error[BPMN-011] 15:10 (-) the `{` of `open` is not closed
              hint: add a line with `}`
            error[BPMN-050] 15:10 (open) subprocess `open` has no start event
              hint: add a start event
        "#]],
    );
}

#[test]
fn flows() {
    check(
        "start s -> t
         task t type=t -> sub, e, i
         sub sub {
           start i -> e
         } -> s
         end e -> t
         timer b @t PT1H
         timer c @e PT1H -> e
         timer d @nobody PT1H -> e
         timer f PT1H -> b",
        &expect![[r#"
            error[BPMN-041] 2:35 (t->i) the sequence flow from `t` to `i` crosses the border of a subprocess
              hint: end the path inside the subprocess and go on behind it
            error[BPMN-041] 4:23 (i->e) the sequence flow from `i` to `e` crosses the border of a subprocess
              hint: end the path inside the subprocess and go on behind it
            error[BPMN-042] 5:15 (sub->s) a sequence flow leads to start event `s`
              hint: nothing leads to such an event: lead it to the step behind
            error[BPMN-042] 6:19 (e->t) a sequence flow leaves end event `e`
              hint: nothing follows an end event: use an intermediate event
            error[BPMN-072] 7:10 (b) boundary event `b` leads nowhere
              hint: add a sequence flow to what happens then
            error[BPMN-070] 8:10 (c) boundary event `c` is attached to `e`, which is no activity beside it
              hint: attach it to a task, a subprocess or a call activity
            error[BPMN-070] 9:10 (d) boundary event `d` is attached to `nobody`, which is no activity beside it
              hint: attach it to a task, a subprocess or a call activity
            error[BPMN-070] 10:10 (f) boundary event `f` is attached to nothing
              hint: attach it to a task, a subprocess or a call activity
            error[BPMN-042] 10:26 (f->b) a sequence flow leads to boundary event `b`
              hint: nothing leads to such an event: lead it to the step behind
        "#]],
    );
}

#[test]
fn conditions() {
    check(
        "start s -> t if \"a\"
         task t type=t -> g
         xor g -> a, b if \"x\", c default
         manual a -> h
         manual b -> h default
         manual c -> h
         xor h -> e
         end e",
        &expect![[r#"
            error[BPMN-043] 1:12 (s->t) a condition stands on a sequence flow that leaves start event `s`
              hint: only flows that leave an exclusive gateway have conditions: add one
            error[BPMN-044] 3:19 (g->a) a sequence flow that leaves exclusive gateway `g` has no condition
              hint: give it a condition or make it the default flow
            warning[BPMN-035] 5:22 (b) the default flow of manual task `b` has no effect
              hint: only an exclusive gateway has a default flow: draw one behind it
        "#]],
    );
}

#[test]
fn start_events() {
    check(
        "end e",
        &expect![[r#"
        error[BPMN-050] 1:1 (process) process `process` has no start event
          hint: add a start event
    "#]],
    );
    check(
        "start a -> s
         start b -> s
         start c message=m -> s
         start d message=m -> s
         start f message=\"=name\" -> s
         start g timer=PT1H -> s
         start h timer=\"=next\" -> s
         sub s {
           start i -> j
           start k message=m -> j
           end j
         } -> t
         sub t {
         }",
        &expect![[r#"
            error[BPMN-051] 2:10 (b) process `process` has a second plain start event
              hint: keep one; others need a message or a timer
            error[BPMN-051] 4:10 (d) two start events wait for the message `m`
              hint: keep one, or let them wait for different messages
            error[BPMN-092] 5:10 (f) `name` of a start event reads the variable `name`
              hint: it is evaluated before there is an instance: use only constants and functions
            error[BPMN-065] 6:24 (g) `timeDuration` is not possible at a start event of a process
              hint: use a date or a cycle such as `R/PT1H`
            error[BPMN-092] 7:10 (h) `timer` of a start event reads the variable `next`
              hint: it is evaluated before there is an instance: use only constants and functions
            error[BPMN-065] 7:25 (h) `timeDuration` is not possible at a start event of a process
              hint: use a date or a cycle such as `R/PT1H`
            error[BPMN-051] 10:12 (k) subprocess `s` has a second start event
              hint: keep one; let a gateway behind it choose or split
            error[BPMN-052] 10:12 (k) start event `k` of a subprocess has a trigger
              hint: a subprocess starts when it is reached: use a plain start event
            error[BPMN-050] 13:10 (t) subprocess `t` has no start event
              hint: add a start event
        "#]],
    );
}

#[test]
fn timers() {
    check(
        "start s timer=\"0 0 * * * *\" -> a
         start s2 timer=@daily -> a
         catch-timer a R3/PT1H -> b
         catch-timer b 1h -> c
         catch-timer c duration=PT1 date=2030-02-30T00:00:00Z -> d
         catch-timer d -> e
         catch-timer e 2030-01-31T08:00:00 -> t
         task t type=t
         timer u @t R/PT1H -> t
         timer v @t duration=\"\" non-interrupting -> t",
        &expect![[r#"
            error[BPMN-067] 1:16 (s) `0 0 * * * *` is a cron text, which is not supported yet
              hint: write the cycle as ISO 8601: `R/PT1H` is every hour, for ever
            error[BPMN-067] 2:25 (s2) `@daily` is a cron text, which is not supported yet
              hint: write the cycle as ISO 8601: `R/PT1H` is every hour, for ever
            error[BPMN-065] 3:24 (a) `timeCycle` is not possible at an intermediate catch event
              hint: use a duration or a date
            error[BPMN-066] 4:24 (b) `1h` is no ISO 8601 date and time such as `2030-01-31T08:00:00Z`
              hint: write it like `2030-01-31T08:00:00Z`
            error[BPMN-064] 5:10 (c) a timer needs exactly one definition, this has 2
              hint: give it one date, duration or cycle
            error[BPMN-064] 6:10 (d) a timer needs exactly one definition, this has 0
              hint: give it one date, duration or cycle
            error[BPMN-066] 7:24 (e) `2030-01-31T08:00:00` has no time zone: add `Z` or an offset such as `+02:00`
              hint: write it like `2030-01-31T08:00:00Z`
            error[BPMN-065] 9:21 (u) `timeCycle` is not possible at an interrupting boundary event
              hint: use a duration or a date
            error[BPMN-064] 10:31 (v) the `timeDuration` of the timer is empty
              hint: use a duration, a date or a cycle
        "#]],
    );
}

#[test]
fn messages_and_errors() {
    check(
        "start s -> a
         receive a -> b
         receive b name key=\"=x\" -> c
         receive c \"m\" -> d
         receive d \"m\" key=static -> e
         send e -> f
         send f type=x publish=m -> t
         task t type=t
         message m1 @t \"m\" key=\"=k\" -> z
         message m2 @t \"m\" key=\"=k\" -> z
         error e1 @t code=X -> z
         error e2 @t code=X -> z
         error e3 @t code=\"=x\" -> z
         error e4 @t non-interrupting -> z
         error e5 @t -> z
         end-error z",
        &expect![[r#"
            error[BPMN-061] 2:10 (a) receive task `a` refers to no message
              hint: choose a message for it
            error[BPMN-063] 4:10 (c) the message that receive task `c` waits for has no correlation key
              hint: give the message a subscription with a correlation key such as `=orderId`
            error[BPMN-091] 5:28 (d) `correlationKey` must be a FEEL expression, but is the text `static`
              hint: put `=` in front; a fixed text is written `="text"`
            error[BPMN-080] 6:10 (e) it is not said how send task `e` sends
              hint: give it a job type, or a message: a document of the message's name is then published
            error[BPMN-081] 7:10 (f) send task `f` has a task definition and publishes a message
              hint: keep one of the two
            error[BPMN-073] 10:10 (m2) two boundary events of `t` catch the message `m`
              hint: keep one of the two
            error[BPMN-073] 12:10 (e2) two boundary events of `t` catch the error `X`
              hint: keep one of the two
            error[BPMN-069] 13:10 (e3) the error code that boundary event `e3` catches is an expression
              hint: a caught code is a fixed text; only thrown codes may be computed
            error[BPMN-071] 14:10 (e4) boundary event `e4` catches an error but does not interrupt
              hint: an error ends its activity: make the boundary event interrupting
            error[BPMN-073] 14:10 (e4) two boundary events of `t` catch every error
              hint: keep one of the two
            error[BPMN-073] 15:10 (e5) two boundary events of `t` catch every error
              hint: keep one of the two
            error[BPMN-069] 16:10 (z) the error that end event `z` throws has no code
              hint: give the error a code
        "#]],
    );
}

#[test]
fn implementations() {
    check(
        "start s -> a
         task a retries=-1 -> b
         task b -> c
         script c -> d
         script d \"a + 1\" -> e
         script e \"=a +\" result=\"1x\" -> f
         script f \"=1\" result=x type=y -> g
         call g -> h
         call h process=\"\" binding=newest propagate-child=maybe -> i
         call i process=x binding=versionTag -> j
         task j type=j
           header k = 1
           header k = 2
           header io.camunda.zeebe:x = 1
           in 1x = \"=1\"
           in y = \"\"
           out z = 5
           out a..b = \"=1\"
         ",
        &expect![[r#"
            error[BPMN-082] 2:10 (a) the task definition of service task `a` has no type
              hint: set the job type that a worker or a service is known by
            error[BPMN-083] 2:25 (a) `retries` is `-1`, not a number of tries
              hint: write a whole number such as `3`, or a FEEL expression
            error[BPMN-080] 3:10 (b) service task `b` has no task definition
              hint: give it a job type (`zeebe:taskDefinition`), `service:NAME` for a service of a package
            error[BPMN-080] 4:10 (c) script task `c` has no script
              hint: give it a FEEL expression with a result variable, or a job type
            error[BPMN-087] 5:10 (d) the script of script task `d` has no result variable
              hint: name the variable that takes the value
            error[BPMN-091] 5:20 (d) `expression` must be a FEEL expression, but is the text `a + 1`
              hint: put `=` in front; a fixed text is written `="text"`
            error[BPMN-090] 6:20 (e) the FEEL of `expression` does not compile: expected an expression, found the end
              a +
                 ^
              hint: correct the expression at the caret
            error[BPMN-087] 6:34 (e) the result variable `1x` of script task `e` is no name
              hint: use letters, digits and `_`, not starting with a digit
            error[BPMN-081] 7:10 (f) script task `f` has a script and a task definition
              hint: keep one of the two
            error[BPMN-085] 8:10 (g) call activity `g` does not say which process it calls
              hint: set the process id of its called element
            error[BPMN-085] 9:10 (h) call activity `h` does not say which process it calls
              hint: set the process id of its called element
            error[BPMN-086] 9:36 (h) `bindingType` is `newest`
              hint: use `latest`, `deployment` or `versionTag`
            error[BPMN-088] 9:59 (h) `propagateAllChildVariables` is `maybe`
              hint: use `true` or `false`
            error[BPMN-086] 10:35 (i) call activity `i` is bound to a version tag, but names none
              hint: set the version tag
            error[BPMN-084] 13:12 (j) the task header `k` stands twice at service task `j`
              hint: remove one of the two or rename it
            error[BPMN-084] 14:12 (j) the task header `io.camunda.zeebe:x` starts with `io.camunda.zeebe:`
              hint: these keys are reserved: rename the header
            error[BPMN-094] 15:15 (j) the mapping target `1x` of service task `j` is no variable path
              hint: use names of letters, digits and `_`, joined by dots: `order.total`
            error[BPMN-093] 16:12 (j) a mapping of service task `j` has no source
              hint: give it a FEEL expression, or remove the mapping
            error[BPMN-091] 17:20 (j) `source` must be a FEEL expression, but is the text `5`
              hint: put `=` in front; a fixed text is written `="text"`
            error[BPMN-094] 18:16 (j) the mapping target `a..b` of service task `j` is no variable path
              hint: use names of letters, digits and `_`, joined by dots: `order.total`
        "#]],
    );
}

#[test]
fn a_feel_error_shows_where() {
    check(
        "start s -> x\n xor x -> a if \"total > (1 + \", b default\n end a\n end b",
        &expect![[r#"
            error[BPMN-090] 2:17 (x->a) the FEEL of `conditionExpression` does not compile: expected an expression, found the end
              total > (1 + 
                           ^
              hint: correct the expression at the caret
        "#]],
    );
}

#[test]
fn endless_loops() {
    check(
        "start s -> a
         manual a -> g
         xor g -> b if \"x\", e default
         sub b {
           start i -> j
           manual j
         } -> a
         end e",
        &expect![[r#"
            error[BPMN-046] 2:10 (a) the loop over `a`, `g`, `b` never waits and never ends
              hint: put a step that waits or changes a variable into the loop: a timer, a job, a script, an output mapping
        "#]],
    );
    check(
        "start s -> a\n undefined a -> a",
        &expect![[r#"
        error[BPMN-046] 2:2 (a) the loop over `a` never waits and never ends
          hint: put a step that waits or changes a variable into the loop: a timer, a job, a script, an output mapping
    "#]],
    );
    // A loop that changes a variable, waits, or joins may end.
    check(
        "start s -> a\n undefined a -> a\n out n = \"=n + 1\"",
        &expect![[r#"
        3 elements
    "#]],
    );
    check(
        "start s -> a\n manual a -> w\n catch-timer w PT1S -> a",
        &expect![[r#"
        4 elements
    "#]],
    );
    check(
        "start s -> j\n and j -> f\n and f -> j, e\n end e",
        &expect![[r#"
        5 elements
    "#]],
    );
}

#[test]
fn ids() {
    check(
        &format!("start s -> a\n task a type=a\n task a type=b\n task {} type=c", "x".repeat(300)),
        &expect![[r#"
            warning[BPMN-047] 2:2 (a) service task `a` is never reached
              hint: lead a sequence flow to it, or remove it
            error[BPMN-021] 3:2 (a) the id `a` is used twice
              hint: rename one of the two
            warning[BPMN-047] 4:2 (xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx) service task `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is never reached
              hint: lead a sequence flow to it, or remove it
            error[BPMN-022] 4:7 (-) the id `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…` is longer than 256
              hint: shorten it
        "#]],
    );
}

/// Shows RPT-1.
#[test]
fn more_problems_than_are_listed() {
    let text = "task t\n".repeat(2000);
    let found = read_text(&text).unwrap_err();
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000].code, "BPMN-012");
}

#[test]
fn very_deep_and_very_wide_texts_are_bounded() {
    let deep = "sub s {\n".repeat(100_000);
    assert!(read_text(&deep).is_err());
    let wide = format!("start s -> {}\nend e", "e, ".repeat(100_000));
    assert!(read_text(&wide).is_err());
    let large = "#".repeat(5 * 1024 * 1024);
    assert_eq!(read_text(&large).unwrap_err()[0].code, "BPMN-001");
}
