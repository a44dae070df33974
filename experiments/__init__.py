"""Complete pipelines, one file a task: `python -m experiments.NAME`."""

import os
import re
import signal
import sys
from pathlib import Path


def stop_at_once(*_: object) -> None:
    """Ends the process after a Ctrl-C, as long as there is nothing to save."""
    os.write(2, b"Stopped.\n")
    os._exit(130)


# `python -m` imports this package first, and the imports that follow take seconds. What they
# import may catch a KeyboardInterrupt, or print its traceback.
if sys.argv[:1] == ["-m"]:
    signal.signal(signal.SIGINT, stop_at_once)


def summaries() -> dict[str, str]:
    """The experiments by name, each with its line: what it does, default data, time and score."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if match := re.search(r'^EXPERIMENT = .*?^    summary="([^\n]*)",$', text, re.M | re.S):
            found[path.stem] = match[1]
    return found
