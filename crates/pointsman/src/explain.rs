//! `pointsman explain CODE`: the page of an error code.
//!
//! Boundary: the pages of `docs/errors`, compiled in by `build.rs`.
//! Read first: [`run`].

use clap::Args;

use crate::nearest::nearest;
use crate::output;
use crate::problem::Failure;

/// Code and text of each page.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// Which page.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The code, for example `PKG-012`; without one, all codes are listed.
    code: Option<String>,
}

/// Prints a page, or the list of them.
///
/// # Errors
/// There is no such code.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let Some(code) = &options.code else {
        let titles = PAGES.iter().map(|(code, text)| {
            text.lines().next().unwrap_or(code).trim_start_matches("# ").to_owned()
        });
        return output::print(&titles.collect::<Vec<_>>().join("\n"));
    };
    let wanted = code.to_uppercase();
    match PAGES.iter().find(|(code, _)| *code == wanted) {
        Some((_, text)) => output::print(text),
        None => {
            let hint = match nearest(&wanted, PAGES.iter().map(|(code, _)| *code)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`pointsman explain` lists all codes".to_owned(),
            };
            Err(Failure::wrong_use(format!("there is no code `{code}`"), &hint))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PAGES;
    use crate::problem::CODES;

    #[test]
    fn every_code_of_every_crate_has_a_page() {
        let tables = [host::CODES, node::CODES, bpmn::CODES, dmn::CODES, CODES];
        for (code, title) in tables.into_iter().flatten() {
            let page = PAGES.iter().find(|(known, _)| known == code);
            let first = page.and_then(|(_, text)| text.lines().next());
            assert_eq!(first, Some(format!("# {code}: {title}").as_str()));
        }
    }
}
