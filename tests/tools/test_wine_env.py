#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/wine-env: a Windows 10 of its own with the driver in it, gone afterwards however it ends; and what the tests
that run in it rely on."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from leftovers import ROOT, Marked

WINE_ENV = ROOT / "tools" / "wine-env"
ADDR_NO_RANDOMIZE = 0x40000  # personality(2)
FAILING = """
import sys
sys.path.insert(0, {bed!r})
import bed
class Demonstration(bed.Case):
    def test_it(self):
        with open(self.log_path(), "a") as log:
            log.write({line!r} + "\\n")
        {body}
bed.main()
"""


class WineEnv(unittest.TestCase):
    def run_in(self, *words):
        """Runs a command in it; returns status and output after making sure that nothing is left."""
        started = Marked([WINE_ENV, *words])
        status, output = started.wait()
        self.assertEqual(started.left(), [], "still running")
        return status, output

    def prefix(self, output):
        return pathlib.Path(next(line for line in output.splitlines() if line.startswith("/")))

    def test_it_is_windows_10_with_the_driver(self):
        status, output = self.run_in("sh", "-c", 'echo "$WINEPREFIX"; wine cmd /c ver; wnbd-client -v; disktool help')
        self.assertEqual(status, 0, output)
        self.assertIn("Windows 10.", output)
        self.assertIn("wnbd.sys: ", output)
        self.assertTrue(self.prefix(output).is_relative_to(ROOT / "build" / "wine"), output)
        self.assertFalse(self.prefix(output).parent.exists())

    def test_bare_has_no_driver(self):
        status, output = self.run_in("--bare", "sh", "-c", 'wnbd-client list || wnbd-client install-driver "$WNBD_INF"')
        self.assertEqual(status, 0, output)
        self.assertIn("driver is not installed", output)

    def test_the_status_is_the_commands(self):
        self.assertEqual(self.run_in("--bare", "sh", "-c", "exit 7")[0], 7)

    def test_a_broken_rule_is_a_failure(self):
        status, output = self.run_in("--bare", "sh", "-c", 'echo "STORPORT-VIOLATION: shown" >> "$WNBD_LOG"')
        self.assertEqual(status, 70, output)
        self.assertIn("STORPORT-VIOLATION: shown", output)

    def test_the_log_is_shown_or_kept(self):
        words = ("sh", "-c", 'echo "what the driver said" >> "$WNBD_LOG"; false')
        self.assertNotIn("what the driver said", self.run_in("--bare", *words)[1])
        self.assertIn("what the driver said", self.run_in("--bare", "--show-log", *words)[1])
        with tempfile.TemporaryDirectory(prefix="wnbd-log-") as folder:
            log = pathlib.Path(folder) / "new" / "driver.log"
            self.run_in("--bare", "--log", log, *words)
            self.assertIn("what the driver said", log.read_text())

    def test_addresses_are_not_random(self):
        """Else a program's heap is now and then where Wine needs a page, and the program does not start."""
        allowed = subprocess.run(["setarch", "--addr-no-randomize", "true"], stderr=subprocess.DEVNULL, check=False)
        if allowed.returncode != 0:
            self.skipTest("this machine does not let addresses be fixed")
        status, output = self.run_in("--bare", "cat", "/proc/self/personality")
        self.assertEqual(status, 0, output)
        self.assertTrue(int(output.splitlines()[-1], 16) & ADDR_NO_RANDOMIZE, output)

    def test_a_program_that_does_not_start_says_why(self):
        status, output = self.run_in("--bare", "sh", "-c",
                                     'rm "$WINEPREFIX/drive_c/wnbd/libwnbd.dll"; wnbd-client list')
        self.assertNotEqual(status, 0)
        self.assertIn("libwnbd.dll", output)

    def test_several_at_once(self):
        started = [Marked([WINE_ENV, "--bare", "sh", "-c", 'echo "$WINEPREFIX"; sleep 1']) for _ in range(2)]
        prefixes = [self.prefix(program.wait()[1]) for program in started]
        self.assertEqual(len(set(prefixes)), 2)

    def test_it_cleans_up_when_killed(self):
        started = Marked([WINE_ENV, "sh", "-c", 'echo "$WINEPREFIX"; exec sleep 100'])
        limit = time.monotonic() + 60
        while not started.output().startswith("/") and time.monotonic() < limit:
            time.sleep(0.05)
        prefix = self.prefix(started.output())
        self.assertTrue(prefix.exists())
        os.killpg(started.process.pid, signal.SIGKILL)
        started.wait()
        self.assertEqual(started.left(), [], "still running")
        limit = time.monotonic() + 10
        while prefix.parent.exists() and time.monotonic() < limit:
            time.sleep(0.1)
        self.assertFalse(prefix.parent.exists())

    def test_an_unknown_option(self):
        done = subprocess.run([WINE_ENV, "--no-such-option"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--no-such-option", done.stderr)


class Cases(unittest.TestCase):
    """What tests/wine/bed.py does for every test under Wine."""

    def outcome(self, line, body):
        program = FAILING.format(bed=str(ROOT / "tests" / "wine"), line=line, body=body)
        return Marked([WINE_ENV, "--bare", sys.executable, "-c", program]).wait()

    def test_a_failing_test_prints_the_drivers_log(self):
        status, output = self.outcome("what the driver said", "self.fail('as it should')")
        self.assertNotEqual(status, 0)
        self.assertIn("the driver's log of __main__.Demonstration.test_it", output)
        self.assertIn("what the driver said", output)

    def test_a_broken_rule_fails_the_test(self):
        status, output = self.outcome("STORPORT-VIOLATION: shown", "pass")
        self.assertEqual(status, 1, output)
        self.assertIn("FAIL: test_it", output)
        self.assertIn("STORPORT-VIOLATION: shown", output)

    def test_a_good_test_is_quiet(self):
        status, output = self.outcome("what the driver said", "pass")
        self.assertEqual(status, 0, output)
        self.assertNotIn("what the driver said", output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
