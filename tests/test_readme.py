"""The Python examples of README.md run as they stand."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", README.read_text() if README.exists() else "", re.M | re.S
)


def test_there_is_an_example_of_ten_lines():
    counts = [sum(bool(line.strip()) for line in text.splitlines()) for text in EXAMPLES]
    assert min(counts, default=99) <= 10


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run(example, capsys):
    exec(compile(example, str(README), "exec"), {})
    assert capsys.readouterr().out.strip()
