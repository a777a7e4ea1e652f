"""A real server, `bin/concord` of this clone, on loopback."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

CONCORD = Path(__file__).resolve().parents[3] / "bin" / "concord"


def until(condition: Callable, what: str, seconds: float = 60.0):
    """Polls: the time is for what hangs, not for what is slow."""
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, f"never: {what}"
        time.sleep(0.02)
    return found


class Server:
    def __init__(self, data: Path, listen: str = "127.0.0.1:0", flags: Sequence[str] = ()) -> None:
        self.data = data / "server"
        self._flags = flags
        self.address = listen
        self.start()

    def start(self) -> None:
        """Where it was before, if it was."""
        args = [CONCORD, "serve", "--listen", self.address, "--data-dir", self.data, "--log-format", "json", *self._flags]
        self._process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self._process.stdout:
            if line.startswith("{") and (fields := json.loads(line)).get("msg") == "serving":
                self.address = fields["listen"]
                break
        else:
            raise AssertionError("concord serve has ended")
        # It must not wait for its log to be read.
        subprocess.Popen(["cat"], stdin=self._process.stdout, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGTERM)
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("concord"))
    yield started
    started.stop()
