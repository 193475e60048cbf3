"""Transcripts in the letters, or phones, that a recogniser knows."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from spoofscope.names import NONE

DELIMITER = "|"
"""The label of many recognisers for what is between two words."""

_APOSTROPHES = "’‘ʼ`´＇"
# What stands between words that are written as one.
_DASHES = re.compile(r"[-‐‑‒–—/_]")


Words = Sequence[tuple[str, tuple[str, ...]]]
"""Of each word its text and its labels."""


class TranscriptError(Exception):
    """A transcript cannot be aligned; the message says why, for a column of a table."""


def in_letters(text: str, vocabulary: Mapping[str, int]) -> Words:
    """A transcript in letters: words are what stands between blanks, dashes and slashes.

    Letters are capital or small as those of the vocabulary are, apostrophes are `'`, and other
    signs are left out. Nothing is guessed: how a number is said, or a letter that the recogniser
    does not know, the transcript has to say.

    Args:
        text: in any normal form of Unicode.
        vocabulary: labels, each with its place.

    Raises:
        TranscriptError: it has a digit or an unknown letter, or no letter at all.
    """
    if text.strip() in ("", NONE):
        raise TranscriptError("no transcript")
    plain = unicodedata.normalize("NFKC", text)
    for sign in _APOSTROPHES:
        plain = plain.replace(sign, "'")
    small = any(len(label) == 1 and label.islower() for label in vocabulary)
    capital = any(len(label) == 1 and label.isupper() for label in vocabulary)
    if small != capital:
        plain = plain.lower() if small else plain.upper()
    words: list[tuple[str, tuple[str, ...]]] = []
    for word in _DASHES.sub(" ", plain).split():
        letters = tuple(sign for sign in word if _counts(sign, vocabulary))
        for letter in letters:
            if letter not in vocabulary:
                what = "digit" if letter.isnumeric() else "letter"
                raise TranscriptError(
                    f"{what} {letter!r} in {word!r} is not one of the recogniser's"
                )
        # What is left of a word may be an apostrophe alone.
        if any(letter.isalnum() for letter in letters):
            words.append(("".join(letters), letters))
    if not words:
        raise TranscriptError("no letter in the transcript")
    return words


def words_of(labels: Iterable[str], tier: str) -> Words:
    """The words of labels that a recogniser heard.

    Args:
        labels: with `DELIMITER` between words.
        tier: `character` or `phone`; the texts of words have blanks between phones.
    """
    between = " " if tier == "phone" else ""
    words: list[list[str]] = [[]]
    for label in labels:
        if label == DELIMITER:
            words.append([])
        else:
            words[-1].append(label)
    return [(between.join(word), tuple(word)) for word in words if word]


def _counts(sign: str, vocabulary: Mapping[str, int]) -> bool:
    """Whether a sign is said: a letter, a digit or a mark on a letter; or an apostrophe, where the
    recogniser knows it.
    """
    return unicodedata.category(sign)[0] in "LNM" or (sign == "'" and sign in vocabulary)


def in_phones(text: str, vocabulary: Mapping[str, int]) -> Words:
    """A transcript in phones: blanks between phones, ` | ` between words.

    Raises:
        TranscriptError: a phone is none of the vocabulary, or there is none at all.
    """
    if text.strip() in ("", NONE):
        raise TranscriptError("no transcript")
    words: list[tuple[str, tuple[str, ...]]] = []
    for word in text.split(DELIMITER):
        phones = tuple(word.split())
        for phone in phones:
            if phone not in vocabulary:
                raise TranscriptError(f"phone {phone!r} is not one of the recogniser's")
        if phones:
            words.append((" ".join(phones), phones))
    if not words:
        raise TranscriptError("no phone in the transcript")
    return words
