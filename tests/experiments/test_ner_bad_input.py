"""What a user of the tagger can get wrong: one clear message, exit code 2, nothing overwritten."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary
from tests.experiments.conftest import SMALL_TAGGER, contents, message

GOOD = b"Ada\tB-PER\nleft\tO\n\nBonn\tB-LOC\nwaits\tO\n"


class Begun(NamedTuple):
    """What training was asked to begin with."""

    params: Any
    vocabulary: str


@pytest.fixture
def until_training(monkeypatch):
    """Ends a command where its training would begin; a list of what it would begin with."""
    begun = []

    def train(step, state, batches, *, workdir, **options):
        begun.append(Begun(state.params, workdir.extra["vocabulary"]))
        raise UserError("training begins")

    monkeypatch.setattr(training, "train", train)
    return begun


@pytest.fixture
def corpus(tmp_path):
    """`(train, dev) -> folder` of column files."""

    def make(train=GOOD, dev=GOOD):
        folder = tmp_path / "corpus"
        folder.mkdir()
        (folder / "train.conll").write_bytes(train)
        (folder / "dev.conll").write_bytes(dev)
        return folder

    return make


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--preset=lample"], "unknown --preset=lample; did you mean 'lample2016'? Valid: conll,"),
        (["--mode=tag"], "unknown --mode=tag; "),
        (["--config.cell=lsmt"], "unknown --config.cell=lsmt; did you mean 'lstm'?"),
        (["--config.characters=cnm"], "unknown --config.characters=cnm; did you mean 'cnn'?"),
        (["--config.scheme=IOB2"], "unknown --config.scheme=IOB2; did you mean 'IOB1'?"),
        (["--config.crf=maybe"], "--config.crf=maybe: "),
        (["--config.swap_rate=1.5"], "--config.swap_rate lies in [0, 1]; got 1.5"),
        (["--config.word_dropout=-1"], "--config.word_dropout lies in [0, 1); got -1"),
        (["--config.num_buckets=0"], "--config.num_buckets is 1 or more; got 0"),
        (["--config.hiden_size=4"], "Did you mean --config.hidden_size?"),
        (["--config.data=embeded"], "embeded does not exist"),
        (["--config.data=train=a.conll"], "names no validation file: add ,validation=PATH"),
        (["--config.data=train=a,valid=b"], "unknown split 'valid' in"),
        (["--restore_from=/no/such/run"], "No checkpoint in /no/such/run"),
        (["--restore_from=x", "--config.vectors=y"], "would be overwritten by --restore_from"),
        (["--config.characters=lstm", "--config.character_size=5"], "even with --config.characte"),
        (["--config.vectors=/no/file"], "/no/file does not exist"),
    ],
)
def test_flags(tmp_path, ner_command, argv, told):
    assert told in message(ner_command(f"--workdir={tmp_path / 'run'}", *argv))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("files", "argv", "told"),
    [
        ({}, ["--config.token_column=4"], "train.conll:1 has too few columns, 2: expected"),
        ({}, ["--config.tag_column=3"], "train.conll:1 has too few columns, 2: expected"),
        ({"dev": b"Ada\tPER\n"}, [], "dev.conll:1: 'PER' is no tag: expected O, or B-, I-"),
        (
            {"dev": GOOD + b"\nBonn\tB-LOC\nRing\tI-PER\n"}, ["--config.strict"],
            "dev.conll:8: 'I-PER' may not follow 'B-LOC' in BIO tags",
        ),
        ({"train": b"Ada\tO\n"}, [], "has no entity in its training split: all its tags are O"),
    ],
)  # fmt: skip
def test_files(tmp_path, corpus, ner_command, files, argv, told):
    folder = corpus(**files)
    before = contents(folder)
    said = message(ner_command(f"--workdir={tmp_path / 'run'}", f"--config.data={folder}", *argv))
    assert told.format(folder=folder) in said
    assert len(said.splitlines()) == 1
    assert contents(folder) == before
    assert contents(tmp_path / "run") == {}


def test_tags_out_of_place_are_repaired_and_counted(tmp_path, corpus, ner_command, until_training):
    """I-PER after B-LOC begins an entity, as conlleval reads it."""
    folder = corpus(dev=GOOD + b"\nBonn\tB-LOC\nRing\tI-PER\n")
    said = message(
        ner_command(f"--workdir={tmp_path / 'run'}", f"--config.data={folder}", *SMALL_TAGGER)
    )
    assert "validation 3 sentences, 6 tokens, 4 entities" in said
    assert "1 tag out of place repaired" in said
    assert until_training


def test_the_encoding_that_a_message_names_is_a_flag(tmp_path, corpus, ner_command, until_training):
    folder = corpus(train=b"Caf\xe9\tB-LOC\nAda\tB-PER\n")
    argv = [f"--workdir={tmp_path / 'run'}", f"--config.data={folder}", *SMALL_TAGGER]
    assert "--config.encoding=latin-1" in message(ner_command(*argv))
    message(ner_command(*argv, "--config.encoding=latin-1"))
    assert '"caf\\u00e9"' in until_training[0].vocabulary


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("2 2\nada 1 2\nbonn 1 x\n", "vectors.txt:3: 'x' is not a number"),
        ("ada 1 2\nbonn 3 4\n", "have 2 numbers each: expected --config.embed_size=2, got 8"),
        ("zoo 1 2\n", "have 2 numbers each: expected --config.embed_size=2, got 8"),
    ],
)
def test_files_of_vectors(tmp_path, corpus, ner_command, content, told):
    path = tmp_path / "vectors.txt"
    path.write_text(content)
    said = message(
        ner_command(
            f"--workdir={tmp_path / 'run'}", f"--config.data={corpus()}", *SMALL_TAGGER,
            f"--config.vectors={path}",
        )
    )  # fmt: skip
    assert told in said
    assert len(said.splitlines()) == 1


def test_vectors_are_what_words_begin_with(tmp_path, corpus, ner_command, until_training):
    """`nimes` is in the validation split alone, `zoo` nowhere."""
    rows = {word: [n + 2.5] * 8 for n, word in enumerate(["bonn", "zoo", "nimes", "left"])}
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{w} {' '.join(map(str, v))}\n" for w, v in rows.items()))
    folder = corpus(dev=GOOD + b"Nimes\tB-LOC\n")
    argv = [f"--workdir={tmp_path / 'run'}", f"--config.data={folder}", *SMALL_TAGGER]
    said = message(ner_command(*argv, f"--config.vectors={path}"))
    assert "; 3 of 5 words (60.0%) have pretrained vectors" in said
    message(ner_command(*argv))
    with_vectors, without = until_training
    table = np.asarray(with_vectors.params["features"]["embed"]["embedding"].get_value())
    words = TaggingVocabulary.from_json(with_vectors.vocabulary)
    for word in ("bonn", "nimes", "left"):
        np.testing.assert_array_equal(table[words.word_id(word)], rows[word])
    others = [words.word_id("ada"), words.word_id("waits")]
    assert np.abs(table[others]).max() < 1
    assert np.std(table[others]) > 0
    assert '"nimes"' not in without.vocabulary


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--mode=evaluate", "--split=dev"], "unknown --split=dev; Valid: test, train, validation"),
        (["--mode=inspect", "--split=tset"], "unknown --split=tset; did you mean 'test'?"),
        (["--mode=predict"], "mode predict takes --text=TEXT (repeatedly) or --input=FILE"),
        (["--mode=predict", "--text=a", "--input=b"], "mode predict takes --text=TEXT"),
        (["--mode=predict", "--text= "], "nothing to tag: --text has no word"),
        (["--mode=predict", "--input=/no/file"], "/no/file does not exist"),
        (["--mode=predict", "--text=a", "--output=x.csv"], "--output=x.csv has an unknown ending;"),
        (["--mode=predict", "--text=a", "--output=/no/x.html"], "there is no folder /no"),
        (["--mode=evaluate", "--preset=conll"], "--preset is for mode train"),
        (["--mode=evaluate", "--config.hidden_size=9"], "do not fit this model"),
        (["--mode=evaluate", "--config.scheme=BIO"], "was trained with --config.scheme=BIOES, not"),
        (["--config.hidden_size=9"], "hidden_size"),
    ],
)
def test_a_trained_run_is_left_as_it_was(trained_ner, ner_command, argv, told):
    before = contents(trained_ner)
    assert told in message(ner_command(f"--workdir={trained_ner}", *argv))
    assert contents(trained_ner) == before


@pytest.mark.parametrize(
    ("split", "old", "new"),
    [
        ("train", "Nobody knows", "Hypatia knows"),
        ("train", "[Siemens|ORG]", "[Siemens|PER]"),
        ("dev", "Nobody knows", "Hypatia knows"),
    ],
)
def test_sentences_that_changed_since_the_checkpoint(
    trained_ner, tagged_folder, ner_command, split, old, new
):
    """Another vocabulary; the same one with other tags; another validation split."""
    path = tagged_folder / f"{split}.inline"
    whole = path.read_text()
    before = contents(trained_ner)
    config = training.read_meta(trained_ner).config
    argv = [f"--config.{name}={value}" for name, value in config.items() if value is not None]
    try:
        path.write_text(whole.replace(old, new))
        said = message(ner_command(f"--workdir={trained_ner}", *argv))
    finally:
        path.write_text(whole)
    assert f"the data of {tagged_folder} are not those that the run in {trained_ner}" in said
    assert "choose another workdir" in said
    assert contents(trained_ner) == before


def test_types_that_the_restored_model_does_not_know(trained_ner, tmp_path, corpus, ner_command):
    folder = corpus(*[GOOD + b"\nMacbeth\tB-WORK\n"] * 2)
    said = message(
        ner_command(
            f"--workdir={tmp_path / 'run'}", f"--restore_from={trained_ner}",
            f"--config.data={folder}", *SMALL_TAGGER,
        )
    )  # fmt: skip
    assert f"{folder}/dev.conll:7: token 1 of the sentence, 'Macbeth', has the tag B-WORK" in said
    assert "Valid: LOC, ORG, PER" in said
