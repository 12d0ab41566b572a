"""Starts the worker processes of a run and prepares what they share."""

import os
import tempfile
from pathlib import Path

import torch
from gharial_asr.features import LogMel
from gharial_asr.tokenizer import Tokenizer
from torch import distributed, multiprocessing

from gharial_training.data import statistics
from gharial_training.data.corpus import Corpus
from gharial_training.data.pieces import train_tokenizer
from gharial_training.fitting.batches import TrainingData
from gharial_training.fitting.recipe import Recipe
from gharial_training.fitting.run_files import RunFolder
from gharial_training.fitting.trainer import RunInputs, Trainer

STATISTICS_UTTERANCES = 2000


def open_corpora(recipe: Recipe, root: Path) -> dict[str, Corpus]:
    """Every corpus that the recipe names. Raises ValueError that says how to make a missing one."""
    settings = recipe.data
    names = {*settings.train, *settings.noise, *(s.corpus for s in settings.evaluation)}
    corpora = {}
    for name in sorted(names):
        try:
            corpora[name] = Corpus(root / name)
        except FileNotFoundError as error:
            raise ValueError(f"no corpus {root / name}; make it with `gharial data prepare`") from error
    return corpora


def take_over(checkpoint: Path, folder: RunFolder) -> None:
    """Writes the tokenizer and the statistics of another run's checkpoint into a new run. Raises CheckpointError."""
    content = RunFolder.load(checkpoint)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.tokenizer.write_bytes(content["tokenizer_kw"]["sentpiece_model"])
    statistics.save(statistics.MelStatistics(content["melmeans"], content["melvars"], content["meln"]), folder.path)


def prepare(recipe: Recipe, corpora: dict[str, Corpus], folder: RunFolder) -> None:
    """Trains the tokenizer and measures the log-mel statistics once a run. Raises ValueError."""
    folder.path.mkdir(parents=True, exist_ok=True)
    data = TrainingData(recipe.data, [corpora[name] for name in recipe.data.train], [])
    items = [item for group in data.epoch(0, recipe.optimisation.seed, 200) for item in group]
    if not folder.tokenizer.exists():
        folder.tokenizer.write_bytes(train_tokenizer((item.text for item in items), recipe.pieces))
    if not (folder.path / "meln.pt").exists():
        log_mel = LogMel(recipe.rnnt_config.input_val.filterbank_features)
        every = max(1, len(items) // STATISTICS_UTTERANCES)
        statistics.save(statistics.measure(log_mel, (data.audio(item) for item in items[::every])), folder.path)


def run_worker(
    rank: int,
    recipe: Recipe,
    root: Path,
    folder: RunFolder,
    minutes: float,
    workers: int,
    resume: bool,
    start_from: Path | None,
    meeting: str,
) -> None:
    """One worker process: meets the others at a file and trains."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=workers)
    inputs = RunInputs(
        recipe=recipe,
        corpora=open_corpora(recipe, root),
        statistics=statistics.load(folder.path),
        tokenizer=Tokenizer(folder.tokenizer.read_bytes()),
        folder=folder,
        minutes=minutes,
        workers=workers,
        resume=resume,
        start_from=start_from,
    )
    Trainer(inputs, rank).run()
    distributed.destroy_process_group()


def train(
    recipe: Recipe, root: Path, folder: RunFolder, minutes: float, workers: int, resume: bool, start_from: Path | None
) -> None:
    """Trains a model from prepared corpora under `root`; returns when the run is over. Raises ValueError, OSError.

    A run that starts from another run's checkpoint takes over its weights, tokenizer and log-mel statistics.
    """
    if folder.last.exists() and not resume:
        raise ValueError(f"{folder.path} holds a run already; give --resume to go on, or another --output")
    if resume and not folder.last.exists():
        raise ValueError(f"{folder.path} holds no checkpoint to resume from; leave --resume away")
    if start_from is not None and not resume:
        take_over(start_from, folder)
    prepare(recipe, open_corpora(recipe, root), folder)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as meeting:
        arguments = (recipe, root, folder, minutes, workers, resume, start_from, f"{meeting}/meeting")
        # Daemons end with this process.
        multiprocessing.spawn(run_worker, arguments, nprocs=workers, daemon=True)  # type: ignore[attr-defined, no-untyped-call]
