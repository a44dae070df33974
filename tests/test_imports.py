"""Who may know whom: the rooms of the package import each other in one direction only."""

import ast
import compileall
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Each room of rnnjax and the other rooms it may import.
FOUNDATION = {"errors", "typing", "ranges"}
SCANNING = {"cells", "scan", "engines"}
ALGORITHMS = {"heads", "losses", "decode", "diagnostics"}
BESIDE = {"data", "interchange", "metrics", "visuals", "training"}
MAY_IMPORT = (
    {"version": set(), "errors": set(), "typing": {"errors"}, "ranges": {"errors", "typing"}}
    | {"cells": FOUNDATION, "testing": FOUNDATION | SCANNING}
    | {"interchange": FOUNDATION | {"cells"}}
    | {room: FOUNDATION | SCANNING for room in SCANNING - {"cells"}}
    | {room: FOUNDATION | SCANNING | ALGORITHMS for room in ALGORITHMS | {"models"}}
    | {"loading": {"errors", "tasks", "training"}}
    | {room: {"errors"} for room in ("data", "metrics")}
    | {"visuals": FOUNDATION | {"metrics"}}
    | {"training": FOUNDATION | SCANNING | {"interchange", "visuals"}}
)
TASK_MAY_IMPORT = FOUNDATION | SCANNING | ALGORITHMS | BESIDE | {"models"}
TASKS = sorted(p.name for p in (ROOT / "rnnjax/tasks").iterdir() if (p / "__init__.py").exists())
ONLY_THESE_LIBRARIES = {
    "version": set(),
    "errors": set(),
    "ranges": {"jax", "numpy"},
    "cells": {"jax"},
    "scan": {"jax"},
    "engines": {"jax"},
    "heads": {"jax", "numpy"},
    "data": {
        "numpy",
        "cloudpickle",
        "tensorflow_datasets",
        "tokenizers",
        "PIL",
        "scipy",
        "sklearn",
        "soundfile",
    },
    "interchange": {"flatbuffers", "flax", "jax", "numpy", "safetensors"},
    "metrics": {"numpy", "sklearn"},
    "visuals": {"numpy", "matplotlib", "PIL"},
}
ENTRY_POINTS = {"experiments", "launch"}
ONLY_IN_ENTRY_POINTS = {"absl"}


