"""What is fitted to the training set in one go: statistics of front-ends and of batch norms,
back-ends like the GMM."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spoofscope.frontends.base import Features
from spoofscope.identity import seed_of
from spoofscope.inputs import Inputs
from spoofscope.network import Network


def _raw_features(network: Network, inputs: Iterable[Inputs]) -> Iterator[tuple[str, Features]]:
    """utt_id and raw features of every window, one by one."""
    for utt_id, windows in inputs:
        for window in windows:
            values = torch.from_numpy(window[None]).to(network.device)
            size = torch.tensor([window.shape[0 if window.ndim == 1 else 1]], device=values.device)
            if window.ndim == 1:
                with torch.no_grad():
                    yield utt_id, network.frontend.raw(values, size)
            else:
                yield utt_id, Features(values, size)


def fit_frontend(network: Network, inputs: Iterable[Inputs]) -> None:
    """Let the front-end gather its statistics over the training set.

    Args:
        network: whose front-end is fitted.
        inputs: the windows of the training set; a front-end without statistics reads none.
    """
    network.eval()
    network.frontend.fit(features for _, features in _raw_features(network, inputs))


def fit_backend(
    network: Network, inputs: Iterable[Inputs], labels: Mapping[str, str], seed: int
) -> None:
    """Fit a back-end that is `fitted_once` to the normalised features of the training set.

    Args:
        network: whose back-end is fitted; its front-end has its statistics.
        inputs: the windows of the training set.
        labels: utt_id to what the back-end is told of it, see `BackEnd.fitted_to`.
        seed: for the back-end's own draws.

    Raises:
        TrainingError: the features do not suffice, see the back-end.
    """

    def examples() -> Iterator[tuple[npt.NDArray[np.float32], str]]:
        for utt_id, raw in _raw_features(network, inputs):
            values, lengths = network.frontend.normalise(raw)
            frames = values[0, :, : int(lengths[0])].flatten(0, 1)
            yield frames.cpu().numpy(), labels[utt_id]

    network.eval()
    backend: Any = network.backend
    with torch.no_grad():
        backend.fit(examples(), seed_of("fit_once", seed))


def batch_norms(network: Network) -> list[nn.Module]:
    """The back-end's batch norms."""
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    return [module for module in network.backend.modules() if isinstance(module, norms)]


def fit_batch_norms(network: Network, inputs: Iterable[Inputs], batch_size: int) -> None:
    """Estimate the running statistics of the back-end's batch norms once more, without dropout.

    They become the plain means of those of all batches.

    Args:
        network: whose batch norms are fitted; its front-end has its statistics.
        inputs: the windows of the training set, in an order that mixes the classes.
        batch_size: windows at once; of another length than the one before begins a new batch.
    """
    norms: list[Any] = batch_norms(network)
    momenta = [norm.momentum for norm in norms]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    windows = (features for _, features in _raw_features(network, inputs))
    with torch.no_grad():
        for _, same in itertools.groupby(windows, lambda features: features.values.shape):
            while batch := list(itertools.islice(same, batch_size)):
                values, lengths = (torch.cat(part) for part in zip(*batch, strict=True))
                network.backend_logits(*network.frontend.normalise(Features(values, lengths)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.eval()
