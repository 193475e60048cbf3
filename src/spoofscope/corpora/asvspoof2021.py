"""ASVspoof 2021, logical access (LA) and deepfake (DF) evaluation sets.

Layout, keys and counts: Liu et al., "ASVspoof 2021: Towards Spoofed and Deepfake Speech Detection
in the Wild", IEEE/ACM TASLP 31, 2023. Both are test sets: everything is eval.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from spoofscope.corpora.base import Corpus, protocol_attack, read_protocol
from spoofscope.errors import ConfigError

_PHASES = ("progress", "eval", "hidden")
_LA_COLUMNS = ("speaker", "utt_id", "codec", "channel", "attack", "label", "trim", "phase")
_DF_COLUMNS = (
    *("speaker", "utt_id", "codec", "source", "attack", "label", "trim", "phase"),
    *("vocoder", "task", "team", "gender_pair", "language_pair"),
)

_OF_SPOOFS = ("vocoder", "task", "team")


class _ASVspoof2021(Corpus):
    """Audio in `ASVspoof2021_<track>_eval/flac`, keys in `keys/<track>/CM/trial_metadata.txt`.

    Options:

    * `phase`: `eval` (default; what papers report), `progress` or `hidden`.
    """

    defaults: ClassVar[Mapping[str, Any]] = {"phase": "eval"}
    track: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    eval_counts: ClassVar[tuple[int, int]]

    def __init__(self, root: Path, options: Mapping[str, Any], *, key: str = "<name>") -> None:
        super().__init__(root, options, key=key)
        if self.options["phase"] not in _PHASES:
            raise ConfigError(
                f"corpora.{key}.phase must be one of {', '.join(_PHASES)}, "
                f"not {self.options['phase']!r}"
            )

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The key's lines of the phase asked for, with their conditions."""
        key = f"{self.track}/CM/trial_metadata.txt"
        path = self.need(f"keys/{key}", key)
        folder = self.need(f"ASVspoof2021_{self.track}_eval/flac")
        for number, line in read_protocol(path, self.columns):
            if line["phase"] != self.options["phase"]:
                continue
            yield {
                **line,
                # Bona fide lines have "bonafide" where others name the vocoder.
                **{name: "-" for name in _OF_SPOOFS if line.get(name) == "bonafide"},
                "path": str(folder / f"{line['utt_id']}.flac"),
                "split": "eval",
                "attack": protocol_attack(path, number, line["label"], line["attack"]),
            }

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Counts of the phase `eval`; the other phases have none."""
        if self.options["phase"] != "eval":
            return None
        return dict(zip((("eval", "bonafide"), ("eval", "spoof")), self.eval_counts, strict=True))


class ASVspoof2021LA(_ASVspoof2021):
    """The logical access evaluation set: telephone codecs and channels as conditions."""

    name: ClassVar[str] = "asvspoof2021_la"
    protocols: ClassVar[tuple[str, ...]] = (
        "keys/LA/CM/trial_metadata.txt",
        "LA/CM/trial_metadata.txt",
    )
    obtain: ClassVar[str] = (
        "https://zenodo.org/records/4837263 (LA), https://www.asvspoof.org/index2021.html (keys)"
    )
    track: ClassVar[str] = "LA"
    columns: ClassVar[tuple[str, ...]] = _LA_COLUMNS
    conditions: ClassVar[tuple[str, ...]] = _LA_COLUMNS
    eval_counts: ClassVar[tuple[int, int]] = (14816, 133360)


class ASVspoof2021DF(_ASVspoof2021):
    """The deepfake evaluation set: media codecs, sources and vocoders as conditions."""

    name: ClassVar[str] = "asvspoof2021_df"
    protocols: ClassVar[tuple[str, ...]] = (
        "keys/DF/CM/trial_metadata.txt",
        "DF/CM/trial_metadata.txt",
    )
    obtain: ClassVar[str] = (
        "https://zenodo.org/records/4835108 (DF), https://www.asvspoof.org/index2021.html (keys)"
    )
    track: ClassVar[str] = "DF"
    columns: ClassVar[tuple[str, ...]] = _DF_COLUMNS
    conditions: ClassVar[tuple[str, ...]] = _DF_COLUMNS
    eval_counts: ClassVar[tuple[int, int]] = (14869, 519059)
