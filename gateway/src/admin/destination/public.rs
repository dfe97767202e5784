//! Which IP addresses are public: IANA's special-purpose registries, with IPv4 inside IPv6 seen through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address is globally reachable, as Python's `is_global` and MLflow see it.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => embedded(address).map_or_else(|| is_public_v6(address), is_public_v4),
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, 6to4, or translated by NAT64.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(of(high, low)),
        [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    let is_special = match (a, b, c) {
        (0 | 10 | 127, ..) | (100, 64..=127, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) => true,
        (192, 0, 0) => !matches!(d, 9 | 10),
        (192, 0, 2) | (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast reaches no one server; the rest is reserved, broadcast included.
        (224.., ..) => true,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, ..] = address.segments();
    let is_special = match (a, b, c) {
        (0, ..) => true,
        (0x64, 0xff9b, 1) | (0x100, 0, 0) => true,
        // The protocol assignments, but for those that are public: anycast services, AMT, AS112, ORCHIDv2, drones.
        (0x2001, 0..=0x1ff, _) => {
            let is_anycast = b == 1 && address.segments()[2..7] == [0; 5] && (1..=3).contains(&address.segments()[7]);
            !(is_anycast || b == 3 || (b == 4 && c == 0x112) || (0x20..=0x3f).contains(&b))
        }
        (0x2001, 0xdb8, _) | (0x3fff, 0..=0xfff, _) | (0x5f00, ..) => true,
        (0xfc00..=0xfdff | 0xfe80..=0xfeff | 0xff00.., ..) => true,
        _ => false,
    };
    !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.7",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.0.9",
            "198.20.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2001:4860:4860::8888",
            "2002:808:808::",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
