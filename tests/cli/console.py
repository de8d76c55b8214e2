#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Runs wnbd-client on a console, which a Unix terminal is under Wine, and looks for text outside ASCII: it must arrive
whatever the console's code page is. Takes run.py's --client and --fake.
"""
import os
import pty
import re
import select
import subprocess
import tempfile
import time
import unittest

import run

NAME = "größe-日本"
TIMEOUT_S = 60


def run_on_console(command, environment, directory):
    """Returns what a command writes to a terminal, as bytes, without the terminal's control sequences."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
                          start_new_session=True) as process:
        os.close(theirs)
        output = b""
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            ready, _, _ = select.select([ours], [], [], 0.2)
            try:
                data = os.read(ours, 65536) if ready else None
            except OSError:  # the terminal's other side is closed
                break
            if data:
                output += data
            elif process.poll() is not None:
                break
        process.kill()
    os.close(ours)
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", b"", output)


class Console(unittest.TestCase):
    runner = None

    def test_text_outside_ascii(self):
        directory = self.runner.directory
        script = os.path.join(directory, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"disk\tInstanceName={NAME}\tPid=1\tDiskNumber=7\tOwner=owner\n")
        environment = dict(self.runner.environment, FAKE_WNBD_SCRIPT=run.windows_path(script), TERM="xterm")
        output = run_on_console(["wine", "cmd", "/c", "chcp 437 & wnbd-client.exe list"], environment, directory)
        self.assertIn(NAME, output.decode("utf-8", "backslashreplace"))


def main():
    options = run.parse_options()
    with tempfile.TemporaryDirectory(prefix="wnbd-cli-") as directory:
        Console.runner = run.Runner(options, directory)
        unittest.main(argv=["console.py"], verbosity=2)


if __name__ == "__main__":
    main()
