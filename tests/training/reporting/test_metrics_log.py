import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rnnjax import training
from rnnjax.errors import UserError
from rnnjax.training.reporting import metrics_log
from rnnjax.training.reporting.metrics_log import MetricsLog
from tests.training import toy


class FullDisk:
    """A file on a disk that has room for 9 more bytes."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, line):
        return self._file.write(line[:9])


def write_rows(path, step, rows):
    with MetricsLog(path, step) as log:
        for row in rows:
            log.write("train", {"step": row, "loss": row / 10})


def test_rows_past_the_restored_step_are_dropped(tmp_path):
    write_rows(tmp_path, 0, [10, 20, 30])
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"split": "train", "step": 4')  # killed while it wrote
    write_rows(tmp_path, 20, [30, 40])
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [10, 20, 30, 40]


def test_tensorboard_shows_the_same_rows(tmp_path):
    write_rows(tmp_path, 0, [10, 20, 30])
    write_rows(tmp_path, 20, [30, 40])
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    seen = events.Scalars("train/loss")
    assert [event.step for event in seen] == [10, 20, 30, 40]
    np.testing.assert_allclose([event.value for event in seen], [1, 2, 3, 4], rtol=1e-6)
    times = [row["time"] for row in training.read_metrics(tmp_path)]
    np.testing.assert_allclose([event.wall_time for event in seen], times)


def test_resumed_run_logs_what_a_whole_one_does(tmp_path):
    toy.run(tmp_path / "a", 13)
    with pytest.raises(training.TrainingDiverged):
        toy.run(tmp_path / "b", 13, batches=toy.Batches(nan_at=12))
    toy.run(tmp_path / "b", 13)
    whole, resumed = (
        [
            {
                k: v
                for k, v in row.items()
                if "second" not in k and k not in ("time", "share", "data_wait")
            }
            for row in training.read_metrics(tmp_path / name)
        ]
        for name in "ab"
    )
    assert whole == resumed


def test_full_disk_leaves_whole_rows(tmp_path, monkeypatch):
    with MetricsLog(tmp_path, 0) as log:
        log.write("train", {"step": 1, "loss": 0.5})
        before = (tmp_path / "metrics.jsonl").read_bytes()

        def open_on_full_disk(*args, **kwargs):
            return FullDisk(open(*args, **kwargs))

        monkeypatch.setattr(metrics_log, "open", open_on_full_disk, raising=False)
        with pytest.raises(UserError, match=r"Cannot write .*metrics\.jsonl"):
            log.write("train", {"step": 2, "loss": 0.4})
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
