;; A component that behaves as its input says: `{"do":"X…`, where X is one character. Memory: what
;; is answered stands below 4096, what is given to the component from 65536 on.
(component
  (import "pointsman:service/types@0.1.0" (instance $types
    (type $context' (record
      (field "package" string) (field "service" string) (field "idempotency-key" string)
      (field "attempt" u32) (field "deadline-ms" u64) (field "now-ms" s64)))
    (export "context" (type $context (eq $context')))
    (type $bpmn-error' (record (field "code" string) (field "message" string)))
    (export "bpmn-error" (type $bpmn-error (eq $bpmn-error')))
    (type $pause (option u64))
    (type $transient' (record (field "message" string) (field "retry-after-ms" $pause)))
    (export "transient" (type $transient (eq $transient')))
    (type $failure' (variant
      (case "error" $bpmn-error) (case "transient" $transient) (case "permanent" string)))
    (export "failure" (type $failure (eq $failure')))))
  (alias export $types "context" (type $context))
  (alias export $types "failure" (type $failure))
  (import "pointsman:service/log@0.1.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (export "write" (func (param "level" $level) (param "message" string)))))
  (import "pointsman:service/services@0.1.0" (instance $services
    (alias outer 1 $failure (type $failure'))
    (export "failure" (type $failure (eq $failure')))
    (export "call" (func (param "package" string) (param "service" string)
      (param "input" string) (result (result string (error $failure)))))))

  (core module $memory
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (local.set $at (global.get $next))
      (global.set $next (i32.add (global.get $next) (local.get 3)))
      (block $enough
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $enough (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1)
          (i32.div_u (local.get 3) (i32.const 65536))))))
        unreachable)
      (local.get $at)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $write (canon lower (func $log "write") (memory $mem)))
  (core func $call (canon lower (func $services "call") (memory $mem) (realloc $realloc)))

  (core module $main
    (import "m" "memory" (memory 2))
    (import "m" "realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
    (import "m" "write" (func $write (param i32 i32 i32)))
    (import "m" "call" (func $call (param i32 i32 i32 i32 i32 i32 i32)))
    (global $count (mut i32) (i32.const 0))
    (data (i32.const 1024) "NO_STOCK")
    (data (i32.const 1040) "there is none")
    (data (i32.const 1056) "p")
    (data (i32.const 1064) "other")
    (data (i32.const 1072) "many")
    (data (i32.const 1080) "nobody")
    (data (i32.const 1088) "{\22n\22:0}")
    (data (i32.const 1104) "a line")
    (data (i32.const 1120) "{\22do\22:\22e\22}")
    (data (i32.const 1136) "{\22do\22:\22d\22}")
    ;; The answer: a text.
    (func $ok (param i32 i32) (result i32)
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 8) (local.get 0))
      (i32.store (i32.const 12) (local.get 1))
      (i32.const 0))
    (func $deep (param i32) (result i32)
      (i32.add (call $deep (i32.add (local.get 0) (i32.const 1))) (call $deep (local.get 0))))
    (func $failed (param $case i32) (result i32)
      (i32.store (i32.const 0) (i32.const 1))
      (i32.store (i32.const 8) (local.get $case))
      (i32.store (i32.const 16) (i32.const 1040))
      (i32.store (i32.const 20) (i32.const 13))
      (if (i32.eqz (local.get $case)) (then
        (i32.store (i32.const 16) (i32.const 1024))
        (i32.store (i32.const 20) (i32.const 8))
        (i32.store (i32.const 24) (i32.const 1040))
        (i32.store (i32.const 28) (i32.const 13))))
      (if (i32.eq (local.get $case) (i32.const 1)) (then
        (i32.store (i32.const 24) (i32.const 1))
        (i64.store (i32.const 32) (i64.const 1500))))
      (i32.const 0))
    ;; Calls a service and answers what it answered: both have the same shape.
    (func $onward (param i32 i32 i32 i32 i32 i32) (result i32)
      (call $call (local.get 0) (local.get 1) (local.get 2) (local.get 3)
        (local.get 4) (local.get 5) (i32.const 0))
      (i32.const 0))
    (func (export "handle")
      (param $package i32) (param $package-len i32) (param $service i32) (param $service-len i32)
      (param $key i32) (param $key-len i32) (param $attempt i32) (param $deadline i64)
      (param $now i64) (param $input i32) (param $len i32) (result i32)
      (local $do i32)
      (global.set $count (i32.add (global.get $count) (i32.const 1)))
      (local.set $do (i32.load8_u (i32.add (local.get $input) (i32.const 7))))
      ;; e: echo
      (if (i32.eq (local.get $do) (i32.const 0x65)) (then
        (return (call $ok (local.get $input) (local.get $len)))))
      ;; k: the idempotency key
      (if (i32.eq (local.get $do) (i32.const 0x6b)) (then
        (local.set $key (i32.sub (local.get $key) (i32.const 1)))
        (i32.store8 (local.get $key) (i32.const 0x22))
        (i32.store8 (i32.add (local.get $key) (i32.add (local.get $key-len) (i32.const 1)))
          (i32.const 0x22))
        (return (call $ok (local.get $key) (i32.add (local.get $key-len) (i32.const 2))))))
      ;; s: how often this instance was called
      (if (i32.eq (local.get $do) (i32.const 0x73)) (then
        (i32.store8 (i32.const 1093) (i32.add (i32.const 0x30) (global.get $count)))
        (return (call $ok (i32.const 1088) (i32.const 7)))))
      ;; t: trap
      (if (i32.eq (local.get $do) (i32.const 0x74)) (then unreachable))
      ;; l: loop
      (if (i32.eq (local.get $do) (i32.const 0x6c)) (then (loop $again (br $again))))
      ;; m: memory, until there is no more
      (if (i32.eq (local.get $do) (i32.const 0x6d)) (then
        (loop $again
          (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16)))))
        unreachable))
      ;; r: recursion
      (if (i32.eq (local.get $do) (i32.const 0x72)) (then (drop (call $deep (i32.const 0)))))
      ;; E, T, P: failures
      (if (i32.eq (local.get $do) (i32.const 0x45)) (then (return (call $failed (i32.const 0)))))
      (if (i32.eq (local.get $do) (i32.const 0x54)) (then (return (call $failed (i32.const 1)))))
      (if (i32.eq (local.get $do) (i32.const 0x50)) (then (return (call $failed (i32.const 2)))))
      ;; b: no JSON
      (if (i32.eq (local.get $do) (i32.const 0x62)) (then
        (return (call $ok (i32.const 1024) (i32.const 8)))))
      ;; o: an answer of a mebibyte and a half
      (if (i32.eq (local.get $do) (i32.const 0x6f)) (then
        (drop (memory.grow (i32.const 32)))
        (return (call $ok (i32.const 65536) (i32.const 1572864)))))
      ;; L: log lines, many
      (if (i32.eq (local.get $do) (i32.const 0x4c)) (then
        (local.set $attempt (i32.const 100000))
        (loop $again
          (call $write (i32.const 2) (i32.const 1104) (i32.const 6))
          (local.set $attempt (i32.sub (local.get $attempt) (i32.const 1)))
          (br_if $again (local.get $attempt)))
        (return (call $ok (i32.const 1088) (i32.const 7)))))
      ;; c: calls p/other with its own input; u: a package that is no dependency
      (if (i32.eq (local.get $do) (i32.const 0x63)) (then
        (return (call $onward (i32.const 1056) (i32.const 1) (i32.const 1064) (i32.const 5)
          (local.get $input) (local.get $len)))))
      (if (i32.eq (local.get $do) (i32.const 0x75)) (then
        (return (call $onward (i32.const 1080) (i32.const 6) (i32.const 1064) (i32.const 5)
          (local.get $input) (local.get $len)))))
      ;; d: calls itself, for ever
      (if (i32.eq (local.get $do) (i32.const 0x64)) (then
        (return (call $onward (i32.const 1056) (i32.const 1) (i32.const 1072) (i32.const 4)
          (i32.const 1136) (i32.const 10)))))
      ;; anything else: nothing
      (call $ok (i32.const 0) (i32.const 0))))
  (core instance $main (instantiate $main (with "m" (instance
    (export "memory" (memory $mem))
    (export "realloc" (func $realloc))
    (export "write" (func $write))
    (export "call" (func $call))))))
  (func $handle (param "context" $context) (param "input" string)
    (result (result string (error $failure)))
    (canon lift (core func $main "handle") (memory $mem) (realloc $realloc)))
  (instance $handler (export "handle" (func $handle)))
  (export "pointsman:service/handler@0.1.0" (instance $handler)))
