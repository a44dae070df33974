"""A sequence tagger: features of each word, a recurrent network, a tag for each word."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax import data
from rnnjax.cells.cell import Cell, split_key
from rnnjax.heads import crf
from rnnjax.losses import cross_entropy
from rnnjax.models.network import Network, Program, float32_linear, set_vectors
from rnnjax.models.recurrent import Recurrent
from rnnjax.tasks.tagging.config import TaggerConfig
from rnnjax.tasks.tagging.schemes import Scheme, scheme_constraints
from rnnjax.tasks.tagging.vocabulary import FIRST_ID, TaggingVocabulary
from rnnjax.tasks.tagging.word_features import CharacterCNN, CharacterLSTM, WordFeatures
from rnnjax.typing import Array, Batch, DType, PRNGKey


class Tagger(Network):
    """Tags by ``y_t = W_y [forward_t, backward_t] + b``, and a CRF over the whole sentence.

    Without the CRF the tags are independent, ``p(tag_t) = softmax(y_t)``.

    References:
        Huang, Xu & Yu 2015, "Bidirectional LSTM-CRF models for sequence tagging".
        Lample et al. 2016; Ma & Hovy 2016.
    """

    def __init__(
        self,
        features: WordFeatures,
        cell: Cell,
        tags: Sequence[str],
        scheme: Scheme,
        *,
        use_crf: bool = True,
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            cell: any; both directions, layers and dropout are the cell's own.
            tags: K names; with a CRF, sequences that break the rules of their scheme have
                probability 0.
            use_crf: whether a CRF makes each tag depend on its neighbours.
            compute_dtype: of the matmul operands of W_y; the scores are float32.
        """
        self.features = features
        self.recurrent = Recurrent(cell, features.output_size, rngs=rngs)
        self.head = float32_linear(self.recurrent.output_size, len(tags), compute_dtype, rngs=rngs)
        self.tags, self.scheme = tuple(tags), scheme
        self.crf = nnx.Param(crf.init(rngs.params(), len(tags))) if use_crf else None

    def allowed(self) -> crf.Constraints:
        """The transitions that the scheme allows."""
        return scheme_constraints(self.tags, self.scheme)

    def __call__(self, batch: Batch, key: PRNGKey | None = None) -> Array:
        """Scores every tag of every word by itself: `[T, B, K]`.

        Args:
            batch: as for `WordFeatures`, with `lengths` int `[B]`; ids behind them may be anything.
            key: turns on dropout.
        """
        key_features, key_recurrent = split_key(key, 2)
        mask = mask_of(batch)
        ids: Batch = {
            name: jnp.where(mask[..., None] if name == "characters" else mask, batch[name], 0)
            for name in ("words", "characters", "case")
            if name in batch
        }
        with jax.named_scope("embed"):
            xs = self.features(ids, key_features)
        _, ys = self.recurrent(xs, mask=mask, key=key_recurrent)
        with jax.named_scope("head"):
            return self.head(ys)

    def programs(self) -> dict[str, Program]:
        """The scores of the tags of each word by itself: what a CRF reads, its emissions."""
        shapes = {"words": "B, T", "characters": "B, T, C", "case": "B, T", "lengths": "B"}

        def emissions(model: Tagger, **batch: Array) -> Array:
            ids = {name: array.swapaxes(0, 1) for name, array in batch.items() if array.ndim > 1}
            return model({**batch, **ids}).swapaxes(0, 1)

        about = (
            "ids of words and of their cases [B, T], of their characters [B, T, C], and lengths "
            "[B] of sentences -> scores of the tags of each word, without the CRF [B, T, K]"
        )
        arguments = {name: ("int32", shape) for name, shape in shapes.items()}
        return {"emissions": Program(about, emissions, arguments)}


