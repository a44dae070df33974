"""The message that is printed for a process that is killed before it can print one itself.

JAX ends a process when another one of its run is lost, in the middle of whatever it does, and so
does a kernel that runs out of memory. A shell that reads from a pipe outlives both.
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


def print_message_if_lost() -> None:
    """Has `TEXT` printed to stderr if this process ends without `cancel_loss_message`.

    An orderly end of Python cancels it.
    """
    global _shell
    _shell = subprocess.Popen(
        ["sh", "-c", _SCRIPT, TEXT],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # what is sent to this process and its group does not reach it
    )
    atexit.register(cancel_loss_message)


def cancel_loss_message() -> None:
    """Cancels the message: this process ends knowingly."""
    global _shell
    shell, _shell = _shell, None
    if shell is not None:
        shell.communicate("\n")
