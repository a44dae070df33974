"""What is said of a process that could not say it itself.

JAX ends a process when another one of its run is lost, in the middle of whatever it does, and a
kernel without memory does so too. A shell that waits for the end of a pipe outlives both.
"""

import atexit
import subprocess

TEXT = (
    "error: this process was ended in the middle of its work: another process of the run was lost, "
    "or this one was killed. Start all processes again with the same commands: they go on from the "
    "last checkpoint."
)
_SCRIPT = """read -r line || printf '%s\\n' "$0" >&2"""

_shell: subprocess.Popen[str] | None = None


def leave_obituary() -> None:
    """Has `TEXT` printed to stderr when this process ends without `withdraw_obituary`.

    An orderly end of Python withdraws it.
    """
    global _shell
    _shell = subprocess.Popen(
        ["sh", "-c", _SCRIPT, TEXT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # what is sent to this process and its group does not reach it
    )
    atexit.register(withdraw_obituary)


def withdraw_obituary() -> None:
    """Says that this process ends knowingly."""
    global _shell
    shell, _shell = _shell, None
    if shell is not None:
        shell.communicate("\n")
