//! The addresses that a server listens on, and the URL by which others reach it: whether they can be
//! used as they were written.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use url::Url;

/// Whether this is an address to listen on: an IP address or a name, and a port.
pub(super) fn check(address: &str) -> Result<()> {
    let is_named = || {
        let (host, port) = address.rsplit_once(':')?;
        Some(is_name(host) && port.parse::<u16>().is_ok())
    };
    ensure!(
        address.parse::<SocketAddr>().is_ok() || is_named().unwrap_or(false),
        "this is no address to listen on: it is an address and a port, like 127.0.0.1:8080, [::1]:8080 or localhost:8080"
    );
    Ok(())
}

/// Whether a host can have this name. One whose last part is a number would be an address.
fn is_name(host: &str) -> bool {
    let is_part = |part: &str| {
        let is_fitting = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !part.is_empty() && part.bytes().all(is_fitting)
    };
    let parts: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    parts.iter().all(|part| is_part(part))
        && parts.last().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether figures can be told on one of these addresses while the other is listened on. Port 0 is
/// another one each time.
pub(super) fn check_apart(main: &str, figures: &str) -> Result<()> {
    let meet = match (main.parse::<SocketAddr>(), figures.parse::<SocketAddr>()) {
        (Ok(one), Ok(other)) => {
            one.port() == other.port()
                && one.port() != 0
                && (one.ip() == other.ip()
                    || takes_in(one.ip(), other.ip())
                    || takes_in(other.ip(), one.ip()))
        }
        _ => main.eq_ignore_ascii_case(figures) && !main.ends_with(":0"),
    };
    ensure!(
        !meet,
        "--listen takes this address already: give figures a port of their own, or leave --metrics-listen out to have them on the main address"
    );
    Ok(())
}

/// Whether who listens on the one address has the other one, too.
fn takes_in(one: IpAddr, other: IpAddr) -> bool {
    one.is_unspecified() && (one.is_ipv6() || other.is_ipv4())
}

/// Whether people can reach a server by this URL, and links can be made from it. What is wrong is told
/// without the URL: there may be a password in it.
pub(super) fn check_public(url: &Url) -> Result<()> {
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.has_host(),
        "it is no URL of a web server: it begins with https://, or with http:// for trying out"
    );
    ensure!(
        !has_login(url),
        "it has a user or a password in it, which would be in every link that is sent: take what stands before the @ away"
    );
    ensure!(
        url.query().is_none() && url.fragment().is_none(),
        "it has a ? or a # in it, behind which no path of a link can stand: end it before that"
    );
    Ok(())
}

/// The URL without what may be secret in it; nothing of one that has no host, for what it says is not known.
pub(super) fn shown(url: &Url) -> Option<String> {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail where there is no host.
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn has_login(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_is_an_address_or_a_name_with_a_port() {
        for good in ["127.0.0.1:8080", "[::]:0", "[::1]:443", "localhost:8080", "users.example.com:80"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for wrong in [
            "8080",
            ":8080",
            "localhost",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:http",
            "127.0.0.1:65536",
            "999.0.0.1:80",
            "127.0.0.1.:80",
            "::1:8080",
            "[::1:8080",
            "http://localhost:8080",
            "a b:80",
            "a..b:80",
        ] {
            let told = check(wrong).expect_err(wrong).to_string();
            assert!(told.contains("like 127.0.0.1:8080"), "{told}");
        }
    }

    #[test]
    fn figures_need_an_address_that_is_not_taken() {
        for (one, other) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::1]:8080", "[::]:8080"),
            ("127.0.0.1:8080", "[::]:8080"),
            ("localhost:80", "LOCALHOST:80"),
        ] {
            assert!(check_apart(one, other).is_err() && check_apart(other, one).is_err(), "{one} {other}");
        }
        for (one, other) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("localhost:0", "localhost:0"),
            ("127.0.0.1:8080", "127.0.0.1:9090"),
            ("127.0.0.1:8080", "127.0.0.2:8080"),
            ("0.0.0.0:8080", "[::1]:8080"),
        ] {
            assert!(check_apart(one, other).is_ok() && check_apart(other, one).is_ok(), "{one} {other}");
        }
    }

    #[test]
    fn a_public_url_is_of_a_web_server_and_has_nothing_that_links_cannot_have() {
        let check = |text: &str| check_public(&text.parse().unwrap());
        for good in ["https://users.example.com", "http://127.0.0.1:8080", "https://example.com/directory/"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for (wrong, words) in [
            ("ftp://example.com", "begins with https://"),
            ("mailto:hush@example.com", "begins with https://"),
            ("file:///hush", "begins with https://"),
            ("https://ada:hush@example.com", "user or a password"),
            ("https://hush@example.com", "user or a password"),
            ("https://example.com?hush", "a ? or a #"),
            ("https://example.com/#hush", "a ? or a #"),
        ] {
            let told = check(wrong).expect_err(wrong).to_string();
            assert!(told.contains(words) && !told.contains("hush"), "{told}");
        }
        let whole = "https://ada:hush@example.com:8443/a?password=hush#hush";
        assert_eq!(shown(&whole.parse().unwrap()).as_deref(), Some("https://example.com:8443/a"));
        assert_eq!(shown(&"ada:hush@example.com".parse().unwrap()), None);
    }
}
