"""Files with results that the terminal shows as well, and links between the pages of a run."""

import re
from collections.abc import Mapping
from pathlib import Path

from rnnjax.errors import UserError
from rnnjax.training import atomic_files
from rnnjax.visuals.page import LINKS, links


def write_results(folder: Path, files: Mapping[str, str | bytes]) -> str:
    """Writes files whose numbers the terminal shows as well, so that no numbers are lost.

    Args:
        folder: where they go; made if need be.
        files: contents by name, the one to look at last.

    Returns:
        The path of the last file, or why it could not be written.
    """
    try:
        with atomic_files.writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            encoded = content.encode() if isinstance(content, str) else content
            atomic_files.write_bytes(folder / name, encoded)
        if any(name.endswith(".html") for name in files):
            link_pages(folder)
    except UserError as error:
        return str(error)
    return str(folder / name)


def link_pages(folder: Path) -> None:
    """Puts links to all pages of a folder into each of them; UserError if one is not writable."""
    pages = sorted(folder.glob("*.html"))
    names = [page.name for page in pages]
    for page in pages:
        text = page.read_text(encoding="utf-8", errors="surrogateescape")
        linked = re.sub(LINKS, lambda _: links(names), text, count=1, flags=re.DOTALL)
        if linked != text:
            atomic_files.write_bytes(page, linked.encode("utf-8", "surrogateescape"))
