"""Flags that several experiments share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.run import ModeOptions
from rnnjax.data.files import name_of, read_text
from rnnjax.decode import FILTERS
from rnnjax.errors import UserError
from rnnjax.models.decoding import Rated, Search, rated_lines
from rnnjax.training import atomic_files, setting
from rnnjax.training.config import Positive, Weight

DRAWING = "sample generate"
"""The modes that draw symbols: a task has one of them."""


@dataclass(frozen=True, kw_only=True)
class SamplingOptions(ModeOptions):
    """How a symbol is drawn; an experiment's options inherit from it."""

    num_samples: Positive = setting(3, "how many, drawn side by side.", modes=DRAWING)
    temperature: float = setting(
        0.8, "divides the scores of symbols; 0 takes the likeliest one.", modes=DRAWING
    )
    top_k: int = setting(0, "draw from the k likeliest symbols; 0: from all.", modes=DRAWING)
    top_p: float = setting(
        1.0,
        "draw from the likeliest symbols that have this probability together (nucleus).",
        modes=DRAWING,
    )
    min_p: float = setting(
        0.0,
        "draw from symbols with at least this share of the likeliest one's chance.",
        modes=DRAWING,
    )
    repetition_penalty: float = setting(
        1.0,
        "above 1, symbols of the prompt and those drawn before become less likely.",
        modes=DRAWING,
    )
    seed: int = setting(
        1, "seed of the first sample, the next has one more; the report's have 0.", modes=DRAWING
    )

    @property
    def filters(self) -> dict[str, float]:
        """The filters of `rnnjax.decode.filter_logits`."""
        return {name: getattr(self, name) for name in FILTERS}

    @property
    def seeds(self) -> list[int]:
        """A seed for each sample, so that each can be drawn again alone."""
        return list(range(self.seed, self.seed + self.num_samples))


@dataclass(frozen=True, kw_only=True)
class ScoringOptions(SamplingOptions):
    """Texts that a language model scores; its options inherit from it."""

    text: tuple[str, ...] = setting((), "a text; may be given several times.", modes="score")
    text_file: str | None = setting(None, "a file with a text a line; -: stdin.", modes="score")

    def texts_to_score(self, encoding: str) -> list[str]:
        """The texts of the flags and of the file.

        Raises:
            UserError: the file cannot be read, or no text has a word.
        """
        texts, file = list(self.text), self.text_file
        if file:
            texts += read_text(file, encoding=encoding).split("\n")
        if not (texts or file):
            raise UserError("nothing to score: give --text=TEXT or --text_file=FILE")
        texts = [text for text in texts if text.strip()]
        if not texts:
            raise UserError(f"nothing to score: {name_of(file) if file else '--text'} has no word")
        return texts


@dataclass(frozen=True, kw_only=True)
class BeamOptions(ModeOptions):
    """How texts are searched for; an experiment's options inherit from it."""

    beam_size: int = setting(5, "Texts pursued side by side; 1: the likeliest symbol each time.")
    length_penalty: float = setting(
        0.6, "Exponent of the length that scores are divided by; 0 favours short texts."
    )
    num_best: int = setting(
        1, "texts that are given, the best first: NUMBER, SCORE and TEXT of each.", modes="predict"
    )
    num_groups: int = setting(
        1, "Groups of the beam (diverse beam search), of which each avoids what others write."
    )
    coverage_penalty: Weight = setting(
        0.0, "Attention: how much a text loses in rank for parts of its source that it left out."
    )
    diversity: float = setting(0.5, "With groups: nats by which a symbol of others is less likely.")

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if not 1 <= self.num_best <= max(1, self.beam_size):
            raise UserError(
                f"--num_best is 1 .. {self.beam_size}, the --beam_size; got {self.num_best}"
            )

    @property
    def search(self) -> Search:
        """The settings of the beam search."""
        return Search(**{name: getattr(self, name) for name in Search._fields})


@dataclass(frozen=True, kw_only=True)
class TextOptions(BeamOptions):
    """Which texts a task writes texts for; its options inherit from it."""

    text: tuple[str, ...] = setting((), "a text; may be given several times.", modes="predict")
    input: str | None = setting(None, "a file with a text a line; -: stdin.", modes="predict")
    output: str | None = setting(None, "a file for what is written.", modes="predict")

    def answered(
        self,
        write: Callable[[Sequence[str], Sequence[str]], Sequence[tuple[Rated, ...]]],
        to: str,
        nouns: str,
        encoding: str,
    ) -> str:
        """A model's texts for the given ones, or for the lines of the file; empty ones stay empty.

        Args:
            write: `(texts, their places) -> what is written for each`, the best first.
            to: what messages say that it does.
            nouns: what messages call what is written.
            encoding: of the file, which is plain or .gz.

        Raises:
            UserError: texts and a file are given, or neither; no text has a word; or a file cannot
                be read or written.
        """
        if bool(self.text) == (self.input is not None):
            raise UserError("mode predict takes --text=TEXT (repeatedly) or --input=FILE, not both")
        atomic_files.check_output(self.output)
        texts, where = self.text, "--text"
        if self.input is not None:
            where = name_of(self.input)
            texts = tuple(read_text(self.input, encoding=encoding).removesuffix("\n").split("\n"))
        given = {str(n): text for n, text in enumerate(texts, 1) if text.strip()}
        if not given:
            raise UserError(f"nothing to {to}: {where} has no word")
        found = write([*given.values()], [f"{where}:{n}" for n in given])
        answers = iter(rated_lines(found, self.search, [*given] if self.num_best > 1 else None))
        written = [next(answers) if text.strip() else "" for text in texts]
        if self.output is None:
            return "\n".join(written)
        atomic_files.write_lines(Path(self.output), written)
        return f"{len(given):,} {nouns}: {self.output}"
