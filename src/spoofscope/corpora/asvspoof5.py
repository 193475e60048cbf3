"""ASVspoof 5, track 1.

Layout, protocol and counts: Wang et al., "ASVspoof 5: Crowdsourced speech data, deepfakes, and
adversarial attacks at scale", ASVspoof workshop 2024; and the data set's README.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from spoofscope.corpora.base import Corpus, protocol_attack, read_protocol

# The suffix is .tsv, but the separator is a space.
_COLUMNS = (
    *("speaker", "utt_id", "gender", "codec", "codec_quality", "codec_seed"),
    *("attack_tag", "attack", "label", "unused"),
)
_SPLITS = {
    "train": ("ASVspoof5.train.tsv", "flac_T"),
    "dev": ("ASVspoof5.dev.track_1.tsv", "flac_D"),
    "eval": ("ASVspoof5.eval.track_1.tsv", "flac_E_eval"),
}


class ASVspoof5(Corpus):
    """`flac_T`, `flac_D`, `flac_E_eval` beside the protocols (or `ASVspoof5_protocols/`)."""

    name: ClassVar[str] = "asvspoof5"
    protocols: ClassVar[tuple[str, ...]] = ("ASVspoof5.*.tsv", "ASVspoof5_protocols/*")
    obtain: ClassVar[str] = "https://zenodo.org/records/14498691 (track 1)"
    conditions: ClassVar[tuple[str, ...]] = tuple(name for name in _COLUMNS if name != "unused")

    def rows(self) -> Iterable[Mapping[str, str]]:
        """The protocols' lines; gender, codec and attack tag are conditions."""
        for split in self.splits:
            protocol, audio = _SPLITS[split]
            path = self.need(protocol, f"ASVspoof5_protocols/{protocol}")
            folder = self.need(audio)
            for number, line in read_protocol(path, _COLUMNS):
                attack = protocol_attack(path, number, line["label"], line["attack"])
                del line["unused"]
                yield {
                    **line,
                    "path": str(folder / f"{line['utt_id']}.flac"),
                    "split": split,
                    "attack": attack,
                }

    def published_counts(self) -> dict[tuple[str, str], int]:
        """Counts of track 1."""
        return {
            ("train", "bonafide"): 18797,
            ("train", "spoof"): 163560,
            ("dev", "bonafide"): 31334,
            ("dev", "spoof"): 109616,
            ("eval", "bonafide"): 138688,
            ("eval", "spoof"): 542086,
        }
