"""The pages for readers: their Python code runs, and the links, paths and names in them exist."""

import dataclasses
import importlib
import re
import shlex
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import experiments
import rnnjax
from rnnjax import training
from rnnjax.errors import UserError
from tests.experiments.small_tasks import only_training

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
FOLDERS = ("rnnjax", "experiments", "launch", "tests", "docs")


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)


def executed(page: Path) -> dict:
    """Runs all Python blocks of a page, one after the other; returns the names they defined."""
    names: dict = {}
    for block in python_blocks(page):
        exec(compile(block, relative(page), "exec"), names)
    return names


def without_blocks(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(page), re.M)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def broken_links(page: Path) -> list[str]:
    """Returns the relative links of a page that lead to no file, or to no heading of it."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
        if target.startswith(("http:", "https:")):
            continue
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    return broken


def missing_paths(page: Path) -> list[str]:
    """Returns the paths from the root of the checkout that a page names and that do not exist."""
    pattern = rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[\w./-]*"
    text = re.sub(r"\]\([^)]*\)", "]", page.read_text())
    paths = {path.rstrip(".") for path in re.findall(pattern, text)}
    return sorted(path for path in paths if not (ROOT / path).exists() and "TASK" not in path)


def is_there(dotted: str) -> bool:
    """Whether a dotted name, such as rnnjax.data.load, is a module or an attribute of one."""
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:size]))
        except ModuleNotFoundError:
            continue
        for name in parts[size:]:
            if not hasattr(found, name):
                return False
            found = getattr(found, name)
        return True
    return False


VALUE = r"""(?:"[^"]*"|[^\s`|"]+)"""
COMMAND = rf"(?:python -m experiments\.|launch/local\.sh )(\w+)((?: +--[\w.]+(?:={VALUE})?)*)"
NEEDS_A_RUN = "No checkpoint in|cannot be imported"  # such a command is checked as far as it goes
A_NUMBER = r"=S\b"


def refused_commands(page: Path) -> list[str]:
    """Returns what is wrong with the flags of the commands of a page that train or use a model."""
    refused = []
    for name, flags in set(re.findall(COMMAND, page.read_text())):
        if name not in experiments.summaries() or "--help" in flags:
            continue
        experiment = importlib.import_module(f"experiments.{name}").EXPERIMENT
        try:
            experiment.parse(shlex.split(re.sub(A_NUMBER, "=0", flags)))
        except UserError as error:
            if not re.search(NEEDS_A_RUN, str(error)):
                refused.append(f"{name}{flags}: {error}")
    return refused


def missing_names(page: Path) -> list[str]:
    """Returns the names of rnnjax that a page spells with dots and that do not exist.

    The first column of a table whose head says "before" holds names of the past.
    """
    text = re.sub(
        r"^( *)\| before \|.*?(?=^\s*$)",
        lambda table: re.sub(r"^ *\|[^|]*\|", "|", table[0], flags=re.M),
        page.read_text(),
        flags=re.M | re.S,
    )
    names = set(re.findall(r"(?<![\w/.])rnnjax(?:\.[A-Za-z_]\w*)+", text))
    return sorted(name for name in names if not is_there(name))


def test_the_readme_is_short_and_has_an_example_of_ten_lines():
    assert len(README.read_text().splitlines()) <= 200
    counts = [
        sum(bool(line.strip()) for line in text.splitlines()) for text in python_blocks(README)
    ]
    assert min(counts) <= 10


@pytest.fixture
def short_trainings(monkeypatch):
    """Two updates without scores and report show that a page runs: others test the rest."""
    train = training.train

    def short(*args, config, **named):
        of_two = dataclasses.replace(config, num_steps=min(config.num_steps, 2))
        return train(*args, config=of_two, **named)

    for name in experiments.summaries():
        module = importlib.import_module(f"experiments.{name}")
        monkeypatch.setattr(module, "EXPERIMENT", only_training(module.EXPERIMENT))
    monkeypatch.setattr(training, "train", short)
    monkeypatch.setattr(training, "write_report", lambda *args, **named: "none")


@pytest.mark.usefixtures("short_trainings")
@pytest.mark.parametrize("page", [*filter(python_blocks, PAGES)], ids=relative)
def test_python_code_of_a_page_runs(page, capsys):
    executed(page)
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", GUIDES, ids=relative)
def test_links_paths_and_names_of_a_page_exist(page):
    assert broken_links(page) == []
    assert missing_paths(page) == []
    assert missing_names(page) == []


@pytest.mark.parametrize("page", GUIDES, ids=relative)
def test_commands_of_a_page_have_flags_that_exist(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused_commands(page) == []


def test_what_does_not_exist_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading, here\n[a](#a-heading-here) [b](#elsewhere) [c](other.md) `rnnjax/cells/` "
        "`rnnjax/sells/cell.py`, rnnjax.cells.lstm and rnnjax.cells.lstn.\n\n"
        "`python -m experiments.naming --mode=evaluate --temprature=2`\n\n"
        "| before | now |\n|---|---|\n| `rnnjax.old` | `rnnjax.olds` |\n"
    )
    assert broken_links(page) == ["#elsewhere", "other.md"]
    assert missing_paths(page) == ["rnnjax/sells/cell.py"]
    assert missing_names(page) == ["rnnjax.cells.lstn", "rnnjax.olds"]
    assert "Did you mean --temperature?" in refused_commands(page)[0]


@pytest.fixture(scope="module")
def indrnn():
    (block,) = [block for block in python_blocks(README) if "def indrnn" in block]
    names: dict = {}
    exec(compile(block, "README.md", "exec"), names)
    return names["indrnn"]


def test_the_cell_of_the_readme_computes_its_equation(indrnn):
    cell = indrnn(5)
    params = cell.init(jax.random.key(0), 3)
    params["b"] = jnp.linspace(-0.5, 0.5, 5)
    xs = jax.random.normal(jax.random.key(1), (7, 2, 3))
    mask = jnp.arange(7)[:, None] < jnp.array([7, 4])
    h, expected = np.zeros((2, 5)), []
    w, u, b = (np.asarray(params[name], np.float64) for name in "wub")
    for x_t, mask_t in zip(np.asarray(xs, np.float64), np.asarray(mask)[:, :, None], strict=True):
        new = np.maximum(x_t @ w + u * h + b, 0)
        h = np.where(mask_t, new, h)
        expected.append(np.where(mask_t, new, 0))
    for unroll in (rnnjax.unroll, rnnjax.unroll_reference):
        carry, ys = unroll(cell, params, xs, mask=mask)
        np.testing.assert_allclose(ys, np.stack(expected), rtol=1e-5, atol=1e-6)  # float32
        np.testing.assert_allclose(carry, h, rtol=1e-5, atol=1e-6)
    carry, y = cell(params, cell.initial_carry(params, (2,)), xs[0])
    np.testing.assert_allclose(y, expected[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(carry, y)


def test_the_cell_of_the_readme_learns_in_a_deep_bidirectional_network(indrnn):
    cell = rnnjax.stack(
        [rnnjax.bidirectional(indrnn(8), indrnn(8)), rnnjax.dropout(0.1), indrnn(4)]
    )
    params = cell.init(jax.random.key(0), 3)
    xs = jax.random.normal(jax.random.key(1), (6, 4, 3))
    optimizer = optax.sgd(0.05)
    state, losses = optimizer.init(params), []

    @jax.jit
    @jax.value_and_grad
    def loss(params):
        return ((rnnjax.unroll(cell, params, xs, remat="sqrt")[1] - 1.0) ** 2).mean()

    for _ in range(3):
        value, grads = loss(params)
        updates, state = optimizer.update(grads, state)
        params, losses = optax.apply_updates(params, updates), [*losses, float(value)]
    assert losses[2] < losses[1] < losses[0]
