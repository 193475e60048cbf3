"""Parts that study files name: each is imported only when it is built."""

from collections.abc import Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from spoofscope.errors import ConfigError
from spoofscope.options import nearest

_Member = TypeVar("_Member")


class Registry(Generic[_Member]):
    """Members by the names that study files have for them."""

    def __init__(self, kind: str, members: Mapping[str, str]) -> None:
        """Declare the members.

        Args:
            kind: what they are, for messages, such as "front-end".
            members: name to `module:member`.
        """
        self._kind = kind
        self._members = dict(members)

    def available(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._members)

    def module_of(self, name: object) -> str:
        """The module that a member is found in, for code digests.

        Raises:
            ConfigError: there is no such member; the message names the nearest.
        """
        return self._place(name)[0]

    def member(self, name: object) -> _Member:
        """Import a member.

        Raises:
            ConfigError: there is no such member; the message names the nearest.
        """
        module, member = self._place(name)
        return cast(_Member, getattr(import_module(module), member))

    def _place(self, name: object) -> tuple[str, str]:
        if not isinstance(name, str) or name not in self._members:
            raise ConfigError(f"no {self._kind} {name!r}; {nearest(str(name), self._members)}")
        module, _, member = self._members[name].partition(":")
        return module, member
