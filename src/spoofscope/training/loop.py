"""The training loop.

On the CPU, with the same number of threads, the same job gives the same bytes, also when it was
killed in between and started again: the order of the utterances, their crops and augmentations and
the dropout of every step are drawn from generators seeded by the job's seed and the position alone.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import accelerate
import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter

import spoofscope
from spoofscope.audio import Samples
from spoofscope.detector_folder import check_target
from spoofscope.errors import ConfigError, DetectorError, TrainingError
from spoofscope.files import atomic_folder, write_json
from spoofscope.frontends.base import Features
from spoofscope.identity import hash8, seed_of
from spoofscope.inputs import FeatureSource, Inputs, check_features, detector_inputs
from spoofscope.judging import logits_of_clips
from spoofscope.objectives.base import DevResult, Objective, Step, Task
from spoofscope.tables import write_table
from spoofscope.training import HISTORY, RUNNING
from spoofscope.training.checkpoint import Checkpoints, Progress
from spoofscope.training.data import (
    Augmentation,
    Batch,
    Source,
    TrainingItems,
    collate,
    described_rows,
    load_audio_cache,
    load_rows,
    named,
    plan_steps,
)
from spoofscope.training.fit_once import batch_norms, fit_backend, fit_batch_norms, fit_frontend
from spoofscope.training.masks import masked_in_training
from spoofscope.training.recipe import Recipe, Stage
from spoofscope.windows import InputPolicy

_LOGGER = logging.getLogger(__name__)


def history_columns(measures: Sequence[str]) -> dict[str, pl.DataType]:
    """Columns of history.tsv, of one row per epoch.

    Stages and epochs count from 1, epochs and optimiser steps through all stages. A back-end fitted
    in one go has one row, without train_loss.

    Args:
        measures: names of what the objective measures on the development set.
    """
    return {
        "stage": pl.Int64(),
        "epoch": pl.Int64(),
        "step": pl.Int64(),
        "train_loss": pl.Float64(),
        **{f"dev_{name}": pl.Float64() for name in measures},
        "lr": pl.Float64(),
    }


HISTORY_COLUMNS = history_columns(("loss", "eer", "min_dcf"))
"""Those of a detector's history.tsv."""


@dataclass(frozen=True)
class TrainingJob:
    """Everything that determines a training.

    Attributes:
        objective: what the network is trained for.
        frontend, backend: settings with their key `type`.
        policy: the input policy.
        recipe: see `recipe.resolve_recipe`.
        train, dev: where the utterances come from.
        seed: of initial weights, order, crops and dropout.
        device: "cpu" or "cuda".
        train_features, dev_features: cached features of those utterances, or None to read audio.
            They need a front-end that is frozen in all stages.
        augmentation: applied to the training audio on the fly, or None.
        code: digest of the code that trains; a training that other code began is not resumed.
        options: of the objective.
    """

    objective: type[Objective]
    frontend: Mapping[str, Any]
    backend: Mapping[str, Any]
    policy: InputPolicy
    recipe: Recipe
    train: Sequence[Source]
    dev: Sequence[Source]
    seed: int
    device: str = "cpu"
    train_features: FeatureSource | None = None
    dev_features: FeatureSource | None = None
    augmentation: Augmentation | None = None
    code: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


def train(job: TrainingJob, out_dir: str | Path, work_dir: str | Path) -> None:
    """Train a network and save it, with its `history.tsv`, as the folder `out_dir`.

    With `recipe.processes` above 1 this is the work of one of them: all call it with the same
    arguments, see `processes.train_in_processes`.

    Args:
        job: what to train.
        out_dir: the network's folder; it appears when the training is complete.
        work_dir: for the TensorBoard log, and for what is deleted at the end: the resume file and,
            for those who watch, settings and epochs so far. A training that was killed goes on
            from the resume file.

    Raises:
        TrainingError: a set is empty or has one class, cached features do not fit, the device is
            not there, or the loss is not finite.
        ConfigError: an option of front-end, back-end or recipe is wrong.
        AudioError: a file cannot be read.
        DetectorError: `out_dir` holds other files.
    """
    out_dir, work_dir = Path(out_dir), Path(work_dir)
    check_target(out_dir)
    if work_dir.resolve().is_relative_to(out_dir.resolve()):
        raise TrainingError(f"the work folder {work_dir} must not be inside {out_dir}")
    accelerator = _accelerator(job)
    with _reproducible(job.device):
        training = _Training(job, accelerator, work_dir)
        history = training.run()
        if accelerator.is_main_process:
            with atomic_folder(out_dir) as temporary:
                training.objective.write_into(temporary)
                write_table(temporary / HISTORY, history)
            training.checkpoints.remove(len(job.recipe.stages))
        accelerator.wait_for_everyone()


