"""Writes files of records: 10 random bytes of key, the record's number, filler."""
import argparse
import pathlib
import random

RECORD_BYTES = 100
KEY_BYTES = 10

arguments = argparse.ArgumentParser(description=__doc__)
arguments.add_argument("folder", type=pathlib.Path)
arguments.add_argument("--records", type=int, default=100_000, help="of all files together")
arguments.add_argument("--files", type=int, default=8)
arguments.add_argument("--seed", type=int, default=1)
given = arguments.parse_args()

randomness = random.Random(given.seed)
given.folder.mkdir(parents=True, exist_ok=True)
for file in range(given.files):
    first, last = (given.records * n // given.files for n in (file, file + 1))
    with open(given.folder / f"{file:03}", "wb") as out:
        for number in range(first, last):
            payload = f" {number:032x} ".encode().ljust(RECORD_BYTES - KEY_BYTES, b".")
            out.write(randomness.randbytes(KEY_BYTES) + payload)
