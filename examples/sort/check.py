"""Compares sorted files with the unsorted ones: as many records, the same ones by their checksum, in order."""
import pathlib
import sys
import zlib
from collections.abc import Iterator

RECORD_BYTES = 100
KEY_BYTES = 10


def records(folder: str) -> Iterator[bytes]:
    for file in sorted(pathlib.Path(folder).iterdir()):
        data = file.read_bytes()
        for at in range(0, len(data), RECORD_BYTES):
            yield data[at : at + RECORD_BYTES]


def summary(folder: str) -> tuple[int, int, int]:
    """Records, the sum of their CRC-32, and how often a key is smaller than the one before it."""
    count = checksum = disorder = 0
    previous = b""
    for record in records(folder):
        count += 1
        checksum += zlib.crc32(record)
        disorder += record[:KEY_BYTES] < previous
        previous = record[:KEY_BYTES]
    return count, checksum, disorder


given, found = summary(sys.argv[1]), summary(sys.argv[2])
print(f"given  {given[0]} records, checksum {given[1]:x}")
print(f"sorted {found[0]} records, checksum {found[1]:x}, {found[2]} out of order")
sys.exit(0 if found == (given[0], given[1], 0) else 1)
