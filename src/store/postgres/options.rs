//! What the operator says about the server: a URL and a few numbers.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use super::tls::Tls;

/// Where the server is, and how it is used.
#[derive(Clone)]
pub struct Options {
    /// `postgres://user:password@host:port/database?parameters`, with the parameters that
    /// PostgreSQL's own clients know.
    pub url: String,
    /// The password of its user, if it is not in the URL.
    pub password: Option<String>,
    /// How many connections there are for reading and writing, at least four; one more orders the
    /// events.
    pub connections: usize,
    /// How long the server may work on a statement. Whoever waits for it waits a little longer, and
    /// then takes the server for gone.
    pub statement_timeout: Duration,
}

impl Options {
    /// The server of this URL, with as many connections and as much patience as is usual.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            password: None,
            connections: 8,
            statement_timeout: Duration::from_millis(1_500),
        }
    }

    /// The server and the database, to name them in a message: without user and password.
    ///
    /// # Errors
    /// What is wrong with the URL, without repeating it.
    pub fn shown(&self) -> Result<String> {
        Ok(self.address()?.shown())
    }

    /// Whether the server runs on this machine, as far as the URL tells: by a socket in a folder, or by
    /// an address that leads nowhere else.
    ///
    /// # Errors
    /// What is wrong with the URL, without repeating it.
    pub fn is_on_this_machine(&self) -> Result<bool> {
        let address = self.address()?;
        Ok(address.config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                let ip = name.trim_matches(['[', ']']).parse::<IpAddr>();
                ip.map_or(name == "localhost", |ip| ip.is_loopback())
            }
        }))
    }

    /// What connections are made with.
    pub(super) fn address(&self) -> Result<Address> {
        let mut address = Address::of(&self.url)?;
        if let Some(password) = &self.password {
            if address.config.get_password().is_some() {
                bail!("--store has a password, and so has --store-password-file: only one can count");
            }
            address.config.password(password);
        }
        Ok(address)
    }

    /// Whether this is the URL of a PostgreSQL server.
    pub fn is_url(url: &str) -> bool {
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    }
}

/// What connections are made with.
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) tls: Option<Tls>,
}

/// How long it may take to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the server's machine may leave what was sent to it unconfirmed.
const UNCONFIRMED: Duration = Duration::from_secs(2);

impl Address {
    /// Reads the URL. No error repeats it: it may hold a password.
    pub(super) fn of(url: &str) -> Result<Self> {
        let (base, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = None;
        let mut root = None;
        let mut others = Vec::new();
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => {
                    let path = percent_encoding::percent_decode_str(value).decode_utf8();
                    root = Some(path.context("the parameter sslrootcert is not UTF-8")?.into_owned());
                }
                _ => others.push(parameter),
            }
        }
        let rest = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
        let mut config: Config = format!("{base}{rest}")
            .parse()
            .map_err(|error| anyhow::anyhow!("the URL of the store cannot be read: {}", cause(&error)))?;
        let tls = tls(&mut config, mode, root.as_deref())?;
        if config.get_application_name().is_none() {
            config.application_name("bonafide");
        }
        config
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(UNCONFIRMED)
            .keepalives_idle(Duration::from_secs(2))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
        Ok(Self { config, tls })
    }

    /// The server and the database, to name them in a message: without user and password.
    pub(super) fn shown(&self) -> String {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let ports: Vec<String> = self.config.get_ports().iter().map(ToString::to_string).collect();
        let hosts: Vec<String> = hosts
            .enumerate()
            .map(|(number, host)| match ports.get(number).or(ports.first()) {
                Some(port) => format!("{host}:{port}"),
                None => host,
            })
            .collect();
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        format!("postgres://{}/{database}", hosts.join(","))
    }
}

/// The TLS that is asked for, if any.
fn tls(config: &mut Config, mode: Option<&str>, root: Option<&str>) -> Result<Option<Tls>> {
    let mode = match mode {
        Some("disable") => SslMode::Disable,
        None | Some("prefer") => SslMode::Prefer,
        Some("require") => SslMode::Require,
        Some("verify-full") if root.is_some() => SslMode::Require,
        Some("verify-full") => bail!(
            "sslmode=verify-full needs sslrootcert=FILE, the certificates that are trusted, as PEM; those of the \
             system are often in /etc/ssl/certs/ca-certificates.crt"
        ),
        Some(_) => bail!(
            "the sslmode of the store's URL is not known: it is disable, prefer, require or verify-full; with \
             sslrootcert=FILE the certificate and the name in it are checked whatever the mode"
        ),
    };
    config.ssl_mode(mode);
    match (mode, root) {
        (SslMode::Disable, _) => Ok(None),
        (_, Some(root)) => Tls::trusting(Path::new(root)).map(Some),
        (_, None) => Tls::trusting_anybody().map(Some),
    }
}

/// What is behind an error of the library, whose own words say little.
fn cause(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_the_server_and_is_shown_without_its_password() {
        let address = Address::of("postgres://me:hush@one:5433,two:5434/users?sslmode=disable").unwrap();
        assert_eq!(address.shown(), "postgres://one:5433,two:5434/users");
        assert!(address.tls.is_none());
        assert_eq!(address.config.get_password(), Some("hush".as_bytes()));
        let address = Address::of("postgresql://me@%2Frun%2Fpostgresql/users?application_name=x").unwrap();
        assert_eq!(address.config.get_application_name(), Some("x"));
        assert!(address.shown().contains("/run/postgresql"), "{}", address.shown());
    }

    #[test]
    fn a_url_tells_whether_the_server_is_on_this_machine() {
        for (hosts, here) in [
            ("127.0.0.1:5432", true),
            ("[::1]", true),
            ("localhost", true),
            ("%2Frun%2Fpostgresql", true),
            ("192.0.2.1", false),
            ("db.example.com", false),
            ("localhost,db.example.com", false),
        ] {
            let options = Options::new(&format!("postgres://me@{hosts}/users"));
            assert_eq!(options.is_on_this_machine().unwrap(), here, "{hosts}");
        }
    }

    #[test]
    fn a_password_comes_from_the_url_or_from_elsewhere_and_not_from_both() {
        let password = || Some("from a file".to_owned());
        let options = Options { password: password(), ..Options::new("postgres://me@host/users") };
        assert_eq!(
            options.address().unwrap().config.get_password(),
            password().as_deref().map(str::as_bytes)
        );
        let options = Options { password: password(), ..Options::new("postgres://me:hush@host/users") };
        let told = options.address().err().unwrap().to_string();
        assert!(told.contains("only one can count") && !told.contains("hush"), "{told}");
    }

    #[test]
    fn what_is_wrong_with_a_url_is_told_without_its_password() {
        for wrong in [
            "postgres://me:hush@host:port/users",
            "postgres://me:hush@host/users?sslmode=maybe",
            "postgres://me:hush@host/users?sslmode=verify-full",
            "postgres://me:hush@host/users?sslrootcert=nowhere.pem",
            "postgres://me:hush@host/users?colour=red",
        ] {
            let error = format!("{:#}", Address::of(wrong).err().unwrap());
            assert!(!error.contains("hush"), "{error}");
        }
    }
}
