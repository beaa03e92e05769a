//! Numbers as text.

/// A label of an axis that reaches to `high`: as many decimals as labels `gap` apart need.
pub(super) fn tick(value: f64, gap: f64, high: f64) -> String {
    let decimals = |gap: f64| (-gap.log10()).ceil().max(0.0) as usize;
    match high.abs() {
        _ if value == 0.0 => "0".to_owned(),
        high if !(0.01..1e12).contains(&high) => scientific(value),
        high if high >= 1e6 => format!("{}M", trimmed(value / 1e6, decimals(gap / 1e6))),
        high if high >= 1e4 => format!("{}k", trimmed(value / 1e3, decimals(gap / 1e3))),
        high if high >= 1e3 && gap >= 1.0 => grouped(value),
        _ => format!("{value:.*}", decimals(gap)),
    }
}

/// About four digits.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e12 || (size < 1e-3 && size > 0.0) => scientific(value),
        size if size >= 1e3 => grouped(value),
        size => trimmed(value, (3.0 - size.max(1e-3).log10().floor()) as usize),
    }
}

/// Such as `1.5e-4`.
pub(super) fn scientific(value: f64) -> String {
    let text = format!("{value:.2e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{power}", digits.trim_end_matches('0').trim_end_matches('.'))
}

/// Without zeros at the end.
fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// A whole number in groups of three digits.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let texts = [0.0, 0.84219, 45.05, 19_255.4, -1_234_567.0, 2e-4, 1.0].map(number);
        assert_eq!(texts, ["0", "0.8422", "45.05", "19,255", "-1,234,567", "2e-4", "1"]);
    }
}
