//! Which addresses may be called.
//!
//! Users choose URLs and we stand inside a network: a call must not reach what only insiders may. The
//! address is what counts, so it is checked where it is known: literal hosts when the request is
//! built, names in the resolver, on the very addresses that will be connected to. Redirects are never
//! followed and proxies never taken from the environment, so there is no way round.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a call is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// The host is, or resolves to, such an address only.
    #[error("`{host}` is at {address}, {kind}, which may not be called")]
    Address {
        /// As in the URL.
        host: String,
        /// Where it is.
        address: IpAddr,
        /// In words.
        kind: &'static str,
    },
    /// Neither `http` nor `https`.
    #[error("scheme `{0}` may not be called, only http and https")]
    Scheme(String),
    /// There is none.
    #[error("the URL has no host")]
    NoHost,
}

/// What may be called beside the public internet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// This machine.
    pub allow_loopback: bool,
    /// Private networks; link-local addresses and metadata services never.
    pub allow_private: bool,
}

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Public,
    Loopback,
    Private(&'static str),
    Never(&'static str),
}

impl Guard {
    /// Whether `address`, which `host` is or resolves to, may be called.
    ///
    /// # Errors
    /// [`Forbidden::Address`].
    pub fn check(&self, host: &str, address: IpAddr) -> Result<(), Forbidden> {
        let kind = match place(address) {
            Place::Public => return Ok(()),
            Place::Loopback if self.allow_loopback => return Ok(()),
            Place::Private(_) if self.allow_private => return Ok(()),
            Place::Loopback => "a loopback address",
            Place::Private(kind) | Place::Never(kind) => kind,
        };
        Err(Forbidden::Address {
            host: host.to_owned(),
            address,
            kind,
        })
    }

    /// Checks scheme and host of a parsed URL. A host that is a name is left to the resolver.
    ///
    /// # Errors
    /// [`Forbidden`].
    #[cfg(feature = "shell")]
    pub fn check_url(&self, url: &reqwest::Url) -> Result<(), Forbidden> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Forbidden::Scheme(url.scheme().to_owned()));
        }
        // Parsing has brought every notation of an IPv4 address (octal, hex, one number, full-width
        // digits) to four decimals, and put IPv6 in brackets.
        let host = url.host_str().ok_or(Forbidden::NoHost)?;
        let bare = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        match bare.parse::<IpAddr>() {
            Ok(address) => self.check(host, address),
            Err(_) => Ok(()),
        }
    }
}

fn place(address: IpAddr) -> Place {
    match address {
        IpAddr::V4(address) => place_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => place_v4(mapped),
            None => place_v6(address),
        },
    }
}

fn place_v4(address: Ipv4Addr) -> Place {
    match address.octets() {
        [127, ..] => Place::Loopback,
        [169, 254, 169, 254] | [168, 63, 129, 16] | [100, 100, 100, 200] | [192, 0, 0, 192] => {
            Place::Never("a cloud metadata service")
        }
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Place::Private("a private address"),
        [100, 64..=127, ..] => Place::Private("an address behind a carrier's NAT"),
        [0, ..] => Place::Never("this network itself"),
        [169, 254, ..] => Place::Never("a link-local address"),
        [192, 0, 0, _] => Place::Never("a protocol assignment"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Place::Never("a documentation address")
        }
        [192, 88, 99, _] => Place::Never("a 6to4 relay"),
        [198, 18..=19, ..] => Place::Never("a benchmarking address"),
        [224..=239, ..] => Place::Never("a multicast address"),
        [240..=255, ..] => Place::Never("a reserved or broadcast address"),
        _ => Place::Public,
    }
}

fn place_v6(address: Ipv6Addr) -> Place {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Place::Loopback,
        // Of EC2's metadata service.
        [0xfd00, 0x0ec2, ..] => Place::Never("a cloud metadata service"),
        [0xfc00..=0xfdff, ..] => Place::Private("a private address"),
        [0xfe80..=0xfebf, ..] => Place::Never("a link-local address"),
        [0xfec0..=0xfeff, ..] => Place::Never("a site-local address"),
        [0xff00..=0xffff, ..] => Place::Never("a multicast address"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Place::Never("a documentation address"),
        // Teredo, ORCHID, benchmarking.
        [0x2001, 0..=0x01ff, ..] => Place::Never("a protocol assignment"),
        [0x2002, ..] => Place::Never("a 6to4 address, which hides another"),
        [0x2000..=0x3fff, ..] => Place::Public,
        // IPv4-compatible, NAT64, discard-only, segment routing and all that was never given out.
        _ => Place::Never("no public unicast address"),
    }
}

#[cfg(all(test, feature = "shell"))]
#[path = "guard/tests.rs"]
mod tests;
