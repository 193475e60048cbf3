"""ASVspoof 2021, logical access (LA) and deepfake (DF) evaluation sets.

Layout, keys and counts: Liu et al., "ASVspoof 2021: Towards Spoofed and Deepfake Speech Detection
in the Wild", IEEE/ACM TASLP 31, 2023. Both are test sets: everything is eval.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from spoofscope.corpora.base import Corpus, protocol_attack, read_protocol
from spoofscope.options.corpora.asvspoof2021 import ASVspoof2021Options

_LA_COLUMNS = ("speaker", "utt_id", "codec", "channel", "attack", "label", "trim", "phase")
_DF_COLUMNS = (
    *("speaker", "utt_id", "codec", "source", "attack", "label", "trim", "phase"),
    *("vocoder", "task", "team", "gender_pair", "language_pair"),
)

_LA_LEVELS = {
    "codec": {
        **{"ulaw": 23520, "gsm": 23520, "opus": 23520, "alaw": 19436, "none": 19421},
        **{"pstn": 19384, "g722": 19375},
    },
    "channel": {
        **{"loc_tx": 62425, "ita_tx": 23508, "sin_tx": 23438, "mad_tx": 19384, "-": 19421},
    },
}

_OF_SPOOFS = ("vocoder", "task", "team")


class _ASVspoof2021(Corpus):
    """Audio in `ASVspoof2021_<track>_eval/flac`, keys in `keys/<track>/CM/trial_metadata.txt`."""

    declared = ASVspoof2021Options
    options: ASVspoof2021Options
    track: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    eval_counts: ClassVar[tuple[int, int]]

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The key's lines of the phase asked for, with their conditions."""
        key = f"{self.track}/CM/trial_metadata.txt"
        path = self.need(f"keys/{key}", key)
        folder = self.need(f"ASVspoof2021_{self.track}_eval/flac")
        for number, line in read_protocol(path, self.columns):
            if line["phase"] != self.options.phase:
                continue
            yield {
                **line,
                # Bona fide lines have "bonafide" where others name the vocoder.
                **{name: "-" for name in _OF_SPOOFS if line.get(name) == "bonafide"},
                "path": f"{folder}/{line['utt_id']}.flac",
                "split": "eval",
                "attack": protocol_attack(path, number, line["label"], line["attack"]),
            }

    def published_counts(self) -> dict[tuple[str, str], int] | None:
        """Counts of the phase `eval`; the other phases have none."""
        if self.options.phase != "eval":
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

    def published_levels(self) -> dict[tuple[str, str, str], int]:
        """Codecs and channels of the phase `eval`, as the lines of the published key have them."""
        if self.options.phase != "eval":
            return {}
        return {
            ("eval", column, level): n
            for column, numbers in _LA_LEVELS.items()
            for level, n in numbers.items()
        }


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
