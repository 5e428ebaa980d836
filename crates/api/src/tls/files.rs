//! PEM files as certificates and keys.
//!
//! Boundary: what a file holds; never prints the inside of a key.
//! Read first: [`Identity`], then [`Error`].   Tests: `tests.rs`

use std::io;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::certificate;

/// Files larger than this are no certificates.
const BYTES_MAX: u64 = 1 << 20;

/// Where a certificate and its private key stand, as PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate first, then those that lead to an authority.
    pub certificate: PathBuf,
    /// The private key of the first one.
    pub key: PathBuf,
}

impl Identity {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        vec![self.certificate.clone(), self.key.clone()]
    }
}

/// Why files cannot be used for TLS.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it must.
    #[error("`{}` {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Certificate and key are no pair, or of a kind that is not supported.
    #[error("`{}` and `{}` cannot be used together", certificate.display(), key.display())]
    Pair {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The authorities in a file cannot be used.
    #[error("the authorities in `{}` cannot be used: {detail}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// A new certificate has ended already.
    #[error("the certificate in `{}` ended at {ended}", path.display())]
    Ended {
        /// The file.
        path: PathBuf,
        /// When, in UTC.
        ended: String,
    },
    /// The provider of cryptography offers no version of TLS.
    #[error("TLS cannot be used")]
    Provider {
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "API-022"
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "check the path and its rights",
            Self::Content { .. } | Self::Authorities { .. } => {
                "write the file as PEM; certificates begin with `-----BEGIN CERTIFICATE-----`"
            }
            Self::Pair { .. } => "put the key beside that belongs to the first certificate",
            Self::Ended { .. } => "renew the certificate",
            Self::Provider { .. } => "please report this",
        }
    }

    pub(super) fn unusable(identity: &Identity, source: rustls::Error) -> Self {
        let Identity { certificate, key } = identity.clone();
        Self::Pair { certificate, key, source }
    }

    fn content(path: &Path, detail: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), detail: detail.into() }
    }
}

/// The bytes of each file, in order.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Vec<u8>>, Error> {
    let texts = paths.iter().map(|path| {
        let broken = |source| Error::Read { path: path.clone(), source };
        // The size first: somebody may have named a disk.
        if std::fs::metadata(path).map_err(broken)?.len() > BYTES_MAX {
            return Err(Error::content(path, format!("is larger than {BYTES_MAX} bytes")));
        }
        std::fs::read(path).map_err(broken)
    });
    texts.collect()
}

/// The certificate of an identity with those behind it, and when it ends.
pub(super) fn chain(
    identity: &Identity,
    texts: &[Vec<u8>],
) -> Result<(Vec<CertificateDer<'static>>, i64), Error> {
    let path = &identity.certificate;
    let chain = certificates(path, texts.first().map_or(&[], Vec::as_slice))?;
    let ends_ms = chain.first().and_then(|first| certificate::ends_ms(first));
    let ends_ms = ends_ms.ok_or_else(|| Error::content(path, "holds a damaged certificate"))?;
    Ok((chain, ends_ms))
}

/// The private key of an identity.
pub(super) fn key(identity: &Identity, texts: &[Vec<u8>]) -> Result<PrivateKeyDer<'static>, Error> {
    let text = texts.get(1).map_or(&[][..], Vec::as_slice);
    PrivateKeyDer::from_pem_slice(text).map_err(|_| {
        let what = "holds no private key that is PEM and not encrypted";
        Error::content(&identity.key, what)
    })
}

/// The authorities in a file.
pub(super) fn roots(path: &Path, text: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, text)? {
        roots.add(certificate).map_err(|error| Error::Authorities {
            path: path.to_owned(),
            detail: error.to_string(),
        })?;
    }
    Ok(roots)
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let found = read.map_err(|error| Error::content(path, format!("is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(Error::content(path, "holds no certificate"));
    }
    Ok(found)
}
