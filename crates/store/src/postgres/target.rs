//! Where the database is and how to get there.
//!
//! Boundary: reads the address and makes connections; nothing is asked here. TLS is rustls with
//! the system's certificates, or those of a file; a certificate is always checked. An address that
//! does not say otherwise gets TLS unless it stays on this machine.
//! Read first: [`Target::new`].   Tests: `tests/postgres_faults.rs`, at the end of this file.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::{failed, text_of};
use super::session::{Driver, Session};
use super::{ADDRESS, Pooling};
use crate::port::Error;

/// How long one attempt to connect may take, if the address does not say.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection may be silent in the middle of something before it counts as gone.
const SILENCE: Duration = Duration::from_secs(10);

/// A database that one can connect to.
pub(crate) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    pooling: Pooling,
    /// As people see it: without the password.
    pub(crate) place: String,
}

impl Target {
    /// Reads the address.
    pub(crate) fn new(url: &str, roots: Option<&Path>, pooling: Pooling) -> Result<Self, Error> {
        let (url, mode) = take_ssl_mode(url);
        // The text may have a password in it, so neither it nor what the parser quotes is shown.
        let mut config =
            Config::from_str(&url).map_err(|error| failed("read", ADDRESS, text_of(&error)))?;
        let place = describe(&config);
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let detail = "it names no host: write `postgresql://user@host/database`";
            return Err(failed("read", ADDRESS, detail));
        }
        let needs_tls = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            None => !stays_here(&config),
            Some(other) => {
                let detail = format!(
                    "sslmode `{other}` is not known: write `disable`, `require` or `verify-full`"
                );
                return Err(failed("read", &place, detail));
            }
        };
        config.ssl_mode(if needs_tls { SslMode::Require } else { SslMode::Disable });
        let tls = if needs_tls { Some(make_tls(&place, roots)?) } else { None };
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(SILENCE / 2).keepalives_interval(SILENCE / 5).keepalives_retries(3);
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        if config.get_application_name().is_none() {
            config.application_name("pointsman");
        }
        Ok(Self { config, tls, pooling, place })
    }

    /// A new connection; `hears` is told of notifications.
    pub(crate) async fn connect(&self, driver: Driver) -> Result<Session, tokio_postgres::Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Ok(Session::new(client, driver.drive(connection), self.pooling))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Ok(Session::new(client, driver.drive(connection), self.pooling))
            }
        }
    }

    pub(super) fn pooling(&self) -> Pooling {
        self.pooling
    }
}

/// An address as people may see it; none if it cannot be read, or something in the place of the
/// host may be part of a password.
pub(super) fn shown(url: &str) -> Option<String> {
    let config = Config::from_str(&take_ssl_mode(url).0).ok()?;
    let is_odd = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
    (!config.get_hosts().iter().any(is_odd)).then(|| describe(&config))
}

/// Takes the parameter `sslmode` out, because ours has more values than the parser's.
fn take_ssl_mode(url: &str) -> (String, Option<String>) {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let Some(at) = url.find("sslmode=") else { return (url.to_owned(), None) };
    let rest = &url[at + "sslmode=".len()..];
    let end = if is_url { rest.find('&') } else { rest.find(char::is_whitespace) };
    let end = end.unwrap_or(rest.len());
    let mode = rest[..end].trim_matches('\'').to_owned();
    let behind = rest[end..].trim_start_matches('&');
    let mut before = url[..at].to_owned();
    if behind.is_empty() {
        before.truncate(before.trim_end_matches(['?', '&']).len());
    }
    (before + behind, Some(mode))
}

fn stays_here(config: &Config) -> bool {
    let hosts = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    });
    hosts && config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback)
}

fn describe(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(number, host)| {
            let ports = config.get_ports();
            let port = ports.get(number).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let user = config.get_user().map_or(String::new(), |user| format!("{user}@"));
    let name = config.get_dbname().or(config.get_user()).unwrap_or("postgres");
    format!("postgresql://{user}{}/{name}", hosts.join(","))
}

fn make_tls(place: &str, roots: Option<&Path>) -> Result<MakeRustlsConnect, Error> {
    let refused = |detail: String| failed("set up TLS to", place, detail);
    let mut store = RootCertStore::empty();
    match roots {
        Some(path) => {
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| refused(format!("cannot read `{}`: {error}", path.display())))?;
            for certificate in certificates {
                store.add(certificate).map_err(|error| {
                    refused(format!("`{}` has no usable certificate: {error}", path.display()))
                })?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if store.is_empty() {
        let detail = "there is no certificate to check the server's with: name a file with it";
        return Err(refused(detail.into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, Error> {
        Target::new(url, None, Pooling::Session)
    }

    fn needs_tls(url: &str) -> bool {
        let (url, mode) = take_ssl_mode(url);
        let config = Config::from_str(&url).expect("an address");
        mode.map_or(!stays_here(&config), |mode| mode != "disable")
    }

    #[test]
    fn the_password_is_not_shown() {
        let target = target("postgresql://me:secret@localhost:7/orders").expect("a target");
        assert_eq!(target.place, "postgresql://me@localhost:7/orders");
        for bad in ["postgresql://me:secret@localhost:port/x", "secret", "host=h password"] {
            let Err(error) = super::Target::new(bad, None, Pooling::Session) else {
                panic!("{bad}")
            };
            let text = format!("{error} {:?}", std::error::Error::source(&error));
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password_or_not_at_all() {
        let forms = [
            "postgresql://u:secret@db:5432/x?sslmode=require",
            "postgresql://db/x?user=u&password=secret",
            "host=db user=u password=secret dbname=x",
            "host=db user=u password='my secret' dbname=x sslmode=require",
        ];
        for form in forms {
            assert_eq!(shown(form).as_deref(), Some("postgresql://u@db:5432/x"), "{form}");
        }
        for bad in ["postgresql://u:my@secret@db/x", "postgresql://u:secret@db:port/x", "secret"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    #[test]
    fn tls_is_used_unless_the_address_stays_here_or_says_so() {
        assert!(needs_tls("postgresql://db.example.com/orders"));
        assert!(needs_tls("postgresql://localhost/orders?sslmode=verify-full&connect_timeout=3"));
        assert!(needs_tls("host=10.0.0.7 user=me"));
        assert!(!needs_tls("postgresql://db.example.com/orders?sslmode=disable"));
        assert!(!needs_tls("host=db sslmode=disable user=me"));
        assert!(!needs_tls("postgresql://[::1]/orders"));
        assert!(!needs_tls("host=/run/postgresql user=me"));
        let (rest, mode) = take_ssl_mode("postgresql://h/d?sslmode=require&connect_timeout=3");
        assert_eq!(
            (&*rest, mode.as_deref()),
            ("postgresql://h/d?connect_timeout=3", Some("require"))
        );
        let (rest, mode) = take_ssl_mode("postgresql://h/d?a=b&sslmode=require");
        assert_eq!((&*rest, mode.as_deref()), ("postgresql://h/d?a=b", Some("require")));
        assert!(target("postgresql://h/d?sslmode=prefer").is_err());
    }
}
