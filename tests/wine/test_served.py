#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Disks that a process serves (examples/ramdisk), from the library through the driver and back.

Usage: tools/wine-env python3 tests/wine/test_served.py
"""
import random
import re
import time

import bed
from bed import MIB


class Served(bed.Case):
    def ramdisk(self, name, mib):
        """Starts the program; returns it and the number of its disk."""
        program = bed.Program(["ramdisk", name, mib])
        self.addCleanup(self.let_go, program)
        self.addCleanup(self._remove, name)
        line = program.process.stdout.readline().decode()
        found = re.search(r"PhysicalDrive(\d+)", line)
        self.assertTrue(found, line)
        self.disktool("wait", found.group(1), 10)
        return program, int(found.group(1))

    def ends(self, program):
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))

    def test_data(self):
        program, number = self.ramdisk("served", 8)
        content = random.Random(1).randbytes(8 * MIB)
        self.write(number, 0, content)
        self.assertEqual(self.digest(number), bed.sha256(content))
        self.assertEqual(self.read(number, 3 * MIB + 512, MIB), content[3 * MIB + 512:4 * MIB + 512])
        self.disktool(number, "random", "--count", 300, "--depth", 16)
        stats = self.stats("served")
        self.assertEqual(stats["TotalSubmittedIORequests"], stats["TotalReceivedIOReplies"])
        self.assertEqual(stats["OutstandingIOCount"], 0)
        self.unmap("served")
        self.ends(program)

    def test_two_at_once(self):
        programs = [self.ramdisk(f"served-{index}", 4) for index in range(2)]
        contents = [random.Random(index).randbytes(4 * MIB) for index in range(2)]
        for (_, number), content in zip(programs, contents):
            self.write(number, 0, content)
        for (_, number), content in zip(programs, contents):
            self.assertEqual(self.digest(number), bed.sha256(content))
        self.unmap("served-0")
        self.ends(programs[0][0])
        self.assertEqual(self.digest(programs[1][1]), bed.sha256(contents[1]))
        self.unmap("served-1", "--hard-disconnect")
        self.ends(programs[1][0])

    def kill(self, program):
        program.process.kill()
        program.process.communicate()

    def test_killed_while_idle(self):
        program, number = self.ramdisk("served", 8)
        other, _ = self.ramdisk("other", 8)
        self.kill(program)
        self.gone("served")
        self.disktool("wait-gone", number, 20)
        self.assertIn("other", self.mapped())
        again, _ = self.ramdisk("served", 8)
        for name, last in (("served", again), ("other", other)):
            self.unmap(name)
            self.ends(last)

    def test_killed_in_traffic(self):
        program, number = self.ramdisk("served", 8)
        traffic = bed.Program(["disktool", number, "random", "--count", 20000, "--depth", 16, "--expect-errors"])
        deadline = time.monotonic() + bed.COMMAND_SECONDS
        while self.stats("served")["TotalReceivedIORequests"] < 350:
            self.assertIsNone(traffic.process.poll(), "the traffic ended before the process did")
            self.assertLess(time.monotonic(), deadline, "the traffic does not begin")
        self.kill(program)
        self.gone("served")
        done = traffic.wait(60)
        self.assertNotIn(" 0 failed", done.stdout, str(done))
        self.assertIn("0 mismatches", done.stdout, str(done))
        self.disktool("wait-gone", number, 20)


if __name__ == "__main__":
    bed.main()
