//! Authorities and certificates for tests, made when they are needed.
//!
//! Boundary: files in a directory of the test's own.
//! Read first: [`Authority`], then [`Authority::write`].

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Who signs certificates.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key in files.
pub(crate) struct Written {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Until the end of which year a certificate is good.
pub(crate) const LONG: i32 = 2060;
pub(crate) const ENDED: i32 = 2001;

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// Its own certificate in a file.
    pub(crate) fn file(&self, directory: &Path, name: &str) -> PathBuf {
        let path = directory.join(format!("{name}.pem"));
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// A certificate for this machine that is good until the end of a year, in files.
    pub(crate) fn write(&self, directory: &Path, name: &str, until: i32) -> Written {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 12, 31);
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let written = Written {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        std::fs::write(&written.certificate, signed.pem()).unwrap();
        std::fs::write(&written.key, key.serialize_pem()).unwrap();
        written
    }
}
