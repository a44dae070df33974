"""METEOR of captions, by its authors' Java program."""

import importlib.util
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rnnjax.errors import UserError

_FINAL_SCORE = re.compile(r"^Final score:\s+(\S+)$", re.MULTILINE)


def meteor(
    candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> float:
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
        raise UserError("pycocoevalcap is not installed: pip install rnnjax[meteor]")
    program = Path(next(iter(package.submodule_search_locations)), "meteor", "meteor-1.5.jar")
    most = max(map(len, references))
    # The program takes equally many references an image and uses the best, so repeating one of
    # them changes nothing.
    repeated = [[*texts, *[texts[0]] * (most - len(texts))] for texts in references]
    with tempfile.TemporaryDirectory() as folder:
        written, wanted = Path(folder, "candidates"), Path(folder, "references")
        _write(written, candidates)
        _write(wanted, [text for texts in repeated for text in texts])
        files = [str(path) for path in (program, written, wanted)]
        command = [java, "-Xmx2G", "-Dfile.encoding=UTF-8", "-jar", *files]
        options = ["-l", "en", "-norm", "-r", str(most)]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    found = _FINAL_SCORE.search(done.stdout)
    if done.returncode or not found:
        reason = (done.stderr or done.stdout).strip()
        raise UserError(f"the Java program of METEOR failed: {reason or 'it said nothing'}")
    return float(found[1])


def _write(path: Path, texts: Sequence[Sequence[str]]) -> None:
    path.write_text("".join(" ".join(words) + "\n" for words in texts), encoding="utf-8")
