//! The address of a client behind a proxy, as the proxy tells it.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};

/// The last address in the last header of this name: the one that the nearest proxy has put there. What
/// stands before it the client may have written itself. None: there is no address.
pub(super) fn address(headers: &HeaderMap, name: &HeaderName) -> Option<IpAddr> {
    let text = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let last = text.rsplit(',').next()?.trim();
    let with_port = || last.parse::<SocketAddr>().ok().map(|address| address.ip());
    last.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&'static str]) -> Option<String> {
        let name = HeaderName::from_static("x-forwarded-for");
        let headers = lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect();
        address(&headers, &name).map(|address| address.to_string())
    }

    #[test]
    fn the_address_that_the_nearest_proxy_tells_counts() {
        for (lines, address) in [
            (&["192.0.2.1"][..], "192.0.2.1"),
            (&["198.51.100.9, 192.0.2.1"], "192.0.2.1"),
            (&["198.51.100.9", "203.0.113.5, 192.0.2.1"], "192.0.2.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::1]:4711"], "2001:db8::1"),
        ] {
            assert_eq!(told(lines).as_deref(), Some(address));
        }
        for lines in [&[][..], &[""], &["unknown"], &["192.0.2.1, unknown"], &["192.0.2.1, "]] {
            assert_eq!(told(lines), None, "{lines:?}");
        }
    }
}
