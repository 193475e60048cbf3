"""Back-ends that have lost what they learned, and kept all else."""

import copy

import torch

from spoofscope.backends.base import BackEnd
from spoofscope.errors import ConfigError
from spoofscope.identity import seed_of


def randomised_backend(backend: BackEnd, seed: int) -> BackEnd:
    """A copy of a back-end in which every tensor's values are shuffled among themselves.

    So it has lost what it learned and kept the size of its weights; unlike a fresh initialisation
    this works for fitted back-ends, too (variances stay positive, mixture weights sum to 1).

    Raises:
        ConfigError: no tensor has values to shuffle.
    """
    copied = copy.deepcopy(backend)
    changed = False
    with torch.no_grad():
        for name, tensor in copied.state_dict().items():
            if not tensor.is_floating_point() or tensor.numel() < 2:
                continue
            generator = torch.Generator().manual_seed(seed_of("randomised back-end", seed, name))
            order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
            shuffled = tensor.flatten()[order].view_as(tensor)
            changed = changed or not torch.equal(shuffled, tensor)
            tensor.copy_(shuffled)
    if not changed:
        raise ConfigError(f"back-end {backend.name} has no weights that could be randomised")
    return copied
