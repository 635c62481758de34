"""The loops that must be fast, compiled by numba: pure functions on arrays.

One file a family. A kernel knows nothing of layers or networks: arrays come in, the arrays
that it fills come last. Rows stand outside and columns inside, because arrays are stored row
by row. Everything goes through the one door in ``compiling.py``, so importing this package
does not import numba: that happens when the first kernel is called.
"""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
