"""Front-end and back-end under one input policy: what detectors and tracers have in common."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from spoofscope import likeness
from spoofscope.audio import Samples
from spoofscope.backends.base import BackEnd
from spoofscope.errors import DetectorError
from spoofscope.frontends import registry as frontends
from spoofscope.frontends.base import Features
from spoofscope.inputs import policy_of
from spoofscope.judging import Logits
from spoofscope.windows import InputPolicy

_REFERENCE = "reference."


class Network(nn.Module):
    """Front-end and back-end under one input policy.

    Every window has the length that the policy gives it: what the policy appends to a short clip
    is input like any other, so `lengths` below marks only the padding of a batch.

    Attributes:
        frontend, backend, policy: the parts.
        outputs: names of what the back-end gives, its logits.
        likeness: what the training recordings are like, or None.
    """

    kind: ClassVar[str] = "detector"

    def __init__(
        self,
        frontend_config: Mapping[str, Any],
        policy: InputPolicy,
        build: Callable[..., BackEnd],
    ) -> None:
        """Build the parts.

        Args:
            frontend_config: a front-end with its key `type`.
            policy: how clips become windows.
            build: gives the back-end for features of `n_channels`, `dim` and `n_frames`.

        Raises:
            ConfigError: an option is wrong, or the parts do not fit.
        """
        super().__init__()
        self.frontend = frontends.build(frontend_config)
        # As the configuration says; a training may freeze more for a while.
        self._from_backbone = {
            f"frontend.{name}"
            for name, parameter in self.frontend.named_parameters()
            if not parameter.requires_grad
        }
        self.policy = policy_of(self.frontend, policy)
        length = self.policy.length
        self.backend = build(
            n_channels=self.frontend.n_channels,
            dim=self.frontend.dim,
            n_frames=None if length is None else self.frontend.n_frames(length),
        )
        # Convolutions and maxima over maps take about half the time with the channels last.
        for parameter in self.backend.parameters():
            # PyTorch has another format for five axes, and refuses this one.
            if parameter.dim() == 4:
                parameter.data = parameter.data.to(memory_format=torch.channels_last)
        self.outputs = self.backend.outputs
        self.likeness: likeness.Likeness | None = None

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of waveforms (B, n_samples) with `lengths` (B,) samples each."""
        return self.backend_logits(*self.frontend(waveform, lengths))

    def backend_logits(self, values: Tensor, lengths: Tensor) -> Tensor:
        """Logits (B, n_outputs) of normalised features (B, C, N, D) with `lengths` (B,) frames."""
        logits: Tensor = self.backend(values, lengths)
        return logits

    @property
    def device(self) -> torch.device:
        """Where the detector's tensors are."""
        return next(iter([*self.parameters(), *self.buffers()])).device

    def logits(
        self,
        windows: Sequence[npt.NDArray[np.float32]],
        batch_size: int,
        names: Sequence[str] | None = None,
    ) -> Logits:
        """What the back-end gives (n, width) for n windows, in their order, in evaluation mode.

        Args:
            windows: each a waveform (n_samples,) cut by the input policy, or its raw features
                (C, N, D).
            batch_size: at most so many windows at once, all of the same shape.
            names: of the utterance that each window is of, for messages.

        Raises:
            DetectorError: a logit is NaN or infinite; the utterance is named.
        """
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, window in enumerate(windows):
            by_shape.setdefault(window.shape, []).append(i)
        result = np.empty((len(windows), self.backend.width), dtype=np.float32)
        with self._evaluating():
            for members in by_shape.values():
                for start in range(0, len(members), batch_size):
                    batch = members[start : start + batch_size]
                    features = self._features(np.stack([windows[i] for i in batch]))
                    result[batch] = self._backend_logits(features)
        bad = np.flatnonzero(~np.isfinite(result).all(axis=1))
        if bad.size:
            whose = "" if names is None else f"utterance {names[bad[0]]!r}: "
            raise DetectorError(f"{whose}the {self.kind}'s logits are not finite")
        return result

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluation mode without gradients inside; afterwards the mode of before."""
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.train(training)

    def _features(self, windows: npt.NDArray[np.float32]) -> Features:
        """Normalised features of windows of one shape: waveforms (B, n) or raw (B, C, N, D)."""
        values = torch.from_numpy(windows).to(self.device)
        is_waveform = values.ndim == 2
        size = values.shape[1 if is_waveform else 2]
        lengths = torch.full((len(values),), size, device=self.device)
        if is_waveform:
            features: Features = self.frontend(values, lengths)
            return features
        return self.frontend.normalise(Features(values, lengths))

    def _backend_logits(self, features: Features) -> Logits:
        logits: Logits = self.backend_logits(*features).float().cpu().numpy()
        return logits

    def learn_likeness(
        self, recordings: Iterable[tuple[Samples, str]], longest: float = 8.0
    ) -> None:
        """Keep what training recordings are like, so that those unlike them can be told.

        See `likeness.fit_likeness`: with too few recordings nothing is kept.

        Args:
            recordings: samples (n,) of both classes at the policy's rate, not normalised, and
                their speakers ("-" where unknown).
            longest: seconds from the start of each that are looked at; enough to know it by.
        """
        rate = self.policy.sample_rate
        second, speakers = round(likeness.PIECES["seconds"] * rate), []
        described: list[dict[str, Sequence[likeness.Piece]]] = []
        for samples, speaker in recordings:
            start = samples[: round(longest * rate)]
            describer = likeness.Describer(rate)
            for _ in describer.heard([start]):
                pass
            kind, pieces = describer.description()
            middle = max(0, (start.size - second) // 2)
            described.append(
                {
                    # Of a recording below a second there is no more than its halves.
                    "seconds": pieces if kind == "seconds" else [likeness.describe(start, rate)],
                    "halves": likeness.halves(start[middle : middle + second], rate),
                }
            )
            speakers.append(speaker)
        self.likeness = likeness.fit_likeness(described, speakers)

    def stored_state(self) -> dict[str, Tensor]:
        """The tensors that `model.safetensors` holds, on the CPU, by name."""
        return {
            name: tensor.detach().to("cpu", copy=True).contiguous()
            for name, tensor in self.state_dict().items()
            if name not in self._from_backbone
        }

    def load_stored_state(self, state: Mapping[str, Tensor], source: str) -> None:
        """Take the tensors of :meth:`stored_state`.

        Raises:
            DetectorError: names or shapes differ; `source` is named.
        """
        expected = self.stored_state()
        problems = [
            f"{len(names)} {kind} ({', '.join(names[:5])})"
            for kind, names in (
                ("missing", sorted(expected.keys() - state.keys())),
                ("unexpected", sorted(state.keys() - expected.keys())),
                (
                    "of another shape",
                    sorted(
                        name
                        for name in expected.keys() & state.keys()
                        if expected[name].shape != state[name].shape
                    ),
                ),
            )
            if names
        ]
        if problems:
            raise DetectorError(f"{source}: the tensors do not fit: {'; '.join(problems)}")
        self.load_state_dict(dict(state), strict=False)

    def write_weights(self, path: Path) -> None:
        """Write the stored tensors, and what the training recordings are like, to one file."""
        state = self.stored_state()
        if self.likeness is not None:
            for name, array in self.likeness.to_arrays().items():
                state[_REFERENCE + name] = torch.from_numpy(array.copy())
        safetensors.torch.save_file(state, path)

    def read_weights(self, path: Path, reference: bool) -> None:
        """Read what :meth:`write_weights` wrote.

        Args:
            path: the file.
            reference: whether the settings say that the training recordings are described.

        Raises:
            DetectorError: the file is damaged, does not fit the network or the settings.
        """
        try:
            state = safetensors.torch.load_file(path)
        except safetensors.SafetensorError as error:
            raise DetectorError(f"{path} is damaged: {error}") from error
        arrays = {
            name.removeprefix(_REFERENCE): state.pop(name).numpy()
            for name in sorted(state)
            if name.startswith(_REFERENCE)
        }
        if bool(arrays) != reference:
            raise DetectorError(
                f"{path} and the settings beside it disagree on whether the training data are "
                f"described; copy the {self.kind} again"
            )
        if arrays:
            try:
                self.likeness = likeness.Likeness.from_arrays(arrays, self.policy.sample_rate)
            except DetectorError as error:
                raise DetectorError(f"{path}: {error}") from None
        self.load_stored_state(state, str(path))
