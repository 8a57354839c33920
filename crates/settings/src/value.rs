//! Value parsers for settings, whose errors say what is valid.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use clap::builder::BoolishValueParser;
use clap::builder::TypedValueParser;
use ipnet::IpNet;

/// Parses an integer in a range.
pub fn number<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| match (*range.start(), *range.end()) {
            (0, u64::MAX) => "must be a whole number".to_owned(),
            (start, u64::MAX) => format!("must be a whole number of at least {start}"),
            (start, end) => format!("must be a whole number from {start} to {end}"),
        })
    }
}

/// Parses a Boolean value.
///
/// # Errors
/// The text is not "true" or "false".
pub fn switch(text: &str) -> Result<bool, String> {
    let command = clap::Command::new("switch");
    let parsed = BoolishValueParser::new().parse_ref(&command, None, text.as_ref());
    parsed.map_err(|_| "must be true or false".to_owned())
}

/// Parses an IP address with a port.
///
/// # Errors
/// What is missing, with an example.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
            return format!(
                "has no IP address; write 127.0.0.1:{port}, or 0.0.0.0:{port} to be reached from other machines"
            );
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return format!("has no port; write {}", SocketAddr::new(ip, DEFAULT_PORT));
        }
        match port.parse::<u16>() {
            Ok(port) if host == "localhost" => format!("has a name; write the IP address: 127.0.0.1:{port}"),
            Ok(port) if host.parse::<IpAddr>().is_ok() => {
                format!("needs brackets around the IP address: [{host}]:{port}")
            }
            Ok(port) => format!("has no IP address; write one, such as 127.0.0.1:{port}"),
            Err(_) => format!("must be an IP address and a port up to 65535, such as 127.0.0.1:{DEFAULT_PORT}"),
        }
    })
}

/// The port in examples.
const DEFAULT_PORT: u16 = 8000;

/// Parses a network.
///
/// # Errors
/// What is missing, with an example.
pub fn network(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| match (text.parse::<IpAddr>(), text.split_once('/')) {
        (Ok(ip), _) => format!("is one address; write it as the network {}", IpNet::from(ip)),
        (_, Some((ip, _))) => match ip.parse::<IpAddr>() {
            Ok(ip) => {
                format!("needs a prefix length from 0 to {}, such as {}", IpNet::from(ip).prefix_len(), example(ip))
            }
            Err(_) => NETWORK.to_owned(),
        },
        _ => NETWORK.to_owned(),
    })
}

const NETWORK: &str = "must be a network, such as 10.0.0.0/8";

fn example(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(_) => "10.0.0.0/8".to_owned(),
        IpAddr::V6(_) => "fd00::/8".to_owned(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_bounds() {
        let parse = number::<u32>(1..=1000);
        assert_eq!((parse("1"), parse("1000")), (Ok(1), Ok(1000)));
        for text in ["0", "1001", "-1", "", "x", "1.5", "99999999999999999999"] {
            assert_eq!(parse(text).unwrap_err(), "must be a whole number from 1 to 1000", "{text}");
        }
        assert_eq!(number::<u64>(1..=u64::MAX)("0").unwrap_err(), "must be a whole number of at least 1");
    }

    #[test]
    fn addresses_are_explained() {
        for (text, words) in [
            ("8930", "write 127.0.0.1:8930"),
            (":8930", "write 127.0.0.1:8930"),
            ("localhost:8930", "127.0.0.1:8930"),
            ("films.example:80", "such as 127.0.0.1:80"),
            ("127.0.0.1", "write 127.0.0.1:8000"),
            ("::1", "write [::1]:8000"),
            ("127.0.0.1:99999", "up to 65535"),
            ("", "such as 127.0.0.1:8000"),
            ("-1", "such as 127.0.0.1:8000"),
        ] {
            let told = address(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
        assert!(address("[::1]:80").is_ok());
    }

    #[test]
    fn networks_are_explained() {
        for (text, words) in [
            ("10.0.0.0/33", "from 0 to 32, such as 10.0.0.0/8"),
            ("10.0.0.0/", "from 0 to 32"),
            ("fd00::/129", "from 0 to 128, such as fd00::/8"),
            ("10.0.0.1", "10.0.0.1/32"),
            ("example.org", "such as 10.0.0.0/8"),
        ] {
            let told = network(text).unwrap_err();
            assert!(told.contains(words), "{text}: {told}");
        }
        assert!(network("10.0.0.0/8").is_ok());
    }

    #[test]
    fn switches_are_true_or_false() {
        for (text, value) in [("true", true), ("1", true), ("no", false), ("0", false)] {
            assert_eq!(switch(text), Ok(value));
        }
        assert!(switch("banana").unwrap_err().contains("true or false"));
    }
}
