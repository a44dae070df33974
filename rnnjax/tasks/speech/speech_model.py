"""A trained network that writes what it hears, alone or with a language model."""

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import data, decode, training
from rnnjax.data.audio import as_sound, read_sound
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.data.word_vocabulary import WordVocabulary
from rnnjax.errors import UserError
from rnnjax.models import LanguageModel, decoding
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.network import SpeechNetwork, features_of
from rnnjax.tasks.speech.preparation import SpeechVocabulary, recording_examples
from rnnjax.tasks.speech.recordings import Recording
from rnnjax.tasks.speech.speller import END, Speller, make_model
from rnnjax.typing import Array, Batch, Carry


class Search(NamedTuple):
    """How a text is found.

    Attributes:
        beam_size: prefixes that are kept; 0: the text of the likeliest alignment, or of a `Speller`
            the likeliest symbol each time.
        language_model: what `rnnjax.load` gives for a run of char_lm or word_lm; None: none. One of
            characters takes part in the search of CTC; one of words ranks the texts of a beam
            again.
        weight: of its log-probability.
        bonus: for each character, with a language model of words for each word, in nats.
    """

    beam_size: int = 8
    language_model: Any = None
    weight: float = 0.5
    bonus: float = 0.0


class Transcript(NamedTuple):
    """The text of a recording, by a network.

    Attributes:
        score: in nats, with the language model where there is one.
        log_probability: in nats, of the network alone.
    """

    text: str
    score: float
    log_probability: float


class SpeechModel(NamedTuple):
    """A trained network.

    Attributes:
        search: how a text is found, unless it is said.
    """

    model: SpeechNetwork | Speller
    vocabulary: SpeechVocabulary
    config: SpeechConfig
    search: Search = Search()

    def read(self, recording: Any, name: str = "recording") -> Recording:
        """A recording without a text, of a sound file, or of samples at `vocabulary.rate`."""
        rate = self.vocabulary.rate
        if isinstance(recording, Recording):
            return recording
        if isinstance(recording, str | Path):
            name, sound = str(recording), read_sound(str(recording), rate)
        else:
            sound = as_sound(recording, rate, rate, name)
        for note in sound.notes:
            training.say(f"{name}: {note}")
        return Recording(sound.samples, "", name)

    def transcribe(
        self,
        recordings: Sequence[str | Path | np.ndarray | Recording],
        search: Search | None = None,
    ) -> list[Transcript]:
        """The text of each recording.

        Args:
            recordings: paths of sound files, samples `[N]` at `vocabulary.rate`, int16 or floats
                from -1 to 1, or what has been read.
            search: how it is found; None: as the model says.

        Raises:
            UserError: a recording cannot be read, holds no sound or less than a window.
        """
        read = [self.read(one, f"recording {n}") for n, one in enumerate(recordings, 1)]
        search = self.search if search is None else search
        options, words = self._language_model(search)
        function: Callable = _spell if self._spells else _apply
        static = [search.beam_size] if self._spells else []
        found: list[Any] = []
        for batch, (scores, steps) in self._run(function, read, *static):
            if self._spells:
                result = scores
            elif search.beam_size:
                network = search.language_model.model if options else None
                carry = network.initial_carry(len(steps)) if network else None
                result = decode.ctc_beam_search(
                    scores, steps, beam_size=search.beam_size, carry=carry, **options
                )
            else:
                result = decode.ctc_greedy(scores, steps)
            found.append((batch, jax.device_get(result)))
        return [self._best(search, words, *one) for one in in_order(found, lengths=None)]

    def posteriors(self, recordings: Sequence[Recording]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each recording the probabilities `[S, 1 + V]`, the blank first, and the spectrogram.

        That is `[T, D]`, normalised, with T frames of 10 ms; a step has `prod(factors)` of them.
        Of a `Speller` not probabilities but its attention `[S, L]` at each of L symbols, the end
        included.
        """
        curves, spectrograms = [], []
        function = _attend if self._spells else _apply
        for batch, (values, steps) in self._run(function, recordings):
            features, frames = _features(self.config, batch)
            rows = {"indices": batch["indices"], "steps": steps, "frames": np.asarray(frames)}
            curves.append((rows, values if self._spells else np.asarray(jax.nn.softmax(values))))
            spectrograms.append((rows, np.asarray(features)))
        both = in_order(curves, "steps"), in_order(spectrograms, "frames")
        return list(zip(*both, strict=True))

    @property
    def _spells(self) -> bool:
        return isinstance(self.model, Speller)

    def _run(
        self, function: Callable, recordings: Sequence[Recording], *static: Any
    ) -> Iterator[tuple[data.Batch, Any]]:
        unnamed = [one._replace(text="") for one in recordings]
        examples = recording_examples(unnamed, self.config, self.vocabulary)
        batches = EvaluationBatches(examples, batch_size=min(self.config.batch_size, examples.size))
        return training.results_of(function, self.model, batches, self.config, *static)

    def _language_model(self, search: Search) -> tuple[dict[str, Any], Any]:
        """Options of the search, and the language model of words that ranks its texts."""
        model = search.language_model
        if model is None:
            return {}, None
        if not search.beam_size:
            raise UserError("a language model needs a beam: beam_size is 1 or more; got 0")
        network = getattr(model, "model", None)
        vocabulary = getattr(model, "vocabulary", None)
        if isinstance(network, LanguageModel) and isinstance(vocabulary, WordVocabulary):
            return {}, model
        if self._spells:
            raise UserError(
                "with --config.output=attention the language model is that of a run of word_lm; "
                f"got {type(model).__name__}"
            )
        if not (
            isinstance(network, LanguageModel)
            and isinstance(vocabulary, data.Vocabulary)
            and len({len(vocabulary.encode(c)) for c in self.vocabulary.symbols} | {1}) == 1
        ):
            raise UserError(
                "the language model is that of a run of char_lm with --config.level=char, or of "
                f"word_lm; got {type(model).__name__}"
            )
        begins = vocabulary.encode(model.opening)[-1]
        ids = [begins, *(vocabulary.encode(symbol)[0] for symbol in self.vocabulary.symbols)]
        graph, params = nnx.split(network)
        step, weights = _step_of(graph), (params, jnp.asarray(np.array(ids, np.int32)))
        return {"language_model": step, "params": weights, "weight": search.weight,
                "bonus": search.bonus}, None  # fmt: skip

    def _best(
        self,
        search: Search,
        words: Any,
        tokens: np.ndarray,
        lengths: np.ndarray,
        scores: np.ndarray,
        logs: np.ndarray,
    ) -> Transcript:
        texts = [self.vocabulary.decode(row[:n]) for row, n in zip(tokens, lengths, strict=True)]
        texts = [text for text, score in zip(texts, scores, strict=True) if score > -np.inf]
        scores = scores[: len(texts)].astype(float)
        if words is not None:
            said = [n for n, text in enumerate(texts) if text.strip()]
            scored = words.score([texts[n] for n in said]) if said else []
            for n, one in zip(said, scored, strict=True):
                scores[n] += search.weight * one.total + search.bonus * len(one.words)
        best = int(np.argmax(scores))
        return Transcript(texts[best].strip(), float(scores[best]), float(logs[best]))


def load(workdir: str | Path, config: SpeechConfig | None = None) -> SpeechModel:
    """The trained model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, SpeechConfig, config)
    vocabulary = SpeechVocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, len(vocabulary.symbols))
    return SpeechModel(model, vocabulary, settings)


