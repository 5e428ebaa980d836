//! Where the objects are, and how they are reached.
//!
//! Boundary: addresses and connections; no address with a secret in it is taken, so that every
//! address may be shown.
//! Read first: [`Options`].   Tests: at the end of this file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

use crate::port::Error;

/// How long one request may take, connecting included.
const REQUEST: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);
/// How often a request is sent again, and until when.
const TRIES: usize = 4;
const TRYING: Duration = Duration::from_secs(45);

/// Where the objects are.
#[derive(Clone)]
pub struct Options {
    /// `file:///DIRECTORY` or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// The S3-compatible store's own address; none: that of AWS.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// `AWS_...` variables with credentials and whatever else the client knows.
    pub environment: Vec<(String, String)>,
    /// How long an answer is waited for. Default 150 s.
    pub wait: Duration,
}

impl Options {
    /// The defaults for an address.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').into(),
            endpoint: None,
            region: None,
            environment: Vec::new(),
            wait: Duration::from_secs(150),
        }
    }

    /// Whether the address can be read; reaches nothing.
    ///
    /// # Errors
    /// [`Error::Foreign`] with what is wrong.
    pub fn check(&self) -> Result<(), Error> {
        Place::parse(&self.url).map(drop)
    }

    pub(super) fn connect(&self) -> Result<Arc<dyn ObjectStore>, Error> {
        let failed = |error: object_store::Error| Error::Failed {
            act: "open",
            place: self.url.clone(),
            source: Box::new(error),
        };
        match Place::parse(&self.url)? {
            Place::Directory(directory) => {
                if !directory.is_dir() {
                    return Err(Error::Failed {
                        act: "open",
                        place: self.url.clone(),
                        source: "there is no such directory: make it, or mount it".into(),
                    });
                }
                let objects = LocalFileSystem::new_with_prefix(&directory).map_err(failed)?;
                // BLO-1: by itself it leaves flushing to the system.
                Ok(Arc::new(objects.with_fsync(true)))
            }
            Place::Bucket { bucket, prefix } => {
                let objects = self.client(&bucket).build().map_err(failed)?;
                Ok(match prefix.as_str() {
                    "" => Arc::new(objects),
                    prefix => Arc::new(PrefixStore::new(objects, prefix)),
                })
            }
        }
    }

    fn client(&self, bucket: &str) -> AmazonS3Builder {
        let mut builder = AmazonS3Builder::new();
        for (name, value) in &self.environment {
            let key = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>();
            if let (true, Ok(key)) = (name.starts_with("AWS_") && !value.is_empty(), key) {
                builder = builder.with_config(key, value);
            }
        }
        let named = |wanted: &[&str]| {
            let mut set = self.environment.iter();
            set.find(|(name, value)| wanted.contains(&name.as_str()) && !value.is_empty())
        };
        let given = named(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]);
        let endpoint = self.endpoint.as_ref().or(given.map(|(_, value)| value));
        let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
        let client = ClientOptions::new()
            .with_timeout(REQUEST)
            .with_connect_timeout(CONNECT)
            .with_allow_http(is_plain);
        builder = builder.with_client_options(client);
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        match &self.region {
            Some(region) => builder = builder.with_region(region),
            None if named(&["AWS_REGION", "AWS_DEFAULT_REGION"]).is_none() => {
                builder = builder.with_region("us-east-1");
            }
            None => {}
        }
        let backoff = BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        };
        let retry = RetryConfig { backoff, max_retries: TRIES, retry_timeout: TRYING };
        builder.with_bucket_name(bucket).with_retry(retry)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment has secrets.
        out.debug_struct("Options").field("url", &self.url).finish_non_exhaustive()
    }
}

/// An address, read.
#[derive(Debug, PartialEq)]
enum Place {
    Directory(PathBuf),
    Bucket { bucket: String, prefix: String },
}

impl Place {
    fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |detail: &str| Error::Foreign { place: url.into(), detail: detail.into() };
        if let Some(path) = url.strip_prefix("file://") {
            let path = Path::new(path);
            if !path.is_absolute() {
                return Err(wrong("a directory is written as `file:///srv/pointsman`"));
            }
            return Ok(Self::Directory(path.to_owned()));
        }
        let Some(rest) = url.strip_prefix("s3://") else {
            return Err(wrong("it is neither `file:///DIRECTORY` nor `s3://BUCKET/PREFIX`"));
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        if bucket.is_empty() || !bucket.chars().all(is_part) {
            return Err(wrong("a bucket's name has letters, digits, `-`, `.` and `_`"));
        }
        Ok(Self::Bucket { bucket: bucket.into(), prefix: prefix.trim_matches('/').into() })
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, Place};

    #[test]
    fn addresses_are_read() {
        let directory = Place::Directory("/srv/pointsman".into());
        assert_eq!(Place::parse("file:///srv/pointsman").expect("a directory"), directory);
        for (url, bucket, prefix) in [
            ("s3://b", "b", ""),
            ("s3://b/", "b", ""),
            ("s3://my-bucket.x/p/q/", "my-bucket.x", "p/q"),
        ] {
            let wanted = Place::Bucket { bucket: bucket.into(), prefix: prefix.into() };
            assert_eq!(Place::parse(url).expect("a bucket"), wanted);
        }
        for wrong in
            ["", "/srv", "file://srv", "file:srv", "s3://", "s3:///p", "gs://b", "s3://k:s@b"]
        {
            assert!(Options::new(wrong).check().is_err(), "{wrong}");
        }
    }
}
