"""Scores of captions against references: BLEU, ROUGE-L, CIDEr-D and METEOR, as COCO has them."""

import importlib.util
import itertools
import math
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from rnnjax.errors import UserError
from rnnjax.training.atomic_files import write_lines

Tokens = Sequence[str]
"""The words of a caption."""

ORDERS = (1, 2, 3, 4)
"""The lengths of the n-grams of BLEU and CIDEr-D."""

CIDER_SIGMA = 6.0
ROUGE_BETA = 1.2

_CLITIC = r"'(?:s|m|d|re|ve|ll)(?!\w)"
_SPLIT_BEFORE = re.compile(rf"(?<=\w)(?=n't(?!\w)|{_CLITIC})")
_WORD = re.compile(rf"{_CLITIC}|\w+(?:[-']\w+)*")

_METEOR_SCORE = re.compile(r"^Final score:\s+(\S+)$", re.MULTILINE)

_Weights: TypeAlias = dict[tuple[str, ...], float]


def caption_tokens(text: str) -> list[str]:
    """The words of a caption as the COCO evaluation counts them: lower case, no punctuation.

    Like COCO's Java program this tokenises as the Penn Treebank and drops punctuation marks: "n't",
    "'s" and the like become words of their own, and a hyphen joins. It differs where a mark belongs
    to a word ("mr." loses its full stop, "u.s." is "u s", "3.5" is "3 5"), in symbols ("&", "#" and
    brackets, which COCO keeps, are dropped), and in "cannot", "gonna" and the like, which are not
    split. In the 35,000 captions of Flickr8k this affects 40, by 47 of 378,175 words.

    Tokenising tokens joined by blanks gives the same tokens.

    Example:
        >>> caption_tokens("A man's T-shirt doesn't fit him.")
        ['a', 'man', "'s", 't-shirt', 'does', "n't", 'fit', 'him']
    """
    return _WORD.findall(_SPLIT_BEFORE.sub(" ", text.lower().replace("’", "'")))


def caption_scores(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Scores one caption an image against all its references, as the COCO evaluation does.

    BLEU is corpus BLEU by sacrebleu: matches are clipped to their number in the reference that has
    most, the length is compared with that of the closest reference (the shorter of two equally
    close), and nothing is smoothed, so BLEU-4 is 0 where no four words match.

    METEOR needs Java and the package pycocoevalcap (``pip install 'rnnjax[meteor]'``).

    Args:
        candidates: a caption for each image, as text. An empty one scores 0.
        references: for each image, captions by people; their number may differ.

    Returns:
        In percent as in publications: `bleu1` to `bleu4`; `rouge_l`; `cider_d`, of which 1000 is
        the most, and 100 is good; `meteor`, None where it could not be computed, and `no_meteor`,
        why.

    Raises:
        UserError: there are no captions, or not as many as images with references; an image has no
            reference, or one without words. Images are numbered from 1.

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
    return {
        **_bleu(written, wanted),
        "rouge_l": 100 * rouge_l(written, wanted),
        "cider_d": 100 * cider_d(written, wanted),
        "meteor": score,
        "no_meteor": no_meteor,
    }


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
    """The BLEU scores of the corpus, in percent."""
    # Imported here because it takes a second.
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
        for order in ORDERS
    }


