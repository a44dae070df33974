"""Metrics on the disk: one JSON object a line, and the same for TensorBoard."""

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
from rnnjax.training.processes.group import is_first

FILE = "metrics.jsonl"
TENSORBOARD = "tensorboard"

Row = dict[str, Any]


def read_metrics(workdir: str | os.PathLike) -> list[Row]:
    """Reads all complete rows of a run's metrics; an empty list where there are none."""
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
    """Writes ``metrics.jsonl`` and TensorBoard events into a workdir; the first process only.

    Rows past `step`, left by a process that died after its last checkpoint, are dropped first.
    The events are made from the rows, and made anew each time.

    Raises:
        UserError: (also from `write`) the files cannot be written; earlier rows are intact.
    """

    def __init__(self, workdir: Path, step: int):
        self._path, self._folder = workdir / FILE, workdir / TENSORBOARD
        self._events: EventsWriter | None = None
        if not is_first():
            return
        rows = [row for row in read_metrics(workdir) if row["step"] <= step]
        atomic_files.write_text(self._path, "".join(json.dumps(row) + "\n" for row in rows))
        with atomic_files.writing(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            self._events = EventsWriter(str(self._folder / "events"))
        self._write_events(rows)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self._events:
            with atomic_files.writing(self._folder):
                self._events.close()

    def write(self, split: str, row: Row) -> None:
        """Appends a row: numbers by name, 'step' among them; texts are left out of the events."""
        if not self._events:
            return
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
        self._write_events([full])

    def _write_events(self, rows: list[Row]) -> None:
        assert self._events
        with atomic_files.writing(self._folder):
            for row in rows:
                values = [
                    Summary.Value(tag=f"{row['split']}/{name}", simple_value=value)
                    for name, value in row.items()
                    if name not in ("split", "step", "time", "text")
                ]
                summary = Summary(value=values)
                self._events.write_event(
                    Event(wall_time=row["time"], step=row["step"], summary=summary)
                )
            self._events.flush()
