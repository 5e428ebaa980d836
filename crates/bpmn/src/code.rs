//! The stable codes of everything that can be wrong with a BPMN file, in one table.
//!
//! Boundary: numbers and titles; a number is never reused. The wording of each case stands where
//! the case is found; a page per code stands in `docs/errors`.
//! Read first: [`CODES`].

pub(crate) use markup::Code;
use markup::{Codes, Format};

/// What files of this kind have of their own.
pub(crate) const FORMAT: &Format = &Format {
    name: "BPMN",
    split: "split it into several files, one process each",
    flatten: "call other processes instead of nesting subprocesses",
    codes: Codes {
        too_large: FILE_TOO_LARGE,
        not_utf8: NOT_UTF8,
        not_well_formed: NOT_WELL_FORMED,
        document_type: DOCUMENT_TYPE,
        too_deep: TOO_DEEP,
        too_many_attributes: TOO_MANY_ATTRIBUTES,
        too_many_nodes: TOO_MANY_NODES,
        too_many_namespaces: TOO_MANY_NAMESPACES,
        more_problems: MORE_PROBLEMS,
    },
};

macro_rules! codes {
    ($($name:ident $code:literal $title:literal;)*) => {
        $(pub(crate) const $name: Code = Code($code);)*

        /// Every code with its title, in ascending order.
        pub const CODES: &[(&str, &str)] = &[$(($code, $title)),*];
    };
}

codes! {
    FILE_TOO_LARGE "BPMN-001" "the file is too large";
    NOT_UTF8 "BPMN-002" "the file is not UTF-8 text";
    NOT_WELL_FORMED "BPMN-003" "the XML is not well formed";
    DOCUMENT_TYPE "BPMN-004" "the file has a document type declaration";
    TOO_DEEP "BPMN-005" "elements are nested too deeply";
    TOO_MANY_ATTRIBUTES "BPMN-006" "an element has too many attributes";
    TOO_MANY_NODES "BPMN-007" "the file has too many nodes";
    TOO_MANY_NAMESPACES "BPMN-008" "too many namespaces are declared around an element";
    NOT_BPMN "BPMN-009" "the file is not BPMN 2.0";
    NO_EXECUTABLE_PROCESS "BPMN-010" "the file has no executable process";
    UNREADABLE_LINE "BPMN-011" "a line of the text form cannot be read";
    MORE_PROBLEMS "BPMN-012" "there are more problems than are listed";

    ID_MISSING "BPMN-020" "an element has no id";
    ID_TWICE "BPMN-021" "an id is used twice";
    ID_TOO_LONG "BPMN-022" "an id is too long";

    ELEMENT_UNSUPPORTED "BPMN-030" "an element is not supported";
    EVENT_UNSUPPORTED "BPMN-031" "an event definition is not supported";
    MARKER_UNSUPPORTED "BPMN-032" "a marker is not supported";
    EXTENSION_UNSUPPORTED "BPMN-033" "a zeebe extension element is not supported";
    EXTENSION_UNKNOWN "BPMN-034" "an extension element is unknown";
    SETTING_IGNORED "BPMN-035" "a setting has no effect";

    FLOW_TO_NOWHERE "BPMN-040" "a sequence flow leads from or to nowhere";
    FLOW_CROSSES_SCOPE "BPMN-041" "a sequence flow crosses the border of a subprocess";
    FLOW_NOT_ALLOWED "BPMN-042" "a sequence flow is not allowed here";
    CONDITION_NOT_ALLOWED "BPMN-043" "a condition is not allowed on this sequence flow";
    CONDITION_MISSING "BPMN-044" "a sequence flow has no condition";
    DEFAULT_FLOW "BPMN-045" "the default flow does not leave its gateway";
    ENDLESS_LOOP "BPMN-046" "a loop never waits and never ends";
    UNREACHABLE "BPMN-047" "an element is never reached";

    START_MISSING "BPMN-050" "there is no start event";
    START_TWICE "BPMN-051" "there are several start events of one kind";
    START_WITH_TRIGGER "BPMN-052" "a start event of a subprocess has a trigger";

    EVENT_DEFINITION "BPMN-060" "an event has the wrong event definitions";
    MESSAGE_REFERENCE "BPMN-061" "a message reference is missing or unknown";
    MESSAGE_NAME "BPMN-062" "a message has no name";
    CORRELATION_KEY "BPMN-063" "a message has no correlation key";
    TIMER_DEFINITION "BPMN-064" "a timer needs exactly one definition";
    TIMER_KIND "BPMN-065" "this kind of timer is not possible here";
    TIMER_TEXT "BPMN-066" "a timer text is not ISO 8601";
    TIMER_CRON "BPMN-067" "cron texts are not supported";
    ERROR_REFERENCE "BPMN-068" "an error reference is missing or unknown";
    ERROR_CODE "BPMN-069" "an error code is missing or not static";
    ATTACHED_TO "BPMN-070" "a boundary event is not attached to an activity";
    BOUNDARY_ERROR "BPMN-071" "an error boundary event must interrupt";
    BOUNDARY_OUTGOING "BPMN-072" "a boundary event has no outgoing sequence flow";
    CATCH_TWICE "BPMN-073" "two events catch the same";

    IMPLEMENTATION_MISSING "BPMN-080" "it is not said how a step is done";
    IMPLEMENTATION_AMBIGUOUS "BPMN-081" "it is said twice how a step is done";
    JOB_TYPE "BPMN-082" "a task definition has no type";
    RETRIES "BPMN-083" "retries are not a number";
    HEADER "BPMN-084" "a task header is not allowed";
    CALLED_PROCESS "BPMN-085" "it is not said which process is called";
    BINDING "BPMN-086" "the binding of a called process or decision is wrong";
    RESULT_VARIABLE "BPMN-087" "a step has no result variable";
    SETTING_VALUE "BPMN-088" "a setting has a value that it cannot have";
    CALLED_DECISION "BPMN-089" "it is not said which decision is called";

    FEEL_SYNTAX "BPMN-090" "a FEEL expression does not parse";
    FEEL_EXPECTED "BPMN-091" "a FEEL expression is expected";
    FEEL_VARIABLES "BPMN-092" "an expression reads variables where there are none";
    MAPPING_SOURCE "BPMN-093" "a mapping has no source";
    MAPPING_TARGET "BPMN-094" "a mapping has no usable target";

    STEP_TYPE "BPMN-100" "a type of our own is not known, or not possible here";
    LOCK_NAME "BPMN-101" "a lock step does not say which lock";
    LOGICAL_SERVER "BPMN-102" "the name of a logical server cannot be used";
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
