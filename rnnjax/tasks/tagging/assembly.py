"""A tagger made from its settings."""

from flax import nnx

from rnnjax import data
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.config import TaggerConfig
from rnnjax.tasks.tagging.tagger import Tagger
from rnnjax.tasks.tagging.vocabulary import FIRST_ID, TaggingVocabulary
from rnnjax.tasks.tagging.word_features import CharacterCNN, CharacterLSTM, WordFeatures


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
        vectors: of words, made elsewhere.
        seed: of the parameters.

    Raises:
        UserError: a setting cannot work, or the vectors have another width than `embed_size`.
    """
    config.validate()
    if vectors is not None and vectors.matrix.shape[1] != config.embed_size:
        raise UserError(
            f"the word vectors have {vectors.matrix.shape[1]} numbers each: expected "
            f"--config.embed_size={vectors.matrix.shape[1]}, got {config.embed_size}"
        )
    rngs = nnx.Rngs(seed)
    features = WordFeatures(
        vocabulary.num_words,
        embed_size=config.embed_size,
        first_singleton=vocabulary.first_singleton,
        word_dropout=config.word_dropout,
        characters=_character_encoder(config, vocabulary.num_characters, rngs),
        case_size=config.case_size,
        dropout=config.input_dropout,
        vectors=vectors and vectors.by_id(vocabulary.words, FIRST_ID),
        rngs=rngs,
    )
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
