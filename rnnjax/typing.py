"""Names for the arrays and pytrees that travel through rnnjax.

Dimension letters: T time, B batch, D input, H hidden, V vocabulary, K tags, S source, L layers.
"""

from typing import Any

import jax

Array = jax.Array
PRNGKey = jax.Array
Params = Any
Carry = Any
DType = Any
Batch = dict[str, Array]
