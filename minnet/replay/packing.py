"""Pack numbers and texts into JSON and one compressed block of bytes for a web page."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

from minnet.validation import Array

CODES = {"uint8": "u1", "int32": "i4", "float32": "f4"}  # dtypes that a page can read
ALIGNMENT = 4  # bytes


def pack(value: Any) -> tuple[str, str]:
    """Return nested dicts and lists as JSON, and the arrays in them as base64 of deflated bytes.

    In the JSON, ``{"value": ..., "arrays": [[code, offset, length], ...]}``, an array is
    ``{"array": index}``. Equal arrays are stored once. The JSON has no NaN and no ``<``, so that it
    can stand inside a script element.

    Raises
    ------
    ValueError
        If a number outside the arrays is not finite.

    Examples
    --------
    >>> text, data = pack({"steps": np.arange(3, dtype=np.int32)})
    >>> text
    '{"value": {"steps": {"array": 0}}, "arrays": [["i4", 0, 3]]}'
    >>> np.frombuffer(zlib.decompress(base64.b64decode(data)), np.int32)
    array([0, 1, 2], dtype=int32)
    """
    block = bytearray()
    index: list[tuple[str, int, int]] = []
    found: dict[tuple[str, bytes], int] = {}

    def replace(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: replace(entry) for name, entry in part.items()}
        if isinstance(part, list | tuple):
            return [replace(entry) for entry in part]
        return {"array": store(part)} if isinstance(part, np.ndarray) else part

    def store(array: Array) -> int:
        code, data = CODES[array.dtype.name], array.tobytes()
        if (code, data) not in found:
            found[code, data] = len(index)
            index.append((code, len(block), array.size))
            block.extend(data + bytes(-len(data) % ALIGNMENT))
        return found[code, data]

    replaced = replace(value)
    text = json.dumps({"value": replaced, "arrays": index}, allow_nan=False)
    deflated = zlib.compress(bytes(block), 9)
    return text.replace("<", "\\u003c"), base64.b64encode(deflated).decode()
