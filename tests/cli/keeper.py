#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What the service asks of the library, and when, in the foreground: tests/wine/test_persistent.py has what comes of it
with the driver. Takes run.py's --client and --fake.
"""
import os
import signal
import subprocess
import tempfile
import time
import unittest

import run

SECONDS = 60


class Keeper(unittest.TestCase):
    runner = None

    def start(self, library):
        """Remembers "disk" and starts the service's work."""
        self.folder = tempfile.TemporaryDirectory(prefix="wnbd-keeper-")
        self.addCleanup(self.folder.cleanup)
        self.calls = os.path.join(self.folder.name, "calls")
        script = os.path.join(self.folder.name, "script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(library)
        for value, content in (("Hostname", "nbd.example.org"), ("ExportName", "x")):
            self.runner.reg("add", rf"{run.MAPPINGS}\disk", "/v", value, "/t", "REG_SZ", "/d", content, "/f")
        self.addCleanup(self.runner.reg, "delete", run.MAPPINGS, "/f")
        environment = dict(self.runner.environment, FAKE_WNBD_SCRIPT=run.windows_path(script),
                           FAKE_WNBD_CALLS=run.windows_path(self.calls))
        program = subprocess.Popen(["wine", os.path.join(self.runner.directory, "wnbd-client.exe"), "service", "run",
                                    "--foreground"], env=environment, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.let_go, program)
        return program

    @staticmethod
    def let_go(program):
        if program.poll() is None:
            program.kill()
        program.wait()
        program.stderr.close()

    def end(self, program):
        program.send_signal(signal.SIGINT)
        program.wait(10)
        stderr = program.stderr.read()
        self.assertEqual(program.returncode, 0, stderr)
        return stderr

    def called(self, name):
        if not os.path.exists(self.calls):
            return 0
        with open(self.calls, encoding="utf-8") as file:
            return sum(line.startswith(name) for line in file)

    def await_calls(self, name, count):
        limit = time.monotonic() + SECONDS
        while self.called(name) < count:
            self.assertLess(time.monotonic(), limit, f"{name} is called {self.called(name)} times, not {count}")
            time.sleep(0.02)

    def test_pauses_double(self):
        program = self.start("WnbdShow\t2\nWnbdCreateNbd\t1225\n")
        self.await_calls("WnbdCreateNbd", 1)
        start = time.monotonic()
        self.await_calls("WnbdCreateNbd", 4)
        self.assertGreaterEqual(time.monotonic() - start, 1 + 2 + 4 - 0.5)
        self.assertEqual(self.end(program).count("cannot map disk: nbd.example.org:10809 refused the connection"), 1)

    def test_forgotten_while_it_is_mapped(self):
        program = self.start("WnbdShow\t2\nWnbdCreateNbd\t0\tDelayMs=3000\n")
        self.await_calls("WnbdCreateNbd", 1)
        self.runner.reg("delete", rf"{run.MAPPINGS}\disk", "/f")
        self.await_calls("WnbdRemoveEx disk", 1)
        self.assertEqual(self.end(program), "")

    def test_what_is_mapped_is_left_alone(self):
        program = self.start("disk\tInstanceName=disk\n")
        self.await_calls("WnbdShow disk", 2)
        self.assertEqual(self.end(program), "")
        self.assertEqual(self.called("WnbdCreateNbd"), 0)


def main():
    options = run.parse_options()
    with tempfile.TemporaryDirectory(prefix="wnbd-cli-") as directory:
        Keeper.runner = run.Runner(options, directory)
        unittest.main(argv=["keeper.py"], verbosity=2)


if __name__ == "__main__":
    main()
