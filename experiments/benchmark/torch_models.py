"""The models of three tasks as users of torch.nn write them; see `nnx_models`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from experiments.benchmark.nnx_models import FORBIDDEN, UNKNOWN
from rnnjax.data.word_vocabulary import START


def trainer(model: Any, config: Any) -> Callable[[Any], torch.Tensor]:
    """One update by a batch, which returns the loss: clipped gradients, Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    carry = None

    def step(batch):
        nonlocal carry
        optimizer.zero_grad()
        loss, carry = model.loss(batch, carry)
        loss.backward()
        clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        return loss.detach()

    return step


def tensors(batch: dict[str, Any], device: str) -> dict[str, torch.Tensor]:
    """A batch where the model is."""
    return {name: torch.from_numpy(np.array(x)).long().to(device) for name, x in batch.items()}


def locked(x: torch.Tensor, rate: float, axis: int = 0) -> torch.Tensor:
    """Dropout with one mask for all positions of an axis."""
    return x * F.dropout(torch.ones_like(x.narrow(axis, 0, 1)), rate)


def read(recurrent: nn.RNNBase, xs: torch.Tensor, lengths: torch.Tensor):
    """The outputs at each step, and the last state, of padded sequences."""
    packed = pack_padded_sequence(xs, lengths.cpu(), enforce_sorted=False)
    ys, last = recurrent(packed)
    return pad_packed_sequence(ys, total_length=len(xs))[0], last


class LanguageModel(nn.Module):
    """An LSTM over embedded characters."""

    def __init__(self, config: Any, ours: Any):
        super().__init__()
        num_symbols, self.rate = ours.embed.num_embeddings, config.dropout
        self.embed = nn.Embedding(num_symbols, config.embed_size)
        self.recurrent = nn.LSTM(config.embed_size, config.hidden_size)
        self.head = nn.Linear(config.hidden_size, num_symbols)

    def loss(self, batch, carry):
        """The mean loss in training, and the carry for the next batch."""
        ys, (h, c) = self.recurrent(self.embed(batch["inputs"]), carry)
        logits = self.head(locked(ys, self.rate))
        loss = F.cross_entropy(logits.flatten(0, 1), batch["targets"].flatten())
        return loss, (h.detach(), c.detach())


class Tagger(nn.Module):
    """A bidirectional LSTM-CRF over words, a CNN over their characters, and their case."""

    def __init__(self, config: Any, ours: Any):
        super().__init__()
        features, K, self.config = ours.features, len(ours.tags), config
        D, E, F = config.embed_size, config.character_embed_size, config.character_size
        self.words = nn.Embedding(features.embed.num_embeddings, D)
        self.characters = nn.Embedding(features.characters.embed.num_embeddings, E)
        self.filters = nn.Conv1d(E, F, kernel_size=3, padding=1)
        self.case = nn.Embedding(features.case.num_embeddings, config.case_size)
        size = D + F + config.case_size
        self.recurrent = nn.LSTM(size, config.hidden_size, bidirectional=True)
        self.head = nn.Linear(2 * config.hidden_size, K)
        self.transitions = nn.Parameter(torch.zeros(K, K))
        self.start, self.end = nn.Parameter(torch.zeros(K)), nn.Parameter(torch.zeros(K))
        for name, allowed in ours.allowed()._asdict().items():
            self.register_buffer(f"no_{name}", ~torch.from_numpy(np.array(allowed)))
        self.first_singleton = features.first_singleton

    def encoded(self, characters):
        """Words `[N, C]` by their characters."""
        present = (characters != 0)[:, None]
        embedded = locked(self.characters(characters), self.config.input_dropout, axis=1)
        outputs = self.filters(present * embedded.transpose(1, 2)).tanh()
        return outputs.masked_fill(~present, -1).amax(dim=2)

    def loss(self, batch, carry):
        """The mean loss in training, and the carry for the next batch."""
        words, lengths = batch["words"], batch["lengths"]
        dropped = torch.rand(words.shape, device=words.device) < self.config.word_dropout
        words = words.masked_fill(dropped & (words >= self.first_singleton), UNKNOWN)
        encoded = self.encoded(batch["characters"].flatten(0, 1)).unflatten(0, words.shape)
        xs = torch.cat([self.words(words), encoded, self.case(batch["case"])], dim=-1)
        ys, _ = read(self.recurrent, locked(xs, self.config.input_dropout), lengths)
        mask = torch.arange(len(words), device=words.device)[:, None] < lengths
        scores = self.head(locked(ys, self.config.dropout))
        return self.crf_losses(scores, batch["tags"], mask).mean(), carry

    def crf_losses(self, scores, tags, mask):
        """-log p(tags) by the forward algorithm."""
        transitions, start, end = (
            getattr(self, name).masked_fill(getattr(self, f"no_{name}"), FORBIDDEN)
            for name in ("transitions", "start", "end")
        )
        alpha = start + scores[0]
        for scores_t, mask_t in zip(scores[1:], mask[1:], strict=True):
            arriving = torch.logsumexp(alpha[:, :, None] + transitions, dim=1) + scores_t
            alpha = torch.where(mask_t[:, None], arriving, alpha)
        chosen = scores.gather(2, tags[..., None])[..., 0]
        last = tags.gather(0, mask.sum(dim=0)[None] - 1)[0]
        total = (chosen * mask).sum(dim=0) + start[tags[0]] + end[last]
        total = total + (transitions[tags[:-1], tags[1:]] * mask[1:]).sum(dim=0)
        return torch.logsumexp(alpha + end, dim=1) - total


