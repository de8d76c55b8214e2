#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/coverage, with one small program: the table, the pages, and what it says when something is missing."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from leftovers import ROOT

PROGRAM = "unit_base_slot_map"


def coverage(*arguments, path=os.environ["PATH"]):
    return subprocess.run([shutil.which("python3"), ROOT / "tools/coverage", *arguments], capture_output=True,
                          text=True, timeout=240, check=False, env={**os.environ, "PATH": path})


class Coverage(unittest.TestCase):
    def test_table_and_pages(self):
        done = coverage(PROGRAM)
        self.assertEqual(done.returncode, 0, done.stderr)
        row = re.search(r"(?m)^core/base +([\d.]+) %.? +(\d+)/(\d+) +([\d.]+) %.? +(\d+)/(\d+)$", done.stdout)
        self.assertIsNotNone(row, done.stdout)
        self.assertEqual(float(row[1]), round(100 * int(row[2]) / int(row[3]), 1))
        self.assertGreater(float(row[1]), 80)
        # Some of its invariants break only in children that end with a trap, which count: without, it is 77 %.
        self.assertGreater(float(row[4]), 85)
        self.assertNotIn("driver", done.stdout)
        pages = ROOT / "build/coverage" / PROGRAM
        self.assertIn("slot_map.c", (pages / "index.html").read_text())
        page = next(pages.rglob("slot_map.c.html")).read_text()
        self.assertIn("covered-line", page)

    def test_tool_that_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("cmake", "clang-19", "llvm-profdata-19"):
                (pathlib.Path(folder) / name).symlink_to("/bin/true")
            done = coverage(PROGRAM, path=folder)
        self.assertEqual(done.returncode, 2)
        self.assertEqual(done.stderr, "tools/coverage: there is no llvm-cov-19, which coverage needs "
                                      "(tools/deps build test installs it)\n")

    def test_program_that_there_is_not(self):
        done = coverage("unit_of_nothing")
        self.assertEqual(done.returncode, 2)
        self.assertIn("the tree can't be built", done.stderr)
        self.assertIn("unit_of_nothing", done.stderr)


if __name__ == "__main__":
    unittest.main()
