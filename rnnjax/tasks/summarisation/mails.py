"""Mails with subject lines, a file each: `rnnjax` reads AESLC as it is published.

A file has the body, a line `@subject` and the subject. What follows a later line that begins with
`@ann` is a subject by an annotator, and is left aside.

References:
    Zhang & Tetreault 2019, "This email could save your life: introducing the task of email subject
    line generation".
"""

import re
from pathlib import Path

from rnnjax.data.examples import Example
from rnnjax.data.files import read_text
from rnnjax.errors import UserError

SUFFIX = ".subject"

_MARK = re.compile(r"^@(subject|ann\d+)\s*$", re.MULTILINE)


def read_mail(path: Path, *, encoding: str) -> Example:
    """The body and the subject of a file.

    Raises:
        UserError: the file cannot be read or has no line `@subject`.
    """
    body, *marked = _MARK.split(read_text(str(path), encoding=encoding))
    parts = dict(zip(marked[::2], marked[1::2], strict=True))
    if "subject" not in parts:
        raise UserError(f"{path} has no line @subject, after which the subject stands")
    return Example({"source": body.strip(), "target": parts["subject"].strip()}, str(path))
