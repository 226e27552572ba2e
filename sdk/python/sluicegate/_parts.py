"""Structures that hold arrays or bytes, such as the weights of a model: JSON, and beside it what JSON cannot carry.

The length of the JSON as four bytes, the JSON, then the parts, each at a multiple of 64 bytes. The JSON is ``[value,
parts]``: in the value ``{"$part": n}`` stands for a part, of which ``parts[n]`` says place, length and content type.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Callable

#: The content type.
PARTS = "application/x-sluicegate-parts"
#: Where a part begins is a multiple of this, so that arrays are read where they lie.
PART_ALIGNMENT = 64
_MARK = "$part"
_LENGTH_BYTES = 4


def pack(value: Any, encode: "Callable[[Any], tuple[Any, str]]") -> "tuple[bytes, str]":
    """The bytes of a structure and their content type, which is that of JSON if nothing had to be put beside it.

    :param encode: gives the bytes of a part and their content type; raises TypeError where there are none.
    """
    numpy = sys.modules.get("numpy")
    parts: "list[tuple[Any, str]]" = []

    def replace(found: Any) -> Any:
        if numpy is not None and isinstance(found, numpy.generic):
            return found.item()
        parts.append(encode(found))
        return {_MARK: len(parts) - 1}

    text = json.dumps(value, default=replace, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if not parts:
        return text.encode(), "application/json"
    if text.count(f'"{_MARK}":') > len(parts):
        raise TypeError(f"the key {_MARK!r} is taken where a value holds arrays or bytes")
    return _joined(text, parts), PARTS


def _joined(text: str, parts: "list[tuple[Any, str]]") -> bytes:
    places, at = [], 0
    for data, content_type in parts:
        places.append([at, len(data), content_type])
        at += _aligned(len(data))
    head = f"[{text},{json.dumps(places)}]".encode()
    out = bytearray(len(head).to_bytes(_LENGTH_BYTES, "little") + head)
    for data, _ in [*parts, (b"", "")]:
        out += bytes(_aligned(len(out)) - len(out))
        out += data
    return bytes(out)


def unpack(data: "bytes | memoryview", decode: "Callable[[memoryview, str], Any]") -> Any:
    """The structure that bytes stand for. Arrays in it are read-only and lie in those bytes."""
    view = memoryview(data)
    end = _LENGTH_BYTES + int.from_bytes(view[:_LENGTH_BYTES], "little")
    value, places = json.loads(bytes(view[_LENGTH_BYTES:end]))
    start = _aligned(end)
    return _restored(value, [decode(view[start + at : start + at + size], kind) for at, size, kind in places])


def _restored(value: Any, parts: "list[Any]") -> Any:
    if type(value) is list:
        return [_restored(item, parts) for item in value]
    if type(value) is dict:
        if len(value) == 1 and _MARK in value:
            return parts[value[_MARK]]
        return {key: _restored(item, parts) for key, item in value.items()}
    return value


def _aligned(length: int) -> int:
    return -(-length // PART_ALIGNMENT) * PART_ALIGNMENT
