"""Several processes that train together; `group` is what most code needs of it."""

from rnnjax.training.processes.group import HEARTBEAT_SECONDS, count, from_first, join, leave

__all__ = ["HEARTBEAT_SECONDS", "count", "from_first", "join", "leave"]
