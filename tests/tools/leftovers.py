# SPDX-License-Identifier: LGPL-2.1-only
"""Runs a command whose processes, and their processes, can be told from all others by a mark in their environment."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Marked:
    """A command that runs, its output going to a file: what it leaves behind could keep a pipe open."""

    def __init__(self, arguments, **environment):
        self.mark = f"WNBD_TEST_MARK={uuid.uuid4()}".encode()
        name, value = self.mark.decode().split("=")
        self.file = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(word) for word in arguments], env={**os.environ, **environment, name: value},
            stdin=subprocess.DEVNULL, stdout=self.file, stderr=subprocess.STDOUT, start_new_session=True)

    def output(self):
        """What it has said so far."""
        size = os.fstat(self.file.fileno()).st_size
        return os.pread(self.file.fileno(), size, 0).decode(errors="replace")

    def wait(self, seconds=120):
        """Returns status and output. What still runs when the time is over is ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.left(seconds=0)
            raise AssertionError(f"did not end within {seconds} s:\n{self.output()}") from None
        output = self.output()
        self.file.close()
        return self.process.returncode, output

    def left(self, seconds=15):
        """Waits for its processes to end; returns the command lines of those that don't, after ending them."""
        limit = time.monotonic() + seconds
        while (found := self._running()) and time.monotonic() < limit:
            time.sleep(0.1)
        for process in found:
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return list(found.values())

    def running(self):
        """The command lines of its processes."""
        return list(self._running().values())

    def _running(self):
        found = {}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(
                        errors="replace")
            except OSError:
                continue
        # A zombie has no command line any more.
        return {process: line for process, line in found.items() if line}


def script(folder, name, text):
    """Makes a shell script that a command finds on its path."""
    path = pathlib.Path(folder) / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path
