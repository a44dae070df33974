"""What is written and read of many images at once, against one image and one word at a time."""

import numpy as np
import pytest

from rnnjax.data.word_vocabulary import END, START, UNKNOWN_WORD
from rnnjax.models.decoding import Search
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from tests.tasks.captioning import tiny

COUNT = 7
PARTS = ("a", "b</w>", "c", "d</w>", "e")


def greedy(decoder, index):
    """Symbols, log-probability, maps, gates, and whether an unspeakable word was the likeliest."""
    one = tiny.OneImage(decoder, index)
    carry, word = one.carry, START
    symbols, maps, gates, total, held_back = [], [], [], 0.0, False
    for _ in range(tiny.MAX_LENGTH):
        logits, map_, gate, carry = one.read(carry, word)
        held_back |= int(logits.argmax()) in (START, UNKNOWN_WORD)
        gains = tiny.speakable(logits)
        word = int(gains.argmax())
        total += gains[word]
        if word == END:
            break
        symbols.append(tiny.VOCABULARY.symbols[word])
        maps.append(map_)
        gates.append(gate)
    return tuple(symbols), total, maps, gates, held_back


@pytest.mark.parametrize("decoder", ["soft", "hard", "every_step"])
def test_a_beam_of_one_takes_the_likeliest_word_each_time(decoder):
    captions = tiny.captioner(decoder).write(tiny.images(COUNT), batch_size=3)
    assert len(captions) == COUNT
    by_hand = [greedy(decoder, n) for n in range(COUNT)]
    assert len({symbols for symbols, *_ in by_hand}) > 2
    for caption, (symbols, total, maps, gates, held_back) in zip(captions, by_hand, strict=True):
        assert caption.words == symbols
        assert caption.text == " ".join(symbols)
        assert caption.rated[0].log_probability == pytest.approx(total, rel=1e-5, abs=1e-5)
        assert held_back
        if decoder == "every_step":
            assert caption.maps is None
            assert caption.gates is None
        else:
            np.testing.assert_allclose(caption.maps, np.reshape(maps, (-1, 2, 3)), atol=1e-5)
            np.testing.assert_allclose(caption.gates, gates, atol=1e-5)


def test_captions_end_or_are_cut_off():
    lengths = {len(greedy(decoder, n)[0]) for decoder in ("soft", "hard") for n in range(COUNT)}
    assert tiny.MAX_LENGTH in lengths
    assert len(lengths) > 1


def test_images_that_fill_a_batch_up_change_nothing():
    captioner = tiny.captioner("soft")
    references = [("a red dog", "red")[n % 2 :] for n in range(COUNT)]
    split = tiny.images(COUNT, references)
    some, others = (captioner.write(split, batch_size=size) for size in (3, 5))
    for a, b in zip(some, others, strict=True):
        assert a.words == b.words
        nats = [one.rated[0].log_probability for one in (a, b)]
        assert nats[0] == pytest.approx(nats[1], rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(a.maps, b.maps, atol=1e-5)
    some, others = (captioner.read(split, batch_size=size) for size in (3, 5))
    (nats, num_words, maps), (other_nats, *_) = some, others
    np.testing.assert_allclose(nats, other_nats, rtol=1e-5)
    assert len(nats) == len(maps) == COUNT
    assert num_words == others[1] == 4 * 4 + 3 * 2


def test_the_maps_of_what_was_written_are_those_of_reading_it():
    for decoder in ("soft", "hard"):
        captioner = tiny.captioner(decoder)
        captions = captioner.write(tiny.images(COUNT), batch_size=3)
        written = tiny.images(COUNT, [(caption.text,) for caption in captions])
        for caption, map_ in zip(captions, captioner.read(written)[2], strict=True):
            assert map_.shape == (len(caption.words), 2, 3)
            np.testing.assert_allclose(map_, caption.maps, atol=1e-5)


def test_references_are_read_to_their_end_unknown_words_too():
    references = [("A red dog .", "unread"), ("dog purple runs",), ("and",)]
    split = tiny.images(3, references)
    read_nats, num_words, read_maps = tiny.captioner("soft").read(split, batch_size=3)
    assert num_words == 4 + 4 + 2
    for n, ids in enumerate([[3, 6, 5, 0], [5, 2, 7, 0], [4, 0]]):
        assert tiny.VOCABULARY.encode(references[n][0]).tolist() == ids
        one = tiny.OneImage("soft", n)
        carry, before, nats, maps = one.carry, START, 0.0, []
        for word in ids:
            logits, map_, _, carry = one.read(carry, before)
            nats += np.log(np.exp(logits).sum()) - logits[word]
            maps.append(map_)
            before = word
        assert read_nats[n] == pytest.approx(nats, rel=1e-5)
        np.testing.assert_allclose(read_maps[n], maps[:-1], atol=1e-5)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_captions(penalty):
    """Of two symbols at most, with END: 1 + 5 + 5 * 5 captions."""
    search = Search(beam_size=36, length_penalty=penalty, num_best=35)
    captioner = tiny.captioner("soft")._replace(search=search, max_length=2)
    captions = captioner.write(tiny.images(4), batch_size=4)
    for n, caption in enumerate(captions):
        one = tiny.OneImage("soft", n)
        logits, *_, carry = one.read(one.carry, START)
        first = tiny.speakable(logits)
        found = {(): first[END]}
        for a in range(3, len(tiny.VOCABULARY)):
            second = tiny.speakable(one.read(carry, a)[0])
            found[a,] = first[a] + second[END]
            found |= {(a, b): first[a] + second[b] for b in range(3, len(second))}
        assert len(found) == 31
        assert sum(map(np.exp, found.values())) == pytest.approx(1)
        scores = {ids: found[ids] / min(len(ids) + 1, 2) ** penalty for ids in found}
        ranked = sorted(found, key=lambda ids: -scores[ids])
        texts = [" ".join(tiny.VOCABULARY.symbols[word] for word in ids) for ids in ranked]
        assert [one.text for one in caption.rated] == texts
        assert caption.words == tuple(texts[0].split())
        for numbers, name in ((found, "log_probability"), (scores, "score")):
            given = [getattr(one, name) for one in caption.rated]
            np.testing.assert_allclose(given, [numbers[ids] for ids in ranked], rtol=1e-5)


def test_parts_of_words_are_joined_and_so_is_where_it_looked():
    """Letters, of which some end words: maps and gates are means over the letters of a word."""
    parts = CaptionVocabulary("subword", ("<end>", "<start>", "<unknown>", *PARTS))
    captions = tiny.captioner("soft").write(tiny.images(COUNT), batch_size=3)
    joined = tiny.captioner("soft")._replace(vocabulary=parts)
    found = joined.write(tiny.images(COUNT), batch_size=3)
    several = 0
    for whole, caption in zip(captions, found, strict=True):
        symbols = [parts.symbols[tiny.VOCABULARY.symbols.index(word)] for word in whole.words]
        assert caption.text == "".join(symbols).replace("</w>", " ").strip()
        assert len(caption.words) == len(caption.maps) == len(caption.gates)
        at = 0
        for word, map_, gate in zip(caption.words, caption.maps, caption.gates, strict=True):
            here = slice(at, at + len(word))
            np.testing.assert_allclose(map_, whole.maps[here].mean(axis=0), atol=1e-6)
            np.testing.assert_allclose(gate, whole.gates[here].mean(), atol=1e-6)
            at += len(word)
            several += len(word) > 1
        assert at == len(symbols)
    assert several
