"""Sorts records of 100 bytes by their first 10, as the sort benchmarks do: split by key range, then sort each range.

    python3 examples/sort/generate.py /tmp/records --records 100000 --files 8
    sluice run examples/sort --put chunks='/tmp/records/*' --out /tmp/sorted
    python3 examples/sort/check.py /tmp/records /tmp/sorted
"""
import sluicegate as sg

RECORD_BYTES = 100
KEY_BYTES = 10
#: Ranges of keys, each sorted by itself. The output files are named by them, so their order is the order of the keys.
RANGES = 8

app = sg.App("sort")
chunks, parts = app.bucket("chunks"), app.bucket("parts")


@app.function(on=chunks.each(), into=parts)
def split(chunk: sg.Object, ctx: sg.Context):
    data = bytes(chunk.data)
    if len(data) % RECORD_BYTES:
        raise ValueError(f"{chunk.key} holds {len(data)} bytes, which is no whole number of records")
    ranges: list[list[bytes]] = [[] for _ in range(RANGES)]
    for at in range(0, len(data), RECORD_BYTES):
        # Keys are uniform, so the first byte cuts them into ranges of the same size.
        ranges[data[at] * RANGES >> 8].append(data[at : at + RECORD_BYTES])
    for number, records in enumerate(ranges):
        ctx.put(parts, f"{chunk.key}/{number}", b"".join(records), group=f"{number:03}")


@app.function(on=parts.group(of=split))
def sort(parts: list[sg.Object]):
    records = [part.data[at : at + RECORD_BYTES] for part in parts for at in range(0, part.size, RECORD_BYTES)]
    records.sort(key=lambda record: bytes(record[:KEY_BYTES]))
    return b"".join(records)
