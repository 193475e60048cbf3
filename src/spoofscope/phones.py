"""Names of phones, and their classes."""

import unicodedata
from collections.abc import Iterable, Mapping

ARPABET: Mapping[str, tuple[str, ...]] = {
    "vowels": (
        *("aa", "ae", "ah", "ao", "aw", "ax", "ay", "eh", "er", "ey"),
        *("ih", "iy", "ow", "oy", "uh", "uw"),
    ),
    "plosives": ("b", "d", "g", "k", "p", "t"),
    "fricatives": ("ch", "dh", "f", "hh", "jh", "s", "sh", "th", "v", "z", "zh"),
    "nasals": ("m", "n", "ng"),
    "approximants": ("l", "r", "w", "y"),
}
"""Classes of the phones of American English."""

IPA: Mapping[str, str] = {
    "vowels": "iyɨʉɯuɪʏʊeøɘɵɤoəɛœɜɞʌɔæɐaɶɑɒɚɝ",
    "plosives": "pbtdʈɖcɟkɡgqɢʔ",
    "fricatives": "ɸβfvθðszʃʒʂʐçʝxɣχʁħʕhɦɬɮɕʑɧʜʢʧʤʦʣʨʥ",
    "nasals": "mɱnɳɲŋɴ",
    "approximants": "ʋɹɻjɰlɭʎʟɫwʍɥrɾɽʀʙɺ",
}
"""Classes of the letters of the International Phonetic Alphabet, with taps and trills among the
approximants and affricates among the fricatives, as in :data:`ARPABET`."""

_ARPABET = {phone: name for name, phones in ARPABET.items() for phone in phones}
_IPA = {letter: name for name, letters in IPA.items() for letter in letters}


def bare_phone(label: str) -> str:
    """A phone without capitals and without the digit of its stress."""
    return label.lower().rstrip("0123456789") or label.lower()


def classes_of(labels: Iterable[str]) -> dict[str, str]:
    """The class of each label that has one.

    Labels are those of the ARPAbet if one of them is a vowel of it, all of which have two letters,
    and else of the International Phonetic Alphabet: `y` is an approximant in the first and a vowel
    in the second.

    Args:
        labels: of at least a whole clip. In the ARPAbet, capitals and stress do not count; in the
            International Phonetic Alphabet lengths, tones and other marks. Capitals are no letters
            of the latter.

    Returns:
        Label to a name of :data:`ARPABET`; silences and unknown labels are not there.
    """
    distinct = set(labels)
    arpabet = any(_ARPABET.get(bare_phone(label)) == "vowels" for label in distinct)
    found = {
        label: _ARPABET.get(bare_phone(label)) if arpabet else _ipa_class(label)
        for label in distinct
    }
    return {label: name for label, name in found.items() if name is not None}


def _ipa_class(label: str) -> str | None:
    """The one class of all letters of a label; that of an affricate is the fricatives."""
    letters: list[str] = []
    for letter in unicodedata.normalize("NFC", label):
        # A letter with a mark; of those with one, only ç is a letter of the alphabet.
        letters += letter if letter in _IPA else unicodedata.normalize("NFD", letter)
    # Marks, lengths and tones are in other categories than letters.
    kinds = ("Ll", "Lo", "Lu")
    names = [_IPA.get(letter) for letter in letters if unicodedata.category(letter) in kinds]
    if names == ["plosives", "fricatives"]:
        return "fricatives"
    return names[0] if len(set(names)) == 1 else None
