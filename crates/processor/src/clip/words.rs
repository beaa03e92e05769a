//! Numbers in English words, as Python's `num2words` writes them: the prompt counts a clip's frames so.

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// A number below a million in words.
pub(super) fn in_words(number: usize) -> String {
    let small = |at: usize| SMALL.get(at).copied().unwrap_or_default().to_owned();
    match number {
        0..20 => small(number),
        20..100 => {
            let tens = TENS.get(number / 10).copied().unwrap_or_default();
            if number.is_multiple_of(10) { tens.to_owned() } else { format!("{tens}-{}", small(number % 10)) }
        }
        100..1000 => joined(&small(number / 100), "hundred", number % 100),
        _ => joined(&in_words(number / 1000), "thousand", number % 1000),
    }
}

/// So many hundreds or thousands, and the rest: behind "and" where that is below a hundred, else behind a comma.
fn joined(many: &str, unit: &str, rest: usize) -> String {
    match rest {
        0 => format!("{many} {unit}"),
        1..100 => format!("{many} {unit} and {}", in_words(rest)),
        _ => format!("{many} {unit}, {}", in_words(rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What num2words 0.5.14 writes.
    #[test]
    fn numbers_are_written_as_num2words_writes_them() {
        for (number, words) in [
            (0, "zero"),
            (7, "seven"),
            (19, "nineteen"),
            (20, "twenty"),
            (64, "sixty-four"),
            (100, "one hundred"),
            (101, "one hundred and one"),
            (342, "three hundred and forty-two"),
            (1000, "one thousand"),
            (1001, "one thousand and one"),
            (1234, "one thousand, two hundred and thirty-four"),
            (21_100, "twenty-one thousand, one hundred"),
            (999_999, "nine hundred and ninety-nine thousand, nine hundred and ninety-nine"),
        ] {
            assert_eq!(in_words(number), words);
        }
    }
}
