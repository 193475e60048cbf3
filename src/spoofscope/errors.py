"""Every error that spoofscope raises on purpose.

All of them derive from :class:`SpoofscopeError`. Their messages are written for the user: they name
the file, line or key and the way out, and the command line and the rules print them without a
traceback.
"""

import re

# Values and words of messages that are longer than any that was meant.
_LONG = re.compile(r"""'[^'\n]{400,}'|"[^"\n]{400,}"|[^\s'"]{2000,}""")
_LONGEST_MESSAGE = 4000


class SpoofscopeError(Exception):
    """Base of all errors whose message is meant for the user.

    Args:
        message: values in it that are hundreds of characters long are shortened.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(bounded(str(message)))


def bounded(message: str) -> str:
    """A message in which values and words of hundreds of characters are shortened."""
    text = _LONG.sub(_shortened, message)
    if len(text) > _LONGEST_MESSAGE:
        half = _LONGEST_MESSAGE // 2
        text = f"{text[:half]} [...] {text[-half:]}"
    return text


def _shortened(found: re.Match[str]) -> str:
    text = found[0]
    mark = text[0] if text[0] in "'\"" else ""
    return f"{text[:60]}...{mark} ({len(text) - 2 * len(mark):,} characters)"


class ConfigError(SpoofscopeError):
    """The study file, or an option taken from it, cannot be used."""


class TableError(SpoofscopeError):
    """A table (manifest, scores, segments, ...) breaks its contract."""


class AudioError(SpoofscopeError):
    """An audio file is missing, undecodable, truncated or empty."""


class CorpusError(SpoofscopeError):
    """A corpus folder or protocol is missing, incomplete or contradicts itself."""


class DetectorError(SpoofscopeError):
    """A detector folder cannot be loaded, or does not fit what it is asked to do."""


class TrainingError(SpoofscopeError):
    """A training cannot start or go on."""


class ProvenanceError(SpoofscopeError):
    """A file's origin cannot be established."""


class TrackerError(SpoofscopeError):
    """A program that shows runs refuses what it is given."""
