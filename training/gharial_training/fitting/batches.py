"""Which utterances come together in a step, and the tensors made of them.

Shapes: B utterances, T log-mel frames, M mel filters, S encoder inputs, F input features, U labels.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gharial_asr.config import RnntConfig
from gharial_asr.features import Features
from gharial_asr.tokenizer import Tokenizer
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gharial_training.data.augment import Augmentation, augment_audio, mask_features, to_tensor
from gharial_training.data.corpus import Corpus, Utterance
from gharial_training.data.recombine import Recombination, WordBank
from gharial_training.data.shards import SAMPLE_RATE
from gharial_training.data.text import CHARACTERS, normalise
from gharial_training.fitting.recipe import DataSettings

Audio = NDArray[np.float32]


@dataclass(frozen=True)
class Item:
    """One training utterance: where it lies in a corpus, or its audio when it was put together anew."""

    text: str
    samples: int
    corpus: int = -1
    utterance: Utterance | None = None
    audio: Audio | None = None


@dataclass(frozen=True)
class Batch:
    """Tensors of one step. steps_B are encoder outputs, labels_BU is padded with -1."""

    inputs_BSF: Tensor
    steps_B: Tensor
    labels_BU: Tensor
    label_counts_B: Tensor
    seconds: float


class TrainingData:
    """All training utterances of a recipe, drawn epoch by epoch."""

    def __init__(self, settings: DataSettings, corpora: Sequence[Corpus], noises: Sequence[Audio]) -> None:
        """Raises ValueError when nothing is left to train on."""
        self._settings, self._corpora, self.noises = settings, corpora, noises
        self._items = [
            Item(text, u.length, number, u)
            for number, corpus in enumerate(corpora)
            for u in corpus.utterances
            if self._usable(u, text := self._transcript(u))
        ]
        if not self._items:
            raise ValueError("no utterance to train on; check the recipe's train corpora and held_out")
        self._banks = [(setting, self._word_bank(setting)) for setting in settings.recombine]

    @property
    def hours(self) -> float:
        """Distinct audio."""
        return sum(item.samples for item in self._items) / SAMPLE_RATE / 3600

    def _transcript(self, u: Utterance) -> str:
        return normalise(u.text, self._settings.normalize_transcripts, CHARACTERS, self._settings.replacements)

    def _usable(self, u: Utterance, text: str) -> bool:
        held_out = self._settings.held_out is not None and re.match(self._settings.held_out, u.key)
        short = u.seconds <= self._settings.max_seconds and len(text) < self._settings.max_characters
        return bool(text) and short and not held_out

    def _word_bank(self, setting: Recombination) -> WordBank:
        found = []
        for item in self._items:
            if item.utterance is not None and re.match(setting.keys, item.utterance.key):
                speaker = re.match(setting.speaker, item.utterance.key)
                if speaker is None:
                    raise ValueError(f"recombine.speaker {setting.speaker!r} does not match {item.utterance.key}")
                found.append((speaker.group(1), self.audio(item), item.text))
        return WordBank(found, setting)

    def _times(self, item: Item) -> float:
        key = item.utterance.key if item.utterance else ""
        return next((rule.times for rule in self._settings.repeat if re.match(rule.keys, key)), 1.0)

    def audio(self, item: Item) -> Audio:
        """The samples of an item."""
        if item.audio is not None:
            return item.audio
        if item.utterance is None:
            raise ValueError("an item has neither audio nor a place in a corpus")
        return self._corpora[item.corpus].audio(item.utterance)

    def epoch(
        self, number: int, seed: int, batch_seconds: float, longest_seconds: float = math.inf
    ) -> list[list[Item]]:
        """The steps of an epoch, the same for every worker; the first epoch goes from short to long utterances."""
        rng = np.random.default_rng((seed, number))
        items = [
            item
            for item in self._items
            if item.samples <= longest_seconds * SAMPLE_RATE
            for _ in range(int(self._times(item) + rng.random()))
        ]
        for setting, bank in self._banks:
            for _ in range(setting.utterances_per_epoch):
                audio, text = bank.draw(rng)
                items.append(Item(text, len(audio), audio=audio))
        lengths = np.array([item.samples for item in items]) * rng.uniform(0.9, 1.1, len(items))
        groups = list(group_by_length([items[i] for i in np.argsort(lengths)], batch_seconds))
        if number > 0:
            rng.shuffle(groups)
        return groups


def group_by_length(items: Sequence[Item], batch_seconds: float) -> Iterator[list[Item]]:
    """Cuts a sorted list into groups whose padded audio is at most `batch_seconds`, or of one item."""
    group: list[Item] = []
    longest = 0
    for item in items:
        longest = max(longest, item.samples)
        if group and longest * (len(group) + 1) > batch_seconds * SAMPLE_RATE:
            yield group
            group, longest = [], item.samples
        group.append(item)
    if group:
        yield group


class BatchBuilder:
    """Makes tensors of items: augmentation, features, labels."""

    def __init__(
        self,
        config: RnntConfig,
        data: TrainingData,
        features: Features,
        tokenizer: Tokenizer,
        settings: Augmentation,
    ) -> None:
        self._config, self._data, self._features, self._tokenizer = config, data, features, tokenizer
        self._settings = settings

    def _inputs(self, item: Item, rng: np.random.Generator) -> Tensor:
        audio = augment_audio(self._data.audio(item), self._data.noises, self._settings, rng)
        audio = np.pad(audio, (0, -len(audio) % self._config.samples_per_step))
        front = self._features
        mel_TM = (front.log_mel(to_tensor(audio))[0] - front.mean) / front.deviation
        masked = mask_features(mel_TM, self._settings, rng)
        return masked.reshape(masked.shape[0] // front.stacking, -1)

    def _labels(self, text: str, rng: np.random.Generator) -> Tensor:
        sample = rng.random() < self._config.tokenizer.sampling
        return torch.tensor(self._tokenizer.sample(text) if sample else self._tokenizer.encode(text), dtype=torch.long)

    def build(self, items: Sequence[Item], rng: np.random.Generator) -> Batch:
        """Augmented tensors of some utterances."""
        with torch.no_grad():
            inputs = [self._inputs(item, rng) for item in items]
        labels = [self._labels(item.text, rng) for item in items]
        stack = self._config.rnnt.enc_stack_time_factor
        return Batch(
            inputs_BSF=pad_sequence(inputs, batch_first=True),
            steps_B=torch.tensor([len(x) // stack for x in inputs]),
            labels_BU=pad_sequence(labels, batch_first=True, padding_value=-1),
            label_counts_B=torch.tensor([len(y) for y in labels]),
            seconds=sum(item.samples for item in items) / SAMPLE_RATE,
        )
