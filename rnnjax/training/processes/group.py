"""The group of processes that train together.

The first process, number 0, writes logs, reports and progress. What only it may do, or only it
knows, goes through `from_first`, so that all go on together, or stop with the same message.
"""

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import os
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax._src import distributed
from jax.experimental import multihost_utils

from rnnjax.errors import UserError
from rnnjax.training.processes.loss_message import cancel_loss_message, print_message_if_lost

HEARTBEAT_SECONDS = 60
ACTION_SECONDS = 24 * 3600
"""Time for what the first process does; its heartbeat shows whether it is alive."""

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
"""Libraries that decide how the code behaves."""

_CALLS: dict[str, Iterator[int]] = defaultdict(itertools.count)


def join(
    coordinator: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
    *,
    timeout: int = 300,
    heartbeat: int = HEARTBEAT_SECONDS,
) -> None:
    """Joins the other processes of a run; must come before anything that uses a device.

    Args:
        coordinator: HOST:PORT of process 0; 'auto': as the cluster says (SLURM, Cloud TPU, Open
            MPI, Kubernetes); None: as SLURM says in a step of several tasks, otherwise this
            process is alone.
        num_processes: how many there are; only with HOST:PORT.
        process_id: which one this is, from 0; only with HOST:PORT.
        timeout: seconds to wait for the others.
        heartbeat: seconds without a sign of life after which a process counts as lost, and JAX
            ends the others, even while they wait for it; 5 or more.

    Raises:
        UserError: the flags do not fit together, or the others do not come in time.
    """
    if heartbeat < 5:
        raise UserError(f"--lost_after is 5 seconds or more; got {heartbeat}")
    if coordinator is None or coordinator == "auto":
        for flag, value in ("num_processes", num_processes), ("process_id", process_id):
            if value is not None:
                raise UserError(f"--{flag} goes with --coordinator=HOST:PORT")
        if coordinator or int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
            _initialize("the cluster's coordinator", timeout, heartbeat)
        return
    if num_processes is None or process_id is None:
        flag = "--num_processes" if num_processes is None else "--process_id"
        raise UserError(f"--coordinator={coordinator} needs {flag} too")
    if not 0 <= process_id < num_processes:
        raise UserError(
            f"--process_id lies in 0 .. {num_processes - 1} with --num_processes={num_processes}; "
            f"got {process_id}"
        )
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UserError(f"--coordinator is written HOST:PORT; got {coordinator!r}")
    if process_id == 0:
        _check_free(coordinator, int(port))
    else:
        _wait_for(coordinator, host, int(port), timeout)
    _initialize(
        f"--coordinator={coordinator}",
        timeout,
        heartbeat,
        coordinator_address=coordinator,
        num_processes=num_processes,
        process_id=process_id,
        cluster_detection_method="deactivate",
    )


def leave() -> None:
    """Waits for the other processes at the end of a run that went well."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()
    cancel_loss_message()


def count() -> int:
    """How many processes train together."""
    return jax.process_count() if jax.distributed.is_initialized() else 1


def is_first() -> bool:
    """Whether this is the process that writes and prints."""
    return count() == 1 or jax.process_index() == 0


def from_first(action: Callable[[], Any], channel: str = "main") -> Any:
    """Calls a function in the first process alone; all processes must call `from_first`.

    The result goes over the coordinator, not the devices: a thread may call it beside the steps.

    Args:
        action: returns something JSON-able, which all processes get.
        channel: threads that call it side by side name one each.

    Raises:
        UserError: in all processes, if `action` raised one.
    """
    if count() == 1:
        return action()
    client = distributed.global_state.client
    assert client is not None
    key = f"rnnjax/{channel}/{next(_CALLS[channel])}"
    if is_first():
        try:
            answer = {"result": action()}
        except Exception as error:
            client.key_value_set(key, json.dumps({"error": str(error)}))
            raise
        client.key_value_set(key, json.dumps(answer))
        return answer["result"]
    answer = json.loads(client.blocking_key_value_get(key, ACTION_SECONDS * 1000))
    if "error" in answer:
        raise UserError(answer["error"])
    return answer["result"]


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process; all processes must call it."""
    return flag if count() == 1 else bool(multihost_utils.process_allgather(np.array(flag)).any())


def _initialize(where: str, timeout: int, heartbeat: int, **options: Any) -> None:
    try:
        jax.distributed.initialize(
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=heartbeat,
            shutdown_timeout_seconds=heartbeat,
            **options,
        )
    except Exception as error:
        raise UserError(
            f"the processes of this run did not find each other at {where} within {timeout} s: "
            f"start all of them, each with its own --process_id ({str(error).splitlines()[0]})"
        ) from error
    print_message_if_lost()
    if is_first():
        print(
            f"{count()} processes. If one of them is lost, the others end within {heartbeat} s; "
            "the same commands then go on from the last checkpoint.",
            file=sys.stderr,
        )


def _check_free(coordinator: str, port: int) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind(("", port))
        except OSError as error:
            raise UserError(
                f"process 0 cannot listen at --coordinator={coordinator}: {error.strerror}; "
                "choose another port"
            ) from error


def _wait_for(coordinator: str, host: str, port: int, timeout: int) -> None:
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5):
            return
        if time.monotonic() > deadline:
            raise UserError(
                f"no coordinator answers at --coordinator={coordinator} since {timeout} s: start "
                "process 0 on that host (--process_id=0), and see that the port is open"
            )
        time.sleep(0.2)


def check_agreement(facts: Mapping[str, Any]) -> None:
    """Compares facts, JSON-able and by name, by their hashes; all processes must call it.

    Raises:
        UserError: in all processes, if two of them differ in a fact.
    """
    if count() == 1:
        return
    texts = [json.dumps(fact, sort_keys=True, default=str) for fact in facts.values()]
    hashes = [hashlib.sha256(text.encode()).digest() for text in texts]
    mine = np.stack([np.frombuffer(one, np.uint8) for one in hashes])
    gathered = multihost_utils.process_allgather(mine)  # [processes, facts, bytes]
    differences = [
        f"  {name}: unlike process 0: {', '.join(map(str, np.flatnonzero(others)))}"
        for name, rows in zip(facts, gathered.swapaxes(0, 1), strict=True)
        if (others := (rows != rows[0]).any(axis=1)).any()
    ]
    if differences:
        raise UserError(
            "\n".join(["The processes of this run do not agree, by hash:", *differences])
            + "\nStart all of them with the same command, data and installation."
        )


def code_version(*folders: Path) -> dict[str, str]:
    """A hash of the sources below some folders, and the versions of the libraries."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"sources": digest.hexdigest(), **versions}
