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

#: What wakes a worker: a number, as so many bytes of a pipe.
BELL_BYTES = 8
#: A ring of the call bell: length of the frame, its place in the call area, whether messages go on where they ended, and
#: whether other calls may be given before this one has ended.
LENGTH_MASK, FRAME_AT_SHIFT, FRAME_AT_MASK, GOES_ON, FOLLOWED = (1 << 32) - 1, 32, (1 << 20) - 1, 1 << 63, 1 << 62
#: The rings of the call bell that answer a flush, and that ask to be rung for what was announced.
FLUSHED, NUDGE = 1, 2
#: Ends of calls that a worker rings for at a time, while others wait in its bell.
CALLS_PER_RING = 4

#: The words (u32) at the front of a slot, by position: serial of the call that is cancelled; not 0 when the worker must
#: ring for every message at once; end of the messages that the worker may not have rung for; end of those that it has;
#: not 0 when somebody waits for what the worker writes to objects that it has opened.
CANCELLED, HURRY, ANNOUNCED, RUNG, AWAITED = range(5)
WORDS_BYTES = 20
#: A function that goes on for less than this after its first put, on average, is rung for at the end of its calls only.
PROMPT_END_NS = 50_000
#: What a single call counts at most in that average.
COUNTED_NS_MAX = 1_000_000

#: serial, function, kind, control messages waiting, attempt, objects, context offset.
CALL = Struct("<IHBBIII")
#: The front of it, which every call needs.
CALL_HEAD = Struct("<IHBB")
#: Each text of a call's context comes after its length, which may say that there is none.
TEXT_LENGTH, NO_TEXT = Struct("<H"), 0xFFFF
#: What follows the call header of a far call: extent, offset, length.
FAR = Struct("<IQQ")
KIND_FAR, KIND_ONE, KIND_LIST, KIND_EVENT, KIND_EVENTS = range(5)

#: length, bucket, content type, flags, key, type, group lengths, zero, meta length, extent, offset, length of data.
RECORD = Struct("<IHBBHHHHIIQQ")
RECORD_BYTES = RECORD.size
#: Of these the length, content type, length of the key and length of data.
RECORD_LINE = Struct("<I2xBxH22xQ")
#: The last three of these by themselves, and where they stand.
PLACE = Struct("<IQQ")
PLACE_AT = RECORD_BYTES - PLACE.size
HAS_GROUP, IS_OPEN = 1, 2
NO_BUCKET = 0xFFFF
#: The bucket that may always be put to.
OUTPUT = 1
BYTES, JSON, TEXT, OTHER = range(4)
CONTENT_TYPES = ("application/octet-stream", "application/json", "text/plain")
CODES = {name: code for code, name in enumerate(CONTENT_TYPES)}

#: length, serial, type, flags, zero.
MESSAGE = Struct("<IIBBH")
MESSAGE_BYTES = MESSAGE.size
#: A message and its record that has a key and data, in one go: length, serial, type, flags, length of the record,
#: bucket, content type, length of the key, offset, length of data.
MESSAGE_RECORD = Struct("<IIBB2xIHBxH14xQQ")
MESSAGE_RECORD_BYTES = MESSAGE_RECORD.size
PUT, LOG, EMIT, RETURNED, FAILED, CANCELLED_CALL, FLUSH, NEED, HOLD, LET_GO, OPEN, GROWN, CLOSE, AWAIT = range(1, 15)
HAS_VALUE = 1

#: Failure: kind, lengths of type, message, stack.
FAILURE = Struct("<BIII")
RAISED, UNSERIALISABLE, UNDECLARED_PUT, OUT_OF_MEMORY, LIMIT, UNSTARTABLE, CONFLICT, DIVERGED, COLD = range(1, 10)

#: Control messages: kind, extent, size.
CONTROL = Struct("<B3xIQ")
EXTENT, GRANT, REFUSED, FORGET, STREAM = range(1, 6)
#: Subject of a refusal for a limit of the call, not for want of memory.
REFUSED_BY_LIMIT = 1
FORK, FORKED, ENDED, READY, BROKEN = range(16, 21)

INLINE_BYTES_MAX = 65536
TEXT_BYTES_MAX = 16384
ALIGNMENT = 4096
