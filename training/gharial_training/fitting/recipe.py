"""What a recipe file may say: data, tokenizer, network, augmentation and schedule of one model."""

from pathlib import Path

import yaml
from gharial_asr.config import InputConfig, NetworkConfig, RnntConfig, TokenizerConfig
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gharial_training.data.augment import Augmentation
from gharial_training.data.recombine import Recombination
from gharial_training.data.text import Level


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EvaluationSet(_Section):
    """A set whose word error rate is measured and never trained on."""

    name: str
    corpus: str
    keys: str = Field(default="", description="Regular expression on keys, from their start.")
    choose: bool = Field(default=True, description="Whether checkpoints are chosen by it; else it is a test set.")


class Repetition(_Section):
    """Utterances that come more, or less, than once an epoch."""

    keys: str
    times: float = Field(ge=0)


class DataSettings(_Section):
    """Which corpora (folders made by `gharial data prepare`) are used for what."""

    train: list[str] = Field(min_length=1)
    noise: list[str] = []
    evaluation: list[EvaluationSet] = []
    held_out: str | None = Field(default=None, description="Keys that must never be trained on.")
    repeat: list[Repetition] = []
    recombine: list[Recombination] = []
    normalize_transcripts: Level = "lowercase"
    replacements: dict[str, str] = Field(default={}, description="Text to replace in transcripts, old: new.")
    max_seconds: float = Field(default=20.0, gt=0)
    max_characters: int = Field(default=450, gt=0)


class Schedule(_Section):
    """Everything that changes over a run, as fractions of it."""

    minutes: float = Field(default=90, gt=0, description="Length of the run; --minutes overrides it.")
    warm_up: float = Field(default=0.03, gt=0, lt=1, description="Linear rise of the learning rate ends here.")
    hold: float = Field(default=0.45, gt=0, lt=1, description="Decay of the learning rate starts here.")
    encoder_only: float = Field(default=0.35, ge=0, lt=1, description="Until here only the encoder learns, by CTC.")
    short_until: float = Field(default=0, ge=0, lt=1, description="Epochs that begin before this hold short ones only.")
    short_seconds: float = Field(default=5, gt=0, description="Longest of the short utterances.")
    learning_rate: float = Field(default=2e-3, gt=0)
    final_learning_rate: float = Field(default=3e-5, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> "Schedule":
        if self.hold < self.warm_up:
            raise ValueError("hold must not end before warm_up does")
        return self


class Band(_Section):
    """The part of the transducer's lattice that is computed, in labels around the CTC head's alignment."""

    late: int = Field(default=8, gt=0)
    early: int = Field(default=4, gt=0)


class Optimisation(_Section):
    """One step of learning."""

    batch_seconds: float = Field(default=200, gt=0, description="Audio behind one step, padding counted.")
    weight_decay: float = Field(default=1e-3, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.999, ge=0, lt=1)
    ctc_weight: float = Field(
        default=0.3, ge=0, description="Weight of the auxiliary CTC loss beside the transducer's."
    )
    band: Band = Band()
    piece_sampling: float = Field(default=0.05, ge=0, le=1)
    validate_minutes: float = Field(default=8, gt=0)
    save_minutes: float = Field(default=3, gt=0)
    seed: int = 1


class Recipe(_Section):
    """One model, from data to schedule."""

    name: str
    data: DataSettings
    pieces: int = Field(gt=1, description="SentencePiece pieces; the blank comes on top.")
    network: NetworkConfig
    augmentation: Augmentation = Augmentation()
    schedule: Schedule = Schedule()
    optimisation: Optimisation = Optimisation()

    @property
    def rnnt_config(self) -> RnntConfig:
        """The architecture as the checkpoints carry it."""
        tokenizer = TokenizerConfig(vocab_size=self.pieces, sampling=self.optimisation.piece_sampling)
        return RnntConfig(input_val=InputConfig(), rnnt=self.network, tokenizer=tokenizer)


def load_recipe(path: Path) -> Recipe:
    """Reads a YAML recipe. Raises ValueError with every fault, OSError."""
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(f"{path}: {faults}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
