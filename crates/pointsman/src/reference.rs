//! Secrets by reference: a configuration and a command line say where a secret is, not what it is.
//!
//! Boundary: the environment and files. Whatever prints a reference shows no secret.
//! Read first: [`Reference`].   Tests: at the end of this file.

use std::fmt;
use std::path::PathBuf;

use crate::problem::{self, Failure};

/// Where a secret is.
#[derive(Clone)]
pub(crate) enum Reference {
    /// In the environment; the value as it was when it was read.
    Environment { name: String, value: Option<String> },
    /// In a file, without the line's end.
    File(PathBuf),
}

impl Reference {
    /// Reads `env:NAME` or `file:PATH`; none if it is neither.
    pub(crate) fn parse(text: &str, environment: &[(String, String)]) -> Option<Self> {
        match text.split_once(':')? {
            (_, "") => None,
            ("env", name) => {
                let found = environment.iter().find(|(known, _)| known == name);
                let value = found.map(|(_, value)| value.clone());
                Some(Self::Environment { name: name.to_owned(), value })
            }
            ("file", path) => Some(Self::File(PathBuf::from(path))),
            _ => None,
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// It is not there, or empty.
    pub(crate) fn read(&self) -> Result<String, Failure> {
        let absent = |why: &str| {
            let message = format!("the secret `{self}` {why}");
            Failure::refused(problem::SECRET, message, "put it there, or correct the reference")
        };
        let text = match self {
            Self::Environment { value: None, .. } => return Err(absent("is not there")),
            Self::Environment { value: Some(value), .. } => value.clone(),
            Self::File(path) => std::fs::read_to_string(path)
                .map_err(|error| absent("cannot be read").because(&error))?,
        };
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(absent("is empty")),
            secret => Ok(secret.to_owned()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment { name, .. } => write!(out, "env:{name}"),
            Self::File(path) => write!(out, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn a_reference_is_read_and_never_shows_its_secret() {
        let environment = [("SECRET".to_owned(), "s3cret\n".to_owned())];
        let found = Reference::parse("env:SECRET", &environment).unwrap();
        assert_eq!(found.read().unwrap(), "s3cret");
        assert_eq!(format!("{found} {found:?}"), "env:SECRET env:SECRET");
        let absent = Reference::parse("env:OTHER", &environment).unwrap().read().unwrap_err();
        assert!(absent.problem.unwrap().message.contains("env:OTHER"));
        let absent = Reference::parse("file:no/such/file", &[]).unwrap().read().unwrap_err();
        assert!(absent.problem.unwrap().message.contains("file:no/such/file"));
        for wrong in ["", "s3cret", "env:", "file:", "vault:x", ":"] {
            assert!(Reference::parse(wrong, &environment).is_none(), "{wrong}");
        }
    }
}
