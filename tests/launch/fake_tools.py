"""Programs that stand in for a cluster's or a cloud's: they write down how they were called."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Tools:
    """A folder of shell scripts on PATH.

    Args:
        folder: where they go.
    """

    def __init__(self, folder: Path):
        self.folder, self.calls_file = folder / "bin", folder / "calls"
        self.folder.mkdir()

    def add(self, name: str, body: str = "") -> None:
        """Adds a program that notes its arguments, one call a line, and then does `body`."""
        path = self.folder / name
        path.write_text(f'#!/bin/bash\necho "{name} $*" >>"{self.calls_file}"\n{body}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        """The calls so far."""
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def environment(self, **more: str) -> dict[str, str]:
        """An environment in which they are found first."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RNNJAX", "SLURM"))}
        return kept | {"PATH": f"{self.folder}:{os.environ['PATH']}"} | more

    def run(self, *command: object, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs a command in that environment, in the checkout."""
        return subprocess.run(
            list(map(str, command)),
            cwd=ROOT,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
