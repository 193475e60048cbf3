"""Manifest columns that a study file names, checked before any manifest is there."""

from spoofscope.corpora.registry import columns_of
from spoofscope.errors import ConfigError, TableError
from spoofscope.names import RENAMED_COLUMNS, check_condition
from spoofscope.options import nearest
from spoofscope.study import Study

# What an augmented copy's manifest has beside the columns of its corpus.
_OF_COPIES = {"source_utt", "augmentation"}


def check_columns(study: Study) -> None:
    """Refuse columns that no corpus has, in all sections that name some: `conditions`, `bootstrap`,
    `generators`, `aligners`, `fingerprints`.

    Where a corpus' columns are not known before its manifest is made, any of them may be its own.

    Raises:
        ConfigError: a condition has a name that is reserved, see `names`; a column is in no
            manifest that it would be looked for in; the message names the nearest that is.
    """
    for i, condition in enumerate(study.config["conditions"]):
        for column in condition.split("+"):
            try:
                check_condition(column, f"conditions[{i}]")
            except TableError as error:
                raise ConfigError(str(error)) from error
            _check(study, column, [*study.corpora, *study.copies], f"conditions[{i}]")
    cluster = study.config["bootstrap"].get("cluster")
    if cluster not in (None, "none"):
        _check(study, cluster, [*study.corpora, *study.copies], "bootstrap.cluster")
    for i, entry in enumerate(study.config.get("generators", {}).get("trials", [])):
        if "match" in entry:
            _check(study, entry["match"], [entry["corpus"]], f"generators.trials[{i}].match")
    for name, entry in study.config["aligners"].items():
        if entry.get("transcript") is not None:
            for trials in entry.get("trials", []):
                where = f"aligners.{name}.transcript"
                _check(study, entry["transcript"], [trials["corpus"]], where)
    fingerprints = study.config.get("fingerprints", {})
    for key in ("match", "group"):
        if fingerprints.get(key) is not None:
            _check(study, fingerprints[key], [fingerprints["corpus"]], f"fingerprints.{key}")


def _check(study: Study, column: str, names: list[str], where: str) -> None:
    if column in RENAMED_COLUMNS:
        raise ConfigError(
            f"{where}: the column {column!r} is called {RENAMED_COLUMNS[column]!r} now"
        )
    columns_there: set[str] = set()
    for name in names:
        corpus = study.copies[name]["corpus"] if name in study.copies else name
        columns = columns_of(study.corpora[corpus], study.corpus_root(corpus))
        if columns is None:
            return
        columns_there |= columns | (_OF_COPIES if name in study.copies else set())
    if column not in columns_there:
        lacking = f"corpus {names[0]} has no" if len(names) == 1 else "no corpus of the study has a"
        raise ConfigError(f"{where}: {lacking} column {column!r}; {nearest(column, columns_there)}")
