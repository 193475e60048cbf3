"""The command line: `spoofscope COMMAND ...`.

Each command imports what it needs when it runs, so `spoofscope --help` is immediate. Exit codes:
0 success, 1 done but with failures that are listed in the output, 2 refused; a refusal is one line
on stderr.
"""

import argparse
import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import Any

from spoofscope import __version__
from spoofscope.commands import (
    audit,
    case,
    compare,
    completion,
    costs,
    demo,
    explain,
    export_scores,
    features,
    import_scores,
    import_weights,
    init,
    label,
    metrics,
    needs,
    page,
    predict,
    provenance,
    run,
    trace,
    track,
)
from spoofscope.commands.arguments import Subcommands
from spoofscope.errors import SpoofscopeError
from spoofscope.files import one_line, refusal
from spoofscope.memory import keep_freed_memory
from spoofscope.options import nearest

_COMMANDS = (
    *(
        init,
        run,
        page,
        metrics,
        compare,
        predict,
        explain,
        trace,
        case,
        import_weights,
        import_scores,
        export_scores,
    ),
    *(demo, label, audit, needs, features, provenance, costs, track, completion),
)
"""In the order of `spoofscope --help`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Names may have letters that the terminal's encoding lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = _parsed(sys.argv[1:] if arguments is None else arguments)
    keep_freed_memory()
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough, such as `head`. Nothing is left to flush at the end, then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except SpoofscopeError as error:
        print(f"spoofscope {options.command}: {one_line(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        # A file that is there and cannot be used: no permission, a folder, a disk that fails.
        print(f"spoofscope {options.command}: {one_line(refusal(error))}", file=sys.stderr)
        return 2
    except MemoryError as error:
        text = one_line(error) or "there is too little memory for it"
        print(f"spoofscope {options.command}: {text}", file=sys.stderr)
        return 2
    return code


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command; ends with the nearest word where one is mistyped."""
    parser, commands = _parser()
    completion.complete(parser)
    word = next(iter(arguments), "-")
    if not word.startswith("-") and word not in commands.choices:
        parser.error(f"{word!r} is no command; {nearest(word, commands.choices)}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        command = commands.choices[options.command]
        mistyped = [word.partition("=")[0] for word in unknown if word.startswith("--")]
        known = re.findall(r"--[a-z-]+", command.format_help())
        hints = "".join(f"; {nearest(word, known)}" for word in mistyped)
        command.error(f"unrecognized arguments: {' '.join(unknown)}{hints}")
    return options


class _Once(argparse.Action):
    """Stores a value, and refuses a second one: the first would be lost."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Store it."""
        given = vars(namespace).setdefault("given", set())
        if option_string is not None and self.dest in given:
            parser.error(f"{self.option_strings[-1]} is given twice, and can be given once")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    """Parses options that are stored once each, see :class:`_Once`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register("action", None, _Once)
        self.register("action", "store", _Once)


def _parser() -> tuple[argparse.ArgumentParser, Subcommands]:
    parser: argparse.ArgumentParser = _Parser(
        prog="spoofscope", description="Speech-deepfake research."
    )
    parser.add_argument("--version", action="version", version=f"spoofscope {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser, commands


if __name__ == "__main__":
    sys.exit(main())
