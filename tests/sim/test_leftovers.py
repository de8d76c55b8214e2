#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A test that is killed while its server is a daemon with a session of its own (nbd-server) leaves no process behind.

Usage: test_leftovers.py SIM_PEERS
"""
import pathlib
import re
import shutil
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "tools"))
from leftovers import Marked  # noqa: E402


class Killed(unittest.TestCase):
    def test_nbd_server(self):
        test = Marked([PROGRAM])
        limit = time.monotonic() + 60
        found = []
        while not any(words.startswith("nbd-server ") for words in found):
            found = test.running()
            self.assertIsNone(test.process.poll(), f"it has ended before:\n{test.output()}")
            self.assertLess(time.monotonic(), limit, f"no daemon yet, only {found}")
            time.sleep(0.02)
        folder = next(match.group() for match in map(re.compile("/tmp/wnbd-peers-[^/ ]+").search, found) if match)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        test.process.kill()
        test.process.wait()
        test.file.close()
        self.assertEqual(test.left(60), [])


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
