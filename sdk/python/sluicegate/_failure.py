"""Exceptions of user code as the server sees them: a kind, a type, a message, and the user's part of the stack."""

from __future__ import annotations

import os
import traceback

from ._call import LimitExceeded, UndeclaredPut
from ._memory import MemoryFull
from ._stream import OutputNotRepeatable
from ._values import Unserialisable
from ._wire import CONFLICT, FAILURE, LIMIT, OUT_OF_MEMORY, RAISED, TEXT_BYTES_MAX, UNDECLARED_PUT, UNSERIALISABLE

#: The folder of the app's files, as a worker sees it; stacks name files relative to it.
bundle = ""
_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Reported(Exception):
    """A failure whose type, message and stack are known already."""

    def __init__(self, type: str, message: str, stack: str = "", kind: int = RAISED) -> None:
        super().__init__(message)
        self.type, self.message, self.stack, self.kind = type, message, stack, kind


def _kind(error: BaseException) -> int:
    if isinstance(error, Unserialisable):
        return UNSERIALISABLE
    if isinstance(error, UndeclaredPut):
        return UNDECLARED_PUT
    if isinstance(error, OutputNotRepeatable):
        return CONFLICT
    if isinstance(error, (LimitExceeded, MemoryFull)):
        return LIMIT
    return OUT_OF_MEMORY if isinstance(error, MemoryError) else RAISED


def pack_failure(error: BaseException, kind: "int | None" = None) -> bytes:
    """The body of a FAILED message."""
    if isinstance(error, Reported):
        return pack_texts(error.kind, error.type, error.message, error.stack)
    name = type(error).__name__
    try:
        message = str(error)
    except Exception as broken:  # an exception's own __str__ may raise
        message = f"(its message cannot be shown: {type(broken).__name__})"
    if isinstance(error, SystemExit):
        message = f"the function called sys.exit({error.code!r}); return or raise instead"
    elif isinstance(error, MemoryError) and not message:
        message = "the function needs more memory than it is allowed"
    return pack_texts(_kind(error) if kind is None else kind, name, message, stack_of(error))


def pack_texts(kind: int, name: str, message: str, stack: str) -> bytes:
    """A failure from its texts, each cut to what a message may hold."""
    texts = [_cut(text) for text in (name, message, stack)]
    return FAILURE.pack(kind, *map(len, texts)) + b"".join(texts)


def _cut(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if len(data) <= TEXT_BYTES_MAX:
        return data
    half = TEXT_BYTES_MAX // 2 - 16
    return data[:half] + b"\n[...cut...]\n" + data[-half:]


def stack_of(error: BaseException) -> str:
    """The traceback without the frames of this package and of the import machinery, files as the user knows them."""
    try:
        shown = traceback.TracebackException.from_exception(error, lookup_lines=True)
    except Exception:
        return ""
    seen, todo = set(), [shown]
    while todo:
        part = todo.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        kept = [
            frame
            for frame in part.stack
            if not frame.filename.startswith((_HERE, "<frozen importlib"))
        ]
        part.stack = traceback.StackSummary.from_list(kept)
        todo += [part.__cause__, part.__context__]
    text = "".join(shown.format()).rstrip()
    return text.replace(f'File "{bundle}{os.sep}', 'File "') if bundle else text
