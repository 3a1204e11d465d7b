//! Durations on the command line and in the settings file: `45`, `45s`, `5m`, `2h`, `30d`, `500ms`.

use std::time::Duration;

/// Reads a duration; a number alone is in seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| refusal(text))?;
    let millis = match &text[digits.len()..] {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => return Err(refusal(text)),
    };
    millis.map(Duration::from_millis).ok_or_else(|| refusal(text))
}

fn refusal(text: &str) -> String {
    format!("{text:?} is no duration: write 45, 45s, 5m, 2h, 30d or 500ms")
}

/// The time that something took, for people: `12 ms`, `3.4 s`, `2 m 05 s`.
pub(crate) fn took(duration: Duration) -> String {
    match duration.as_secs() {
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} m {:02} s", seconds / 60, seconds % 60),
    }
}

/// An age, for people: `5s`, `3m`, `2h`, `4d`.
pub(crate) fn age(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_in_seconds() {
        assert_eq!(parse("45"), Ok(Duration::from_secs(45)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("2d"), Ok(Duration::from_secs(172_800)));
    }

    #[test]
    fn anything_else_is_refused_with_the_forms_that_exist() {
        for text in ["", "s", "-1", "5 m", "1w", "99999999999999999999", "18446744073709551615h"] {
            assert!(parse(text).unwrap_err().contains("5m"), "{text}");
        }
    }

    #[test]
    fn times_read_well() {
        assert_eq!(took(Duration::from_millis(12)), "12 ms");
        assert_eq!(took(Duration::from_millis(3_440)), "3.4 s");
        assert_eq!(took(Duration::from_secs(125)), "2 m 05 s");
        assert_eq!(age(Duration::from_secs(7200)), "2h");
    }
}
