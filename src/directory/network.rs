//! The networks that an API key may be used from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Addresses that begin alike: an address and how many of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    first: IpAddr,
    bits: u32,
}

/// A text that is no network. It says what one is.
#[derive(Debug, thiserror::Error)]
#[error(
    "not a network: it is an address, or its beginning and how many bits of it count, like 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
)]
pub struct MalformedNetwork;

impl Network {
    /// Whether the address is one of them. Addresses of version 4 that are written as of version 6 are
    /// those of version 4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = MalformedNetwork;

    /// Reads what is written in one way only: bits that do not count are 0, so that nobody takes
    /// 10.1.2.3/8 for one address.
    fn from_str(text: &str) -> Result<Self, MalformedNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if bits.bytes().all(|digit| digit.is_ascii_digit()) => {
                (address, Some(bits.parse::<u32>().map_err(|_| MalformedNetwork)?))
            }
            Some(_) => return Err(MalformedNetwork),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| MalformedNetwork)?;
        let (all, zeros) = match first {
            IpAddr::V4(first) => (32, first.to_bits().trailing_zeros()),
            // It is one of version 4, which has a form of its own.
            IpAddr::V6(first) if is_mapped(first) => return Err(MalformedNetwork),
            IpAddr::V6(first) => (128, first.to_bits().trailing_zeros()),
        };
        let bits = bits.unwrap_or(all);
        if bits <= all && all - bits <= zeros { Ok(Self { first, bits }) } else { Err(MalformedNetwork) }
    }
}

fn is_mapped(address: Ipv6Addr) -> bool {
    address.to_ipv4_mapped().is_some()
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = if self.first.is_ipv4() { 32 } else { 128 };
        if self.bits == all { self.first.fmt(f) } else { write!(f, "{}/{}", self.first, self.bits) }
    }
}

impl TryFrom<String> for Network {
    type Error = MalformedNetwork;

    fn try_from(text: String) -> Result<Self, MalformedNetwork> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        for (network, within, beyond) in [
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"][..],
                &["11.0.0.0", "9.9.9.9"][..],
            ),
            ("192.0.2.7", &["192.0.2.7"], &["192.0.2.6", "192.0.2.8", "::c000:207"]),
            ("192.0.2.6/31", &["192.0.2.6", "192.0.2.7"], &["192.0.2.5", "192.0.2.8"]),
            ("0.0.0.0/0", &["0.0.0.0", "255.255.255.255"], &["::", "2001:db8::1"]),
            ("2001:db8::/32", &["2001:db8::1", "2001:db8:ffff::"], &["2001:db9::", "10.0.0.1"]),
            ("2001:db8::1", &["2001:db8::1"], &["2001:db8::2"]),
            ("::/0", &["::1", "ffff::"], &["10.0.0.1", "::ffff:10.0.0.1"]),
        ] {
            let read: Network = network.parse().unwrap();
            assert_eq!(read.to_string(), network);
            for address in within {
                assert!(read.contains(address.parse().unwrap()), "{address} in {network}");
            }
            for address in beyond {
                assert!(!read.contains(address.parse().unwrap()), "{address} in {network}");
            }
        }
        assert_eq!("192.0.2.7/32".parse::<Network>().unwrap().to_string(), "192.0.2.7");
    }

    #[test]
    fn what_can_be_taken_for_another_network_is_none() {
        for wrong in [
            "",
            "10",
            "10.0.0.0/",
            "/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/ 8",
            "10.1.2.3/8",
            "0.0.0.1/0",
            "2001:db8::1/32",
            "2001:db8::/129",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/8/8",
            "example.com",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
