"""The program behind ``app.test()``: ``sluice __rehearse``, asked with lines of JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from typing import Any

from ._client import ApiError

#: How long the program may take to end when it is asked nothing more.
ENDING_SECONDS = 10


class Rehearsal:
    """The running program."""

    def __init__(self, binary: str | None, start_ms: int, seed: int) -> None:
        self.binary = find_binary(binary)
        self._said = tempfile.TemporaryFile()
        command = [self.binary, "__rehearse", "--start-ms", str(start_ms), "--seed", str(seed)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for the test; this ends when its stdin does
            )
        except OSError as error:
            self._said.close()
            raise FileNotFoundError(f"{self.binary} cannot be started: {error.strerror}; {_FIX}") from None

    def ask(self, request: dict[str, Any]) -> tuple[str, Any]:
        """The answer to a request: its name and what it says.

        :raises ApiError: when the request is refused.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        line = b""
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            line = stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            raise RuntimeError(
                f"{self.binary} has ended; take the `sluice` of this SDK's version. {self._last_words()}"
            )
        ((name, said),) = json.loads(line).items()
        if name == "refused":
            raise _refused(said)
        return name, said

    def close(self) -> None:
        """Ends the program."""
        try:
            self._process.communicate(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._said.close()

    def _last_words(self) -> str:
        self._process.wait()
        self._said.seek(0)
        said = self._said.read().decode("utf-8", "replace").strip()
        return f"It said: {said}" if said else f"Its exit code: {self._process.returncode}"


_FIX = 'install it, or say where it is: app.test(binary="/path/to/sluice"), or the environment variable SLUICE'


def find_binary(binary: str | None) -> str:
    """The program ``sluice``: the one given, else the one that ``SLUICE`` names, else the one on the ``PATH``."""
    given = binary or os.environ.get("SLUICE")
    found = shutil.which(given or "sluice")
    if found is None:
        where = f"there is no program {given!r}" if given else "there is no `sluice` on the PATH"
        raise FileNotFoundError(f"{where}; {_FIX}")
    return found


def _refused(problems: list[dict[str, Any]]) -> ApiError:
    first = problems[0]
    where = f"{first['where']}: " if first.get("where") else ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return ApiError(0, first["code"], f"{where}{first['message']}{more}", first.get("fix", ""))
