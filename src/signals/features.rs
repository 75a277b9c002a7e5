//! Surface features of a prompt. `models/FEATURES.md` is the binding description; the training side and this file
//! both follow it to the letter, and `golden.json` holds them together.

use std::collections::HashSet;

/// The surface features of one text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surface([f64; Surface::COUNT]);

/// Marks of code; a trailing blank is part of the mark.
const CODE_MARKS: [&str; 20] = [
    "```", "def ", "return ", "import ", "#include", "();", "=>", "->", "==", "!=", "&&", "||",
    "</", "class ", "print(", "SELECT ", "function", "Python", "C++", "SQL",
];

const MATH_SYMBOLS: &str = "+*=^<>\\$_{}√∑∏∫≤≥≠≈±×÷π∞∈∀∃°";

const REASONING_WORDS: [&str; 38] = [
    "algorithm",
    "analyze",
    "assume",
    "calculate",
    "compare",
    "compute",
    "derive",
    "design",
    "determine",
    "equation",
    "evaluate",
    "explain",
    "find",
    "follows",
    "following",
    "function",
    "given",
    "implement",
    "integral",
    "matrix",
    "maximum",
    "minimum",
    "optimize",
    "polynomial",
    "probability",
    "proof",
    "prove",
    "ratio",
    "respectively",
    "solve",
    "statement",
    "step",
    "steps",
    "theorem",
    "value",
    "vector",
    "velocity",
    "write",
];

const LONGEST_MEAN_WORD: f64 = 20.0;

const LONG_WORD: usize = 9;

impl Surface {
    /// How many features there are.
    pub const COUNT: usize = 16;

    /// Their names, in order; a head names those that it reads.
    pub const NAMES: [&str; Self::COUNT] = [
        "log_chars",
        "log_words",
        "avg_word_chars",
        "long_word_ratio",
        "code",
        "math_symbols",
        "digit_ratio",
        "upper_ratio",
        "non_ascii_ratio",
        "question_marks",
        "newlines",
        "choices",
        "reasoning_words",
        "choice_chars",
        "longest_word",
        "distinct_words",
    ];

    /// Reads them from the whole text, uncut. Linear in its length: a few microseconds for a kilobyte.
    pub fn of(text: &str) -> Self {
        let words = Words::of(text);
        let chars = Chars::of(text);
        let choices = Choices::of(text);
        let per_word = words.count.max(1) as f64;
        let per_char = chars.count.max(1) as f64;
        Self([
            log(chars.count),
            log(words.count),
            (words.chars as f64 / per_word).min(LONGEST_MEAN_WORD),
            words.long as f64 / per_word,
            log(CODE_MARKS
                .iter()
                .map(|mark| text.matches(mark).count())
                .sum()),
            log(chars.math),
            chars.digits as f64 / per_char,
            chars.upper as f64 / per_char,
            chars.non_ascii as f64 / per_char,
            log(chars.question_marks),
            log(chars.newlines),
            log(choices.count),
            log(reasoning_words(text)),
            (choices.chars as f64 / choices.count.max(1) as f64).ln_1p(),
            log(words.longest),
            distinct_words(text),
        ])
    }

    /// The values, in the order of [`NAMES`](Self::NAMES).
    pub fn values(&self) -> &[f64; Self::COUNT] {
        &self.0
    }
}

/// Runs of characters that are not white space.
#[derive(Default)]
struct Words {
    count: usize,
    chars: usize,
    long: usize,
    longest: usize,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Self::default();
        for word in text.split_whitespace() {
            let chars = word.chars().count();
            words.count += 1;
            words.chars += chars;
            words.long += usize::from(chars >= LONG_WORD);
            words.longest = words.longest.max(chars);
        }
        words
    }
}

#[derive(Default)]
struct Chars {
    count: usize,
    math: usize,
    digits: usize,
    upper: usize,
    non_ascii: usize,
    question_marks: usize,
    newlines: usize,
}

impl Chars {
    fn of(text: &str) -> Self {
        let mut chars = Self::default();
        for char in text.chars() {
            chars.count += 1;
            chars.digits += usize::from(char.is_ascii_digit());
            chars.upper += usize::from(char.is_ascii_uppercase());
            chars.non_ascii += usize::from(!char.is_ascii());
            chars.question_marks += usize::from(char == '?');
            chars.newlines += usize::from(char == '\n');
            let may_be_math = !char.is_alphanumeric() || char == 'π';
            chars.math += usize::from(may_be_math && MATH_SYMBOLS.contains(char));
        }
        chars
    }
}

/// Lines that offer an answer.
#[derive(Default)]
struct Choices {
    count: usize,
    chars: usize,
}

impl Choices {
    fn of(text: &str) -> Self {
        let mut choices = Self::default();
        for line in text.split('\n').filter(|line| is_choice(line)) {
            choices.count += 1;
            choices.chars += line.chars().count();
        }
        choices
    }
}

fn log(count: usize) -> f64 {
    (count as f64).ln_1p()
}

/// A line that opens with one answer letter and its mark, as in `B) 30 m/s`.
fn is_choice(line: &str) -> bool {
    let mut chars = line.trim_start_matches([' ', '\t']).chars();
    matches!(chars.next(), Some('A'..='J')) && matches!(chars.next(), Some('.' | ')' | ':'))
}

/// Maximal runs of ASCII letters.
fn letter_runs(text: &str) -> impl Iterator<Item = &str> {
    let runs = text.split(|char: char| !char.is_ascii_alphabetic());
    runs.filter(|run| !run.is_empty())
}

fn reasoning_words(text: &str) -> usize {
    letter_runs(text)
        .filter(|run| is_reasoning_word(run))
        .count()
}

/// Share of different words, whatever their case.
fn distinct_words(text: &str) -> f64 {
    let lower = text.to_ascii_lowercase();
    let mut count = 0_usize;
    let distinct: HashSet<&str> = letter_runs(&lower).inspect(|_| count += 1).collect();
    distinct.len() as f64 / count.max(1) as f64
}

fn is_reasoning_word(run: &str) -> bool {
    let fits = (4..=12).contains(&run.len());
    fits && REASONING_WORDS
        .iter()
        .any(|word| run.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::test_files::golden;

    #[test]
    fn features_are_those_of_the_training_side() {
        for case in golden() {
            assert_eq!(case.features.len(), Surface::COUNT);
            for (index, expected) in case.features.iter().enumerate() {
                let (found, name) = (
                    Surface::of(&case.text).values()[index],
                    Surface::NAMES[index],
                );
                assert!(
                    (found - expected).abs() < 1e-4,
                    "{name}: {found} for {expected}: {:?}",
                    case.text
                );
            }
        }
    }
}
