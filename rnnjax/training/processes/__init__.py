"""Several processes that train together, how they end, and what ends them."""

from rnnjax.training.processes.group import (
    HEARTBEAT_SECONDS,
    any_of,
    count,
    from_first,
    is_first,
    join,
    leave,
)

__all__ = ["HEARTBEAT_SECONDS", "any_of", "count", "from_first", "is_first", "join", "leave"]
