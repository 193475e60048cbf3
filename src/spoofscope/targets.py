"""What a run was asked for: rules and files, checked before anything is planned."""

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from spoofscope.errors import ConfigError
from spoofscope.files import one_line
from spoofscope.snakemake_inside import targets_of
from spoofscope.study.reading import read_config


def asked_targets(arguments: Sequence[str]) -> list[str]:
    """The targets on Snakemake's command line, which the workflow is not told while it is read.

    Args:
        arguments: `sys.argv`.

    Returns:
        None of them where another program than the command reads the workflow.
    """
    program = Path(arguments[0])
    if program.name != "snakemake" and program.parts[-2:] != ("snakemake", "__main__.py"):
        return []
    return targets_of(arguments[1:])


def asked_study_files(arguments: Sequence[str]) -> list[str]:
    """The words that Snakemake takes for study files: all between `--configfile` and an option.

    Args:
        arguments: `sys.argv`.
    """
    found: list[str] = []
    inside = False
    for word in arguments[1:]:
        if word.startswith("-"):
            option, _, value = word.partition("=")
            # Snakemake takes every beginning of an option that is no other's.
            inside = option.startswith("--configf")
            found += [value] if inside and value else []
        elif inside:
            found.append(word)
    return found


def refuse_study_files(arguments: Sequence[str]) -> None:
    """End in one line where Snakemake would end in a traceback, or never.

    The shipped profiles call it, for Snakemake reads the study files before the Snakefile, and
    writes out their aliases.

    Args:
        arguments: `sys.argv`.
    """
    for word in asked_study_files(arguments):
        try:
            read_config(word)
        except ConfigError as error:
            text = f"ConfigError: {one_line(error)}"
            if not Path(word).suffix and not Path(word).exists():
                text += (
                    "; --configfile takes every word after it for one: put targets first, as in "
                    f"`{word} --configfile own.yaml`"
                )
            raise SystemExit(text) from None


def check_targets(
    targets: Iterable[str],
    rules: Collection[str],
    files: Collection[str],
    makes: Callable[[str], bool],
) -> None:
    """Refuse a target that no rule makes.

    Args:
        targets: as they stand on the command line.
        rules: names of the rules that can be asked for.
        files: what the study makes, to look for the nearest in.
        makes: whether some rule makes a file.

    Raises:
        ConfigError: a target is neither a rule nor made by one; the message names the nearest.
    """
    for target in targets:
        if target in rules or makes(target):
            continue
        near = _about(target, files) or difflib.get_close_matches(
            target, [*rules, *files], n=1, cutoff=0.6
        )
        hint = f"did you mean {near[0]!r}?" if near else "`snakemake --list-target-rules` lists all"
        what = "no file that the study makes" if "/" in target else "no target"
        raise ConfigError(f"{target!r} is {what}; {hint}")


def _about(name: str, files: Collection[str]) -> list[str]:
    """The first file that is about a corpus or a detector of that name, where there is one."""
    for file in files:
        if any(part.startswith((f"{name}.", f"{name}-")) for part in Path(file).parts):
            return [file]
    return []
