//! How a server is reached: plain or through TLS, and with which token.
//!
//! Boundary: addresses, certificates and connections; what is said on a connection is up to its
//! owner.
//! Read first: [`Credentials`], then [`Route::dial`].   Tests: at the end of this file.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use api::tls::{self, Identity, Stream};
use clap::Args;
use http::HeaderValue;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::config::Given;
use crate::output::remark;
use crate::problem::{self, Failure};
use crate::reference::Reference;

/// The variables that the arguments here are read from.
pub(crate) const ENVIRONMENT: &[&str] =
    &["POINTSMAN_TOKEN", "POINTSMAN_CA", "POINTSMAN_CERT", "POINTSMAN_KEY"];

/// What a command shows a server, and whom it trusts.
#[derive(Clone, Default, Args)]
pub(crate) struct Credentials {
    /// API token, best by reference: `env:NAME` or `file:PATH`.
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "POINTSMAN_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// Authorities that sign the server's certificate, as PEM [default: those of this machine].
    #[arg(long, global = true, value_name = "FILE", env = "POINTSMAN_CA")]
    ca: Option<PathBuf>,
    /// Own certificate, as PEM, where the server demands one.
    #[arg(long = "cert", global = true, value_name = "FILE", env = "POINTSMAN_CERT")]
    client_certificate: Option<PathBuf>,
    /// The private key of `--cert`, as PEM.
    #[arg(long = "key", global = true, value_name = "FILE", env = "POINTSMAN_KEY")]
    client_key: Option<PathBuf>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Credentials").field("ca", &self.ca).finish_non_exhaustive()
    }
}

/// Where a face of a server is and how it is reached.
#[derive(Clone)]
pub(crate) struct Route {
    /// `host:port`.
    pub(crate) authority: String,
    /// What the server is shown with each request.
    pub(crate) authorization: Option<HeaderValue>,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Which protocol is offered in the handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Credentials {
    fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let Some(text) = &self.token else { return Ok(None) };
        let given = Given::from_environment();
        let token = match Reference::parse(text, &given.environment) {
            Some(reference) => reference.read()?,
            None => text.clone(),
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            let hint = "a token has letters, digits, `-` and `_`";
            Failure::wrong_use("the token has characters that cannot be sent".to_owned(), hint)
        })?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    fn config(&self, protocol: Protocol) -> Result<ClientConfig, Failure> {
        let unusable = |error: tls::Error| Failure::tls(&error);
        let roots = match &self.ca {
            Some(path) => tls::authorities(path).map_err(unusable)?,
            None => system_authorities()?,
        };
        let identity = match (&self.client_certificate, &self.client_key) {
            (Some(certificate), Some(key)) => {
                Some(Identity { certificate: certificate.clone(), key: key.clone() })
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let message = "`--cert` and `--key` belong together".to_owned();
                return Err(Failure::wrong_use(message, "give both"));
            }
        };
        let mut config = tls::calling_with(roots, identity.as_ref()).map_err(unusable)?;
        config.alpn_protocols = vec![match protocol {
            Protocol::Http1 => b"http/1.1".to_vec(),
            Protocol::Http2 => tls::H2.to_vec(),
        }];
        Ok(config)
    }
}

fn system_authorities() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let message = "this machine trusts no authorities".to_owned();
        let hint = "name a file with the server's authority with `--ca FILE`";
        return Err(Failure::wrong_use(message, hint));
    }
    Ok(roots)
}

impl Route {
    /// # Errors
    /// The address is not `http://HOST:PORT` or `https://HOST:PORT`, or a file or secret cannot
    /// be used.
    pub(crate) fn new(
        url: &str,
        credentials: &Credentials,
        protocol: Protocol,
    ) -> Result<Self, Failure> {
        let wrong = |what: &str| {
            let message = format!("the server address `{url}` {what}");
            Failure::wrong_use(message, "write it as `https://HOST:PORT` or `http://HOST:PORT`")
        };
        let uri: http::Uri = url.parse().map_err(|_| wrong("is no address"))?;
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        let authorization = credentials.authorization()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => {
                let name = ServerName::try_from(host.clone())
                    .map_err(|_| wrong("names a host that no certificate can name"))?;
                (Some((Arc::new(credentials.config(protocol)?), name)), 443)
            }
            _ => return Err(wrong("does not begin with `https://` or `http://`")),
        };
        let local = host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if authorization.is_some() && tls.is_none() && !local {
            remark(&format!("warning: the token goes to `{host}` unencrypted; use `https://`"));
        }
        let authority = match authority.port_u16() {
            Some(_) => authority.to_string(),
            None => format!("{authority}:{port}"),
        };
        Ok(Self { authority, authorization, tls })
    }

    pub(crate) fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The address as people write it.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.authority)
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Nobody listens there, or the handshake fails.
    pub(crate) async fn dial(&self) -> io::Result<Stream> {
        let socket = TcpStream::connect(&self.authority).await?;
        // Without it an answer may come 40 ms late, no more.
        let _ = socket.set_nodelay(true);
        let Some((config, name)) = &self.tls else { return Ok(Stream::plain(socket)) };
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name.clone(), socket).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }

    /// What a person is told of a connection that could not be opened.
    pub(crate) fn failed(&self, error: &io::Error) -> Failure {
        let url = self.url();
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let Some(reason) = inner else {
            let hint = "is it running? start one with `pointsman serve`, or name another with \
                        `--server URL`";
            let message = format!("cannot reach the server at `{url}`");
            return Failure::unreachable(message, hint).because(error);
        };
        let message = format!("no secure connection to the server at `{url}`");
        Failure::unreachable(message, hint(reason)).coded(problem::INSECURE).because(error)
    }
}

fn hint(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server speaks plain text there: begin the address with `http://`"
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "name the authority that signed the server's certificate with `--ca FILE`"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "the server's certificate has ended: have it renewed",
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "call the server by a name that stands in its certificate",
        _ => "`pointsman explain CLI-021` tells what can be done",
    }
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Protocol, Route};

    #[test]
    fn addresses_have_a_scheme_and_a_host() {
        let route = |url| Route::new(url, &Credentials::default(), Protocol::Http1);
        assert_eq!(route("http://localhost").unwrap().authority, "localhost:80");
        assert_eq!(route("http://[::1]:8080").unwrap().url(), "http://[::1]:8080");
        for wrong in ["localhost:8080", "http://", "/x", "", "ftp://localhost"] {
            assert!(route(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let credentials = Credentials { token: Some("s3cret".into()), ..Credentials::default() };
        assert!(!format!("{credentials:?}").contains("s3cret"));
        let route = Route::new("http://localhost", &credentials, Protocol::Http1).unwrap();
        let value = route.authorization.unwrap();
        assert_eq!(value, "Bearer s3cret");
        assert!(!format!("{value:?}").contains("s3cret"));
        let credentials = Credentials { token: Some("a\nb".into()), ..Credentials::default() };
        assert!(Route::new("http://localhost", &credentials, Protocol::Http1).is_err());
    }
}
