//! Amounts as people write them: seconds, cores, bytes. Exact arithmetic, no floating point.

/// Digits that a fraction may have; more cannot mean anything in bytes or thousandths of a core.
const MAX_FRACTION_DIGITS: usize = 9;

/// Whole seconds from `90`, `90s`, `1m30s` or `1h`. None for anything finer or unknown.
pub(super) fn seconds(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    let (mut total, mut digits, mut last_unit) = (0_u32, String::new(), u32::MAX);
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        if unit >= last_unit {
            return None;
        }
        last_unit = unit;
        total = total.checked_add(digits.parse::<u32>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    digits.is_empty().then_some(total)
}

/// Thousandths of a core from `0.5`, `2` or `500m`. None for zero and for anything finer.
pub(super) fn cpu_millis(text: &str) -> Option<u64> {
    let millis = match text.strip_suffix('m') {
        Some(millis) => whole(millis)?,
        None => scaled(text, 1000)?,
    };
    (millis > 0).then_some(millis)
}

/// Bytes from `1048576`, `512M`, `512Mi`, `512MB`, `1g` or `1.5g`. As engines read them: `k`, `m`, `g` and `t` are
/// powers of 1024, in either case, with or without `i` and `b`. None for zero.
pub(super) fn memory_bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let digits_end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (amount, unit) = lower.split_at(digits_end);
    let scale: u64 = match unit.trim_start() {
        "" | "b" => 1,
        "k" | "kb" | "ki" | "kib" => 1 << 10,
        "m" | "mb" | "mi" | "mib" => 1 << 20,
        "g" | "gb" | "gi" | "gib" => 1 << 30,
        "t" | "tb" | "ti" | "tib" => 1 << 40,
        _ => return None,
    };
    let bytes = if scale == 1 { whole(amount)? } else { scaled(amount, scale)? };
    (bytes > 0 && i64::try_from(bytes).is_ok()).then_some(bytes)
}

fn whole(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// `text × scale` where `text` is a decimal; none where that is no whole number.
fn scaled(text: &str, scale: u64) -> Option<u64> {
    let (integer, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > MAX_FRACTION_DIGITS {
        return None;
    }
    let power = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let part = whole(fraction)?.checked_mul(scale)?;
    if part % power != 0 {
        return None;
    }
    whole(integer)?.checked_mul(scale)?.checked_add(part / power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_numbers_or_composed_of_units_in_order() {
        for (text, expected) in
            [("90", Some(90)), ("90s", Some(90)), ("1m30s", Some(90)), ("1h", Some(3600)), ("0", Some(0))]
        {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for text in ["", "s", "10x", "1.5s", "500ms", "30s1m", "1m1m", "1m30", "-5", "99999999999h", "2000000h"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn cores_are_decimal_or_thousandths() {
        for (text, expected) in
            [("0.5", 500), ("0.25", 250), ("2", 2000), ("500m", 500), ("1.001", 1001), ("1.50", 1500)]
        {
            assert_eq!(cpu_millis(text), Some(expected), "{text}");
        }
        for text in ["", "0", "0.0", "0m", "-1", "1e3", "0.0001", ".5", "1.", "half", "1.5m"] {
            assert_eq!(cpu_millis(text), None, "{text}");
        }
    }

    #[test]
    fn memory_units_are_powers_of_1024_however_they_are_spelled() {
        let half = 512 * 1024 * 1024;
        for text in ["512M", "512m", "512Mi", "512MB", "512MiB", "0.5g", "536870912", "536870912b", "524288k"] {
            assert_eq!(memory_bytes(text), Some(half), "{text}");
        }
        for text in ["", "0", "0m", "-1m", "1.5", "1x", "M", "512 000", "9999999999g", "0.0000000001g"] {
            assert_eq!(memory_bytes(text), None, "{text}");
        }
    }
}
