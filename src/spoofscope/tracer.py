"""A network that names the attack behind a spoof, and the folder that it is kept in.

The folder holds `network.json` (front-end, back-end, input policy, objective, classes, backbone
with its hash, what is known about the training, and the hash of all that) and `model.safetensors`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.backends import registry as backends
from spoofscope.backends.base import BackEnd
from spoofscope.detector_folder import WEIGHTS, backbone_entry, backbone_place
from spoofscope.errors import ConfigError, DetectorError, SpoofscopeError
from spoofscope.files import sha256_file, write_json
from spoofscope.network import Network
from spoofscope.objectives.heads import Head, build_head
from spoofscope.options.objectives import OBJECTIVES, TracingObjective
from spoofscope.settings import NETWORK_FILE, read_sealed, settings_hash
from spoofscope.windows import InputPolicy

_FORMAT = 1
# What a back-end is told by the tracer, not by a study file.
_INTERNAL = ("n_outputs", "classes")
_KEYS = (
    "format",
    "frontend",
    "backend",
    "input",
    "objective",
    "classes",
    "backbone",
    "reference",
    "weights_sha256",
    "meta",
    "settings_sha256",
)


class Traces(NamedTuple):
    """What a tracer gives for clips: read-out vectors (n, D) and logits (n, K), float32."""

    vectors: npt.NDArray[np.float32]
    logits: npt.NDArray[np.float32]


class ReadOut(BackEnd):
    """A back-end that ends with its read-out vector, and a head behind it.

    It gives vectors and logits side by side, (B, D + K).
    """

    name = "read_out"
    outputs = ()

    def __init__(self, backend: BackEnd, head: Head) -> None:
        torch.nn.Module.__init__(self)
        self.backend, self.head = backend, head
        self.config = backend.config
        self.name = backend.name  # type: ignore[misc]
        self.readout_dim = backend.readout_dim

    @property
    def fitted_once(self) -> bool:  # type: ignore[override]
        """Whether nothing is trained by gradients."""
        return self.backend.fitted_once or not self.head.trained

    @property
    def width(self) -> int:
        """D + K."""
        return (self.readout_dim or 0) + self._n_classes

    _n_classes = 0

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Vectors and logits (B, D + K) of features (B, C, N, D) with `lengths` valid frames."""
        vectors = self.backend(values, lengths)
        return torch.cat([vectors, self.head(vectors)], dim=1)

    def fit(self, values: Any, seed: int) -> None:
        """Fit a back-end that is fitted in one go; others have nothing to fit."""
        if self.backend.fitted_once:
            backend: Any = self.backend
            backend.fit(values, seed)

    def layer_weights(self) -> dict[str, Tensor] | None:
        """Those of the back-end."""
        return self.backend.layer_weights()


