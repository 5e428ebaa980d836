;; Stands in for the component that `src/lib.rs` is the source of, where no compiler for
;; wasm32-wasip2 can be had: `cargo xtask component` assembles it. It reads `{"text":"…"}` byte by
;; byte, and answers `{"parcelNumber":"…-C"}`, where C is the check digit (Luhn) of the digits; a
;; text without digits is the BPMN error NO_DIGITS.
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
  (core module $main
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (data (i32.const 64) "{\22parcelNumber\22:\22")
    (data (i32.const 96) "NO_DIGITS")
    (data (i32.const 112) "there is no digit to check")
    ;; Memory is only ever added: an instance lives for one call.
    (func $realloc (export "realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get $bytes)))
      (block $enough
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $enough (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1)
          (i32.div_u (local.get $bytes) (i32.const 65536))))))
        unreachable)
      (local.get $at))
    (func (export "handle")
      (param i32 i32 i32 i32 i32 i32 i32 i64 i64) (param $input i32) (param $len i32) (result i32)
      (local $from i32) (local $at i32) (local $digit i32) (local $seen i32) (local $sum i32)
      (local $out i32) (local $text-len i32)
      ;; Between `{"text":"` and `"}`.
      (if (i32.lt_u (local.get $len) (i32.const 11)) (then unreachable))
      (local.set $from (i32.add (local.get $input) (i32.const 9)))
      (local.set $text-len (i32.sub (local.get $len) (i32.const 11)))
      (local.set $at (i32.add (local.get $from) (local.get $text-len)))
      ;; From the last character to the first: every other digit counts twice.
      (block $done (loop $next-character
        (br_if $done (i32.le_u (local.get $at) (local.get $from)))
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (local.set $digit (i32.sub (i32.load8_u (local.get $at)) (i32.const 0x30)))
        (br_if $next-character (i32.gt_u (local.get $digit) (i32.const 9)))
        (if (i32.eqz (i32.and (local.get $seen) (i32.const 1))) (then
          (local.set $digit (i32.mul (local.get $digit) (i32.const 2)))
          (if (i32.gt_u (local.get $digit) (i32.const 9)) (then
            (local.set $digit (i32.sub (local.get $digit) (i32.const 9)))))))
        (local.set $sum (i32.add (local.get $sum) (local.get $digit)))
        (local.set $seen (i32.add (local.get $seen) (i32.const 1)))
        (br $next-character)))
      (if (i32.eqz (local.get $seen)) (then
        (i32.store (i32.const 0) (i32.const 1))
        (i32.store (i32.const 8) (i32.const 0))
        (i32.store (i32.const 16) (i32.const 96))
        (i32.store (i32.const 20) (i32.const 9))
        (i32.store (i32.const 24) (i32.const 112))
        (i32.store (i32.const 28) (i32.const 26))
        (return (i32.const 0))))
      (local.set $digit (i32.rem_u
        (i32.sub (i32.const 10) (i32.rem_u (local.get $sum) (i32.const 10))) (i32.const 10)))
      (local.set $out (call $realloc (i32.const 0) (i32.const 0) (i32.const 1)
        (i32.add (local.get $text-len) (i32.const 21))))
      (memory.copy (local.get $out) (i32.const 64) (i32.const 17))
      (memory.copy (i32.add (local.get $out) (i32.const 17)) (local.get $from)
        (local.get $text-len))
      (local.set $at (i32.add (local.get $out) (i32.add (i32.const 17) (local.get $text-len))))
      (i32.store8 (local.get $at) (i32.const 0x2d))
      (i32.store8 offset=1 (local.get $at) (i32.add (i32.const 0x30) (local.get $digit)))
      (i32.store8 offset=2 (local.get $at) (i32.const 0x22))
      (i32.store8 offset=3 (local.get $at) (i32.const 0x7d))
      (i32.store (i32.const 0) (i32.const 0))
      (i32.store (i32.const 8) (local.get $out))
      (i32.store (i32.const 12) (i32.add (local.get $text-len) (i32.const 21)))
      (i32.const 0)))
  (core instance $main (instantiate $main))
  (alias core export $main "memory" (core memory $mem))
  (alias core export $main "realloc" (core func $realloc))
  (func $handle (param "context" $context) (param "input" string)
    (result (result string (error $failure)))
    (canon lift (core func $main "handle") (memory $mem) (realloc $realloc)))
  (instance $handler (export "handle" (func $handle)))
  (export "pointsman:service/handler@0.1.0" (instance $handler)))
