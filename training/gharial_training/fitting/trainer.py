"""Training: data-parallel worker processes, one thread each, that meet once a step to add up their gradients.

One thread a worker, because threads that wait for each other inside every matrix product lose most of their time when
something else runs on the machine; workers wait for each other once a step only.
"""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gharial_asr.checkpoint import HardwareCheckpoint
from gharial_asr.compilation import compile_checkpoint
from gharial_asr.features import Features
from gharial_asr.tokenizer import Tokenizer
from torch import Tensor, distributed
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gharial_training.data.corpus import Corpus
from gharial_training.data.statistics import MelStatistics
from gharial_training.fitting.batches import BatchBuilder, Item, TrainingData
from gharial_training.fitting.evaluation import Evaluator, Rates
from gharial_training.fitting.objective import Trainee, update_average
from gharial_training.fitting.recipe import Recipe
from gharial_training.fitting.run_files import RunFolder, cloned
from gharial_training.fitting.schedule import Clock, learning_rate


@dataclass(frozen=True)
class RunInputs:
    """All that a worker needs besides its rank."""

    recipe: Recipe
    corpora: dict[str, Corpus]
    statistics: MelStatistics
    tokenizer: Tokenizer
    folder: RunFolder
    minutes: float
    workers: int
    resume: bool
    start_from: Path | None = None


@dataclass
class Position:
    """How far a run is."""

    epoch: int = 0
    group: int = 0
    step: int = 0
    best_wer: float = float("inf")