@functools.cache
def _step_of(graph: nnx.GraphDef) -> decode.Step:
    """A language model of characters as the search wants it; one function for each graph."""

    def step(params: Any, carry: Carry, tokens: Array) -> tuple[Array, Carry]:
        weights, ids = params
        logits, carry = nnx.merge(graph, weights).step(ids[tokens], carry)
        return jax.nn.log_softmax(logits)[:, ids], carry

    return step


def _apply(model: Any, config: SpeechConfig, batch: Batch) -> tuple[Array, Array]:
    return model(*features_of(config, batch))


def _spell(
    model: Speller, config: SpeechConfig, beam_size: int, batch: Batch
) -> tuple[decode.BeamResult, Array]:
    """The texts of a `Speller`, and the steps `[B]`."""
    found, _, steps = _search(model, config, max(1, beam_size), batch)
    lengths = found.lengths - (found.tokens == END).any(axis=-1)
    logs = found.log_probability
    return decode.BeamResult(found.tokens, lengths, logs, logs), steps


def _attend(model: Speller, config: SpeechConfig, batch: Batch) -> tuple[Array, Array]:
    """The attention of a `Speller` `[S, B, L]`, and the steps `[B]`."""
    _, glance, steps = _search(model, config, 1, batch)
    return jnp.moveaxis(glance.weights, 2, 0), steps


def _search(model, config, beam_size, batch):
    graph, params = nnx.split(model, nnx.Param)
    memory = model.memory(*features_of(config, batch))
    search, longest = decoding.Search(beam_size, length_penalty=0.0), memory.features.shape[1]
    found, glance = decoding.search_memory(graph, (END, END, ()), search, longest, params, memory)
    return found, glance, memory.mask.sum(axis=1)


_features = jax.jit(features_of, static_argnums=0)
