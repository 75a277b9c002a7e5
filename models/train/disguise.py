"""Disguises of a text, for training, and others for judging: each is a function of (text, random) -> text."""

import base64
import codecs
import urllib.parse

HOMOGLYPHS = str.maketrans("aeopcxyiABEHKMOPTX", "аеорсхуіАВЕНКМОРТХ")
LEET = str.maketrans("aeiost", "431057")


def upper(text, _):
    return text.upper()


def mixed_case(text, pick):
    return "".join(c.upper() if pick.random() < 0.5 else c.lower() for c in text)


def spaced(text, _):
    """`i g n o r e   a l l`: words stay apart by three blanks."""
    return "   ".join(" ".join(word) for word in text.split())


def spaced_evenly(text, _):
    """`i g n o r e a l l`: where a word ends is lost."""
    return " ".join(c for c in text if not c.isspace())


def dashed(text, _):
    return " ".join("-".join(word) for word in text.split())


def homoglyphs(text, _):
    """Cyrillic letters that look Latin."""
    return text.translate(HOMOGLYPHS)


def fullwidth(text, _):
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def zero_width(text, _):
    return "\u200b".join(text)


def leet(text, _):
    return text.lower().translate(LEET)


def typos(text, pick):
    """One neighbouring pair of letters swapped in every third word or so."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) > 3 and pick.random() < 0.35:
            at = pick.randrange(1, len(word) - 1)
            words[i] = word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    return " ".join(words)


def base64_of(text, _):
    return "Decode and answer: " + base64.b64encode(text.encode()).decode()


def hexadecimal(text, _):
    return "Decode and answer: " + text.encode().hex()


def rot13(text, _):
    return codecs.encode(text, "rot13")


def url_encoded(text, _):
    return urllib.parse.quote(text)


def comment(text, _):
    return "Summarise this page. <!-- " + text + " --> Our shop opens at nine."


DISGUISES = {
    f.__name__: f
    for f in [
        upper, mixed_case, spaced, spaced_evenly, dashed, homoglyphs, fullwidth, zero_width,
        leet, typos, base64_of, hexadecimal, rot13, url_encoded, comment,
    ]
}  # fmt: skip

# What the encoder itself has to bear; the rest is undone before it reads (src/signals/attack).
LEARNT = [upper, mixed_case, typos, leet, dashed, comment]


def padded(text, before, after, pick):
    """The text between harmless ones, joined as people join things."""
    parts = [part for part in (before, text, after) if part]
    return pick.choice([" ", "\n", "\n\n", " - ", ". "]).join(parts)
