"""Tagged sentences and the corpora that they make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnnjax.errors import counted
from rnnjax.tasks.tagging.schemes import Scheme, prefix_and_type, spans_of


@dataclass(frozen=True)
class Sentence:
    """A sentence in tokens, tagged or not.

    Attributes:
        tokens: at least one.
        tags: one a token; empty where none are known, as in input for prediction.
        source: where it stands, `FILE:LINE` of its first token, for messages.
        text: what the tokens were cut from; None where they came as tokens.
        offsets: start and end (not included) of each token, in characters of `text`.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    source: str
    text: str | None = None
    offsets: tuple[tuple[int, int], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class TaggedSentence(Sentence):
    """A sentence with the tags that a model gave it, BIO.

    Attributes:
        scores: the probability of each span of the tags, 0 to 1, in the order of the text.
        gold: the true tags, BIO; None where they are not known.
    """

    scores: tuple[float, ...]
    gold: tuple[str, ...] | None


@dataclass(frozen=True)
class TaggedCorpus:
    """Tagged sentences in splits.

    Attributes:
        splits: of "train", "validation" and, where there is one, "test". Tags are BIO.
        scheme: that the source was written in.
        types: of the entities of the training split, sorted.
        repaired: how many tags stood where the scheme does not allow them.
        notes: what else is worth knowing of the source, a phrase each.
    """

    splits: dict[str, list[Sentence]]
    scheme: Scheme
    types: tuple[str, ...]
    repaired: int
    notes: tuple[str, ...] = ()

    def describe(self) -> str:
        """Its numbers, in one line."""
        repaired = f"{counted(self.repaired, 'tag')} out of place repaired"
        parts = [f"{name} {_size(sentences)}" for name, sentences in self.splits.items()]
        parts += [f"types {', '.join(self.types)}", f"written in {self.scheme}"]
        parts += [repaired if self.repaired else "no tag repaired"]
        if "test" in self.splits:
            known = {sentence.tokens for sentence in self.splits["train"]}
            again = sum(sentence.tokens in known for sentence in self.splits["test"])
            parts.append(f"{counted(again, 'test sentence')} also in train")
        return "; ".join([*parts, *self.notes])


def types_of(tags: Iterable[str]) -> tuple[str, ...]:
    """The types of entities in tags, sorted."""
    return tuple(sorted({prefix_and_type(tag)[1] for tag in set(tags)} - {""}))


def _size(sentences: Sequence[Sentence]) -> str:
    tokens = sum(len(sentence.tokens) for sentence in sentences)
    entities = sum(len(spans_of(sentence.tags)) for sentence in sentences)
    return (
        f"{counted(len(sentences), 'sentence')}, {counted(tokens, 'token')}, "
        f"{entities:,} entit{'y' if entities == 1 else 'ies'}"
    )
