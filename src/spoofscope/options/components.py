"""All components that study files name, by kind and name: what each can be told.

The schema of study files, and with it docs/study_file.md, comes from here. A component takes its
options from the same class, which its code imports from where it is declared, so that a new option
of one changes the code digest of no other.

Imported while the workflow is parsed: standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spoofscope.options.aligners import ALIGNERS
from spoofscope.options.backends.aasist import AASISTOptions
from spoofscope.options.backends.attentive_statistics import AttentiveStatisticsOptions
from spoofscope.options.backends.ca_mhfa import CAMHFAOptions
from spoofscope.options.backends.cnn import CNNOptions
from spoofscope.options.backends.dcnn import DCNNOptions
from spoofscope.options.backends.ffn import FFNOptions
from spoofscope.options.backends.fingerprint import FingerprintBackEndOptions
from spoofscope.options.backends.gmm import GMMOptions
from spoofscope.options.backends.lcnn import LCNNOptions
from spoofscope.options.backends.linear import LinearOptions
from spoofscope.options.backends.mhfa import MHFAOptions
from spoofscope.options.backends.projection import ProjectionOptions
from spoofscope.options.backends.raw_aasist import RawAASISTOptions
from spoofscope.options.backends.resnet import ResNetOptions
from spoofscope.options.backends.sls import SLSOptions
from spoofscope.options.corpora.add2023 import ADD2023Options
from spoofscope.options.corpora.asvspoof2021 import ASVspoof2021Options
from spoofscope.options.corpora.base import CorpusOptions, DealtOptions, StoredOptions
from spoofscope.options.corpora.folder import FolderOptions
from spoofscope.options.corpora.habla import HablaOptions
from spoofscope.options.corpora.mini import MiniOptions
from spoofscope.options.corpora.mlaad import MlaadOptions
from spoofscope.options.corpora.stopa import StopaOptions
from spoofscope.options.corpora.table import TableOptions
from spoofscope.options.corpora.tts import TtsOptions
from spoofscope.options.corpora.wavefake import WaveFakeOptions
from spoofscope.options.declared import Options, Schema
from spoofscope.options.effects.band import BandOptions
from spoofscope.options.effects.base import EffectOptions
from spoofscope.options.effects.codec import CodecOptions
from spoofscope.options.effects.compressor import CompressorOptions
from spoofscope.options.effects.dc import DcOptions
from spoofscope.options.effects.enhance import EnhanceOptions
from spoofscope.options.effects.gain import GainOptions
from spoofscope.options.effects.leading_silence import LeadingSilenceOptions
from spoofscope.options.effects.length import LengthOptions
from spoofscope.options.effects.level import LevelOptions
from spoofscope.options.effects.musan import MusanOptions
from spoofscope.options.effects.noise_filter import NoiseFilterOptions
from spoofscope.options.effects.rawboost import RawBoostOptions
from spoofscope.options.effects.resample import ResampleOptions
from spoofscope.options.effects.rir import RoomResponseOptions
from spoofscope.options.effects.speed import SpeedOptions
from spoofscope.options.effects.stacked import StackedOptions
from spoofscope.options.effects.time_mask import TimeMaskOptions
from spoofscope.options.effects.trim_silence import TrimSilenceOptions
from spoofscope.options.effects.watermark import WatermarkOptions
from spoofscope.options.frontends.base import FrontEndOptions
from spoofscope.options.frontends.cepstra import CepstralOptions
from spoofscope.options.frontends.fbank import FilterBankOptions
from spoofscope.options.frontends.raw import RawOptions
from spoofscope.options.frontends.resemblyzer import ResemblyzerOptions
from spoofscope.options.frontends.ssl import SSLOptions
from spoofscope.options.frontends.stft import STFTOptions
from spoofscope.options.frontends.wavelet_packets import WaveletPacketsOptions
from spoofscope.options.masks import MASKS
from spoofscope.options.objectives import DETECTION, OBJECTIVES
from spoofscope.options.ood import OOD

CORPORA: dict[str, type[CorpusOptions]] = {
    "mini": MiniOptions,
    "folder": FolderOptions,
    "table": TableOptions,
    "wavefake": WaveFakeOptions,
    "tts": TtsOptions,
    "add2023": ADD2023Options,
    "add2023_track3": StoredOptions,
    "asvspoof2019_la": StoredOptions,
    "asvspoof2021_df": ASVspoof2021Options,
    "asvspoof2021_la": ASVspoof2021Options,
    "asvspoof5": StoredOptions,
    "codecfake": StoredOptions,
    "ctrsvdd": StoredOptions,
    "dfadd": StoredOptions,
    "fake_or_real": StoredOptions,
    "habla": HablaOptions,
    "half_truth": StoredOptions,
    "in_the_wild": DealtOptions,
    "mlaad": MlaadOptions,
    "partialspoof": StoredOptions,
    "scenefake": StoredOptions,
    "spoofceleb": StoredOptions,
    "stopa": StopaOptions,
}

FRONT_ENDS: dict[str, type[FrontEndOptions]] = {
    "ssl": SSLOptions,
    "fbank": FilterBankOptions,
    "lfcc": CepstralOptions,
    "mfcc": CepstralOptions,
    "stft": STFTOptions,
    "wavelet_packets": WaveletPacketsOptions,
    "raw": RawOptions,
    "resemblyzer": ResemblyzerOptions,
}

BACK_ENDS: dict[str, type[Options]] = {
    "attentive_statistics": AttentiveStatisticsOptions,
    "linear": LinearOptions,
    "projection": ProjectionOptions,
    "ffn": FFNOptions,
    "mhfa": MHFAOptions,
    "ca_mhfa": CAMHFAOptions,
    "sls": SLSOptions,
    "aasist": AASISTOptions,
    "raw_aasist": RawAASISTOptions,
    "fingerprint": FingerprintBackEndOptions,
    "gmm": GMMOptions,
    "cnn": CNNOptions,
    "resnet": ResNetOptions,
    "lcnn": LCNNOptions,
    "dcnn": DCNNOptions,
}

EFFECTS: dict[str, type[EffectOptions]] = {
    "musan": MusanOptions,
    "rir": RoomResponseOptions,
    "rawboost": RawBoostOptions,
    "codec": CodecOptions,
    "trim_silence": TrimSilenceOptions,
    "stacked": StackedOptions,
    "time_mask": TimeMaskOptions,
    "noise_filter": NoiseFilterOptions,
    "band": BandOptions,
    "gain": GainOptions,
    "compressor": CompressorOptions,
    "level": LevelOptions,
    "dc": DcOptions,
    "leading_silence": LeadingSilenceOptions,
    "length": LengthOptions,
    "watermark": WatermarkOptions,
    "resample": ResampleOptions,
    "speed": SpeedOptions,
    "enhance": EnhanceOptions,
}


@dataclass(frozen=True)
class Kind:
    """Components of one kind.

    key: the key of an entry that says which one it is. about: what that key is about. members: name
    to the class of its options, which are the other keys.
    """

    key: str
    about: str
    members: Mapping[str, type[Options]]

    def options(self, entry: Mapping[str, Any], place: str) -> Options:
        """The options of an entry of a study file that fits the schema.

        Args:
            entry: the entry.
            place: where it stands, for messages.

        Raises:
            ConfigError: they do not go together.
        """
        values = {name: value for name, value in entry.items() if name != self.key}
        return self.members[entry[self.key]].from_dict(values, place)

    def entry(self, name: str, options: Schema) -> Schema:
        """The JSON Schema of entries of one component, from that of its options."""
        return {
            **options,
            "required": [self.key, *options.get("required", [])],
            "properties": {
                self.key: {"const": name, "description": self.about},
                **options["properties"],
            },
        }


KINDS = {
    "aligner": Kind("type", "Which aligner.", ALIGNERS),
    "detection": Kind("type", "Which way of detection.", DETECTION),
    "objective": Kind("type", "Which way of tracing.", OBJECTIVES),
    "ood": Kind("type", "Which detector of unknown attacks.", OOD),
    "mask": Kind("type", "Which mask.", MASKS),
    "corpus": Kind("type", "Which reader.", CORPORA),
    "effect": Kind("effect", "Which effect.", EFFECTS),
    "frontend": Kind("type", "Which front-end.", FRONT_ENDS),
    "backend": Kind("type", "Which back-end.", BACK_ENDS),
}
"""Kind to its components. Its name stands before theirs in definitions, such as `corpus_mini`."""
