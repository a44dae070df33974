"""A tagger made from the words of a config."""

from flax import nnx

from rnnjax import data, models
from rnnjax.cells.cell import Cell
from rnnjax.errors import UserError, did_you_mean
from rnnjax.typing import DType

CHARACTERS = ("cnn", "lstm", "none")
"""Encoders of words by their characters: Ma & Hovy's, Lample's, none."""


def make_tagger(
    vocabulary: data.TaggingVocabulary,
    cell: Cell,
    *,
    embed_size: int,
    word_dropout: float,
    characters: str,
    character_embed_size: int,
    character_size: int,
    case_size: int,
    dropout: float,
    use_crf: bool,
    vectors: data.Vectors | None = None,
    compute_dtype: DType | None = None,
    seed: int = 0,
) -> models.Tagger:
    """A tagger for a vocabulary, with fresh parameters.

    Args:
        vocabulary: decides the sizes and the tags.
        cell: reads the sentence.
        embed_size: width of a word's vector.
        word_dropout: see `models.WordFeatures`.
        characters: one of `CHARACTERS`.
        character_embed_size: width of a character's vector.
        character_size: size of a word's encoding by its characters.
        case_size: width of a case's vector; 0: none.
        dropout: on the features of words; on the characters' vectors of "cnn" too.
        use_crf: see `models.Tagger`.
        vectors: of words, made elsewhere.
        compute_dtype: see `models.Tagger`.
        seed: of the parameters.

    Raises:
        UserError: an unknown encoder, an odd size for "lstm", or vectors of another width.
    """
    if vectors is not None and vectors.matrix.shape[1] != embed_size:
        raise UserError(
            f"the word vectors have {vectors.matrix.shape[1]} numbers each: expected "
            f"--config.embed_size={vectors.matrix.shape[1]}, got {embed_size}"
        )
    rngs = nnx.Rngs(seed)
    encoder: models.CharacterCNN | models.CharacterLSTM | None = None
    if characters == "cnn":
        encoder = models.CharacterCNN(
            vocabulary.num_characters,
            embed_size=character_embed_size,
            output_size=character_size,
            dropout=dropout,
            rngs=rngs,
        )
    elif characters == "lstm":
        if character_size % 2:
            raise UserError(
                "--config.character_size is even with --config.characters=lstm, half for each "
                f"direction; got {character_size}"
            )
        encoder = models.CharacterLSTM(
            vocabulary.num_characters,
            embed_size=character_embed_size,
            output_size=character_size,
            rngs=rngs,
        )
    elif characters != "none":
        raise UserError(
            f"unknown characters={characters!r}; {did_you_mean(characters, CHARACTERS)}"
        )
    features = models.WordFeatures(
        vocabulary.num_words,
        embed_size=embed_size,
        first_singleton=vocabulary.first_singleton,
        word_dropout=word_dropout,
        characters=encoder,
        num_cases=len(data.CASES),
        case_size=case_size,
        dropout=dropout,
        vectors=vectors and vectors.by_id(vocabulary),
        rngs=rngs,
    )
    return models.Tagger(
        features,
        cell,
        vocabulary.tags,
        vocabulary.scheme,
        use_crf=use_crf,
        compute_dtype=compute_dtype,
        rngs=rngs,
    )
