//! The address of a server: read once, never shown with its password.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::PgOptions;
use crate::{Error, Place};

/// Where to connect and how.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) place: Place,
    /// A file of certificates to trust instead of the public ones.
    pub(super) root_certificate: Option<PathBuf>,
}

const UNREADABLE: Error = Error::BadUrl {
    reason: "write postgres://user:password@host/database, with what is special in the password \
             percent-encoded",
};
const SSL_MODE: Error = Error::BadUrl {
    reason: "sslmode is one of disable, prefer, require, verify-full; certificates are always \
             verified",
};

impl Address {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…` and the other
    /// parameters of libpq that tokio-postgres knows.
    ///
    /// Without `sslmode`, a server elsewhere must speak TLS; one on this machine need not.
    pub(super) fn read(
        url: &SecretString,
        options: &PgOptions,
        search_path: &str,
    ) -> Result<Self, Error> {
        let url = url.expose_secret();
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(UNREADABLE);
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut rest = String::new();
        let (mut mode, mut root_certificate) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(ssl_mode(value)?),
                Some(("sslrootcert", path)) => root_certificate = Some(path.into()),
                _ => {
                    let _ = write!(rest, "{}{pair}", if rest.is_empty() { '?' } else { '&' });
                }
            }
        }
        let mut config: Config = format!("{base}{rest}").parse().map_err(|_| UNREADABLE)?;
        let here = config.get_hosts().iter().all(is_here);
        config.ssl_mode(mode.unwrap_or(if here { SslMode::Prefer } else { SslMode::Require }));
        settle(&mut config, options, search_path);
        Ok(Self { place: place(&config), config, root_certificate })
    }
}

fn ssl_mode(value: &str) -> Result<SslMode, Error> {
    match value {
        "disable" => Ok(SslMode::Disable),
        "prefer" => Ok(SslMode::Prefer),
        "require" | "verify-ca" | "verify-full" => Ok(SslMode::Require),
        _ => Err(SSL_MODE),
    }
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    }
}

fn settle(config: &mut Config, options: &PgOptions, search_path: &str) {
    let own = config.get_options().unwrap_or_default();
    let all = format!("{} {own}", options.settings(search_path));
    config.options(all.trim_end().to_owned());
    if config.get_application_name().is_none() {
        config.application_name(options.application);
    }
    config
        .connect_timeout(options.network_timeout)
        .tcp_user_timeout(options.network_timeout)
        .keepalives_idle(Duration::from_secs(2))
        .keepalives_interval(Duration::from_secs(1))
        .keepalives_retries(3);
}

fn place(config: &Config) -> Place {
    let port = config.get_ports().first().filter(|port| **port != 5432);
    let hosts: Vec<_> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Place::Server(format!("{}{port}/{database}", hosts.join(",")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, Error> {
        Address::read(&SecretString::from(url), &PgOptions::default(), "zaki_things")
    }

    #[test]
    fn a_server_elsewhere_must_speak_tls() {
        let mode = |url| read(url).unwrap().config.get_ssl_mode();
        assert_eq!(mode("postgres://a:b@db.example.org/zaki"), SslMode::Require);
        assert_eq!(mode("postgres://a:b@localhost/zaki"), SslMode::Prefer);
        assert_eq!(mode("postgres://a:b@127.0.0.1:5433/zaki"), SslMode::Prefer);
        assert_eq!(mode("postgres:///zaki?host=/run/postgresql"), SslMode::Prefer);
        assert_eq!(mode("postgres://a:b@db/zaki?sslmode=disable"), SslMode::Disable);
        assert_eq!(mode("postgres://a:b@127.0.0.1/zaki?sslmode=verify-full"), SslMode::Require);
    }

    #[test]
    fn a_place_names_no_user_and_no_password() {
        let place = |url| read(url).unwrap().place.to_string();
        assert_eq!(place("postgres://ann:secret@db.example.org/zaki"), "db.example.org/zaki");
        assert_eq!(place("postgresql://ann:secret@a:7000/zaki"), "a:7000/zaki");
        assert_eq!(place("postgres:///zaki?host=/run/postgresql"), "/run/postgresql/zaki");
    }

    #[test]
    fn what_the_address_says_prevails() {
        let url = "postgres://a@h/zaki?sslrootcert=/ca.pem&application_name=me\
                   &options=-c%20jit%3Don";
        let address = read(url).unwrap();
        assert_eq!(address.root_certificate, Some("/ca.pem".into()));
        assert_eq!(address.config.get_application_name(), Some("me"));
        let settings = address.config.get_options().unwrap();
        assert!(settings.starts_with("-c search_path=zaki_things "), "{settings}");
        assert!(settings.contains("-c jit=off ") && settings.ends_with(" -c jit=on"), "{settings}");
    }

    #[test]
    fn a_bad_address_is_refused_without_showing_it() {
        for url in [
            "mysql://secret@h/d",
            "secret",
            "postgres://a:secret@h:port/d",
            "postgres://h/?x=secret",
        ] {
            let error = read(url).err().unwrap();
            assert!(matches!(error, Error::BadUrl { .. }) && !error.is_transient(), "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let error = read("postgres://a@h/d?sslmode=no").err().unwrap();
        assert!(error.to_string().contains("sslmode"), "{error}");
    }
}
