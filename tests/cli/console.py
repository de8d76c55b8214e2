#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Runs wnbd-client on a console, which a Unix terminal is under Wine: text outside ASCII arrives whatever the console's
code page is, errors have colours, and what takes long says so. Takes run.py's --client and --fake.
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
# What Wine makes of the attributes of bright letters.
RED, YELLOW, COLOUR = b"\x1b[91m", b"\x1b[93m", rb"\x1b\[\d*[1-9]\d*m"


def run_on_console(command, environment, directory):
    """Returns what a command writes to a terminal, as bytes."""
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
    return output


def plain(output):
    """Without the terminal's control sequences."""
    return re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07", b"", output)


class Console(unittest.TestCase):
    runner = None

    def run_client(self, words, library, **variables):
        directory = self.runner.directory
        script = os.path.join(directory, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(library)
        environment = dict(self.runner.environment, FAKE_WNBD_SCRIPT=run.windows_path(script), TERM="xterm")
        return run_on_console(["wine", "cmd", "/c", words], dict(environment, **variables), directory)

    def test_text_outside_ascii(self):
        output = self.run_client("chcp 437 & wnbd-client.exe list",
                                 f"disk\tInstanceName={NAME}\tPid=1\tDiskNumber=7\tOwner=owner\n")
        self.assertIn(NAME, plain(output).decode("utf-8", "backslashreplace"))

    def test_colours(self):
        failure = "wnbd-client.exe unmap foo", "WnbdRemoveEx\t2\n"
        warning = "wnbd-client.exe map foo host", "WnbdCreateNbd\t0\tMessage=careful\n"
        self.assertIn(RED + b"wnbd-client:", self.run_client(*failure))
        self.assertIn(YELLOW + b"wnbd-client: warning:", self.run_client(*warning))
        self.assertNotRegex(self.run_client("wnbd-client.exe list", ""), COLOUR)
        for words, library in (failure, warning):
            for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
                output = self.run_client(words, library, **variables)
                self.assertNotRegex(output, COLOUR)
                self.assertIn(b"wnbd-client:", plain(output))
            self.assertRegex(self.run_client(words, library, NO_COLOR=""), COLOUR)

    def test_progress(self):
        words = "wnbd-client.exe unmap foo"
        output = self.run_client(words, "WnbdRemoveEx\t0\tDelayMs=2500\n")
        shown = re.findall(rb"waiting for Windows to let go of the disk: (\d+) s", plain(output))
        self.assertEqual(shown[0], b"1")
        # The last thing is that the line is gone.
        self.assertRegex(output, rb"(?s)\d s\S*\r\x1b\[K(\x1b\[\?25[hl])*$")
        self.assertNotIn(b"waiting", self.run_client(words, "WnbdRemoveEx\t0\n"))


def main():
    options = run.parse_options()
    with tempfile.TemporaryDirectory(prefix="wnbd-cli-") as directory:
        Console.runner = run.Runner(options, directory)
        unittest.main(argv=["console.py"], verbosity=2)


if __name__ == "__main__":
    main()
