# SPDX-License-Identifier: LGPL-2.1-only
"""Runs a command whose processes, and their processes, can be told from all others by a mark in their environment."""
import os
import pathlib
import subprocess
import time
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Marked:
    """A command that runs: process is its Popen, with stdout and stderr in one pipe."""

    def __init__(self, arguments, **environment):
        self.mark = f"WNBD_TEST_MARK={uuid.uuid4()}".encode()
        name, value = self.mark.decode().split("=")
        self.process = subprocess.Popen(
            [str(word) for word in arguments], env={**os.environ, **environment, name: value}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def wait(self, seconds=120):
        """Returns status and output. What still runs when the time is over is ended."""
        try:
            output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            output, _ = self.process.communicate()
            raise AssertionError(f"did not end within {seconds} s:\n{output}") from None
        return self.process.returncode, output

    def left(self, seconds=15):
        """The command lines of what still runs, after waiting for it to end."""
        limit = time.monotonic() + seconds
        while (found := self._running()) and time.monotonic() < limit:
            time.sleep(0.1)
        return found

    def _running(self):
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if self.mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
        # A zombie has no command line any more.
        return [line for line in found if line]


def script(folder, name, text):
    """Makes a shell script that a command finds on its path."""
    path = pathlib.Path(folder) / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path
