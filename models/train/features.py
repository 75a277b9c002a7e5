"""Surface features of a prompt. ../FEATURES.md is the binding description;
this file and the gateway's own code must both follow it to the letter."""

import math

FEATURES = [
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
]
FEATURE_CLIP = 4.0

WHITE_SPACE = set(
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
CODE_MARKS = [
    "```", "def ", "return ", "import ", "#include", "();", "=>", "->", "==", "!=", "&&", "||",
    "</", "class ", "print(", "SELECT ", "function", "Python", "C++", "SQL",
]  # fmt: skip
MATH_SYMBOLS = set("+*=^<>\\$_{}√∑∏∫≤≥≠≈±×÷π∞∈∀∃°")
REASONING_WORDS = set(
    "algorithm analyze assume calculate compare compute derive design determine equation evaluate explain "
    "find follows following function given implement integral matrix maximum minimum optimize polynomial "
    "probability proof prove ratio respectively solve statement step steps theorem value vector velocity write".split()
)


def _words(text):
    """Maximal runs of characters outside WHITE_SPACE."""
    out, current = [], []
    for char in text:
        if char in WHITE_SPACE:
            if current:
                out.append("".join(current))
                current = []
        else:
            current.append(char)
    if current:
        out.append("".join(current))
    return out


def _ascii_letter_runs(text):
    """Maximal runs of ASCII letters, in lower case."""
    return "".join(c.lower() if c.isascii() and c.isalpha() else " " for c in text).split(" ")


def _is_choice(line):
    """A line that opens with one answer letter and its mark, as in 'B) 30 m/s'."""
    line = line.lstrip(" \t")
    return len(line) >= 2 and "A" <= line[0] <= "J" and line[1] in ".):"


def _choice_chars(lines):
    """Mean length of the lines that offer an answer, so that a question's own length can be told from theirs."""
    lengths = [len(line) for line in lines if _is_choice(line)]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _distinct_words(text):
    """Share of different words among the runs of ASCII letters: low where one thing is spoken of at length."""
    runs = [run for run in _ascii_letter_runs(text) if run]
    return len(set(runs)) / max(1, len(runs))


def features(text):
    """The feature values, in the order of FEATURES."""
    chars, words, lines = len(text), _words(text), text.split("\n")
    per_char, per_word = max(1, chars), max(1, len(words))
    return [
        math.log(1 + chars),
        math.log(1 + len(words)),
        min(20.0, sum(map(len, words)) / per_word),
        sum(len(w) >= 9 for w in words) / per_word,
        math.log(1 + sum(text.count(mark) for mark in CODE_MARKS)),
        math.log(1 + sum(c in MATH_SYMBOLS for c in text)),
        sum("0" <= c <= "9" for c in text) / per_char,
        sum("A" <= c <= "Z" for c in text) / per_char,
        sum(ord(c) > 127 for c in text) / per_char,
        math.log(1 + text.count("?")),
        math.log(1 + text.count("\n")),
        math.log(1 + sum(_is_choice(line) for line in lines)),
        math.log(1 + sum(run in REASONING_WORDS for run in _ascii_letter_runs(text))),
        math.log(1 + _choice_chars(lines)),
        math.log(1 + max(map(len, words), default=0)),
        _distinct_words(text),
    ]
