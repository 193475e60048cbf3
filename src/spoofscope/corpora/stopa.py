"""STOPA: spoofs that vary acoustic model and vocoder systematically, for open-set source tracing.

Firc et al., "STOPA: A Database of Systematic VariaTion Of DeePfake Audio for Open-Set Source
Tracing and Attribution", Interspeech 2025. Files are called
`LA_<T|D|E>_<attack>_<speaker>_<rest>.wav`: T (set EET) is to train extractors on, D (TEE) to enrol
attacks, E are trials. Names, sets, and the acoustic model and vocoder of every attack were read in
public code that uses the data, and not checked on a copy of them. The lists of which clips enrol an
attack, and of the trials, are not read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from spoofscope.corpora.base import Corpus, Problem, audio_paths
from spoofscope.errors import CorpusError
from spoofscope.names import NONE
from spoofscope.options.corpora.stopa import StopaOptions
from spoofscope.recordings import portable_path

_NAME = re.compile(r"LA_(?P<set>[TDE])_(?P<attack>AA[0-9]{2})_(?P<speaker>[^_]+)_.+")
_SPLITS = {"T": "train", "D": "dev", "E": "eval"}
# Attack to acoustic model and vocoder.
_PAIRS = {
    "AA01": ("am01", "vm01"),
    "AA02": ("am01", "vm02"),
    "AA03": ("am02", "vm03"),
    "AA04": ("am02", "vm04"),
    "AA05": ("am03", "vm03"),
    "AA06": ("am03", "vm04"),
    "AA07": ("am04", "vm05"),
    "AA08": ("am04", "vm02"),
    "AA09": ("am05", "vm01"),
    "AA10": ("am05", "vm02"),
    "AA11": ("am06", "vm06"),
    "AA12": ("am07", "vm06"),
    "AA13": ("am08", "vm03"),
}


class Stopa(Corpus):
    """The folder of the unpacked sets, however they lie in it.

    EET is train, TEE dev, and the trials are eval. Sets share neither attacks nor speakers, but for
    the attacks of TEE, half of those in the trials: they are known to who enrols them, and unknown
    to who trains on EET.
    """

    name: ClassVar[str] = "stopa"
    obtain: ClassVar[str] = "https://zenodo.org/records/15606628"
    conditions: ClassVar[tuple[str, ...]] = ("acoustic_model", "vocoder")
    declared = StopaOptions

    def found(self) -> Iterator[str]:
        """All audio below the folder."""
        return audio_paths(self.root)

    def rows(self) -> Iterable[Mapping[str, str]]:
        """One row per audio file with a name of the corpus."""
        for path in self.audio_below(self.root):
            if (match := _NAME.fullmatch(path.stem)) is None:
                continue
            if match["attack"] not in _PAIRS:
                raise CorpusError(
                    f"{path}: the corpus has no attack {match['attack']!r}, only "
                    f"{', '.join(_PAIRS)} ({self.owner})"
                )
            acoustic_model, vocoder = _PAIRS[match["attack"]]
            yield {
                "utt_id": path.stem,
                "path": str(path),
                "split": _SPLITS[match["set"]],
                "label": "spoof",
                "attack": match["attack"],
                "speaker": match["speaker"],
                "acoustic_model": acoustic_model,
                "vocoder": vocoder,
            }

    def left_out(self) -> list[Problem]:
        """See `Corpus.left_out`; also audio with other names."""
        reason = "its name is none of the corpus, such as LA_E_AA01_p226_c1.wav"
        others = [Path(path) for path in audio_paths(self.root)]
        return super().left_out() + [
            Problem(path.stem, portable_path(path), "all", NONE, reason)
            for path in sorted(others)
            if _NAME.fullmatch(path.stem) is None
        ]
