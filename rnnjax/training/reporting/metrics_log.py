"""Metrics on disk: one JSON object a line, and the same for TensorBoard."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from rnnjax.training import atomic_files

FILE = "metrics.jsonl"
TENSORBOARD = "tensorboard"

Row = dict[str, Any]


def read_metrics(workdir: str | os.PathLike) -> list[Row]:
    """Reads all whole rows of a run's metrics; an empty list where there are none."""
    path = Path(workdir) / FILE
    if not path.exists():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows


class MetricsLog:
    """Writes ``metrics.jsonl`` and TensorBoard events into a workdir.

    Rows past `step`, left by a process that died after its last checkpoint, are dropped first.
    The events are only a view of the rows and are written anew.

    Args:
        workdir: the folder.
        step: from which the run goes on.

    Raises:
        UserError: (also from `write`) the files cannot be written; the rows so far are whole.
    """

    def __init__(self, workdir: Path, step: int):
        self._path = workdir / FILE
        events = workdir / TENSORBOARD
        rows = [row for row in read_metrics(workdir) if row["step"] <= step]
        atomic_files.write_text(self._path, "".join(json.dumps(row) + "\n" for row in rows))
        with atomic_files.writing(events):
            shutil.rmtree(events, ignore_errors=True)
            events.mkdir()
            self._events = EventsWriter(str(events / "events"))
            for row in rows:
                self._write_event(row)
            self._events.flush()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        with atomic_files.writing(self._path.parent / TENSORBOARD):
            self._events.close()

    def write(self, split: str, row: dict[str, float]) -> None:
        """Appends a row.

        Args:
            split: 'train', 'valid', ...
            row: numbers by name, 'step' among them.
        """
        full = {"split": split, **row, "time": time.time()}
        with atomic_files.writing(self._path), open(self._path, "ab", buffering=0) as file:
            size = file.tell()
            line = json.dumps(full).encode() + b"\n"
            try:
                if file.write(line) < len(line):
                    raise OSError("no space left for a whole line")
            except OSError:
                file.truncate(size)
                raise
        with atomic_files.writing(self._path.parent / TENSORBOARD):
            self._write_event(full)
            self._events.flush()

    def _write_event(self, row: Row) -> None:
        values = [
            Summary.Value(tag=f"{row['split']}/{name}", simple_value=value)
            for name, value in row.items()
            if name not in ("split", "step", "time")
        ]
        self._events.write_event(
            Event(wall_time=row["time"], step=row["step"], summary=Summary(value=values))
        )