def rouge_l(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """ROUGE-L as the COCO evaluation computes it: the mean over images of an F-score.

    With L(c, r) the length of the longest common subsequence of a candidate c and a reference r::

        P = max_r L(c, r) / |c|        R = max_r L(c, r) / |r|
        F = (1 + β²) P R / (R + β² P)        β = 1.2

    Precision and recall each take their best reference, which need not be the same.

    Args:
        candidates: the words of a caption for each image; an empty one scores 0.
        references: for each image, the words of at least one reference, none empty.

    Returns:
        0 to 1.

    References:
        Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries". Chen et al. 2015,
        "Microsoft COCO Captions: Data Collection and Evaluation Server".
    """
    scores = [_f_score(*pair) for pair in zip(candidates, references, strict=True)]
    return sum(scores) / len(scores)


def _f_score(candidate: Tokens, references: Sequence[Tokens]) -> float:
    common = [_common_subsequence(candidate, reference) for reference in references]
    if not any(common):
        return 0.0
    precision = max(common) / len(candidate)
    recall = max(n / len(reference) for n, reference in zip(common, references, strict=True))
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def _common_subsequence(one: Tokens, other: Tokens) -> int:
    """The length of the longest sequence of words that is, with gaps, in both."""
    longest = [0] * (len(other) + 1)  # of the words of `one` so far and of the first n of `other`
    for word in one:
        before = longest
        longest = [0]
        for n, another in enumerate(other):
            longest.append(before[n] + 1 if word == another else max(before[n + 1], longest[n]))
    return longest[-1]


def cider_d(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """CIDEr-D as the COCO evaluation computes it: a weighted similarity, the mean over images.

    An n-gram g that occurs k times in a text weighs ``k log(N / max(1, d_g))``, where N is the
    number of images and d_g that of the images with g in a reference. With the weights c and r of
    a candidate's and a reference's n-grams, and ``|c|`` and ``|r|`` their numbers of words::

        similarity_n(c, r) = exp(-(|c| - |r|)² / 2σ²)  min(c, r) · r / (‖c‖ ‖r‖)      σ = 6

    The score of an image is ten times the mean over n = 1 to 4 and over its references.

    The weights come from the references given, so scores compare only over the same images; for a
    single image all weights are log 1, and the score is 0.

    Args:
        candidates: the words of a caption for each image; an empty one scores 0.
        references: for each image, the words of at least one reference, none empty.

    Returns:
        0 to 10.

    References:
        Vedantam, Zitnick & Parikh 2015, "CIDEr: Consensus-based Image Description Evaluation",
        section 5 and the appendix on CIDEr-D.
    """
    found_in = Counter(
        gram
        for texts in references
        for gram in {gram for text in texts for n in ORDERS for gram in _grams(text, n)}
    )

    def weights(text: Tokens, n: int) -> _Weights:
        return {
            gram: count * math.log(len(references) / max(1, found_in[gram]))
            for gram, count in Counter(_grams(text, n)).items()
        }

    def score(candidate: Tokens, texts: Sequence[Tokens]) -> float:
        vectors = [weights(candidate, n) for n in ORDERS]
        similarity = sum(
            math.exp(-((len(candidate) - len(text)) ** 2) / (2 * CIDER_SIGMA**2))
            * _clipped_cosine(vector, weights(text, n))
            for text in texts
            for n, vector in zip(ORDERS, vectors, strict=True)
        )
        return 10 * similarity / len(ORDERS) / len(texts)

    return sum(map(score, candidates, references)) / len(candidates)


def _grams(text: Tokens, n: int) -> list[tuple[str, ...]]:
    return [tuple(text[start : start + n]) for start in range(len(text) - n + 1)]


def _clipped_cosine(candidate: _Weights, reference: _Weights) -> float:
    product = sum(
        min(candidate[gram], reference[gram]) * reference[gram]
        for gram in candidate.keys() & reference.keys()
    )
    norms = math.hypot(*candidate.values()) * math.hypot(*reference.values())
    return product / norms if product else 0.0


def meteor(candidates: Sequence[Tokens], references: Sequence[Sequence[Tokens]]) -> float:
    """METEOR 1.5 for English, with the options of the COCO evaluation, over the whole corpus.

    Args:
        candidates: the words of a caption for each image; it may be empty.
        references: for each image, the words of at least one reference, none empty.

    Returns:
        0 to 1.

    Raises:
        UserError: Java or the package pycocoevalcap, which contains the program, is not installed,
            or the program fails.

    References:
        Denkowski & Lavie 2014, "Meteor Universal: Language Specific Translation Evaluation for Any
        Target Language".
    """
    java = shutil.which("java")
    if java is None:
        raise UserError("Java is not installed")
    package = importlib.util.find_spec("pycocoevalcap")
    if package is None or not package.submodule_search_locations:
        raise UserError("pycocoevalcap is not installed: pip install 'rnnjax[meteor]'")
    program = Path(next(iter(package.submodule_search_locations)), "meteor", "meteor-1.5.jar")
    most = max(map(len, references))
    # The program takes equally many references an image and uses the best, so repeating one of
    # them changes nothing.
    repeated = [[*texts, *[texts[0]] * (most - len(texts))] for texts in references]
    with tempfile.TemporaryDirectory() as folder:
        written, wanted = Path(folder, "candidates"), Path(folder, "references")
        write_lines(written, map(" ".join, candidates))
        write_lines(wanted, (" ".join(text) for texts in repeated for text in texts))
        files = [str(path) for path in (program, written, wanted)]
        command = [java, "-Xmx2G", "-Dfile.encoding=UTF-8", "-jar", *files]
        options = ["-l", "en", "-norm", "-r", str(most)]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    found = _METEOR_SCORE.search(done.stdout)
    if done.returncode or not found:
        reason = (done.stderr or done.stdout).strip()
        raise UserError(f"the Java program of METEOR failed: {reason or 'it said nothing'}")
    return float(found[1])
