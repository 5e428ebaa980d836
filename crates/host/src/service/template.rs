//! A value in a manifest that is fixed text, FEEL, or text that ends in a secret.
//!
//! Boundary: secrets are only ever references here; they are read when a call needs them, so a
//! changed secret needs no deployment. Values never reach a log or a message.
//! Read first: [`Template`], then [`SecretReference`].

use feel::{Environment, Expression, Scope, Value};

use crate::service::Failure;

/// The largest file that a secret is read from, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// A value written in a manifest.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// Fixed text.
    Text(String),
    /// An expression over the call's variables.
    Feel(Expression),
    /// Fixed text followed by a secret.
    Secret {
        /// What stands before the secret, for example `Bearer `.
        prefix: String,
        /// Where the secret is kept.
        reference: SecretReference,
    },
}

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretReference {
    /// `env:NAME`: an environment variable of the server.
    Environment(String),
    /// `file:/PATH`: a file on the server; one newline at its end is dropped.
    File(String),
}

impl SecretReference {
    /// Reads `env:NAME` or `file:/PATH`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once(':')?;
        match kind {
            "env" if !name.is_empty() && !name.contains(['=', '\0']) => {
                Some(Self::Environment(name.to_owned()))
            }
            "file" if name.starts_with('/') => Some(Self::File(name.to_owned())),
            _ => None,
        }
    }

    /// The secret itself. Cancellation safe.
    async fn read(&self) -> Result<String, Failure> {
        match self {
            Self::Environment(name) => environment(name)
                .ok_or_else(|| permanent(format!("the environment variable `{name}` is not set"))),
            Self::File(path) => {
                let unreadable = |error| permanent(format!("secret file `{path}`: {error}"));
                let size = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
                if size > SECRET_BYTES_MAX {
                    let most = SECRET_BYTES_MAX;
                    return Err(permanent(format!(
                        "secret file `{path}` has {size} bytes, at most {most} are allowed"
                    )));
                }
                let text = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
                let text = text.strip_suffix('\n').unwrap_or(&text);
                Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a secret by reference is read when it is used")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Template {
    /// The text for one call; None where FEEL yields null. Cancellation safe.
    ///
    /// # Errors
    /// Permanent: the secret cannot be read, or FEEL yields something without a text form.
    pub(crate) async fn text(
        &self,
        scope: &(dyn Scope + Sync),
        environment: &Environment,
    ) -> Result<Option<String>, Failure> {
        match self {
            Self::Text(text) => Ok(Some(text.clone())),
            Self::Feel(expression) => Ok(text_of(&expression.evaluate(scope, environment).value)),
            Self::Secret { prefix, reference } => {
                Ok(Some(format!("{prefix}{}", reference.read().await?)))
            }
        }
    }
}

/// A value as plain text: texts as they are, null as None, everything else as JSON.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.as_ref().to_owned()),
        other => {
            let mut text = String::new();
            feel::json::write(other, &mut text);
            // What has no JSON form of its own (a date) is written as a JSON text.
            let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
            Some(if quoted { text[1..text.len() - 1].to_owned() } else { text })
        }
    }
}

fn permanent(message: String) -> Failure {
    Failure::Permanent { message }
}
