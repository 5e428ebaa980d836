//! The storage of large values, if there is one.
//!
//! Boundary: where it is and how it is reached. Keys may be referred to, and are never shown.
//! Read first: [`Storage`].   Tests: `config/tests.rs`

use store::blobs;

use super::{Given, KEYS, Origin, Values, wrong};
use crate::problem::Failure;
use crate::reference::Reference;

/// The environment's names of what the client for S3 needs.
const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";

/// The storage of large values.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    options: blobs::Options,
    access_key: Option<Reference>,
    secret_key: Option<Reference>,
    /// Values with more bytes than this go there.
    pub(crate) threshold: usize,
}

impl Storage {
    pub(super) fn read(
        values: &Values,
        environment: &[(String, String)],
    ) -> Result<Option<Self>, Failure> {
        let value = |name: &str| values.get(name).map_or("", |(value, _)| value.as_str());
        let threshold = value("storage.threshold").replace('_', "").parse::<u32>().ok();
        let Some(threshold) = threshold.filter(|bytes| (64..=1 << 30).contains(bytes)) else {
            let why = "is no number from 64 to 1073741824";
            return Err(wrong(values, "storage.threshold", why, "correct it"));
        };
        let given = |name: &str| Some(value(name).to_owned()).filter(|text| !text.is_empty());
        let secret = |name: &'static str| match given(name) {
            None => Ok(None),
            Some(text) => Reference::parse(&text, environment).map(Some).ok_or_else(|| {
                // Not what was written: it may be the secret itself.
                let message = format!("`{name}` is no reference");
                Failure::configuration(message, "use `env:NAME` or `file:PATH`")
            }),
        };
        let (access_key, secret_key) =
            (secret("storage.access-key")?, secret("storage.secret-key")?);
        let Some(url) = given("storage.url") else { return Ok(None) };
        let ours = environment.iter().filter(|(name, _)| name.starts_with("AWS_"));
        let options = blobs::Options {
            endpoint: given("storage.endpoint"),
            region: given("storage.region"),
            environment: ours.cloned().collect(),
            ..blobs::Options::new(&url)
        };
        if options.check().is_err() {
            let hint = "use `file:///DIRECTORY` or `s3://BUCKET/PREFIX`";
            return Err(wrong(values, "storage.url", "is no address of a storage", hint));
        }
        let threshold = usize::try_from(threshold).unwrap_or(usize::MAX);
        Ok(Some(Self { options, access_key, secret_key, threshold }))
    }

    /// The storage that a command names, or else the environment.
    ///
    /// # Errors
    /// An address or a number cannot be read.
    pub(crate) fn of_command(url: Option<&str>) -> Result<Option<Self>, Failure> {
        let given = Given::from_environment();
        let ours = KEYS.iter().filter(|key| key.name.starts_with("storage."));
        let values = ours.map(|key| {
            let set = given.environment.iter().find(|(name, _)| name == key.environment);
            let value = match (key.name, url, set) {
                ("storage.url", Some(url), _) => (url.to_owned(), Origin::Flag("storage")),
                (_, _, Some((_, value))) => (value.clone(), Origin::Environment(key.environment)),
                _ => (key.default.to_owned(), Origin::Default),
            };
            (key.name, value)
        });
        Self::read(&values.collect(), &given.environment)
    }

    /// How the objects are reached, with the secrets.
    ///
    /// # Errors
    /// What is referred to is not there.
    pub(crate) fn options(&self) -> Result<blobs::Options, Failure> {
        let mut options = self.options.clone();
        for (name, key) in [(ACCESS_KEY, &self.access_key), (SECRET_KEY, &self.secret_key)] {
            if let Some(key) = key {
                options.environment.retain(|(known, _)| known != name);
                options.environment.push((name.to_owned(), key.read()?));
            }
        }
        Ok(options)
    }

    /// The objects.
    ///
    /// # Errors
    /// The storage is not there, or what is referred to.
    pub(crate) fn open(&self) -> Result<blobs::Blobs, Failure> {
        blobs::Blobs::new(&self.options()?).map_err(|error| refused(&error))
    }
}

/// Why a storage is of no use.
pub(crate) fn refused(error: &dyn std::error::Error) -> Failure {
    Failure::refused(
        crate::problem::STORAGE,
        "the storage of large values cannot be used".to_owned(),
        "see `storage.url`; `pointsman explain CLI-010` tells what can be done",
    )
    .because(error)
}
