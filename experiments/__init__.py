"""Complete pipelines, one file a task: `python -m experiments.NAME`."""

import re
from pathlib import Path


def summaries() -> dict[str, str]:
    """The experiments by name, each with its line: what it does, default data, time and score."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if match := re.search(r'^EXPERIMENT = .*?^    summary="([^\n]*)",$', text, re.M | re.S):
            found[path.stem] = match[1]
    return found
