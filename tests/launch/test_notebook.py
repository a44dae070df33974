"""The notebook for Colab, executed whole: on the CPU, with a small preset."""

import json
import shutil

import pytest

from rnnjax import training
from tests.launch.fake_tools import ROOT

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

NOTEBOOK = ROOT / "launch/colab_tpu.ipynb"


@pytest.fixture
def execute(tmp_path, monkeypatch):
    """`(num_steps, seconds) -> what the notebook shows`; it trains in `run` and keeps `kept`."""
    settings = {
        "SOURCE": "",
        "PLATFORM": "cpu",
        "PRESET": "hello",
        "PROMPT": "h",
        "WORKDIR": str(tmp_path / "run"),
        "KEPT": str(tmp_path / "kept"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"RNNJAX_{name}", value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(num_steps, seconds):
        monkeypatch.setenv("RNNJAX_SECONDS", str(seconds))
        monkeypatch.setenv(
            "RNNJAX_FLAGS", f"--config.num_steps={num_steps} --config.checkpoint_every=10"
        )
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        nbclient.NotebookClient(
            notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
        return [
            output.get("text", "") or "".join(output.get("data", {}))
            for cell in notebook.cells
            for output in cell.get("outputs", [])
        ]

    return run


# Kernels warn of themselves: of an event loop's policy, of sockets left to the collector.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_trains_keeps_and_goes_on_after_a_reset(execute, tmp_path):
    shown = "\n".join(execute(30, 1))
    assert "image/png" in shown
    assert "validation loss, nats/char: " in shown
    assert "1 x cpu" in shown
    kept = tmp_path / "kept"
    assert training.find_checkpoint(kept).name == "step_00000030"
    assert training.read_results(kept)["updates"] == 30

    shutil.rmtree(tmp_path / "run")  # the runtime is reset: its disk is gone, Drive is not
    shutil.rmtree(kept / "checkpoints/step_00000030")
    (tmp_path / "run.log").unlink()
    shown = "\n".join(execute(40, 600))
    assert f"Going on with what is in {kept}" in shown
    assert "from step 20" in (tmp_path / "run.log").read_text()
    assert training.read_results(kept)["updates"] == 40


def test_it_is_stored_without_outputs_and_opens_on_a_tpu():
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["metadata"]["accelerator"] == "TPU"
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