def _accelerator(job: TrainingJob) -> Any:
    if job.device not in ("cpu", "cuda"):
        raise ConfigError(f"device must be cpu or cuda, not {job.device!r}")
    if job.device == "cuda":
        # Reproducible matrix products need this before the first of them.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        if not torch.cuda.is_available():
            raise TrainingError("device is cuda, but PyTorch sees no GPU")
    elif job.recipe.mixed_precision == "fp16":
        raise ConfigError("recipe: mixed_precision fp16 needs a GPU; use bf16, no or auto")
    accelerator = accelerate.Accelerator(
        cpu=job.device == "cpu", mixed_precision=_precision(job.recipe.mixed_precision, job.device)
    )
    if accelerator.num_processes != job.recipe.processes:
        raise ConfigError(
            f"recipe: processes is {job.recipe.processes}, but {accelerator.num_processes} were "
            "started; training.processes.train_in_processes starts as many as the recipe says"
        )
    return accelerator


def _precision(wanted: str, device: str) -> str:
    if wanted != "auto":
        return wanted
    if device == "cpu":
        return "no"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


@contextmanager
def _reproducible(device: str) -> Iterator[None]:
    """Deterministic algorithms inside; the global generators are outside what they were."""
    before = torch.get_deterministic_debug_mode()
    deterministic: Any = torch.utils.deterministic
    fill = deterministic.fill_uninitialized_memory
    # It takes a tenth of a step, and helps only who reads what nothing has written.
    deterministic.fill_uninitialized_memory = False
    # Some gradients have no deterministic implementation on a GPU. The other function that sets
    # this, `use_deterministic_algorithms`, imports a compiler, which takes more than a second.
    torch.set_deterministic_debug_mode("warn" if device == "cuda" else "error")
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_deterministic_debug_mode(before)
        deterministic.fill_uninitialized_memory = fill


def _synchronise_batch_norm(module: nn.Module) -> None:
    """Let batch normalisation see the batches of all processes; PyTorch can do that on GPUs."""
    for name, child in module.named_children():
        # Not its subclasses: what those do differently would be lost.
        if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(child)  # type: ignore[no-untyped-call]
            setattr(module, name, synchronised)
        else:
            _synchronise_batch_norm(child)


