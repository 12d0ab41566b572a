"""The network in training: the transducer and an auxiliary CTC head that is not exported.

Shapes: B utterances, S encoder inputs, T encoder outputs, E encoder size, U labels, K classes, N packed lattice
cells, J joint size.
"""

import torch
from gharial_asr.config import RnntConfig
from gharial_asr.model import START, Rnnt
from torch import Tensor, nn
from torch.nn import functional as F

from gharial_training.fitting.alignment import band_around, labels_begun
from gharial_training.fitting.batches import Batch
from gharial_training.fitting.loss import pack_lattice, transducer_loss
from gharial_training.fitting.recipe import Band


class Trainee(nn.Module):
    """The transducer with a linear CTC head (A. Graves et al., 2006) on its encoder."""

    def __init__(self, config: RnntConfig) -> None:
        super().__init__()
        self.rnnt = Rnnt(config)
        self.ctc = nn.Linear(config.rnnt.enc_n_hid, config.n_classes)
        for name, parameter in self.rnnt.named_parameters():
            if ".bias_ih_" in name:
                hidden = parameter.shape[0] // 4
                nn.init.ones_(parameter.data[hidden : 2 * hidden])

    def losses(self, batch: Batch, ctc_weight: float, band: Band) -> tuple[Tensor, Tensor]:
        """Sums over the batch of the transducer loss (0 when ctc_weight is 1) and of the CTC loss."""
        encoder = self.rnnt.encoder
        f_BTE, _ = encoder(batch.inputs_BSF, encoder.zero_state(len(batch.steps_B)))
        scores_TBK = self.ctc(f_BTE).log_softmax(-1).transpose(0, 1)
        if ctc_weight == 1:
            return f_BTE.new_zeros(()), self._ctc_loss(scores_TBK, batch)
        begun_BT = labels_begun(scores_TBK.detach(), batch.labels_BU, batch.label_counts_B, batch.steps_B)
        cells_BTU = band_around(begun_BT, batch.label_counts_B, band.late, band.early)
        return self._transducer_loss(f_BTE, batch, cells_BTU), self._ctc_loss(scores_TBK, batch)

    def _ctc_loss(self, scores_TBK: Tensor, batch: Batch) -> Tensor:
        return F.ctc_loss(
            scores_TBK,
            batch.labels_BU.clamp(min=0),
            batch.steps_B,
            batch.label_counts_B,
            blank=self.rnnt.config.blank,
            reduction="sum",
            zero_infinity=True,
        )

    def _transducer_loss(self, f_BTE: Tensor, batch: Batch, cells_BTU: Tensor) -> Tensor:
        rnnt = self.rnnt
        f_BTJ = rnnt.joint_enc(f_BTE)
        g_BUJ, _ = rnnt.predict(F.pad(batch.labels_BU.clamp(min=0), (1, 0), value=START))
        lattice = pack_lattice(batch.steps_B, batch.labels_BU, batch.label_counts_B, cells_BTU)
        width = g_BUJ.shape[1]
        frame_N = lattice.cell_utterance * f_BTJ.shape[1] + lattice.cell_frame
        label_N = lattice.cell_utterance * width + lattice.cell_label
        sum_NJ = f_BTJ.flatten(0, 1).index_select(0, frame_N) + g_BUJ.flatten(0, 1).index_select(0, label_N)
        return transducer_loss(rnnt.joint_net(sum_NJ), lattice).sum()


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the parameters; young averages forget faster so that they follow early learning."""
    weight = min(decay, (1 + step) / (10 + step))
    for name, value in model.state_dict().items():
        average[name].lerp_(value, 1 - weight)
