"""What is installed, declared and exported, and how the launch scripts prepare a machine."""

import ast
import configparser
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rnnjax
from rnnjax.version import __version__

ROOT = Path(__file__).parent.parent
OWN = ("rnnjax", "experiments", "launch")


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    return config


def distributions(requirements: str) -> set[str]:
    """Returns the distribution names in a list of requirements, a line each."""
    lines = (line.strip() for line in requirements.splitlines())
    return {re.split(r"[\[<>=!~; ]", line)[0] for line in lines if line and line[0] != "#"}


def imported_packages(path: Path, *, inside_functions: bool) -> set[str]:
    """Returns the top-level packages that a file imports, at its top or also in its functions."""
    packages = set()
    todo: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            packages.add(str(node.module).split(".")[0])
        elif inside_functions or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            todo.extend(ast.iter_child_nodes(node))
    return packages


def own_files() -> list[Path]:
    return [path for folder in OWN for path in (ROOT / folder).rglob("*.py")]


def test_installed_metadata():
    try:
        metadata = importlib.metadata.metadata("rnnjax")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("rnnjax is not installed here; launch/test.sh installs it")
    assert metadata["Version"] == __version__ == rnnjax.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra")) == {
        "dev", "photos", "tfds", "tpu", "gpu", "bench", "meteor", "music", "names",
        "speech", "summarisation", "translation", "vqa",
    }  # fmt: skip


def test_every_import_is_a_declared_requirement():
    declared = distributions(setup_cfg()["options"]["install_requires"])
    providers = importlib.metadata.packages_distributions()
    undeclared = {
        f"{path.relative_to(ROOT)}: {package}"
        for path in own_files()
        for package in imported_packages(path, inside_functions=False)
        if package not in OWN and package not in sys.stdlib_module_names
        if not declared & set(providers.get(package, []))
        if path.stem != f"{package}_models"  # imported where the package is there
    }
    assert undeclared == set()


def test_every_declared_requirement_is_imported():
    declared = distributions(setup_cfg()["options"]["install_requires"])
    providers = importlib.metadata.packages_distributions()
    used = {
        distribution
        for path in own_files()
        for package in imported_packages(path, inside_functions=True)
        for distribution in providers.get(package, [])
    }
    assert declared - used == set()


def test_every_folder_of_code_is_a_package():
    for path in own_files():
        assert (path.parent / "__init__.py").is_file(), f"{path.parent} is not installed"


def test_every_public_name_exists_and_is_documented():
    assert len(rnnjax.__all__) == len(set(rnnjax.__all__))
    for name in rnnjax.__all__:
        public = getattr(rnnjax, name)
        if callable(public):
            assert (public.__doc__ or "").strip(), f"rnnjax.{name} has no docstring"


@pytest.fixture
def checkout(tmp_path):
    """A small copy of the checkout, in a folder whose name has a space, with one experiment."""
    root = tmp_path / "a check out"
    shutil.copytree(ROOT / "launch", root / "launch", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    (root / "experiments").mkdir()
    (root / "experiments/cli.py").write_text("def run(): ...\n")
    (root / "experiments/hello.py").write_text('if __name__ == "__main__":\n    print("hi")\n')
    return root


def fake_python(folder: Path, body: str) -> Path:
    """Writes an executable shell script that stands in for Python."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def launch(script: Path, *args: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess:
    inherited = {name: value for name, value in os.environ.items() if "RNNJAX" not in name}
    return subprocess.run(
        [script, *args],
        cwd=cwd,
        env=inherited | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("script", ["local.sh", "test.sh"])
def test_help_installs_nothing(checkout, tmp_path, script):
    result = launch(checkout / "launch" / script, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith(f"Usage: launch/{script}")
    assert not (checkout / ".venv").exists()


def test_usage_lists_what_can_be_run(checkout, tmp_path):
    result = launch(checkout / "launch/local.sh", cwd=tmp_path)
    assert result.returncode == 2
    assert "\n  hello\n" in result.stderr
    assert "cli" not in result.stderr


def test_an_unknown_experiment_is_named_with_the_valid_ones(checkout, tmp_path):
    result = launch(checkout / "launch/local.sh", "char_lm", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr == "There is no experiment 'char_lm'. Valid:\n  hello\n"
    assert not (checkout / ".venv").exists()


def test_without_a_new_enough_python_it_says_so(checkout, tmp_path):
    for tool in ("bash", "dirname", "basename", "grep", "sed", "cat", "cksum", "rm", "ls"):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    fake_python(tmp_path / "bin", "exit 1")
    result = launch(checkout / "launch/local.sh", "hello", cwd=tmp_path, PATH=str(tmp_path / "bin"))
    assert result.returncode == 2
    assert "needs Python 3.11 or newer" in result.stderr
    assert not (checkout / ".venv").exists()


def test_a_folder_that_is_no_environment_is_left_alone(checkout, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("words")
    result = launch(checkout / "launch/local.sh", "hello", cwd=tmp_path, RNNJAX_VENV="mine")
    assert result.returncode == 2
    assert "is no virtual environment" in result.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


# Stands in for an environment's Python: notes its arguments in a file, and fails as pip on demand.
RECORDER = """
case "$*" in
  *"pip install"* | -P*) echo "$*" >>"$CALLS" ;;
