"""The worker protocol as bytes: where things lie in a slot, and how records and messages are packed.

Mirrors docs/reference/worker-protocol.md; `struct` formats are compiled once, for the hot path.
"""

from struct import Struct

VERSION = 1

#: Offset and size of the call area of a slot, in bytes.
CALL_AT, CALL_BYTES = 4096, 131072
#: Offset and size of the message area of a slot, in bytes.
MESSAGES_AT, MESSAGES_BYTES = 135168, 262144
SLOT_BYTES = MESSAGES_AT + MESSAGES_BYTES

#: Serial of the call that is cancelled, at offset 0 of the slot.
CANCELLED = Struct("<I")

#: Not 0 when the worker must ring for every message at once, at this offset of the slot.
HURRY_AT = 4
#: End of the messages that the worker has not rung for yet.
ANNOUNCED_AT = 8
ANNOUNCED = Struct("<I")
#: A function that goes on for less than this after its first put, on average, is rung for at the end of its calls only.
PROMPT_END_NS = 50_000
#: What a single call counts at most in that average.
COUNTED_NS_MAX = 1_000_000

#: serial, function, kind, control messages waiting, attempt, objects, context offset.
CALL = Struct("<IHBBIII")
#: What follows the call header of a far call: extent, offset, length.
FAR = Struct("<IQQ")
KIND_FAR, KIND_ONE, KIND_LIST, KIND_EVENT, KIND_EVENTS = range(5)

#: length, bucket, content type, flags, key, type, group lengths, zero, meta length, extent, offset, length of data.
RECORD = Struct("<IHBBHHHHIIQQ")
RECORD_BYTES = RECORD.size
HAS_GROUP = 1
NO_BUCKET = 0xFFFF
BYTES, JSON, TEXT, OTHER = range(4)
CONTENT_TYPES = ("application/octet-stream", "application/json", "text/plain")
CODES = {name: code for code, name in enumerate(CONTENT_TYPES)}

#: length, serial, type, flags, zero.
MESSAGE = Struct("<IIBBH")
MESSAGE_BYTES = MESSAGE.size
#: A message and its record that has a key and data, in one go: length, serial, type, flags, length of the record,
#: bucket, content type, length of the key, offset, length of data.
MESSAGE_RECORD = Struct("<IIBB2xIHBxH14xQQ")
PUT, LOG, EMIT, RETURNED, FAILED, CANCELLED_CALL, FLUSH, NEED, HOLD, LET_GO = range(1, 11)
HAS_VALUE = 1

#: Failure: kind, lengths of type, message, stack.
FAILURE = Struct("<BIII")
RAISED, UNSERIALISABLE, UNDECLARED_PUT, OUT_OF_MEMORY, LIMIT, UNSTARTABLE = range(1, 7)

#: Control messages: kind, extent, size.
CONTROL = Struct("<B3xIQ")
EXTENT, GRANT, REFUSED, FORGET = range(1, 5)
FORK, FORKED, ENDED, READY, BROKEN = range(16, 21)

INLINE_BYTES_MAX = 65536
TEXT_BYTES_MAX = 16384
ALIGNMENT = 4096
