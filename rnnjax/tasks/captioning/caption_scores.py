"""How well captions describe their images, as the COCO caption evaluation counts it."""

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.cider import cider_d
from rnnjax.tasks.captioning.meteor import meteor
from rnnjax.tasks.captioning.rouge import rouge_l

Tokens = Sequence[str]
"""The words of a caption."""

BLEU_ORDERS = (1, 2, 3, 4)
CLITIC = r"'(?:s|m|d|re|ve|ll)(?!\w)"
SPLIT_BEFORE = re.compile(rf"(?<=\w)(?=n't(?!\w)|{CLITIC})")
WORD = re.compile(rf"{CLITIC}|\w+(?:[-']\w+)*")


class CaptionScores(NamedTuple):
    """How well captions agree with what people wrote, in percent: what publications print.

    Attributes:
        bleu1: share of the words that are in a reference, clipped, times the brevity penalty.
        bleu2: the same, geometric mean over words and pairs of words.
        bleu3: up to three words.
        bleu4: up to four words.
        rouge_l: by the longest common subsequence, mean over the images.
        cider_d: agreement weighted by how telling words are. COCO's scorer gives values of 0 to 10;
            as in publications these are times 100, so 1000 is the most, and 100 is good.
        meteor: with stems and synonyms; None where it could not be computed.
        no_meteor: why `meteor` is None.
    """

    bleu1: float
    bleu2: float
    bleu3: float
    bleu4: float
    rouge_l: float
    cider_d: float
    meteor: float | None
    no_meteor: str | None


def caption_tokens(text: str) -> list[str]:
    """The words of a caption as the COCO evaluation counts them: lower case, no punctuation.

    COCO tokenises as the Penn Treebank, by a Java program, and drops punctuation marks. So does
    this: "n't", "'s" and the like become words of their own, and a hyphen joins. It differs where a
    mark belongs to a word ("mr." loses its full stop, "u.s." is "u s", "3.5" is "3 5"), in symbols
    ("&", "#" and brackets, which COCO keeps, go), and in "cannot", "gonna" and the like, which stay
    whole. In the 35,000 captions of Flickr8k that concerns 40, by 47 of 378,175 words.

    Tokens joined by blanks give the same tokens again.

    Args:
        text: a caption; it may be empty.

    Example:
        >>> caption_tokens("A man's T-shirt doesn't fit him.")
        ['a', 'man', "'s", 't-shirt', 'does', "n't", 'fit', 'him']
    """
    return WORD.findall(SPLIT_BEFORE.sub(" ", text.lower().replace("’", "'")))


def caption_scores(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """Scores one caption an image against all its references, as the COCO evaluation does.

    BLEU is that of the corpus, by sacrebleu: matches are clipped to their number in the reference
    that has most, the length is compared with that of the closest reference (the shorter of two
    equally close), and nothing is smoothed, so BLEU-4 is 0 where no four words match.

    METEOR needs Java and the package pycocoevalcap (``pip install rnnjax[meteor]``); without them
    it is None, and `CaptionScores.no_meteor` says why.

    Args:
        candidates: a caption for each image, as text. An empty one scores 0.
        references: for each image, what people wrote of it; their number may differ.

    Raises:
        UserError: there are no captions, or not as many as images with references; an image has no
            reference, or one without words. Images are named by their place, from 1.

    References:
        Chen et al. 2015, "Microsoft COCO Captions: Data Collection and Evaluation Server". Papineni
        et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation".
    """
    if len(candidates) != len(references):
        raise UserError(
            f"there are {len(candidates):,} captions to score, but references for "
            f"{len(references):,} images"
        )
    if not candidates:
        raise UserError("there are no captions to score")
    written = [caption_tokens(text) for text in candidates]
    wanted = [_reference_tokens(texts, n) for n, texts in enumerate(references, 1)]
    score, no_meteor = None, None
    try:
        score = 100 * meteor(written, wanted)
    except UserError as error:
        no_meteor = str(error)
    return CaptionScores(
        **_bleu(written, wanted),
        rouge_l=100 * rouge_l(written, wanted),
        cider_d=100 * cider_d(written, wanted),
        meteor=score,
        no_meteor=no_meteor,
    )


def caption_table(scores: CaptionScores) -> str:
    """Scores as aligned lines in percent; where METEOR is missing, its line says why."""
    rows = {f"BLEU-{order}": scores[order - 1] for order in BLEU_ORDERS}
    rows |= {"ROUGE-L": scores.rouge_l, "CIDEr-D": scores.cider_d, "METEOR": scores.meteor}
    return "\n".join(
        f"{name:7}  {'-':>7}  ({scores.no_meteor})" if value is None else f"{name:7}  {value:7.2f}"
        for name, value in rows.items()
    )


def _reference_tokens(texts: Sequence[str], image: int) -> list[list[str]]:
    if isinstance(texts, str):
        raise UserError(f"image {image}: expected a list of references, not the text {texts!r}")
    if not texts:
        raise UserError(f"image {image} has no references")
    tokens = [caption_tokens(text) for text in texts]
    if not all(tokens):
        n = tokens.index([])
        raise UserError(f"image {image}: reference {n + 1} has no words: {texts[n]!r}")
    return tokens


def _bleu(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> dict[str, float]:
    """The BLEU scores of the corpus, in percent, by their names in `CaptionScores`."""
    # Imported here as it takes a second that not all should pay.
    from sacrebleu.metrics.bleu import BLEU

    joined = [[" ".join(tokens) for tokens in texts] for texts in references]
    found = BLEU(tokenize="none").corpus_score(
        [" ".join(tokens) for tokens in candidates], list(itertools.zip_longest(*joined))
    )
    return {
        f"bleu{order}": BLEU.compute_bleu(
            found.counts,
            found.totals,
            found.sys_len,
            found.ref_len,
            smooth_method="none",
            max_ngram_order=order,
        ).score
        for order in BLEU_ORDERS
    }
