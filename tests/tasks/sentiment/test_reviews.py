"""The reviews that ship with rnnjax."""

import itertools
import re
from collections import Counter

from rnnjax.tasks.sentiment.config import SentimentConfig
from rnnjax.tasks.sentiment.labelled_texts import (
    EMBEDDED,
    STARS,
    by_topic,
    load_texts,
    read_reviews,
)

REVIEWS = read_reviews(EMBEDDED)


def words_of(review):
    return re.findall(r"\w+", review.fields["text"].lower())


def test_there_are_a_thousand_reviews_balanced_over_stars_and_topics():
    assert len(REVIEWS) >= 1000
    stars = Counter(one.fields["label"] for one in REVIEWS)
    topics = Counter(one.fields["topic"] for one in REVIEWS)
    both = Counter((one.fields["label"], one.fields["topic"]) for one in REVIEWS)
    assert {*stars} == {*STARS}
    assert (len(topics), len(both)) == (20, 100)
    for counts in (stars, topics, both):
        assert max(counts.values()) <= 1.1 * min(counts.values())
    lengths = [len(one.fields["text"].split()) for one in REVIEWS]
    assert (min(lengths), max(lengths)) >= (8, 8)
    assert max(lengths) <= 30


def test_no_two_reviews_are_alike():
    sets = [set(words_of(one)) for one in REVIEWS]
    nearest = max(
        (len(a & b) / len(a | b), REVIEWS[m].place, REVIEWS[n].place)
        for (m, a), (n, b) in itertools.combinations(enumerate(sets), 2)
    )
    assert nearest[0] <= 0.7, nearest
    beginnings = Counter(tuple(words_of(one)[:4]) for one in REVIEWS)
    assert max(beginnings.values()) <= 5, beginnings.most_common(1)


def test_every_review_is_in_one_split_and_splits_share_no_topic():
    splits = load_texts(SentimentConfig())
    topics = {split: {one.fields["topic"] for one in its} for split, its in splits.items()}
    assert {split: len(its) for split, its in topics.items()} == {
        "train": 14, "validation": 3, "test": 3,
    }  # fmt: skip
    for a, b in itertools.combinations(topics.values(), 2):
        assert not a & b
    assert sorted(one.place for its in splits.values() for one in its) == sorted(
        one.place for one in REVIEWS
    )


def test_a_topic_that_is_held_out_is_not_trained_on(tmp_path):
    path = tmp_path / "reviews.tsv"
    path.write_text("3\tzoo\tA\n1\tfilm\tB\n5\tmuseum\tC\n")
    split_of = {one.fields["text"]: split for split, its in by_topic(read_reviews(path)).items()
                for one in its}  # fmt: skip
    assert split_of == {"A": "train", "B": "test", "C": "validation"}