class Tracer(Network):
    """A network whose logits say how much speaks for each attack.

    Attributes:
        classes: names of the K classes: attacks, sorted; `bonafide` before them where bona fide
            speech is a class.
        objective: how it was trained: `type` and its options.
        n_vector: D, the size of the read-out vector.
        meta: what is known about the training, JSON-able.
        identity: 12 digits that name the network as it was loaded or saved, or None.
    """

    kind = "tracer"
    backend: ReadOut

    def __init__(
        self,
        frontend_config: Mapping[str, Any],
        backend_config: Mapping[str, Any],
        policy: InputPolicy,
        classes: Sequence[str],
        objective: Mapping[str, Any],
        meta: Mapping[str, Any] | None = None,
    ) -> None:
        kind, options = objective_options(objective)
        given = {"n_clips": 0, **(meta or {})}

        def build(**axes: Any) -> BackEnd:
            required: dict[str, Any] = {"n_outputs": 0}
            if kind == "likelihoods":
                if backend_config.get("type") != "gmm":
                    raise ConfigError("objective: likelihoods needs the back-end gmm")
                required = {"classes": list(classes)}
            inner = backends.build({**backend_config, **required}, **axes)
            if inner.readout_dim is None:
                raise ConfigError(f"back-end {inner.name} has no read-out vector to trace by")
            head = build_head(kind, options, inner.readout_dim, len(classes))
            if given["n_clips"]:
                head.fit(
                    torch.zeros(given["n_clips"], inner.readout_dim),
                    torch.zeros(given["n_clips"], dtype=torch.int64),
                )
            whole = ReadOut(inner, head)
            whole._n_classes = len(classes)
            return whole

        super().__init__(frontend_config, policy, build)
        self.classes = tuple(classes)
        self.objective = dict(objective)
        self.n_vector = self.backend.readout_dim or 0
        self.meta: dict[str, Any] = given
        self.identity: str | None = None

    def split(self, outputs: npt.NDArray[np.float32]) -> Traces:
        """Vectors and logits of what :meth:`logits` gives (n, D + K)."""
        return Traces(outputs[:, : self.n_vector], outputs[:, self.n_vector :])

    def write_into(self, folder: Path) -> None:
        """Write the network's files into an existing folder."""
        self.write_weights(folder / WEIGHTS)
        content: dict[str, Any] = {
            "format": _FORMAT,
            "frontend": {"type": self.frontend.name, **self.frontend.config},
            "backend": {
                "type": self.backend.name,
                **{k: v for k, v in self.backend.config.items() if k not in _INTERNAL},
            },
            "input": self.policy.to_dict(),
            "objective": self.objective,
            "classes": list(self.classes),
            "backbone": backbone_entry(self.frontend.config),
            "reference": self.likeness is not None,
            "weights_sha256": sha256_file(folder / WEIGHTS),
            "meta": self.meta,
        }
        content["settings_sha256"] = settings_hash(content)
        write_json(folder / NETWORK_FILE, content)
        self.identity = content["settings_sha256"][:12]

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> "Tracer":
        """Load a network's folder, in evaluation mode.

        Raises:
            DetectorError: a file is missing or damaged, or the backbone is another one.
        """
        folder = Path(folder)
        settings = read_network(folder)
        frontend = dict(settings["frontend"])
        backbone = settings["backbone"]
        if backbone is not None and "folder" in backbone:
            place = {"folder": backbone_place(backbone["folder"], folder)}
            backbone = {**backbone, **place}
            frontend["backbone"] = {**frontend["backbone"], **place}
        if backbone != backbone_entry(frontend):
            raise DetectorError(
                f"{folder}: the backbone in {backbone['folder']} is not the one that this tracer "
                "was trained with: its files have another hash; put the original files there"
            )
        if sha256_file(folder / WEIGHTS) != settings["weights_sha256"]:
            raise DetectorError(
                f"{folder / WEIGHTS} is not the file that {NETWORK_FILE} describes; it was altered "
                "or damaged: copy the tracer again"
            )
        try:
            tracer = cls(
                frontend,
                settings["backend"],
                InputPolicy.from_dict(settings["input"]),
                settings["classes"],
                settings["objective"],
                settings["meta"],
            )
        except SpoofscopeError as error:
            raise DetectorError(f"{folder / NETWORK_FILE}: {error}") from error
        tracer.read_weights(folder / WEIGHTS, settings["reference"])
        tracer.identity = settings["settings_sha256"][:12]
        return tracer.to(device).eval()


def objective_options(objective: Mapping[str, Any]) -> tuple[str, TracingObjective]:
    """The name of a way of tracing, and its options.

    Raises:
        ConfigError: no such way, or an option that it does not have.
    """
    values = dict(objective)
    kind = values.pop("type", None)
    if kind not in OBJECTIVES:
        raise ConfigError(f"objective: no {kind!r}; there are {', '.join(OBJECTIVES)}")
    return str(kind), OBJECTIVES[str(kind)].from_dict(values, "objective")


def read_network(folder: Path) -> dict[str, Any]:
    """Read `network.json`.

    Raises:
        DetectorError: the file is missing, damaged or altered, or of another format.
    """
    path = folder / NETWORK_FILE
    for name in (NETWORK_FILE, WEIGHTS):
        if not (folder / name).is_file():
            raise DetectorError(f"{folder} is no folder of a tracer's network: it has no {name}")
    return read_sealed(path, _FORMAT, _KEYS, "tracer's network")
