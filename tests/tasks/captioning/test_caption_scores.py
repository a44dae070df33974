import itertools
import json
import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.caption_scores import (
    caption_scores,
    caption_tokens,
    cider_d,
    rouge_l,
)

REFERENCE = json.loads(
    (Path(__file__).parents[2] / "reference/captions.json").read_text(encoding="utf-8")
)
BLEU = ("bleu1", "bleu2", "bleu3", "bleu4")
WORDS = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


@pytest.fixture(autouse=True, scope="module")
def _no_java():
    """The program of METEOR takes long to start; test_meteor.py is about it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "which", lambda program: None)
        yield


@pytest.mark.parametrize("case", REFERENCE)
def test_scores_equal_those_of_the_coco_scorers(case):
    stored = REFERENCE[case]
    scores = caption_scores(stored["candidates"], stored["references"])
    for name in (*BLEU, "rouge_l", "cider_d"):
        # COCO's BLEU adds 1e-9 to each number of n-grams.
        expected = 100 * stored["scores"][name]
        assert scores[name] == pytest.approx(expected, rel=1e-9), name


@pytest.mark.parametrize("case", REFERENCE)
def test_tokens_equal_those_of_the_coco_tokeniser(case):
    stored = REFERENCE[case]
    texts = [*stored["candidates"], *itertools.chain(*stored["references"])]
    tokens = [*stored["candidate_tokens"], *itertools.chain(*stored["reference_tokens"])]
    assert [" ".join(caption_tokens(text)) for text in texts] == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ""),
        (" ... !", ""),
        ("A Dog, running;fast -- home.", "a dog running fast home"),
        ("two-year-old boy - jumping -", "two-year-old boy jumping"),
        ("It can't've been the dogs' ball", "it ca n't 've been the dogs ball"),
        ("'small' 'so-called' \"big\" `dog'", "small so-called big dog"),
        ("the man’s hat at 5 o'clock", "the man 's hat at 5 o'clock"),
        ("we're I'm he'd I'll they've", "we 're i 'm he 'd i 'll they 've"),
        ("Ein größerer Hund läuft", "ein größerer hund läuft"),
        # Where it differs from COCO, as documented.
        ("Mr. X of the U.S. & #3.5 (cannot)", "mr x of the u s 3 5 cannot"),
    ],
)
def test_tokens(text, tokens):
    assert caption_tokens(text) == tokens.split()


@given(st.text("nTts'’-. Dé", max_size=12))
def test_joined_tokens_give_the_same_tokens(text):
    tokens = caption_tokens(text)
    assert caption_tokens(" ".join(tokens)) == tokens


@pytest.mark.parametrize(
    ("candidates", "references", "order", "expected"),
    [
        # Papineni et al. 2002, example 2: a word counts as often as in the reference with most.
        (["the the the the the the the"],
         [["The cat is on the mat.", "There is a cat on the mat."]], 1, 2 / 7),
        (["a a"], [["a b", "a c"]], 1, 1 / 2),
        (["a b"], [["a b c d"]], 1, math.exp(1 - 4 / 2)),
        (["a b"], [["a b c d"]], 2, math.exp(1 - 4 / 2)),
        (["a b"], [["a b c d"]], 3, 0),
        (["b a"], [["a b"]], 2, 0),  # not smoothed
        (["a b c d"], [["a b c"]], 1, 3 / 4),
        # The closest length: not the shortest, not the longest; the shorter of two as close.
        (["a b c d"], [["a", "a b c d e", "a b c d e f g"]], 1, math.exp(1 - 5 / 4)),
        (["a b c d"], [["a b c d e", "b c d", "a"]], 1, 1),
        # Over the corpus: numbers are added, before division and before the penalty.
        (["a b", "c x y z"], [["a b"], ["c d e f"]], 1, 3 / 6),
        (["a b", "c d e f"], [["a b c d"], ["c d"]], 1, 4 / 6),
        (["a b c", "d e f"], [["a b x"], ["x e f"]], 2, math.sqrt(4 / 6 * 2 / 4)),
        (["a b c", ""], [["a b c"], ["d e f"]], 1, math.exp(1 - 6 / 3)),
    ],
)  # fmt: skip
def test_bleu_by_hand(candidates, references, order, expected):
    score = caption_scores(candidates, references)[BLEU[order - 1]]
    assert score == pytest.approx(100 * expected, rel=1e-12)


@pytest.mark.parametrize(
    ("candidates", "references", "expected"),
    [
        (["a b c d"], [["c a"]], 2.44 * 0.25 * 0.5 / (0.5 + 1.44 * 0.25)),
        (["a b c d"], [["a x c"]], 2.44 * 0.5 * (2 / 3) / (2 / 3 + 1.44 * 0.5)),
        # The precision is that of the first reference, the recall that of the second.
        (["a b c d"], [["a b c x y z", "a"]], 2.44 * 0.75 / (1 + 1.44 * 0.75)),
        (["a", "b", ""], [["a"], ["c"], ["d"]], 1 / 3),
    ],
)
def test_rouge_by_hand(candidates, references, expected):
    score = caption_scores(candidates, references)["rouge_l"]
    assert score == pytest.approx(100 * expected, rel=1e-12)


@given(WORDS, WORDS)
def test_rouge_finds_the_longest_common_subsequence(candidate, reference):
    def subsequences(words):
        lengths = range(len(words) + 1)
        return {some for n in lengths for some in itertools.combinations(words, n)}

    longest = max(map(len, subsequences(candidate) & subsequences(reference)))
    # The F-score of one reference, with P = L / |c| and R = L / |r| put in.
    expected = 2.44 * longest / (len(candidate) + 1.44 * len(reference))
    assert rouge_l([candidate], [[reference]]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("candidates", "references", "expected"),
    [
        # All n-grams of two images weigh log 2. Words: one of two; a word less.
        (["a", ""], [["a b"], ["c"]], [math.exp(-1 / 72) / math.sqrt(2), 0]),
        # Clipped: (1·1) / (2 √2), where the plain cosine is 1 / √2.
        (["a a", ""], [["a b"], ["c"]], [1 / math.sqrt(8), 0]),
        # A word that all images have weighs nothing, one that no reference has as much as any.
        (["z b", ""], [["z b"], ["z c"]], [2, 0]),
        (["z b x", ""], [["z b"], ["z c"]],
         [math.exp(-1 / 72) * (1 / math.sqrt(2) + 1 / math.sqrt(2)), 0]),
        # The mean over references; a word in both references of one image is in one image.
        (["a", "c"], [["a", "a", "x", "y"], ["c"]], [1 / 2, 1]),
        (["a b c d e", "f g h i"], [["a b c d e"], ["f g h i"]], [4, 4]),
        # Of one image alone everything weighs log 1.
        (["a b c d"], [["a b c d"]], [0]),
    ],
)  # fmt: skip
def test_cider_by_hand(candidates, references, expected):
    """`expected` is, of each image, the sum of the likenesses over n."""
    score = caption_scores(candidates, references)["cider_d"]
    assert score == pytest.approx(1000 * sum(expected) / 4 / len(expected), rel=1e-12)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=2, max_size=4))
def test_the_order_of_images_and_references_does_not_matter(images):
    scores = [
        cider_d(*zip(*some, strict=True))
        for some in (images, [(text, texts[::-1]) for text, texts in images[::-1]])
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=4, max_size=9), min_size=1, max_size=4))
def test_captions_equal_to_their_only_reference_are_perfect(texts):
    texts = [" ".join(words) for words in texts]
    scores = caption_scores(texts, [[text.upper() + "!"] for text in texts])
    assert [scores[name] for name in (*BLEU, "rouge_l")] == pytest.approx([100] * 5)


def test_empty_captions_score_nothing():
    scores = caption_scores(["", "?"], [["a b"], ["c"]])
    assert [scores[name] for name in (*BLEU, "rouge_l", "cider_d")] == [0] * 6


@pytest.mark.parametrize(
    ("candidates", "references", "message"),
    [
        (["a", "b"], [["a"]], "2 captions to score, but references for 1 images"),
        ([], [], "no captions to score"),
        (["a", "b"], [["a"], []], "image 2 has no references"),
        (["a", "b"], [["a", "b"], ["a", " ."]], r"image 2: reference 2 has no words: ' \.'"),
        (["a"], ["a dog"], "image 1: expected a list of references, not the text 'a dog'"),
    ],
)
def test_errors(candidates, references, message):
    with pytest.raises(UserError, match=message):
        caption_scores(candidates, references)


def test_without_meteor_the_reason_is_told():
    scores = caption_scores(["a"], [["a"]])
    assert scores["meteor"] is None
    assert scores["no_meteor"] == "Java is not installed"


def test_meteor_sees_tokens_and_is_in_percent(monkeypatch):
    monkeypatch.setattr(
        "rnnjax.tasks.captioning.caption_scores.meteor",
        lambda *given: 0.25 * (given == ([["it", "'s"]], [[["a"], ["b"]]])),
    )
    scores = caption_scores(["It's!"], [["A.", "b"]])
    assert (scores["meteor"], scores["no_meteor"]) == (25, None)