class _Training:
    """One run of a job: the detector, its data, and where it stands."""

    def __init__(self, job: TrainingJob, accelerator: Any, work_dir: Path) -> None:
        self.job, self.recipe, self.accelerator = job, job.recipe, accelerator
        self.work_dir = work_dir
        torch.manual_seed(seed_of("weights", job.seed))
        self.objective = job.objective(
            Task(
                frontend=job.frontend,
                backend=job.backend,
                policy=job.policy,
                train=load_rows(job.train, "training"),
                dev=load_rows(job.dev, "development"),
                train_from=named(job.train),
                dev_from=named(job.dev),
                class_weights=job.recipe.class_weights,
                seed=job.seed,
                options=job.options,
            ),
        )
        self.network = self.objective.network
        self.train_rows, self.dev_rows = self.objective.train, self.objective.dev
        self._check()
        self.select_by = self.objective.select_by or self.recipe.select_by
        # Of the present stage's best weights, if this process has judged them itself.
        self.best_result: DevResult | None = None
        trained_on = [source.describe() for source in job.train]
        self.settings = {
            "trained_on": trained_on,
            "dev": [source.describe() for source in job.dev],
            "recipe": self.recipe.to_dict(),
            "mixed_precision": accelerator.mixed_precision,
            "seed": job.seed,
            "spoofscope": spoofscope.__version__,
        }
        identity = {
            **self.settings,
            "frontend": self.network.frontend.config,
            "backend": [self.network.backend.name, self.network.backend.config],
            "input": self.network.policy.to_dict(),
            "objective": [job.objective.name, dict(job.options)],
            "cached": [job.train_features is not None, job.dev_features is not None],
            "augmentation": None
            if job.augmentation is None
            else [
                [dict(step) for step in job.augmentation.steps],
                {name: str(path) for name, path in job.augmentation.sources.items()},
                job.augmentation.seed,
            ],
            "versions": [spoofscope.__version__, torch.__version__, job.code],
        }
        self.checkpoints = Checkpoints(work_dir, hash8(identity))
        self.network.to(accelerator.device)
        if accelerator.num_processes > 1 and job.device == "cuda":
            _synchronise_batch_norm(self.network)

    def _check(self) -> None:
        job, network = self.job, self.network
        self.objective.check(self.recipe)
        for features in (job.train_features, job.dev_features):
            if features is not None:
                check_features(features, network.frontend, network.policy)
                if not network.frontend.frozen:
                    raise TrainingError("cached features do not fit a front-end that is trained")
        if job.train_features is not None and job.augmentation is not None:
            raise TrainingError("augmentation on the fly needs audio, not cached features")
        if network.backend.fitted_once and job.augmentation is not None:
            raise TrainingError(
                f"back-end {network.backend.name} is fitted in one go, without augmentation on "
                "the fly: train it on an augmented copy instead of a chain"
            )
        if self.recipe.recalibrate_norms and not batch_norms(network):
            raise ConfigError(
                f"recipe: recalibrate_norms: back-end {network.backend.name} has no batch norm"
            )
        if network.backend.fitted_once and self.recipe.processes > 1:
            raise ConfigError(
                f"recipe: back-end {network.backend.name} is fitted in one go, by one process"
            )

    def run(self) -> pl.DataFrame:
        """Train, leave the best weights in the detector, and return the history."""
        self._cache_audio()
        if self.network.backend.fitted_once:
            fit_frontend(self.network, self._train_inputs())
            labels = self.objective.fitted_labels
            fit_backend(self.network, self._train_inputs(), labels, self.job.seed)
            result = self.evaluate()
            history = [[1, 1, 0, None, *result.measures.values(), 0.0]]
        else:
            history = self._gradient_training()
            result = self._final_result()
        self.objective.conclude(result, self.settings)
        self._learn_likeness()
        return self.table(history)

    def _final_result(self) -> DevResult:
        """What the development set says of the best weights; it is not judged twice for it."""
        if self.recipe.recalibrate_norms:
            self._recalibrate_norms()
        elif self.best_result is not None:
            self.objective.refit(self._train_inputs, self.recipe.stages[-1].batch_size)
            return self.best_result
        return self.evaluate()

    def table(self, history: list[list[Any]]) -> pl.DataFrame:
        """The rows of epochs as they are written."""
        columns = history_columns(self.objective.measures)
        return pl.DataFrame(history, schema=columns, orient="row")

    def keep(self, history: list[list[Any]]) -> None:
        """Leave the epochs so far for those who watch; nothing is read back from there."""
        if self.accelerator.is_main_process:
            write_table(self.work_dir / HISTORY, self.table(history))

    def _recalibrate_norms(self) -> None:
        order = self.objective.order("shuffle", self.job.seed, 0)
        rows = self.train_rows[order.tolist()]
        inputs = self._inputs(rows, self.train_clips, self.job.train_features)
        fit_batch_norms(self.network, inputs, self.recipe.stages[-1].batch_size)

    def _learn_likeness(self) -> None:
        """Let the detector keep what its training recordings are like (see `likeness`)."""
        rows = described_rows(self.train_rows, self.job.seed)

        def recordings() -> Iterator[tuple[Samples, str]]:
            for utt_id, path, speaker in rows.select("utt_id", "path", "speaker").iter_rows():
                clip = self.train_clips.get(utt_id)
                yield self.network.policy.read(path) if clip is None else clip, speaker

        self.network.learn_likeness(recordings())

    def _cache_audio(self) -> None:
        limit, policy = self.recipe.cache_audio_mb, self.network.policy
        threads = self.recipe.num_workers
        self.train_clips: Mapping[str, Samples] = {}
        self.dev_clips: Mapping[str, Samples] = {}
        if self.job.train_features is None:
            self.train_clips = load_audio_cache(self.train_rows, policy, limit, threads)
            limit -= sum(clip.nbytes for clip in self.train_clips.values()) / 1e6
        if self.job.dev_features is None:
            self.dev_clips = load_audio_cache(self.dev_rows, policy, limit, threads)

    def _inputs(
        self, rows: pl.DataFrame, clips: Mapping[str, Samples], features: FeatureSource | None
    ) -> Iterator[Inputs]:
        if clips:
            for utt_id in rows["utt_id"]:
                yield utt_id, list(self.network.policy.windows(clips[utt_id]).values)
        else:
            yield from detector_inputs(rows, self.network.policy, features)

    def _train_inputs(self) -> Iterator[Inputs]:
        return self._inputs(self.train_rows, self.train_clips, self.job.train_features)

    def _gradient_training(self) -> list[list[Any]]:
        resumed = self.checkpoints.load()
        if resumed is None:
            progress = Progress()
            fit_frontend(self.network, self._train_inputs())
        else:
            progress = resumed["progress"]
            self.network.load_stored_state(resumed["network"], "the resume file")
        writer = None
        if self.accelerator.is_main_process:
            # What an earlier training has drawn after this step is drawn anew.
            writer = SummaryWriter(
                str(self.work_dir / "tensorboard"), purge_step=progress.steps + 1
            )
            network = self.network
            described = {
                "frontend": {"type": network.frontend.name, **network.frontend.config},
                "backend": {"type": network.backend.name, **network.backend.config},
                "input": network.policy.to_dict(),
                "meta": self.settings,
            }
            write_json(self.work_dir / RUNNING, described)
        self.keep(progress.history)
        items = TrainingItems(
            self.train_rows,
            self.network.policy,
            self.recipe.train_crop,
            self.job.seed,
            targets=self.objective.targets,
            features=self.job.train_features,
            clips=self.train_clips,
            augmentation=self.job.augmentation,
        )
        while progress.stage < len(self.recipe.stages):
            state = resumed["optimizer"] if resumed is not None else None
            _StageRun(self, items, progress, writer).run(state)
            resumed = None
        if writer is not None:
            writer.close()
        self.checkpoints.load_best(progress.stage - 1, self.network)
        self.network.frontend.unfreeze()
        return progress.history

    def evaluate(self) -> DevResult:
        """Judge the development set; every process takes its share.

        Raises:
            DetectorError: an output is not finite.
        """
        process, n_processes = self.accelerator.process_index, self.accelerator.num_processes
        batch_size = self.recipe.stages[-1].batch_size
        self.objective.refit(self._train_inputs, batch_size)
        rows = self.dev_rows.gather_every(n_processes, process)
        inputs = self._inputs(rows, self.dev_clips, self.job.dev_features)
        results = [
            (utt_id, self.objective.clip(outputs))
            for utt_id, outputs in logits_of_clips(self.network, inputs, batch_size)
        ]
        if n_processes > 1:
            results = gather_object(results)
        by_id = dict(results)
        return self.objective.dev_result(np.array([by_id[utt] for utt in self.dev_rows["utt_id"]]))


