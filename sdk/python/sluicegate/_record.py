"""Packs one object, put, value or emission as a record."""

from __future__ import annotations

import json
from typing import Any, Mapping

from ._wire import HAS_GROUP, RECORD, RECORD_BYTES


def pack(
    bucket: int,
    key: str,
    code: int,
    other: "str | None",
    data: Any,
    group: "str | None" = None,
    meta: "Mapping[str, str] | None" = None,
    place: "tuple[int, int, int] | None" = None,
) -> bytes:
    """The record with its texts; the bytes of `data` follow unless they lie at `place` (extent, offset, length)."""
    key_bytes = key.encode()
    type_bytes = other.encode() if other else b""
    group_bytes = group.encode() if group is not None else b""
    meta_bytes = json.dumps(dict(meta)).encode() if meta else b""
    texts = key_bytes + type_bytes + group_bytes + meta_bytes
    if place is None:
        place = 0, RECORD_BYTES + len(texts), len(data)
        tail = bytes(data)
    else:
        tail = b""
    head = RECORD.pack(
        RECORD_BYTES + len(texts) + len(tail),
        bucket,
        code,
        HAS_GROUP if group is not None else 0,
        len(key_bytes),
        len(type_bytes),
        len(group_bytes),
        0,
        len(meta_bytes),
        *place,
    )
    return head + texts + tail
