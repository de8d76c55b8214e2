#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""docs/interop.md names exactly the servers and options that are tested, and what is tested of each."""
import re
import sys
import unittest

from leftovers import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))
import peers  # noqa: E402


class Table(unittest.TestCase):
    def test_document_and_rows_agree(self):
        text = (ROOT / "docs" / "interop.md").read_text(encoding="utf-8")
        documented = [line for line in text.splitlines() if line.startswith("| ")]
        wanted = [line for line in peers.table().splitlines() if line.startswith("| ")]
        self.assertEqual(documented[:len(wanted)], wanted,
                         "the table is not what python3 tests/support/peers.py prints")

    def test_names_are_unique(self):
        names = [row.name for row in peers.ROWS]
        self.assertEqual(len(names), len(set(names)))

    def test_every_check_exists_and_is_used(self):
        source = (ROOT / "tests" / "wine" / "test_interop.py").read_text()
        text = (ROOT / "docs" / "interop.md").read_text(encoding="utf-8")
        used = {check for row in peers.ROWS for check in row.checks}
        for check in used:
            self.assertRegex(source, rf"(?m)^    def {check}\(self")
        self.assertEqual(set(re.findall(r"(?m)^- `(\w+)`", text)), used, "the list of checks")


if __name__ == "__main__":
    unittest.main(verbosity=2)
