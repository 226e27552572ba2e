"""Python values as bytes with a content type, and back."""

from __future__ import annotations

import json
import sys
from json import encoder as _encoder
from typing import Any, Callable

from ._parts import PARTS, pack, unpack
from ._wire import BYTES, CONTENT_TYPES, JSON, TEXT

#: NumPy's own file format: dtype and shape travel with the data.
NPY = "application/x-npy"

_json_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
_scan_json = json.JSONDecoder().scan_once


def _json_maker() -> "Callable[[Any], str]":
    """`json.JSONEncoder.encode` makes a compiled encoder for every value; this one is made once."""
    make = getattr(_encoder, "c_make_encoder", None)
    if make is None:
        return _json_encoder.encode
    chunks = make(None, _json_encoder.default, _encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda value: "".join(chunks(value, 0))


_encode_json = _json_maker()


class Encoded:
    """Bytes of a known content type, to be taken as they are."""

    __slots__ = ("code", "data", "other")

    def __init__(self, code: int, data: "bytes | bytearray | memoryview", other: "str | None" = None) -> None:
        self.code, self.data, self.other = code, data, other

    @property
    def value(self) -> Any:
        """What they say."""
        return decode(self.data, name_of(self.code, self.other or ""))


class Unserialisable(TypeError):
    """A value that no content type can carry."""


def encode(value: Any) -> "tuple[int, bytes | bytearray | memoryview, str | None]":
    """Content type code, bytes, and the content type itself when the code does not say it."""
    kind = type(value)
    if kind is bytes:
        return BYTES, value, None
    if kind is str:
        return TEXT, value.encode(), None
    if kind is dict or kind is list:
        return _encode_structure(value)
    return _encode_other(value)


def _encode_structure(value: Any) -> "tuple[int, bytes, str | None]":
    try:
        try:
            return JSON, _encode_json(value).encode(), None
        except TypeError:
            data, content_type = pack(value, _part)
            return (JSON, data, None) if content_type == "application/json" else (3, data, content_type)
    except (TypeError, ValueError, RecursionError) as error:
        raise Unserialisable(
            f"a {type(value).__name__} that holds something JSON cannot carry: {error}; "
            "return dict, list, str, int, float, bool, bytes or a NumPy array"
        ) from None


def _part(value: Any) -> "tuple[Any, str]":
    """What a structure holds beside its JSON: bytes, or an array."""
    numpy = sys.modules.get("numpy")
    if isinstance(value, (bytes, bytearray, memoryview)) or numpy is not None and isinstance(value, numpy.ndarray):
        code, data, other = _encode_other(value)
        return data, name_of(code, other or "")
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _encode_other(value: Any) -> "tuple[int, Any, str | None]":
    if isinstance(value, Encoded):
        return value.code, value.data, value.other
    if isinstance(value, (bytes, bytearray, memoryview)):
        view = memoryview(value)
        return BYTES, view.cast("B") if view.c_contiguous else view.tobytes(), None
    if isinstance(value, str):
        return TEXT, value.encode(), None
    if isinstance(value, (bool, int, float, dict, list, tuple)):
        return _encode_structure(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _encode_structure(value.item())
    if numpy is not None and isinstance(value, numpy.ndarray):
        return 3, _npy(numpy, value), NPY
    raise Unserialisable(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be an object; "
        "return bytes, str, a JSON value (dict, list, int, float, bool) or a NumPy array"
    )


def _npy(numpy: Any, array: Any) -> bytes:
    import io

    if array.dtype.hasobject:
        raise Unserialisable("a NumPy array of Python objects cannot be an object; give it a numeric dtype")
    out = io.BytesIO()
    numpy.lib.format.write_array(out, array, allow_pickle=False)
    return out.getbuffer()


def decode_json(data: "bytes | memoryview") -> Any:
    """What JSON in UTF-8 says; what is written in another way is left to the standard library."""
    try:
        text = str(data, "utf-8")
        value, end = _scan_json(text, 0)
        if end == len(text):
            return value
    except (StopIteration, ValueError):
        pass
    return json.loads(bytes(data))


def decode(data: "bytes | memoryview", content_type: str) -> Any:
    """The value: JSON decoded, text as `str`, arrays and what holds them as such, anything else as it is."""
    if content_type == "application/json" or content_type.endswith("+json"):
        return decode_json(data)
    if content_type.startswith("text/"):
        return str(data, "utf-8")
    if content_type == NPY:
        return array(data)
    if content_type == PARTS:
        return unpack(data, _decode_part)
    return data


def _decode_part(data: memoryview, content_type: str) -> Any:
    return array(data) if content_type == NPY else bytes(data)


def array(data: "bytes | memoryview") -> Any:
    """A read-only array over bytes in NumPy's format, without a copy."""
    import io

    import numpy

    head = io.BytesIO(bytes(data[:65536]))
    version = numpy.lib.format.read_magic(head)
    read_header = (
        numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read_header(head)
    flat = numpy.frombuffer(data, dtype=dtype, offset=head.tell())
    return flat.reshape(shape, order="F" if fortran else "C")


def name_of(code: int, other: str) -> str:
    """The content type behind a code."""
    return other if code == 3 else CONTENT_TYPES[code]
