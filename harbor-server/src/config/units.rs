//! Sizes and durations as people write them: "16 MiB", "30d".

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// Bytes, written "16 MiB", "20 GB" or a bare number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// Bytes per second, written "4 MiB/s".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bandwidth(pub(crate) u64);

/// A length of time, written "200ms", "30s", "5m", "12h" or "30d".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// Addresses that belong together, written "10.0.0.0/8", or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(pub(crate) IpNet);

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

const SPAN_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Splits "16 MiB" into its number and its unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

fn scaled(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Option<u64> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" => bare?,
        _ => units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    number.checked_mul(factor)
}

/// The largest unit that divides `value`, so that what is shown can be written back.
fn written(value: u64, units: &[(&str, u64)], gap: &str) -> String {
    let (name, factor) = units
        .iter()
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor))
        .or(units.last())
        .expect("the list of units is not empty");
    format!("{}{gap}{name}", value / factor)
}

impl Size {
    fn parse(text: &str) -> Result<Self, String> {
        scaled(text, &SIZE_UNITS, Some(1))
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is no size; write it like \"16 MiB\" or \"20 GB\""))
    }
}

impl Bandwidth {
    fn parse(text: &str) -> Result<Self, String> {
        text.trim()
            .strip_suffix("/s")
            .and_then(|size| scaled(size, &SIZE_UNITS, None))
            .map(Self)
            .ok_or_else(|| format!("\"{text}\" is no bandwidth; write it like \"4 MiB/s\""))
    }
}

impl Span {
    fn parse(text: &str) -> Result<Self, String> {
        scaled(text, &SPAN_UNITS, None).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| {
            format!("\"{text}\" is no duration; write it like \"200ms\", \"30s\", \"12h\" or \"30d\"")
        })
    }

    /// The length in milliseconds.
    pub(crate) fn ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, String> {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map(Self).map_err(|_| {
            format!("\"{text}\" is no network; write it like \"10.0.0.0/8\", \"fd00::/8\" or \"192.0.2.1\"")
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0, &SIZE_UNITS, " "))
    }
}
impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", Size(self.0))
    }
}
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.ms(), &SPAN_UNITS, ""))
    }
}

macro_rules! as_text {
    ($($t:ty),*) => {$(
        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum Written { Number(u64), Text(String), Other(toml::Value) }
                let text = match Written::deserialize(d)? {
                    Written::Number(number) => number.to_string(),
                    Written::Text(text) => text,
                    Written::Other(value) => value.to_string(),
                };
                Self::parse(&text).map_err(D::Error::custom)
            }
        }
    )*};
}
as_text!(Size, Bandwidth, Span, Network);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_written() {
        for (text, bytes) in
            [("16 MiB", 16 << 20), ("1GB", 1_000_000_000), ("512", 512), ("4 kib", 4096), (" 7 B ", 7)]
        {
            assert_eq!(Size::parse(text), Ok(Size(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1 MiB", "1.5 GiB", "16 MiBs", "99999999999 TiB"] {
            assert!(Size::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Span::parse("30d").map(Span::ms), Ok(30 * 86_400_000));
        assert_eq!(Span::parse("200ms").map(Span::ms), Ok(200));
        assert!(Span::parse("30").unwrap_err().contains("like"));
        assert!(Span::parse("1w").is_err());
    }

    #[test]
    fn networks_and_single_addresses() {
        for text in ["10.0.0.0/8", "fd00::/8"] {
            assert_eq!(Network::parse(text).map(|net| net.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(Network::parse("192.0.2.1").map(|net| net.to_string()), Ok("192.0.2.1/32".into()));
        assert!(Network::parse("10.0.0.0/99").unwrap_err().contains("10.0.0.0/8"));
    }

    #[test]
    fn what_is_shown_can_be_written_back() {
        for bytes in [0, 1, 1000, 1024, 16 << 20, 20_000_000_000, 1_000_001] {
            assert_eq!(Size::parse(&Size(bytes).to_string()), Ok(Size(bytes)));
        }
        for ms in [0, 1, 200, 30_000, 90_000, 86_400_000] {
            assert_eq!(Span::parse(&Span(Duration::from_millis(ms)).to_string()).map(Span::ms), Ok(ms));
        }
        assert_eq!(Bandwidth::parse("4 MiB/s"), Ok(Bandwidth(4 << 20)));
        assert!(Bandwidth::parse("4 MiB").is_err());
    }
}
