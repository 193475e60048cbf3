"""From read-out vectors to the logits of attacks, and what each way of training minimises."""

from abc import ABC, abstractmethod
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from spoofscope.options.objectives import (
    GE2E,
    OBJECTIVES,
    ArcFace,
    CrossEntropy,
    Likelihoods,
    Nearest,
    ProxyAnchor,
    SupCon,
    TracingObjective,
)

# Of the logits of metric learning, which are cosines: class means differ by a few tenths of one.
_COSINE_SCALE = 16.0


class Head(nn.Module, ABC):
    """From read-out vectors (B, D) to logits (B, K).

    Attributes:
        blocks: None, or how many classes and clips of each a batch has to have.
        trained: False where nothing is trained by gradients.
        takes_clips: whether `fit` takes the vectors of the training clips.
    """

    blocks: tuple[int, int] | None = None
    trained = True
    takes_clips = False

    @abstractmethod
    def forward(self, vectors: Tensor) -> Tensor:
        """Logits (B, K) of vectors (B, D)."""

    @abstractmethod
    def losses(self, vectors: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """The loss of each clip (B,); `classes` (B,) int64."""

    def fit(self, vectors: Tensor, classes: Tensor) -> None:
        """Take what follows from the vectors (n, D) and classes (n,) of the training clips."""


class LinearHead(Head):
    """A linear layer, trained by cross-entropy."""

    def __init__(self, dim: int, n_classes: int, options: CrossEntropy) -> None:
        super().__init__()
        self.label_smoothing = options.label_smoothing
        self.output = nn.Linear(dim, n_classes)

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits (B, K) of vectors (B, D)."""
        logits: Tensor = self.output(vectors)
        return logits

    def losses(self, vectors: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """Cross-entropy (B,)."""
        return functional.cross_entropy(
            logits, classes, reduction="none", label_smoothing=self.label_smoothing
        )


class CentroidHead(Head):
    """Logits are scaled cosines to the mean directions of the classes' training clips."""

    centroids: Tensor
    takes_clips = True

    def __init__(self, dim: int, n_classes: int) -> None:
        super().__init__()
        self.register_buffer("centroids", torch.zeros(n_classes, dim))

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits (B, K) of vectors (B, D)."""
        return _COSINE_SCALE * functional.normalize(vectors, dim=1) @ self.centroids.T

    def fit(self, vectors: Tensor, classes: Tensor) -> None:
        """The mean direction of every class."""
        sums = torch.zeros_like(self.centroids)
        sums.index_add_(0, classes, functional.normalize(vectors, dim=1))
        self.centroids.copy_(functional.normalize(sums, dim=1))


class GE2EHead(CentroidHead):
    """The generalised end-to-end loss (Wan et al., ICASSP 2018), softmax form.

    The similarity of clip e of class j to class k is w cos(e, c_k) + b, where c_k is the mean of
    the batch's clips of the class, without e for its own. The loss is that of a softmax over the
    classes. Unlike the released baseline of source tracing, w and b are trained, and similarities
    below 0 keep their gradients.
    """

    def __init__(self, dim: int, n_classes: int, options: GE2E) -> None:
        super().__init__(dim, n_classes)
        self.blocks = (options.classes, options.clips)
        self.scale = nn.Parameter(torch.tensor(options.scale))
        self.offset = nn.Parameter(torch.tensor(options.offset))

    def losses(self, vectors: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """GE2E loss (B,) of a batch in which every class has at least two clips."""
        names, group = torch.unique(classes, return_inverse=True)
        of_class = functional.one_hot(group, names.numel()).to(vectors.dtype)  # (B, K)
        counts = of_class.sum(dim=0)
        sums = of_class.T @ vectors
        cosines = functional.cosine_similarity(
            vectors[:, None], (sums / counts[:, None])[None], dim=2
        )
        others = (sums[group] - vectors) / (counts[group] - 1)[:, None]
        own = functional.cosine_similarity(vectors, others, dim=1)
        cosines = torch.where(of_class.bool(), own[:, None], cosines)
        # A negative scale would reward what the loss is to punish.
        similarities = self.scale.clamp(min=1e-6) * cosines + self.offset
        return functional.cross_entropy(similarities, group, reduction="none")


class _MetricHead(CentroidHead):
    """A loss of `pytorch-metric-learning`, whose proxies are trained with the network."""

    def __init__(self, dim: int, n_classes: int, loss: Any) -> None:
        super().__init__(dim, n_classes)
        self.metric_loss = loss

    def losses(self, vectors: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """The batch's loss for each of its clips (B,)."""
        loss = cast(Tensor, self.metric_loss(vectors, classes))
        return loss.expand(len(vectors))


class ProxyAnchorHead(_MetricHead):
    """Proxy-Anchor (Kim et al., CVPR 2020)."""

    def __init__(self, dim: int, n_classes: int, options: ProxyAnchor) -> None:
        from pytorch_metric_learning.losses import ProxyAnchorLoss  # type: ignore[import-untyped]

        loss = ProxyAnchorLoss(n_classes, dim, margin=options.margin, alpha=options.alpha)
        super().__init__(dim, n_classes, loss)


class ArcFaceHead(_MetricHead):
    """ArcFace (Deng et al., CVPR 2019), with several centres per class sub-centre ArcFace (ECCV
    2020)."""

    def __init__(self, dim: int, n_classes: int, options: ArcFace) -> None:
        from pytorch_metric_learning.losses import ArcFaceLoss, SubCenterArcFaceLoss

        settings: dict[str, Any] = {
            # Of these two, the loss of several centres takes no other form.
            **{"num_classes": n_classes, "embedding_size": dim},
            **{"margin": np.degrees(options.margin), "scale": options.scale},
        }
        if options.centers == 1:
            loss = ArcFaceLoss(**settings)
        else:
            loss = SubCenterArcFaceLoss(**settings, sub_centers=options.centers)
        super().__init__(dim, n_classes, loss)


class SupConHead(_MetricHead):
    """Supervised contrastive learning (Khosla et al., NeurIPS 2020)."""

    def __init__(self, dim: int, n_classes: int, options: SupCon) -> None:
        from pytorch_metric_learning.losses import SupConLoss

        super().__init__(dim, n_classes, SupConLoss(temperature=options.temperature))
        self.blocks = (options.classes, options.clips)


class NearestHead(Head):
    """The nearest training clips by cosine vote (TADA, Stan et al., Interspeech 2025, k = 21).

    The logit of a class is the logarithm of its share of the votes, with one vote more that all
    classes share. Among classes with as many votes the more similar clips decide.
    """

    vectors: Tensor
    classes: Tensor
    trained = False
    takes_clips = True

    def __init__(self, dim: int, n_classes: int, options: Nearest, n_clips: int = 0) -> None:
        super().__init__()
        self.k, self.n_classes = options.k, n_classes
        self.register_buffer("vectors", torch.zeros(n_clips, dim))
        self.register_buffer("classes", torch.zeros(n_clips, dtype=torch.int64))

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits (B, K) of vectors (B, D)."""
        unit = functional.normalize(vectors, dim=1)
        cosines, nearest = (unit @ self.vectors.T).topk(min(self.k, len(self.vectors)), dim=1)
        voters = functional.one_hot(self.classes[nearest], self.n_classes).to(vectors.dtype)
        # Similarities add less than a thousandth of a vote altogether.
        weights = 1 + 1e-3 * cosines / cosines.shape[1]
        votes = (weights[:, :, None] * voters).sum(dim=1)
        return torch.log((votes + 1 / self.n_classes) / (cosines.shape[1] + 1))

    def losses(self, vectors: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """Cross-entropy (B,), which is measured and not minimised."""
        return functional.cross_entropy(logits, classes, reduction="none")

    def fit(self, vectors: Tensor, classes: Tensor) -> None:
        """Keep the training clips."""
        self.vectors, self.classes = functional.normalize(vectors, dim=1), classes


class LikelihoodHead(Head):
    """The vector is the logits: log-likelihood ratios of the classes.

    The largest of them, the logit of `ood: max_logit`, is the likelihood-ratio gate.
    """

    trained = False

    def __init__(self, dim: int, n_classes: int, options: Likelihoods) -> None:
        super().__init__()

    def forward(self, vectors: Tensor) -> Tensor:
        """Logits (B, K), the vectors themselves."""
        return vectors

    def losses(self, vectors: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
        """Cross-entropy (B,), which is measured and not minimised."""
        return functional.cross_entropy(logits, classes, reduction="none")


_HEADS: dict[type[TracingObjective], Any] = {
    CrossEntropy: LinearHead,
    GE2E: GE2EHead,
    ProxyAnchor: ProxyAnchorHead,
    ArcFace: ArcFaceHead,
    SupCon: SupConHead,
    Nearest: NearestHead,
    Likelihoods: LikelihoodHead,
}


def build_head(kind: str, options: TracingObjective, dim: int, n_classes: int) -> Head:
    """The head of a way of tracing, with untrained weights.

    Args:
        kind: a name of `options.objectives.OBJECTIVES`.
        options: of that way.
        dim: D of the vectors.
        n_classes: K.
    """
    assert isinstance(options, OBJECTIVES[kind])
    head: Head = _HEADS[OBJECTIVES[kind]](dim, n_classes, options)
    return head


def block_order(
    classes: npt.NDArray[np.int64], blocks: tuple[int, int], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Row numbers in blocks of a few clips of a few classes, about as many as there are rows.

    Classes are drawn without replacement for every block; the clips of a class come in random
    order, and anew when all were used, so that small classes neither end the epoch nor are left
    out.

    Args:
        classes: (n,) of the rows.
        blocks: classes of a block, and clips of each.
        rng: for the draws.
    """
    names = np.unique(classes)
    n_classes, n_clips = min(blocks[0], names.size), blocks[1]
    rows = {name: np.flatnonzero(classes == name) for name in names}
    left: dict[np.int64, list[int]] = {name: [] for name in names}
    order: list[int] = []
    for _ in range(max(1, classes.size // (n_classes * n_clips))):
        for name in rng.choice(names, size=n_classes, replace=False):
            while len(left[name]) < n_clips:
                left[name] += rng.permutation(rows[name]).tolist()
            order += left[name][:n_clips]
            del left[name][:n_clips]
    return np.array(order, dtype=np.int64)
