use reqwest::Url;

use super::*;

const NOTHING: Guard = Guard {
    allow_loopback: false,
    allow_private: false,
};
const LOOPBACK: Guard = Guard {
    allow_loopback: true,
    allow_private: false,
};
const PRIVATE: Guard = Guard {
    allow_loopback: false,
    allow_private: true,
};

/// `None` where the URL does not even parse: then it is never called either.
fn allowed(guard: Guard, url: &str) -> Option<bool> {
    let url = Url::parse(url).ok()?;
    Some(guard.check_url(&url).is_ok())
}

/// Refused whatever the configuration allows.
const NEVER: &[&str] = &[
    // This network.
    "http://0.0.0.0/",
    "http://0/",
    "http://0.1.2.3/",
    "http://0x0/",
    // Link-local and metadata.
    "http://169.254.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://169.254.43518/",
    "http://169.16689662/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://168.63.129.16/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://[fd00:ec2::254]/",
    "http://user:pass@169.254.169.254/",
    "http://example.org@169.254.169.254/",
    "http://169.254.169.254:80\\@example.org/",
    "http://169.254.169.254./",
    // Protocol assignments, documentation, benchmarks, relays.
    "http://192.0.0.1/",
    "http://192.0.2.7/",
    "http://198.51.100.7/",
    "http://203.0.113.7/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    // Multicast, reserved, broadcast.
    "http://224.0.0.1/",
    "http://239.255.255.255/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://4294967295/",
    "http://[::ffff:255.255.255.255]/",
    // IPv6.
    "http://[::]/",
    "http://[::127.0.0.1]/",
    "http://[::10.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::1]/",
    "http://[100::1]/",
    "http://[2001::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2001:2::1]/",
    "http://[2001:20::1]/",
    "http://[2001:db8::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[3fff::1]/",
    "http://[3fff:fff::1]/",
    "http://[4000::1]/",
    "http://[5f00::1]/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[ff0e::1]/",
    // Other schemes.
    "file:///etc/passwd",
    "ftp://example.org/",
    "gopher://example.org/",
    "unix:///run/docker.sock",
    "data:text/plain,x",
    "ws://example.org/",
];

#[test]
fn literal_hosts_that_only_insiders_may_call_are_refused_in_every_notation() {
    for url in NEVER {
        for guard in [NOTHING, LOOPBACK, PRIVATE] {
            assert_eq!(allowed(guard, url), Some(false), "{url} by {guard:?}");
        }
    }
}

#[test]
fn loopback_and_private_networks_are_called_only_where_the_configuration_says_so() {
    let loopback = [
        "http://127.0.0.1:7800/",
        "http://127.1/",
        "http://127.255.255.254/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.0.0.1./",
        "http://127\u{3002}0\u{3002}0\u{3002}1/",
        "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
        "http://%31%32%37.0.0.1/",
        "http://[::1]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
    ];
    let private = [
        "http://10.0.0.1/",
        "http://10.255.255.255/",
        "http://167772161/",
        "http://012.0.0.1/",
        "http://172.16.0.1/",
        "http://172.31.255.255/",
        "http://192.168.0.1/",
        "http://0xc0a80001/",
        "http://100.64.0.1/",
        "http://100.127.255.255/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fc00::1]/",
        "http://[fd12:3456::1]/",
    ];
    for url in loopback {
        assert_eq!(allowed(NOTHING, url), Some(false), "{url}");
        assert_eq!(allowed(PRIVATE, url), Some(false), "{url}");
        assert_eq!(allowed(LOOPBACK, url), Some(true), "{url}");
    }
    for url in private {
        assert_eq!(allowed(NOTHING, url), Some(false), "{url}");
        assert_eq!(allowed(LOOPBACK, url), Some(false), "{url}");
        assert_eq!(allowed(PRIVATE, url), Some(true), "{url}");
    }
}

#[test]
fn public_addresses_and_names_pass_and_names_are_left_to_the_resolver() {
    let cases = [
        "http://1.1.1.1/",
        "http://8.8.8.8:8080/x",
        "http://9.255.255.255/",
        "http://11.0.0.0/",
        "http://100.63.255.255/",
        "http://100.128.0.1/",
        "http://126.255.255.255/",
        "http://128.0.0.1/",
        "http://169.253.0.1/",
        "http://172.15.0.1/",
        "http://172.32.0.1/",
        "http://192.0.1.1/",
        "http://192.169.0.1/",
        "http://198.17.0.1/",
        "http://198.20.0.1/",
        "http://223.255.255.255/",
        "http://[2606:4700::1111]/",
        "http://[2001:4860:4860::8888]/",
        "http://[2a00::1]/",
        "https://example.org/",
        "http://example.org#@169.254.169.254/",
        "http://localhost/",
        "http://metadata.google.internal/",
    ];
    for url in cases {
        assert_eq!(allowed(NOTHING, url), Some(true), "{url}");
    }
}

#[test]
fn what_does_not_parse_is_never_called() {
    let cases = [
        "http://",
        "http://256.256.256.256/",
        "http://1.2.3.4.5/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://a b/",
        "//example.org",
        "example.org",
    ];
    for url in cases {
        assert_eq!(allowed(PRIVATE, url), None, "{url}");
    }
}
