//! What can be seen of a question without a model.

use super::repeats::{answered, repeats};
use super::sentiment::sentiment;
use super::wording;
use crate::domain::{ChatRequest, Shape};
use std::borrow::Cow;

/// Of a longer text, this many bytes of its beginning and of its end are looked at.
const BYTES_READ: usize = 4096;

/// Marks that stand in code and hardly in prose, wherever they are.
const CODE_MARKS: [&str; 16] = [
    "#include",
    "();",
    "=>",
    "->",
    "==",
    "!=",
    "&&",
    "||",
    "</",
    "print(",
    "console.log",
    "SELECT ",
    " FROM ",
    ";\n",
    "{\n",
    "):\n",
];

/// Words that begin a line of code; within a sentence they are plain English.
const CODE_LINES: [&str; 12] = [
    "def ", "class ", "return ", "import ", "fn ", "let ", "var ", "const ", "public ", "private ",
    "if (", "for (",
];

/// Different marks that make a text code.
const MARKS_OF_CODE: usize = 2;

/// What the request says of itself.
pub(super) fn outline(request: &ChatRequest) -> Shape {
    Shape {
        tokens: request.estimated_input_tokens(),
        messages: u32::try_from(request.messages.len()).unwrap_or(u32::MAX),
        answered: answered(&request.messages),
        tools: request.needs.tools,
        images: request.needs.images,
        json: request.needs.json,
        ..Shape::default()
    }
}

/// That, and what the wording of the question tells.
pub(super) fn shape(request: &ChatRequest) -> Shape {
    Shape {
        repeats: repeats(&request.messages),
        ..worded(request.question(), outline(request))
    }
}

/// The outline, with what the wording of a text tells.
pub(super) fn worded(question: &str, outline: Shape) -> Shape {
    let question = head_and_tail(question);
    Shape {
        code: is_code(&question),
        question: wording::asks_something(&question),
        wants_human: wording::wants_human(&question),
        sentiment: sentiment(&question),
        ..outline
    }
}

fn is_code(text: &str) -> bool {
    let begins = |mark: &str| text.lines().any(|line| line.trim_start().starts_with(mark));
    let marks = CODE_MARKS
        .iter()
        .filter(|mark| text.contains(**mark))
        .count();
    let lines = CODE_LINES.iter().filter(|mark| begins(mark)).count();
    text.contains("```") || marks + lines >= MARKS_OF_CODE
}

fn head_and_tail(text: &str) -> Cow<'_, str> {
    if text.len() <= 2 * BYTES_READ {
        return text.into();
    }
    let head = &text[..text.floor_char_boundary(BYTES_READ)];
    let tail = &text[text.ceil_char_boundary(text.len() - BYTES_READ)..];
    format!("{head}\n{tail}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        let code = [
            "Why does this fail?\n```\nx\n```",
            "def fib(n):\n    return n",
            "SELECT name FROM customers",
            "if (a != b && c) { d(); }",
        ];
        let prose = [
            "Where is my order?",
            "Please return the parcel to the class teacher.",
            "I import wine from France -> any duty?",
        ];
        assert!(code.iter().all(|text| worded(text, Shape::default()).code));
        assert!(!prose.iter().any(|text| worded(text, Shape::default()).code));
    }

    #[test]
    fn the_end_of_a_long_text_is_seen() {
        let text = format!("{} I want to speak to a human.", "é".repeat(100_000));
        assert!(worded(&text, Shape::default()).wants_human);
    }
}