def make_tagger(
    config: TaggerConfig,
    vocabulary: TaggingVocabulary,
    vectors: data.Vectors | None = None,
    *,
    seed: int = 0,
) -> Tagger:
    """A tagger for a vocabulary, with fresh parameters.

    Args:
        config: what it consists of; `input_dropout` is on the features of words, and on the
            characters' vectors of the encoder "cnn" too.
        vocabulary: decides the numbers of words and characters, and the tags.
        vectors: of words, made elsewhere; they are trained further.

    Raises:
        UserError: a setting cannot work, or the vectors have another width than `embed_size`.
    """
    config.validate()
    rngs = nnx.Rngs(seed)
    features = WordFeatures(
        vocabulary.num_words,
        embed_size=config.embed_size,
        first_singleton=vocabulary.first_singleton,
        word_dropout=config.word_dropout,
        characters=_character_encoder(config, vocabulary.num_characters, rngs),
        case_size=config.case_size,
        dropout=config.input_dropout,
        rngs=rngs,
    )
    set_vectors(features.embed, vectors, vocabulary.words, FIRST_ID)
    return Tagger(
        features,
        config.network(both_directions=config.both_directions),
        vocabulary.tags,
        vocabulary.scheme,
        use_crf=config.crf,
        compute_dtype=config.operand_dtype,
        rngs=rngs,
    )


def _character_encoder(
    config: TaggerConfig, num_characters: int, rngs: nnx.Rngs
) -> CharacterCNN | CharacterLSTM | None:
    sizes = {"embed_size": config.character_embed_size, "output_size": config.character_size}
    if config.characters == "cnn":
        return CharacterCNN(num_characters, **sizes, dropout=config.input_dropout, rngs=rngs)
    if config.characters == "lstm":
        return CharacterLSTM(num_characters, **sizes, rngs=rngs)
    return None


def mask_of(batch: Batch) -> Array:
    """True at the words of each sentence, bool `[T, B]`."""
    return jnp.arange(batch["words"].shape[0])[:, None] < batch["lengths"]


def tagging_loss(model: Tagger, batch: Batch, key: PRNGKey | None = None) -> tuple[Array, Array]:
    """Negative log-likelihood of the batch's `tags`.

    Args:
        batch: as for `Tagger`, with `tags` int `[T, B]`; rows of length 0 do not count.
        key: turns on dropout.

    Returns:
        The sum over the sentences in nats, and the number of sentences.
    """
    scores = model(batch, key)
    lengths = batch["lengths"]
    if model.crf is None:
        total, _ = cross_entropy(scores, batch["tags"], mask_of(batch))
    else:
        likelihood = crf.log_likelihood(
            model.crf.get_value(), scores, batch["tags"], lengths, allowed=model.allowed()
        )
        total = -likelihood.sum()
    return total, (lengths > 0).sum().astype(total.dtype)


def best_tags(model: Tagger, batch: Batch) -> Array:
    """The likeliest tags, int `[T, B]`: Viterbi's sequence, or each word's own best."""
    return _best_tags(model, model(batch), batch)


def tag(model: Tagger, batch: Batch) -> tuple[Array, Array]:
    """Tags a batch.

    Returns:
        The likeliest tags, int `[T, B]`, 0 after a sentence's end; and the probability of each of
        them given the whole sentence, ``p(tag_t | x)``, `[T, B]`.
    """
    scores = model(batch)
    tags = _best_tags(model, scores, batch)
    if model.crf is None:
        probabilities = jax.nn.softmax(scores)
    else:
        probabilities = crf.marginals(
            model.crf.get_value(), scores, batch["lengths"], allowed=model.allowed()
        )
    probability = jnp.take_along_axis(probabilities, tags[..., None], axis=-1)[..., 0]
    return tags, jnp.where(mask_of(batch), probability, 0.0)


def _best_tags(model: Tagger, scores: Array, batch: Batch) -> Array:
    if model.crf is None:
        return jnp.where(mask_of(batch), scores.argmax(axis=-1), 0)
    tags, _ = crf.viterbi(model.crf.get_value(), scores, batch["lengths"], allowed=model.allowed())
    return tags
