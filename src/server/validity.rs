//! From when until when a certificate is good, as it says itself.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::time::Timestamp;

/// The span in which a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub from: Timestamp,
    /// Its last second.
    pub until: Timestamp,
}

const CONTEXT_0: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Validity {
    /// The span that a certificate states, which is given in DER (RFC 5280, section 4.1).
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate, _) = element(certificate)?;
        let (_, mut rest, _) = element(certificate)?;
        // The version, which may be left out.
        if rest.first() == Some(&CONTEXT_0) {
            (_, _, rest) = element(rest)?;
        }
        // The serial number, the algorithm, and who signed.
        for _ in 0..3 {
            (_, _, rest) = element(rest)?;
        }
        let (_, validity, _) = element(rest)?;
        let (from_form, from, rest) = element(validity)?;
        let (until_form, until, _) = element(rest)?;
        Some(Self { from: time(from_form, from)?, until: time(until_form, until)? })
    }
}

/// The first element: its form, what is in it, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (form, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let digits = usize::from(first & 0x7f);
        if digits > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(digits)?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((*form, inside, rest))
}

/// A moment as `YYMMDDhhmmssZ`, which is in the years 1950 to 2049, or with four digits of the year.
fn time(form: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match form {
        GENERALIZED_TIME => text.to_owned(),
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%SZ", &text).ok()?;
    // The last day of the year 9999 stands for no end, and is none that can be reckoned with.
    let time = time.to_zoned(TimeZone::UTC).map_or(jiff::Timestamp::MAX, |time| time.timestamp());
    Some(Timestamp(time.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_second())
    }

    #[test]
    fn a_certificate_tells_its_first_and_its_last_second() {
        for ((from, until), expected) in [
            (((1999, 2, 3), (2049, 12, 31)), ("1999-02-03T00:00:00Z", "2049-12-31T00:00:00Z")),
            (((2026, 1, 1), (2050, 1, 1)), ("2026-01-01T00:00:00Z", "2050-01-01T00:00:00Z")),
        ] {
            let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
            parameters.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            parameters.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = parameters.self_signed(&key).unwrap();
            let validity = Validity::of(certificate.der()).unwrap();
            assert_eq!((validity.from, validity.until), (second(expected.0), second(expected.1)));
        }
    }

    #[test]
    fn what_is_cut_off_or_no_certificate_has_no_span() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let der = made.cert.der();
        assert!(Validity::of(der).is_some());
        for length in 0..der.len() {
            assert_eq!(Validity::of(&der[..length]), None, "{length}");
        }
        assert_eq!(Validity::of(b"\x30\x89\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(time(GENERALIZED_TIME, b"99991231235959Z"), time(GENERALIZED_TIME, b"99991230220000Z"));
        assert_eq!(time(UTC_TIME, b"261301000000Z"), None);
    }
}
