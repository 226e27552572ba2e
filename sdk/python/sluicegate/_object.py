"""What a function is called with: an immutable value with a key, in a bucket of a run."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, Mapping

from ._stream import StreamReader
from ._values import NPY, array, decode, decode_json
from ._wire import CONTENT_TYPES, HAS_GROUP, IS_OPEN, PLACE, PLACE_AT, RECORD, RECORD_BYTES

if TYPE_CHECKING:
    from ._memory import Memory


#: Read at a time from an object that is still being written.
STREAM_BUFFER_BYTES = 65536


class Object:
    """An immutable value. Everything is read when it is asked for, so an unused attribute costs nothing."""

    __slots__ = ("_frame", "_at", "_call", "_data", "_value")

    def __init__(self, frame: "bytes | memoryview", at: int, call: Any) -> None:
        self._frame = frame
        self._at = at
        self._call = call
        self._data = None
        self._value = None

    @classmethod
    def of(cls, value: Any, key: str = "", bucket: str = "", run: str = "", meta: Mapping[str, str] = {}) -> "Object":
        """An object with a given value, for tests of functions without a server."""
        from ._record import pack
        from ._values import encode

        code, data, other = encode(value)
        return cls(pack(0, key, code, other, data, meta=meta), 0, _Loose(bucket, run))

    def _fields(self) -> tuple:
        return RECORD.unpack_from(self._frame, self._at)

    def _text_at(self, start: int, length: int) -> str:
        start += self._at + RECORD_BYTES
        return str(self._frame[start : start + length], "utf-8")

    @property
    def key(self) -> str:
        """Its name, unique in the run's bucket."""
        return self._text_at(0, self._fields()[4])

    @property
    def bucket(self) -> str:
        """Name of the bucket it lies in."""
        return self._call._bucket_name(self._fields()[1])

    @property
    def run(self) -> str:
        """Id of the run it belongs to."""
        return self._call.run

    @property
    def size(self) -> int:
        """Number of bytes; of an object that is still being written it is known when that has ended."""
        fields = self._fields()
        return len(self.data) if fields[3] & IS_OPEN else fields[11]

    @property
    def content_type(self) -> str:
        """How to read the bytes, as a media type."""
        fields = self._fields()
        return CONTENT_TYPES[fields[2]] if fields[2] < 3 else self._text_at(fields[4], fields[5])

    @property
    def group(self) -> "str | None":
        """The group it was put with."""
        fields = self._fields()
        return self._text_at(fields[4] + fields[5], fields[6]) if fields[3] & HAS_GROUP else None

    @property
    def meta(self) -> "dict[str, str]":
        """Free attributes, given by who put it."""
        fields = self._fields()
        return json.loads(self._text_at(fields[4] + fields[5] + fields[6], fields[8])) if fields[8] else {}

    @property
    def data(self) -> memoryview:
        """The bytes, read-only, in shared memory: nothing is copied. Valid for as long as it is referenced."""
        data = self._data
        if data is None:
            extent, offset, length = PLACE.unpack_from(self._frame, self._at + PLACE_AT)
            if extent:
                data = self._call._memory.view(extent, offset, length)
            else:
                start = self._at + offset
                data = memoryview(self._frame)[start : start + length]  # a frame is read-only itself
            self._data = data
        return data

    def text(self) -> str:
        """The bytes as UTF-8 text."""
        return str(self.data, "utf-8")

    def json(self) -> Any:
        """The bytes as JSON."""
        extent, offset, length = PLACE.unpack_from(self._frame, self._at + PLACE_AT)
        if extent:
            return decode_json(self.data)
        start = self._at + offset
        return decode_json(self._frame[start : start + length])

    @property
    def value(self) -> Any:
        """The bytes decoded by content type: JSON, text, a NumPy array, or `bytes`. Decoded once."""
        value = self._value
        if value is None:
            code = self._fields()[2]
            if code == 1:
                value = self.json()
            elif code == 2:
                value = self.text()
            elif code == 0:
                value = bytes(self.data)
            else:
                value = decode(self.data, self.content_type)
            self._value = value
        return value

    def numpy(self, dtype: Any = None) -> Any:
        """A read-only array over the bytes, without a copy. Arrays that a function returned know their dtype."""
        import numpy

        if self.content_type == NPY:
            found = array(self.data)
            return found if dtype is None else found.astype(dtype, copy=False)
        return numpy.frombuffer(self.data, dtype=dtype or numpy.uint8)

    def stream(self) -> io.BufferedReader:
        """The bytes as a file opened for reading.

        A function that uses it starts as soon as its object is opened with `ctx.open`; reading waits for what is not
        written yet.
        """
        fields = self._fields()
        if fields[3] & IS_OPEN:
            return io.BufferedReader(StreamReader(self._call._memory.streams[fields[9]]), STREAM_BUFFER_BYTES)
        return io.BufferedReader(_Reader(self.data))

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        return bytes(self.data)

    def __repr__(self) -> str:
        return f"<Object {self.bucket}/{self.key}: {self.size} bytes of {self.content_type}>"


class _Loose:
    """Stands for the call of an object that belongs to none."""

    def __init__(self, bucket: str, run: str) -> None:
        self._bucket = bucket
        self.run = run

    def _bucket_name(self, _index: int) -> str:
        return self._bucket


class _Reader(io.RawIOBase):
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._data[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)