class _StageRun:
    """One stage of a training."""

    def __init__(
        self,
        training: _Training,
        items: TrainingItems,
        progress: Progress,
        writer: SummaryWriter | None,
    ) -> None:
        self.training, self.items, self.progress, self.writer = training, items, progress, writer
        self.network, self.accelerator = training.network, training.accelerator
        self.stage: Stage = training.recipe.stages[progress.stage]
        frontend = self.network.frontend
        if self.stage.freeze_frontend:
            frontend.freeze()
        else:
            frontend.unfreeze()
        # What is wrapped for training: without the front-end, its features are computed outside.
        trained: nn.Module = self.network.backend if frontend.frozen else self.network
        groups = [(list(self.network.backend.parameters()), self.stage.lr)]
        if not frontend.frozen:
            tuned = [p for p in frontend.parameters() if p.requires_grad]
            groups.append((tuned, self.stage.lr_frontend))
        optimizers: dict[str, Any] = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        self.base_lrs = [lr for _, lr in groups]
        optimizer = optimizers[self.stage.optimizer](
            [{"params": parameters, "lr": lr} for parameters, lr in groups],
            weight_decay=self.stage.weight_decay,
        )
        if self.accelerator.num_processes > 1:
            # Gradients of what is trained now are averaged; a stage that trains more wraps anew.
            self.accelerator.ddp_handler = accelerate.DistributedDataParallelKwargs(
                find_unused_parameters=self._has_unused(trained)
            )
        self.model, self.optimizer = self.accelerator.prepare(trained, optimizer)
        self.last_checkpoint = time.monotonic()

    def _has_unused(self, trained: nn.Module) -> bool:
        """Whether some trained parameter gets no gradient, such as an unused hidden state's.

        The processes would wait for it for ever, unless they look for such parameters in each step;
        that costs time.
        """
        batch = collate([self.items[0]])
        self.network.eval()
        outputs = self._outputs(trained, self._given(batch))
        self.accelerator.backward(outputs.sum())
        parameters = [p for p in trained.parameters() if p.requires_grad]
        unused = any(parameter.grad is None for parameter in parameters)
        trained.zero_grad()
        return unused

    def run(self, optimizer_state: dict[str, Any] | None) -> None:
        """Go through the stage's remaining epochs and leave `progress` at the next stage."""
        progress, training = self.progress, self.training
        if optimizer_state is not None:
            self.optimizer.load_state_dict(optimizer_state["optimizer"])
            if self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(optimizer_state["scaler"])
        elif progress.stage > 0:
            training.checkpoints.load_best(progress.stage - 1, self.network)
        while not self._done():
            with masked_in_training(self.network.backend, training.recipe.spec_augment):
                self._epoch()
            self._evaluate()
            progress.stage_epochs += 1
            progress.epochs += 1
            progress.step, progress.loss_sum = 0, 0.0
            self._checkpoint()
        progress.stage += 1
        progress.stage_epochs, progress.epochs_without_gain, progress.best = 0, 0, None
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        # The hooks that average gradients go with the wrapper, before the next stage has its own.
        self.model, self.optimizer = self.accelerator.free_memory(self.model, self.optimizer)
        # All read the best weights next, which the main process may still be writing.
        self.accelerator.wait_for_everyone()

    def _done(self) -> bool:
        patience = self.stage.patience
        return self.progress.stage_epochs >= self.stage.epochs or (
            patience is not None and self.progress.epochs_without_gain >= patience
        )

    def _epoch(self) -> None:
        """The optimiser steps of the present epoch that are not done yet."""
        job, progress, stage = self.training.job, self.progress, self.stage
        epoch = progress.epochs + 1
        self.items.epoch = epoch
        order = self.training.objective.order(self.training.recipe.sampler, job.seed, epoch)
        steps = plan_steps(
            order,
            stage.batch_size,
            stage.accumulate,
            self.accelerator.process_index,
            self.accelerator.num_processes,
        )
        remaining = steps[progress.step :]
        loader = DataLoader(
            self.items,
            batch_sampler=[batch for step in remaining for batch in step],
            collate_fn=collate,
            num_workers=self.training.recipe.num_workers,
            pin_memory=self.accelerator.device.type == "cuda",
        )
        batches = iter(loader)
        self.network.train()
        for step in remaining:
            torch.manual_seed(
                seed_of("step", job.seed, epoch, progress.step, self.accelerator.process_index)
            )
            factor = stage.lr_factor(
                progress.stage_epochs * len(steps) + progress.step, stage.epochs * len(steps)
            )
            for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
                group["lr"] = lr * factor
            loss = 0.0
            total = self._total_weight(order, steps)
            for i in range(len(step)):
                # Gradients are averaged over the processes once per step, with its last batch.
                alone = i + 1 < len(step)
                with self.accelerator.no_sync(self.model) if alone else nullcontext():
                    loss += self._backward(next(batches), total, epoch)
            if self.accelerator.num_processes > 1:
                mine = torch.tensor(loss, device=self.accelerator.device)
                loss = float(self.accelerator.reduce(mine, "mean"))
            if stage.grad_clip is not None:
                self.accelerator.clip_grad_norm_(self.model.parameters(), stage.grad_clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
            progress.step += 1
            progress.steps += 1
            progress.loss_sum += loss
            if self.writer is not None:
                self.writer.add_scalar("train/loss", loss, progress.steps)
            minutes = (time.monotonic() - self.last_checkpoint) / 60
            if minutes >= self.training.recipe.checkpoint_minutes:
                self._checkpoint()

    def _total_weight(self, order: npt.NDArray[np.int64], steps: list[list[list[int]]]) -> float:
        """Sum of the weights of the present step's utterances, divided by the processes.

        The mean over the processes of what each divides by it is the weighted mean over all.
        """
        n_processes, step = self.accelerator.num_processes, self.progress.step
        size = n_processes * sum(len(batch) for batch in steps[step])
        rows = order[step * size : (step + 1) * size]
        return float(self.training.objective.weights[rows].sum()) / n_processes

    def _given(self, batch: Batch) -> Step:
        """What the trained module is given: waveforms or, if the front-end is frozen, features."""
        device = self.accelerator.device
        values, lengths = batch.values.to(device), batch.lengths.to(device)
        if self.network.frontend.frozen:
            with torch.no_grad(), self.accelerator.autocast():
                values, lengths = self._features(values, lengths)
            values = values.float()
        return Step(values, lengths, batch.targets.to(device))

    def _outputs(self, model: nn.Module, step: Step) -> Tensor:
        """What the network or, if all else is frozen, its back-end gives."""
        with self.accelerator.autocast():
            outputs: Tensor = model(step.values, step.lengths)
        return outputs.float()

    def _backward(self, batch: Batch, total: float, epoch: int) -> float:
        """Add the gradients of one of a step's batches; its part of the loss.

        The losses are divided by `total`, see `_total_weight`.
        """
        objective = self.training.objective
        step = objective.prepare(self._given(batch))
        loss = objective.loss(self._outputs(self.model, step), step.targets, total)
        value = loss.item()
        if not np.isfinite(value):
            raise TrainingError(
                f"the training loss is {value} in stage {self.progress.stage + 1}, epoch {epoch}, "
                f"step {self.progress.step + 1}, utterances {', '.join(batch.utt_ids)}; lower the "
                "learning rate, clip gradients, or look at these files"
            )
        self.accelerator.backward(loss)
        return value

    def _features(self, values: Tensor, lengths: Tensor) -> Features:
        if values.ndim == 2:
            features: Features = self.network.frontend(values, lengths)
            return features
        return self.network.frontend.normalise(Features(values, lengths))

    def _evaluate(self) -> None:
        """Evaluate on dev, keep the weights if they are the best, and write the history."""
        progress, training = self.progress, self.training
        if self.accelerator.num_processes > 1:
            # The last step's statistics of batch normalisation are still each process' own; those
            # of the main process are kept.
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)
        try:
            result = training.evaluate()
        except DetectorError as error:
            raise TrainingError(
                f"after epoch {progress.epochs + 1}, step {progress.steps}: {error}; lower the "
                "learning rate or clip gradients"
            ) from error
        # Small development sets give the same rate epoch after epoch: then the loss decides.
        select_by, measures = training.select_by, result.measures
        value = [measures[select_by], measures["loss"]]
        if progress.best is None or value < progress.best:
            progress.best, progress.epochs_without_gain = value, 0
            training.best_result = result
            if self.accelerator.is_main_process:
                training.checkpoints.save_best(progress.stage, self.network)
        else:
            progress.epochs_without_gain += 1
        train_loss = progress.loss_sum / progress.step
        lr = float(self.optimizer.param_groups[0]["lr"])
        position = [progress.stage + 1, progress.epochs + 1, progress.steps]
        progress.history.append([*position, train_loss, *measures.values(), lr])
        training.keep(progress.history)
        _LOGGER.info(
            "stage %d, epoch %d of %d: train loss %.4f, %s (best %s so far %.4f)",
            progress.stage + 1,
            progress.stage_epochs + 1,
            self.stage.epochs,
            train_loss,
            ", ".join(f"dev {name} {measure:.4f}" for name, measure in measures.items()),
            select_by,
            progress.best[0],
        )
        if self.writer is not None:
            for name, measure in measures.items():
                self.writer.add_scalar(f"dev/{name}", measure, progress.steps)

    def _checkpoint(self) -> None:
        scaler = self.accelerator.scaler
        if self.accelerator.is_main_process:
            state = {
                "optimizer": self.optimizer.state_dict(),
                "scaler": None if scaler is None else scaler.state_dict(),
            }
            self.training.checkpoints.save(self.progress, self.network, state)
        self.last_checkpoint = time.monotonic()
