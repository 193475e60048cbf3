"""Seconds and peak memory of every detector of unknown attacks, against a plain form of it.

    python benchmarks/ood_speed.py [--train N] [--test M] [--dimensions 160 1024] [--threads T]

Every number is of a process of its own, which fits on N and scores M embeddings with 24 classes;
memory is the peak of that process, the data (190 MB with 1,024 dimensions) and Python included. CPU
seconds are those of all threads, for machines that are busy; they give the ratio. The plain form is
pytorch-ood where it has the detector, otherwise the product of all pairs at once.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

N_CLASSES = 24
GATE = {"type": "gate", "members": [{"type": name} for name in ("msp", "energy", "mahalanobis")]}


def measure(name: str, who: str, n_train: int, n_test: int, dim: int) -> dict[str, float]:
    import numpy as np

    from spoofscope.ood.base import Outputs

    rng = np.random.default_rng(1)
    centres = rng.normal(0, 1, (N_CLASSES, dim)).astype(np.float32)
    classes = rng.integers(N_CLASSES, size=n_train + n_test)
    vectors = rng.standard_normal((n_train + n_test, dim), dtype=np.float32)
    vectors += centres[classes]
    head = centres.T / np.float32(np.sqrt(dim))
    logits = vectors @ head
    train = Outputs(vectors[:n_train], logits[:n_train])
    test = Outputs(vectors[n_train:], logits[n_train:])
    run = {"ours": ours, "plain": plain(name, head)}[who]
    # Imports do not count.
    few = slice(min(2000, n_train))
    run(name, train.rows(few), classes[few], test.rows(slice(9)))
    start, used = time.perf_counter(), time.process_time()
    scores = run(name, train, classes[:n_train], test)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    assert len(scores) == n_test
    assert np.isfinite(scores).all()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {"seconds": seconds, "cpu": used, "gib": memory}


def ours(name, train, classes, test):
    import numpy as np

    from spoofscope.ood.registry import build

    detector = build(GATE if name == "gate" else {"type": name}).fit(train, classes)
    if name == "gate":
        detector.fit_on_dev(train, np.arange(len(train)) % 2 == 0)
    return detector.ood_scores(test)


def plain(name: str, head) -> Callable | None:
    """The plain form of a detector; None where there is none."""
    import numpy as np
    from scipy.special import logsumexp, softmax

    def unit(vectors):
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def pairs(name, train, classes, test):
        similarity = unit(test.vectors) @ unit(train.vectors).T
        if name == "relation":
            similarity *= softmax(test.logits, axis=1) @ softmax(train.logits, axis=1).T
            return -np.where(similarity > 0.03, similarity, 0).sum(axis=1)
        similarity *= logsumexp(train.logits, axis=1)
        return -logsumexp(test.logits, axis=1) * similarity.mean(axis=1)

    def pytorch_ood(name, train, classes, test):
        import torch
        from pytorch_ood import detector

        weight = torch.from_numpy(head.T.copy())
        made = {
            "energy": lambda: detector.EnergyBased(None),
            "msp": lambda: detector.MaxSoftmax(None),
            "max_logit": lambda: detector.MaxLogit(None),
            "entropy": lambda: detector.Entropy(None),
            "knn": lambda: detector.KNN(None, k=6),
            "knn_mean": lambda: detector.KNN(None, k=1),
            "mahalanobis": lambda: detector.Mahalanobis(None),
            "nnguide": lambda: detector.NNGuide(None, lambda x: x @ weight.T, k=6),
            "vim": lambda: detector.ViM(None, test.vectors.shape[1] // 2, weight, weight[:, 0] * 0),
        }[name]()
        if hasattr(made, "predict_logits"):
            return made.predict_logits(torch.from_numpy(test.logits)).numpy()
        made.fit_features(torch.from_numpy(train.vectors), torch.from_numpy(classes))
        return made.predict_features(torch.from_numpy(test.vectors)).numpy()

    if name in ("nsd", "relation"):
        return pairs
    if name in ("gate", "kl", "margin", "nsd_per_class", "softmax_energy", "ssd"):
        return None
    return pytorch_ood


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=11_000)
    parser.add_argument("--test", type=int, default=34_000)
    parser.add_argument("--dimensions", type=int, nargs="+", default=[160, 1024])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = (options.train, options.test)
    if options.one:
        print(json.dumps(measure(*options.one, *sizes, options.dimensions[0])))
        return

    from spoofscope.ood.registry import OOD_DETECTORS

    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = os.environ | {name: str(options.threads) for name in names}
    print(f"{sizes[0]} train, {sizes[1]} test, {options.threads} threads")
    columns = f"{'s':>8}{'CPU s':>8}{'GiB':>7}"
    print(f"{'detector':16}{'D':>6}{columns} plain:{columns}{'faster':>8}")
    for dim in options.dimensions:
        for name in OOD_DETECTORS.available():
            found = []
            for who in ("ours", "plain"):
                if who == "plain" and plain(name, None) is None:
                    continue
                command = [sys.executable, __file__, "--one", name, who, "--dimensions", str(dim)]
                command += ["--train", str(sizes[0]), "--test", str(sizes[1])]
                done = subprocess.run(
                    command, env=environment, check=True, stdout=subprocess.PIPE, text=True
                )
                found.append(json.loads(done.stdout))
            parts = (f"{x['seconds']:8.2f}{x['cpu']:8.2f}{x['gib']:7.2f}" for x in found)
            line = f"{name:16}{dim:6}" + "       ".join(parts)
            if len(found) == 2:
                line += f"{found[1]['cpu'] / found[0]['cpu']:8.1f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
