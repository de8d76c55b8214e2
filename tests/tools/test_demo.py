#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/demo: that it shows everything in its order, stops at the first failure and says where the logs are, and
leaves nothing running."""
import os
import re
import shutil
import tempfile
import unittest

from leftovers import ROOT, Marked, script

STEPS = [
    r"\[generic\]\n", r"\[foo\]\n", r"copyonwrite = false\n", r"\$ nbd-server ",
    r"\$ wnbd-client install-driver ", r"wnbd\.sys: ",
    r"\$ wnbd-client map foo 127\.0\.0\.1 --port \d+\n",
    r"\$ wnbd-client list\n", r"\d+ +\d+ +true +wnbd-client +foo\n",
    r"\$ wnbd-client show foo\n", r"Nbd properties\n",
    r"\$ disktool \d+ write ", r"\$ disktool \d+ sha256 ",
    r"the same SHA-256 as the data written\n", r"the same SHA-256 as that part of the server's image file ",
    r"stop the server, start it again, map it again",
    r"\$ wnbd-client map foo 127\.0\.0\.1 --port \d+\n", r"\$ disktool \d+ sha256 ",
    r"the same SHA-256 as the data written before\n",
    r"\$ wnbd-client stats foo\n", r"TotalSubmittedIORequests +: [1-9]",
    r"\$ wnbd-client unmap foo\n", r"\$ wnbd-client uninstall-driver\n", r"== Done",
]


class Demo(unittest.TestCase):
    def demo(self, **fakes):
        """Runs it with shell scripts in the place of some commands; returns status and output."""
        with tempfile.TemporaryDirectory(prefix="wnbd-fakes-") as folder:
            for name, text in fakes.items():
                script(folder, name.replace("_", "-"), text)
            started = Marked([ROOT / "tools" / "demo"], PATH=f"{folder}:{os.environ['PATH']}")
            status, output = started.wait(240)
            self.assertEqual(started.left(), [], "still running")
        return status, output

    def test_shows_every_step_in_its_order(self):
        status, output = self.demo()
        self.assertEqual(status, 0, output)
        position = 0
        for step in STEPS:
            found = re.compile(step).search(output, position)
            self.assertTrue(found, f"{step!r} does not come after\n{output[:position]}\nin\n{output[position:]}")
            position = found.end()

    def failed(self, output):
        text = re.search(r"The demo failed \(status 1\)\. The driver's log is (\S+), the server's (\S+)\.\n", output)
        self.assertTrue(text, output)
        for log in text.groups():
            self.assertTrue(os.path.exists(log), log)

    def test_stops_where_something_fails(self):
        wine = shutil.which("wine")
        status, output = self.demo(wine=f'case "$*" in *wnbd-client.exe*stats*) echo broken; exit 5 ;; esac\n'
                                        f'exec {wine} "$@"')
        self.assertEqual(status, 1, output)
        self.assertIn("demo: wnbd-client returned 5", output)
        self.assertNotIn("uninstall-driver", output)
        self.failed(output)

    def test_notices_data_that_is_not_what_was_written(self):
        wine = shutil.which("wine")
        status, output = self.demo(wine=f'case "$*" in *disktool.exe*sha256*) printf "%064d\\n" 0; exit 0 ;; esac\n'
                                        f'exec {wine} "$@"')
        self.assertEqual(status, 1, output)
        self.assertIn("demo: the data written has the SHA-256 000", output)
        self.failed(output)

    def test_says_that_the_server_does_not_start(self):
        status, output = self.demo(nbd_server='echo "no such luck"; exit 1')
        self.assertEqual(status, 1, output)
        self.assertIn("demo: nbd-server does not start: ", output)
        self.assertIn("no such luck", output)
        self.failed(output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
