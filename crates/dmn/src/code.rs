//! The stable codes of everything that can be wrong with a DMN file, in one table.
//!
//! Boundary: numbers and titles; a number is never reused. The wording of each case stands where
//! the case is found; a page per code stands in `docs/errors`.
//! Read first: [`CODES`].

pub(crate) use markup::Code;
use markup::{Codes, Format};

/// What files of this kind have of their own.
pub(crate) const FORMAT: &Format = &Format {
    name: "DMN",
    split: "split it into several files and import them",
    flatten: "take parts out into decisions or business knowledge models of their own",
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
    FILE_TOO_LARGE "DMN-001" "the file is too large";
    NOT_UTF8 "DMN-002" "the file is not UTF-8 text";
    NOT_WELL_FORMED "DMN-003" "the XML is not well formed";
    DOCUMENT_TYPE "DMN-004" "the file has a document type declaration";
    TOO_DEEP "DMN-005" "elements are nested too deeply";
    TOO_MANY_ATTRIBUTES "DMN-006" "an element has too many attributes";
    TOO_MANY_NODES "DMN-007" "the file has too many nodes";
    TOO_MANY_NAMESPACES "DMN-008" "too many namespaces are declared around an element";
    NOT_DMN "DMN-009" "the file is not DMN";
    MORE_PROBLEMS "DMN-010" "there are more problems than are listed";

    NAME_MISSING "DMN-020" "an element has no name";
    ID_TWICE "DMN-021" "an id is used twice";
    NAME_TWICE "DMN-022" "a name is used twice";

    REFERENCE "DMN-030" "a requirement refers to nothing";
    CYCLE "DMN-031" "elements require each other in a circle";
    IMPORT "DMN-032" "an imported model is not there";

    TYPE_UNKNOWN "DMN-040" "a type is not defined";
    TYPE_CIRCLE "DMN-041" "a type is defined by itself";

    HIT_POLICY "DMN-050" "the hit policy is not known";
    AGGREGATION "DMN-051" "the aggregation cannot be used";
    RULE_SHAPE "DMN-052" "a rule does not fit its table";
    OUTPUT_NAME "DMN-053" "an output of several has no name";
    OUTPUT_ORDER "DMN-054" "the order of the output values is not given";

    LOGIC_MISSING "DMN-060" "a decision has no logic";
    LOGIC_UNSUPPORTED "DMN-061" "a kind of expression is not supported";
    LANGUAGE "DMN-062" "the expression language is not FEEL";
    EXTERNAL "DMN-063" "a function is not written in FEEL";
    INCOMPLETE "DMN-064" "a boxed expression is incomplete";

    FEEL_SYNTAX "DMN-070" "a FEEL expression does not parse";
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
