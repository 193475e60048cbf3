"""Whether anything may be downloaded."""

import os

OFFLINE = "SPOOFSCOPE_OFFLINE"
"""Where this environment variable is set, nothing is downloaded."""


def is_offline() -> bool:
    """Whether nothing may be downloaded."""
    return bool(os.environ.get(OFFLINE))