class Translator(nn.Module):
    """A bidirectional GRU, and a GRU with additive attention to its outputs."""

    def __init__(self, config: Any, ours: Any):
        super().__init__()
        D, H, A = config.embed_size, config.hidden_size, config.attention_size
        num_targets = ours.embed.num_embeddings
        self.source = nn.Embedding(ours.encoders[0].embed.num_embeddings, D)
        self.encoder = nn.GRU(D, H, bidirectional=True)
        self.embed = nn.Embedding(num_targets, D)
        self.first = nn.Linear(2 * H, H)
        self.keys = nn.Linear(2 * H, A)
        self.query = nn.Linear(H + D, A, bias=False)
        self.score = nn.Linear(A, 1, bias=False)
        self.gate = nn.Linear(H, 1)
        self.cell = nn.GRUCell(D + 2 * H, H)
        self.from_seen = nn.Linear(2 * H, D, bias=False)
        self.from_hidden = nn.Linear(H, D)
        self.head = nn.Linear(D, num_targets)

    def loss(self, batch, carry):
        """The mean loss in training, and the carry for the next batch."""
        target, lengths = batch["target"], batch["source_lengths"]
        memory, ends = read(self.encoder, self.source(batch["source"]), lengths)
        steps = torch.arange(max(len(memory), len(target)), device=target.device)[:, None]
        keys, padding = self.keys(memory), steps[: len(memory)] >= lengths
        xs = self.embed(torch.cat([torch.full_like(target[:1], START), target[:-1]]))
        h, hs, zs = self.first(torch.cat([*ends], dim=-1)).tanh(), [], []
        for x_t in xs:
            asked = self.query(torch.cat([h, x_t], dim=-1))
            fit = self.score(torch.tanh(keys + asked))[..., 0].masked_fill(padding, FORBIDDEN)
            z_t = torch.einsum("sb,sbf->bf", fit.softmax(dim=0), memory)
            z_t = self.gate(h).sigmoid() * z_t
            h = self.cell(torch.cat([x_t, z_t], dim=-1), h)
            hs.append(h)
            zs.append(z_t)
        told = xs + self.from_hidden(torch.stack(hs)) + self.from_seen(torch.stack(zs))
        logits = self.head(told.tanh())
        counted = target.masked_fill(steps[: len(target)] >= batch["lengths"], -100)
        return F.cross_entropy(logits.flatten(0, 1), counted.flatten()), carry


def sampler(model: LanguageModel, start: int) -> Callable[[int, int], np.ndarray]:
    """Draws symbols, `(num_streams, length) -> [num_streams, length]`: a step in a Python loop."""

    @torch.no_grad()
    def sample(num_streams, length):
        device = model.head.weight.device
        tokens, carry = torch.full((1, num_streams), start, device=device), None
        drawn = []
        for _ in range(length):
            ys, carry = model.recurrent(model.embed(tokens), carry)
            tokens = torch.multinomial(model.head(ys[0]).softmax(dim=-1), 1).T
            drawn.append(tokens)
        return torch.cat(drawn).T.cpu().numpy()

    return sample
