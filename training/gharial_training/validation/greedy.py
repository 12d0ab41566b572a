"""Greedy decoding of whole utterances in batches, for validation while a model is trained.

Shapes: B utterances, T encoder outputs, J joint size.
"""

import torch
from gharial_asr.model import START, LstmState, Rnnt
from torch import Tensor

MAX_SYMBOLS = 30


@torch.no_grad()
def greedy_decode(model: Rnnt, inputs_BSF: Tensor, steps_B: Tensor) -> list[list[int]]:
    """The labels of each utterance: the best class of each lattice cell, at most 30 labels a step."""
    f_BTJ, _ = model.encode(inputs_BSF)
    batch = f_BTJ.shape[0]
    labels: list[list[int]] = [[] for _ in range(batch)]
    g_BJ, state = _advance(model, torch.full((batch,), START), None)
    for t in range(f_BTJ.shape[1]):
        live_B = t < steps_B
        for _ in range(MAX_SYMBOLS):
            best_B = model.joint(f_BTJ[:, t], g_BJ).argmax(-1)
            emit_B = live_B & (best_B != model.config.blank)
            if not emit_B.any():
                break
            for b in emit_B.nonzero()[:, 0].tolist():
                labels[b].append(int(best_B[b]))
            rows = emit_B.nonzero()[:, 0]
            old = LstmState(state.hidden[:, rows], state.cell[:, rows])
            g_rows, new = _advance(model, best_B[rows], old)
            g_BJ[rows] = g_rows
            state.hidden[:, rows], state.cell[:, rows] = new.hidden, new.cell
            live_B = emit_B
    return labels


def _advance(model: Rnnt, labels_B: Tensor, state: LstmState | None) -> tuple[Tensor, LstmState]:
    g_B1J, after = model.predict(labels_B[:, None], state)
    return g_B1J[:, 0].clone(), LstmState(after.hidden.clone(), after.cell.clone())


@torch.no_grad()
def ctc_greedy_decode(scores_BTK: Tensor, steps_B: Tensor, blank: int) -> list[list[int]]:
    """Best path of a CTC head: repeats merged, blanks dropped."""
    best_BT = scores_BTK.argmax(-1)
    texts = []
    for row, steps in zip(best_BT, steps_B.tolist(), strict=True):
        path = torch.unique_consecutive(row[:steps])
        texts.append([label for label in path.tolist() if label != blank])
    return texts
