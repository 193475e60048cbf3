"""`spoofscope completion`: let a shell complete commands, options, study files and targets."""

import argparse
import os

from spoofscope.commands.arguments import Subcommands

SHELLS = ("bash", "zsh", "fish")


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "completion",
        help="let a shell complete commands, options and targets",
        description="Prints what the shell has to run, once for each session: "
        '`eval "$(spoofscope completion bash)"` in ~/.bashrc (or zsh in ~/.zshrc), '
        "`spoofscope completion fish | source` in ~/.config/fish/config.fish.",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["spoofscope"], shell=options.shell))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions, and end; do nothing where none asks."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
