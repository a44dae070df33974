import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.caption_scores import meteor

REFERENCE = Path(__file__).parents[2] / "reference/captions.json"
CANDIDATES = [["a", "dog"], [], ["zwölf"]]
REFERENCES = [[["a", "dog", "runs"]], [["b"], ["c"]], [["d"], ["e"], ["f"]]]


@pytest.fixture
def java(tmp_path, monkeypatch):
    """Puts a shell script in the place of Java, and an empty package in that of pycocoevalcap."""
    (tmp_path / "pycocoevalcap").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    program = tmp_path / "java"
    program.touch(mode=0o755)
    return program


def test_the_program_gets_every_text(java):
    java.write_text(
        '#!/bin/sh\necho "$@" >"$0.words"\ncp "$5" "$0.candidates"\ncp "$6" "$0.references"\n'
        'echo "Test score: 9"\necho "Final score:            0.125"\n'
    )
    assert meteor(CANDIDATES, REFERENCES) == 0.125
    words = java.with_suffix(".words").read_text(encoding="utf-8").split()
    assert words[:2] == ["-Xmx2G", "-Dfile.encoding=UTF-8"]
    assert words[3] == str(java.parent / "pycocoevalcap/meteor/meteor-1.5.jar")
    assert words[6:] == ["-l", "en", "-norm", "-r", "3"]
    lines = {
        name: java.with_suffix(f".{name}").read_text(encoding="utf-8").split("\n")
        for name in ("candidates", "references")
    }
    assert lines["candidates"] == ["a dog", "", "zwölf", ""]
    assert lines["references"] == [*["a dog runs"] * 3, "b", "c", "b", "d", "e", "f", ""]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'Error: Unable to access jarfile' >&2; exit 1", "Unable to access jarfile"),
        ("echo 'Final score: 0.5'; exit 3", "failed: Final score: 0.5"),
        ("true", "it said nothing"),
    ],
)
def test_a_program_that_fails_is_told(java, script, message):
    java.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(UserError, match=message):
        meteor(CANDIDATES, REFERENCES)


def test_without_java(java):
    java.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(java.parent))
        with pytest.raises(UserError, match="Java is not installed"):
            meteor(CANDIDATES, REFERENCES)


def test_without_the_package(java, monkeypatch):
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(UserError, match=r"pip install 'rnnjax\[meteor\]'"):
        meteor(CANDIDATES, REFERENCES)


@pytest.mark.skipif(
    not (shutil.which("java") and find_spec("pycocoevalcap")),
    reason="needs Java and pycocoevalcap",
)
@pytest.mark.parametrize("case", ["street", "ragged"])
def test_score_equals_that_of_the_coco_scorer(case):
    stored = json.loads(REFERENCE.read_text(encoding="utf-8"))[case]
    score = meteor(
        [text.split() for text in stored["candidate_tokens"]],
        [[text.split() for text in texts] for texts in stored["reference_tokens"]],
    )
    assert score == pytest.approx(stored["scores"]["meteor"], rel=1e-12)