esac
case "$*" in
  *"pip install"*) [ -z "${PIP_FAILS:-}" ] || { echo "ERROR: no" >&2; exit 1; } ;;
esac
"""


@pytest.fixture
def environment(checkout, tmp_path):
    """Environment variables for an existing virtual environment whose Python only takes notes."""
    venv = tmp_path / "an environment"
    fake_python(venv / "bin", RECORDER).rename(venv / "bin/python")
    return {"RNNJAX_VENV": str(venv), "CALLS": str(tmp_path / "calls")}


def calls(environment) -> list[str]:
    path = Path(environment["CALLS"])
    found = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return ["install" if "pip install" in call else call for call in found]


def test_it_installs_once_and_again_when_the_requirements_change(checkout, environment, tmp_path):
    def run(**environ):
        script = checkout / "launch/local.sh"
        result = launch(script, "hello", "--a", "b c", cwd=tmp_path, **environment, **environ)
        assert result.returncode == 0, result.stderr
        return calls(environment)

    ran = "-P -m experiments.hello --a b c"
    assert run() == ["install", ran]
    assert run() == [ran]
    assert run(RNNJAX_PIP="jax==0.10.2") == ["install", ran]
    assert run() == ["install", ran]
    with open(checkout / "setup.cfg", "a") as file:
        file.write("\n# changed\n")
    assert run() == ["install", ran]
    assert run() == [ran]


def test_it_installs_the_extra_of_a_task_once_and_runs_without_it_where_pip_fails(
    checkout, environment, tmp_path
):
    with open(checkout / "setup.cfg", "a") as file:
        file.write("\nhello =\n    a>=1\n    b\n\nother =\n    c\n")

    def run(**environ):
        script = checkout / "launch/local.sh"
        result = launch(script, "hello", cwd=tmp_path, **environment, **environ)
        assert result.returncode == 0, result.stderr
        said = Path(environment["CALLS"]).read_text().splitlines()
        return said[0], calls(environment), result.stderr

    assert run()[1] == ["install", "install", ran := "-P -m experiments.hello"]
    assert run()[1] == [ran]
    stamp = Path(environment["RNNJAX_VENV"]) / "rnnjax-installed"
    plain, with_extra = stamp.read_text().splitlines(True)
    stamp.write_text(with_extra)
    assert run()[1] == [ran]
    stamp.write_text(plain)
    first, made, said = run(PIP_FAILS="1")
    assert first.endswith(f" --editable {checkout.resolve()}[hello]")
    assert made == ["install", ran]
    assert said.endswith("Going on without rnnjax[hello].\n")
    assert run()[1] == ["install", ran]


@pytest.mark.parametrize("own", [None, "glibc.malloc.hugetlb=0", ""])
def test_it_asks_for_large_pages_unless_told_otherwise(
    checkout, environment, tmp_path, monkeypatch, own
):
    if own is None:
        monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    else:
        monkeypatch.setenv("GLIBC_TUNABLES", own)
    with (Path(environment["RNNJAX_VENV"]) / "bin/python").open("a") as python:
        python.write('echo "pages: $GLIBC_TUNABLES"\n')
    result = launch(checkout / "launch/local.sh", "hello", cwd=tmp_path, **environment)
    wanted = "glibc.malloc.hugetlb=1" if own is None else own
    assert result.stdout.endswith(f"pages: {wanted}\n")


def test_a_failed_install_is_told_and_tried_again(checkout, environment, tmp_path):
    script = checkout / "launch/local.sh"
    result = launch(script, "hello", cwd=tmp_path, **environment, PIP_FAILS="1")
    assert result.returncode == 2
    assert "ERROR: no" in result.stderr
    assert "pip could not install rnnjax" in result.stderr
    assert calls(environment) == ["install"]
    assert launch(script, "hello", cwd=tmp_path, **environment).returncode == 0
    assert calls(environment) == ["install", "-P -m experiments.hello"]
