"""Every error that spoofscope raises on purpose.

All of them derive from :class:`SpoofscopeError`. Their messages are written for the user: they name
the file, line or key and the way out, and the command line and the rules print them without a
traceback.
"""


class SpoofscopeError(Exception):
    """Base of all errors whose message is meant for the user."""


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