def sources(root: Path) -> Iterator[tuple[Path, str]]:
    """Yields every source file below `root` with its dotted module name."""
    for package in ("rnnjax", "experiments", "launch"):
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def import_statements(source: str) -> list[ast.Import | ast.ImportFrom]:
    nodes = ast.walk(ast.parse(source))
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def imported_modules(path: Path, module: str, modules: set[str]) -> Iterator[str]:
    """Yields the dotted names that a file imports, at its top or inside its functions.

    Args:
        path: the file.
        module: its own dotted name.
        modules: every module of the project, to tell `from package import module` from
            `from package import name`.
    """
    package = module.split(".")[: None if path.stem == "__init__" else -1]
    for node in import_statements(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *filter(None, [node.module])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in modules else base


def room_of(module: str) -> str:
    """Returns the room that a module is in, such as data or tasks.tagging; '' of a package."""
    _, *parts = module.split(".")
    return ".".join(parts[: 2 if parts[:1] == ["tasks"] else 1])


def breach(importer: str, imported: str) -> str | None:
    """Returns what is wrong with one import, or None."""
    package, target = importer.split(".")[0], imported.split(".")[0]
    room = room_of(importer)
    if target in ONLY_IN_ENTRY_POINTS and package not in ENTRY_POINTS:
        return f"{target} belongs in experiments and launch only"
    if target == "launch" and package != "launch":
        return "nothing but launch imports launch"
    if target == "experiments" and package == "rnnjax":
        return "rnnjax does not know the experiments"
    may_import = (
        "",
        "cli",
        "experiment",
        "export",
        "options",
        "run",
        room,
    )  # an experiment may be a folder of modules
    if target == package == "experiments" and room_of(imported) not in may_import:
        return "what two experiments need belongs in rnnjax"
    if package != "rnnjax" or room in ("", "tasks"):
        return None
    if target == "rnnjax":
        other = room_of(imported)
        allowed = TASK_MAY_IMPORT if room.startswith("tasks.") else MAY_IMPORT[room]
        if other != room and other not in allowed:
            return f"{room} may import {sorted(allowed)}, not {other or 'all of rnnjax'}"
    elif target not in ONLY_THESE_LIBRARIES.get(room, {target}) | sys.stdlib_module_names:
        return f"{room} may import {sorted(ONLY_THESE_LIBRARIES[room])}, not {target}"
    return None


def breaches(root: Path) -> list[str]:
    """Returns a line for every import below `root` that goes against the order."""
    files = list(sources(root))
    modules = {module for _, module in files}
    return [
        f"{path.relative_to(root)} imports {imported}: {wrong}"
        for path, module in files
        for imported in imported_modules(path, module, modules)
        if (wrong := breach(module, imported))
    ]


def test_every_import_keeps_the_order():
    assert breaches(ROOT) == []


def test_every_room_has_its_place_in_the_order():
    rooms = {room_of(module) for _, module in sources(ROOT) if module.startswith("rnnjax.")}
    assert rooms <= MAY_IMPORT.keys() | {"tasks"} | {f"tasks.{task}" for task in TASKS}


def experiments_of(task: str, root: Path) -> list[Path]:
    """Returns the files outside of rnnjax that import the room of a task."""
    files = list(sources(root))
    modules = {module for _, module in files}
    return [
        path
        for path, module in files
        if not module.startswith("rnnjax")
        and any(room_of(name) == f"tasks.{task}" and name.startswith("rnnjax.")
                for name in imported_modules(path, module, modules))
    ]  # fmt: skip


IMPORT_EACH = """
import importlib, os, pathlib, sys
# What takes long, once for all trees.
import flax.nnx, matplotlib.figure, optax, orbax.checkpoint, PIL.ImageDraw, tensorboardX
for tree in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        os.chdir(tree)
        sys.path.insert(0, tree)
        for name in pathlib.Path("modules").read_text().split():
            importlib.import_module(name)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(tree)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A copy of the tree with its bytecode, which saves minutes; not to be changed."""
    tree = tmp_path_factory.mktemp("whole")
    for folder in ENTRY_POINTS | {"rnnjax"}:
        shutil.copytree(ROOT / folder, tree / folder)
        compileall.compile_dir(tree / folder, quiet=1)
    return tree


@pytest.mark.parametrize("first", [0, 1])
def test_nothing_else_notices_where_a_task_is_missing(first, whole, tmp_path):
    """Copies without the task keep the order, and every module that is left can be imported."""
    trees = {task: tmp_path / task for task in TASKS[first::2]}
    for task, tree in trees.items():
        shutil.copytree(whole, tree, copy_function=os.link)
        for path in experiments_of(task, tree):
            path.unlink()
        shutil.rmtree(tree / "rnnjax/tasks" / task)
        assert breaches(tree) == []
        apart = ("__main__", "torch_models")  # which start something, or need another library
        names = [module for _, module in sources(tree) if not module.endswith(apart)]
        (tree / "modules").write_text(" ".join(names))
    command = [sys.executable, "-P", "-W", "ignore", "-c", IMPORT_EACH, *map(str, trees.values())]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("rnnjax/cells/new.py", "import numpy as np"),
        ("rnnjax/cells/new.py", "from rnnjax import scan"),
        ("rnnjax/cells/new.py", "from rnnjax.scan import unroll"),
        ("rnnjax/cells/new.py", "from ..scan import unroll"),
        ("rnnjax/cells/new.py", "from .. import scan"),
        ("rnnjax/cells/new.py", "from rnnjax import lstm"),
        ("rnnjax/cells/__init__.py", "from ..scan import unroll"),
        ("rnnjax/engines/new.py", "from flax import nnx"),
        ("rnnjax/scan.py", "def later():\n    import numpy"),
        ("rnnjax/decode.py", "from rnnjax.models import language_model"),
        ("rnnjax/models/new.py", "from rnnjax.training.state import TrainState"),
        ("rnnjax/training/new.py", "from rnnjax.models.language_model import LanguageModel"),
        ("rnnjax/training/new.py", "from absl import logging"),
        ("rnnjax/training/new.py", "import experiments.char_lm"),
        ("rnnjax/data/new.py", "import jax"),
        ("rnnjax/data/new.py", "from rnnjax.training import loop"),
        ("rnnjax/data/new.py", "from rnnjax.models import language_model"),
        ("rnnjax/data/new.py", "from rnnjax.metrics import attention"),
        ("rnnjax/models/new.py", "from rnnjax.tasks.tagging.schemes import spans_of"),
        (
            "rnnjax/tasks/tagging/new.py",
            "from rnnjax.tasks.language.score_report import score_page",
        ),
        ("rnnjax/tasks/tagging/new.py", "from rnnjax.tasks import language"),
        ("rnnjax/tasks/tagging/new.py", "import rnnjax"),
        ("rnnjax/heads/new.py", "from flax import nnx"),
        ("rnnjax/metrics/new.py", "import seqeval.metrics"),
        ("rnnjax/visuals/new.py", "from rnnjax.tasks.tagging.sentences import TaggedSentence"),
        ("rnnjax/__init__.py", "from absl import flags"),
        ("experiments/new.py", "from experiments import char_lm"),
        ("experiments/new.py", "from experiments.char_lm import Config"),
        ("experiments/new.py", "from . import char_lm"),
        ("experiments/new.py", "import launch.tpu_dryrun"),
    ],
)
def test_an_import_against_the_order_is_found(tmp_path, file, line):
    others = (
        "rnnjax/scan.py", "rnnjax/models/language_model.py", "experiments/char_lm.py",
        "rnnjax/tasks/language/__init__.py",
    )  # fmt: skip
    for name in (file, *others):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(line if name == file else "")
    assert len(breaches(tmp_path)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("rnnjax/cells/new.py", "import functools, jax.numpy, rnnjax.errors"),
        ("rnnjax/cells/new.py", "from rnnjax.cells.cell import Cell"),
        ("rnnjax/cells/new.py", "from .cell import Cell"),
        ("rnnjax/cells/__init__.py", "from .cell import Cell"),
        ("rnnjax/tasks/tagging/new.py", "from rnnjax.tasks.tagging.schemes import spans_of"),
        ("rnnjax/tasks/tagging/new.py", "import seqeval, rnnjax.data.text"),
        ("rnnjax/visuals/new.py", "from rnnjax.metrics import attention"),
        ("rnnjax/models/new.py", "from flax import nnx"),
        ("rnnjax/training/new.py", "import rnnjax.visuals, orbax.checkpoint"),
        ("rnnjax/__init__.py", "from rnnjax.models.language_model import LanguageModel"),
        ("experiments/new.py", "from experiments import cli"),
        ("experiments/new.py", "from experiments.experiment import Experiment"),
        ("experiments/new/__main__.py", "from experiments.new import part"),
        ("experiments/new.py", "import rnnjax, absl.app"),
    ],
)
def test_an_import_within_the_order_is_allowed(tmp_path, file, line):
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    (tmp_path / "experiments").mkdir(exist_ok=True)
    for name in ("cli.py", "experiment.py"):
        (tmp_path / "experiments" / name).touch()
    assert breaches(tmp_path) == []
