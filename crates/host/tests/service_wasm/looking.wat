;; Counts the variables and folders that it finds, each at most nine.
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
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))))
  (import "wasi:filesystem/types@0.2.0" (instance $filesystem
    (export "descriptor" (type (sub resource)))))
  (alias export $filesystem "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $descriptor'))
    (export "descriptor" (type $descriptor (eq $descriptor')))
    (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))

  (core module $memory
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 65536))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $mem))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $variables
    (canon lower (func $environment "get-environment") (memory $mem) (realloc $realloc)))
  (core func $folders
    (canon lower (func $preopens "get-directories") (memory $mem) (realloc $realloc)))
  (core module $main
    (import "m" "memory" (memory 2))
    (import "m" "variables" (func $variables (param i32)))
    (import "m" "folders" (func $folders (param i32)))
    (data (i32.const 1024) "{\22variables\22:0,\22folders\22:0}")
    (func (export "handle")
      (param i32 i32 i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)
      (call $variables (i32.const 256))
      (i32.store8 (i32.const 1037) (i32.add (i32.const 0x30) (i32.load (i32.const 260))))
      (call $folders (i32.const 256))
      (i32.store8 (i32.const 1049) (i32.add (i32.const 0x30) (i32.load (i32.const 260))))
      (i32.store (i32.const 8) (i32.const 1024))
      (i32.store (i32.const 12) (i32.const 27))
      (i32.const 0)))
  (core instance $main (instantiate $main (with "m" (instance
    (export "memory" (memory $mem))
    (export "variables" (func $variables))
    (export "folders" (func $folders))))))
  (func $handle (param "context" $context) (param "input" string)
    (result (result string (error $failure)))
    (canon lift (core func $main "handle") (memory $mem) (realloc $realloc)))
  (instance $handler (export "handle" (func $handle)))
  (export "pointsman:service/handler@0.1.0" (instance $handler)))
