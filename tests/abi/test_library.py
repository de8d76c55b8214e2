#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""libwnbd.dll against the real driver: what libwnbd/tests/test_live.c checks, with a server for it.

Usage: tools/wine-env python3 tests/abi/test_library.py
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "wine"))
import bed  # noqa: E402
from bed import MIB, servers  # noqa: E402


class Library(bed.Case):
    def test_live(self):
        server = self.serve(servers.NbdKit, self.image(8 * MIB), export="disk")
        program = bed.Program(["libwnbd-test", "live", server.port])
        done = program.wait(120)
        print(done.stdout)
        self.assertEqual(done.status, 0, str(done))


if __name__ == "__main__":
    bed.main()
