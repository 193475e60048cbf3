"""Corpus readers by name. A member is imported only when it is built."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoofscope.errors import TableError
from spoofscope.registry import Registry
from spoofscope.rows import read_header

if TYPE_CHECKING:
    from spoofscope.corpora.base import Corpus

CORPORA: "Registry[type[Corpus]]" = Registry(
    "corpus type",
    {
        "add2023": "spoofscope.corpora.add2023:ADD2023",
        "add2023_track3": "spoofscope.corpora.add2023:ADD2023Track3",
        "asvspoof2019_la": "spoofscope.corpora.asvspoof2019_la:ASVspoof2019LA",
        "asvspoof2021_df": "spoofscope.corpora.asvspoof2021:ASVspoof2021DF",
        "asvspoof2021_la": "spoofscope.corpora.asvspoof2021:ASVspoof2021LA",
        "asvspoof5": "spoofscope.corpora.asvspoof5:ASVspoof5",
        "codecfake": "spoofscope.corpora.codecfake:Codecfake",
        "ctrsvdd": "spoofscope.corpora.ctrsvdd:CtrSVDD",
        "dfadd": "spoofscope.corpora.dfadd:DFADD",
        "fake_or_real": "spoofscope.corpora.fake_or_real:FakeOrReal",
        "folder": "spoofscope.corpora.folder:FolderCorpus",
        "habla": "spoofscope.corpora.habla:Habla",
        "half_truth": "spoofscope.corpora.half_truth:HalfTruth",
        "in_the_wild": "spoofscope.corpora.in_the_wild:InTheWild",
        "mlaad": "spoofscope.corpora.mlaad:Mlaad",
        "mini": "spoofscope.corpora.mini_corpus:MiniCorpus",
        "partialspoof": "spoofscope.corpora.partialspoof:PartialSpoof",
        "scenefake": "spoofscope.corpora.scenefake:SceneFake",
        "spoofceleb": "spoofscope.corpora.spoofceleb:SpoofCeleb",
        "stopa": "spoofscope.corpora.stopa:Stopa",
        "table": "spoofscope.corpora.table:TableCorpus",
        "tts": "spoofscope.corpora.tts_corpus:TtsCorpus",
        "wavefake": "spoofscope.corpora.wavefake:WaveFake",
    },
)


def source_of(type_name: str) -> str:
    """Where the authors of corpora of this type give them out; "" where it is not one corpus.

    Raises:
        ConfigError: no such type.
    """
    return str(CORPORA.member(type_name).obtain)


def counted_by(type_name: str) -> str:
    """Who counted the utterances of corpora of this type; "" where their authors did, or nobody.

    Raises:
        ConfigError: no such type.
    """
    return str(CORPORA.member(type_name).counted_by)


def is_counted(type_name: str) -> bool:
    """Whether somebody's number of utterances is known for corpora of this type.

    Raises:
        ConfigError: no such type.
    """
    from spoofscope.corpora.base import Corpus

    reader = CORPORA.member(type_name)
    own = (reader.published_counts, reader.published_levels)
    return own != (Corpus.published_counts, Corpus.published_levels)


def label_files(config: Mapping[str, Any], root: str | Path) -> list[Path]:
    """The files with labels of a corpus, sorted; its audio is not among them.

    Files that the study names are listed even when they are missing, those that a layout prescribes
    as far as they are there.

    Args:
        config: the corpus' entry in the study file.
        root: the folder that holds the corpus.
    """
    reader = CORPORA.member(config["type"])
    named = {Path(root) / file for file in reader.named_files(config)}
    prescribed = {path for pattern in reader.protocols for path in Path(root).glob(pattern)}
    return sorted(named | {path for path in prescribed if path.is_file()})


def columns_of(config: Mapping[str, Any], root: str | Path) -> set[str] | None:
    """The columns that a corpus' manifest will have, as far as that is known before it is read.

    Args:
        config: the corpus' entry in the study file.
        root: the folder that holds the corpus.

    Returns:
        None where a table says so that is not there yet, or cannot be read.
    """
    from spoofscope.tables import MANIFEST_COLUMNS

    columns = {*MANIFEST_COLUMNS, *CORPORA.member(config["type"]).conditions}
    columns |= set(config.get("defaults", {}))
    if config["type"] == "table" and config.get("columns"):
        return columns | set(config["columns"])
    for option in ("file", "metadata"):
        if config.get(option):
            header = _header(Path(root) / config[option], config.get("delimiter"))
            if header is None:
                return None
            columns |= header
    return columns


def _header(table: Path, delimiter: str | None) -> set[str] | None:
    separator = delimiter or {".tsv": "\t", ".psv": "|"}.get(table.suffix.lower(), ",")
    try:
        return set(filter(None, read_header(table, separator).header))
    except TableError:
        # Not there yet, or refused by the reader later.
        return None


def build(config: Mapping[str, Any], root: str | Path, *, key: str) -> "Corpus":
    """The reader of one corpus.

    Args:
        config: the corpus' entry in the study file: `type` says which reader, the other keys are
            its options.
        root: the folder that holds the corpus.
        key: the corpus' name in the study file, for messages.

    Raises:
        ConfigError: no such type, or an option that it does not have.
    """
    options = dict(config)
    type_name = options.pop("type", None)
    return CORPORA.member(type_name)(Path(root), options, key=key)