class Trainer:
    """One worker's view of a run."""

    def __init__(self, inputs: RunInputs, rank: int) -> None:
        self.inputs, self.rank = inputs, rank
        recipe = inputs.recipe
        torch.manual_seed(recipe.optimisation.seed)
        self.model = Trainee(recipe.rnnt_config)
        self.average = cloned(self.model.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.schedule.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=recipe.optimisation.weight_decay,
            fused=True,
        )
        self.position = Position()
        begin = self._resume() if inputs.resume else 0.0
        if inputs.start_from is not None:
            self._load_weights(RunFolder.load(inputs.start_from))
        self.clock = Clock(inputs.minutes, begin)
        self.features = Features(recipe.rnnt_config, inputs.statistics.mean, inputs.statistics.variance)
        corpora = [inputs.corpora[name] for name in recipe.data.train]
        noises = [inputs.corpora[name].audio(u) for name in recipe.data.noise for u in inputs.corpora[name].utterances]
        self.data = TrainingData(recipe.data, corpora, noises)
        self.builder = BatchBuilder(recipe.rnnt_config, self.data, self.features, inputs.tokenizer, recipe.augmentation)
        self.evaluator = Evaluator(recipe.data.evaluation, inputs.corpora)
        self._seen, self._last_save, self._last_validation = 0.0, time.monotonic(), time.monotonic()

    def _resume(self) -> float:
        content = RunFolder.load(self.inputs.folder.last)
        self._load_weights(content)
        self.optimizer.load_state_dict(content["optimizer"])
        self.position = Position(content["epoch"], content["group"], content["step"], content["best_wer"])
        return float(content["progress"])

    def _load_weights(self, content: dict[str, Any]) -> None:
        rnnt = {f"rnnt.{name}": value for name, value in content["state_dict"].items()}
        average = {f"rnnt.{name}": value for name, value in content["ema_state_dict"].items()}
        heads = {f"ctc.{name}": value for name, value in content["ctc_head"].items()}
        self.model.load_state_dict(rnnt | heads)
        self.average = average | cloned(heads)

    def run(self) -> None:
        """Trains until the clock's end, then validates and saves once more."""
        while not self._over():
            groups = self._epoch()
            while self.position.group < len(groups) and not self._over():
                self._step(groups[self.position.group])
                self.position.group += 1
                self._house_keeping()
            if self.position.group == len(groups):
                self.position.epoch, self.position.group = self.position.epoch + 1, 0
        self._validate()
        self._save(self.inputs.folder.last)

    def _epoch(self) -> list[list[Item]]:
        settings, schedule = self.inputs.recipe.optimisation, self.inputs.recipe.schedule
        longest = schedule.short_seconds if self._progress < schedule.short_until else math.inf
        return self.data.epoch(self.position.epoch, settings.seed, settings.batch_seconds, longest)

    def _over(self) -> bool:
        return self._agreed_progress() >= 1

    def _agreed_progress(self) -> float:
        """The first worker's progress: all workers must take the same turns."""
        value = torch.tensor(self.clock.progress(), dtype=torch.float64)
        distributed.broadcast(value, 0)
        self._progress = float(value)
        return self._progress

    def _step(self, items: list[Item]) -> None:
        settings, schedule = self.inputs.recipe.optimisation, self.inputs.recipe.schedule
        began = time.monotonic()
        mine = items[self.rank :: self.inputs.workers]
        rate = learning_rate(self._progress, schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        ctc_weight = 1.0 if self._progress < schedule.encoder_only else settings.ctc_weight
        self.optimizer.zero_grad()
        totals = torch.zeros(4, dtype=torch.float64)
        if mine:
            rng = np.random.default_rng((settings.seed, self.position.step, self.rank))
            batch = self.builder.build(mine, rng)
            self.model.train()
            transducer, ctc = self.model.losses(batch, ctc_weight, settings.band)
            ((1 - ctc_weight) * transducer + ctc_weight * ctc).backward()  # type: ignore[no-untyped-call]
            totals = torch.tensor([transducer.item(), ctc.item(), float(batch.label_counts_B.sum()), batch.seconds])
            totals = totals.double()
        distributed.all_reduce(totals)
        norm = self._apply_gradients(float(totals[2]), settings.gradient_clip)
        update_average(self.average, self.model, settings.ema, self.position.step)
        self.position.step += 1
        self._seen += float(totals[3])
        if self.rank == 0 and self.position.step % 20 == 0:
            self._log_step(totals, norm, rate, time.monotonic() - began)

    def _apply_gradients(self, labels: float, clip: float) -> float:
        """Adds up all workers' gradients and steps; a step that is not finite on any worker is dropped by all."""
        parameters = list(self.model.parameters())
        flat = parameters_to_vector([p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters])
        distributed.all_reduce(flat)
        flat /= labels
        norm = float(flat.norm())
        if not np.isfinite(norm):
            return norm
        flat *= min(1.0, clip / max(norm, 1e-12))
        for parameter in parameters:
            parameter.grad = torch.empty_like(parameter)
        vector_to_parameters(flat, [p.grad for p in parameters if p.grad is not None])
        self.optimizer.step()
        return norm

    def _log_step(self, totals: Tensor, norm: float, rate: float, seconds: float) -> None:
        labels = float(totals[2])
        entry = {
            "step": self.position.step,
            "epoch": round(self.position.epoch, 2),
            "progress": round(self._progress, 4),
            "transducer": round(float(totals[0]) / labels, 3),
            "ctc": round(float(totals[1]) / labels, 3),
            "norm": round(norm, 3),
            "rate": round(rate, 6),
            "hours": round(self._seen / 3600, 2),
            "step_seconds": round(seconds, 2),
            "audio_seconds": round(float(totals[3]), 1),
        }
        self.inputs.folder.write_log(entry)
        print(json.dumps(entry), flush=True)

    def _house_keeping(self) -> None:
        settings = self.inputs.recipe.optimisation
        now = time.monotonic()
        due = torch.tensor(
            [
                now - self._last_validation > 60 * settings.validate_minutes,
                now - self._last_save > 60 * settings.save_minutes,
            ],
            dtype=torch.int32,
        )
        distributed.broadcast(due, 0)
        if due[0]:
            self._last_validation = now
            self._validate()
        if due[1]:
            self._last_save = now
            self._save(self.inputs.folder.last)

    def _validate(self) -> None:
        encoder_only = self._progress < self.inputs.recipe.schedule.encoder_only
        with self._averaged():
            rates = self._encoder_rates() if encoder_only else self._transducer_rates()
        if self.rank == 0:
            entry = {"step": self.position.step, "progress": round(self._progress, 4), "wer": rates.by_set}
            self.inputs.folder.write_log(entry)
            print(json.dumps(entry), *rates.examples, sep="\n", flush=True)
        if not encoder_only and rates.choosing < self.position.best_wer:
            self.position.best_wer = rates.choosing
            self._save(self.inputs.folder.best)

    def _encoder_rates(self) -> Rates:
        return self.evaluator.encoder(self.model, self.features, self.inputs.tokenizer, self.rank, self.inputs.workers)

    def _transducer_rates(self) -> Rates:
        inputs = self.inputs
        checkpoint = HardwareCheckpoint(
            config=inputs.recipe.rnnt_config,
            state_dict=self.model.rnnt.state_dict(),
            mel_mean=inputs.statistics.mean,
            mel_variance=inputs.statistics.variance,
            tokenizer=inputs.tokenizer,
        )
        return self.evaluator.transducer(compile_checkpoint(checkpoint, "float32"), self.rank, inputs.workers)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """The averaged weights in place of the current ones."""
        current = cloned(self.model.state_dict())
        self.model.load_state_dict(self.average)
        self.model.eval()
        try:
            yield
        finally:
            self.model.load_state_dict(current)

    def _save(self, path: Any) -> None:
        if self.rank != 0:
            return
        inputs, statistics = self.inputs, self.inputs.statistics
        content = {
            "epoch": self.position.epoch,
            "group": self.position.group,
            "step": self.position.step,
            "best_wer": self.position.best_wer,
            "progress": self._progress,
            "state_dict": cloned(self.model.rnnt.state_dict()),
            "ema_state_dict": {n.removeprefix("rnnt."): v for n, v in self.average.items() if n.startswith("rnnt.")},
            "ctc_head": cloned(self.model.ctc.state_dict()),
            "optimizer": self.optimizer.state_dict(),
            "tokenizer_kw": {"sentpiece_model": inputs.tokenizer.model},
            "logmel_norm_weight": 1.0,
            "rnnt_config": inputs.recipe.rnnt_config.model_dump(mode="json"),
            "melmeans": statistics.mean,
            "melvars": statistics.variance,
            "meln": statistics.frames,
        }
        inputs.folder.save(content, path)
