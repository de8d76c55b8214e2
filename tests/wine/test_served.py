#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Disks that a process serves (examples/ramdisk, testbed/wine/provider.c), from the library through the driver and
back.

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


class Depth(bed.Case):
    """64 requests in flight, which are answered in random order, 24 at a time where they come fast enough."""

    def depth(self, threads):
        program, (number,) = self.serving("served", 4, "--threads", threads, "--hold", 24)
        self.disktool(number, "random", "--count", 200, "--depth", 64, "--max", "32K", "--seed", threads)
        stats = self.stats("served")
        self.assertEqual(stats["TotalSubmittedIORequests"], stats["TotalReceivedIOReplies"])
        self.assertEqual(stats["OutstandingIOCount"], 0)
        self.assertEqual(stats["AbortedSubmittedIORequests"] + stats["AbortedUnsubmittedIORequests"], 0)
        self.unmap("served")
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))
        answered, overtaken, at_once, _ = map(int, re.findall(r"\d+", done.stdout))
        self.assertGreaterEqual(answered, 200)
        self.assertGreater(overtaken, 100)
        self.assertGreaterEqual(at_once, 16)

    def test_one_dispatcher_thread(self):
        self.depth(1)

    def test_four_dispatcher_threads(self):
        self.depth(4)

    def test_sixteen_dispatcher_threads(self):
        self.depth(16)


class Garbage(bed.Case):
    """Before each answer, two that are wrong, for its own disk, for another process's, for none."""

    def test_is_refused_and_harms_nobody(self):
        neighbour, (other,) = self.serving("other", 2)
        program, (number,) = self.serving("served", 2, "--garbage", 2)
        words = ("random", "--count", 150, "--depth", 16, "--max", "32K")
        loads = [bed.Program(["disktool", disk, *words, "--seed", disk]) for disk in (number, other)]
        for load in loads:
            done = load.wait()
            self.assertEqual(done.status, 0, str(done))
        for name in ("served", "other"):
            stats = self.stats(name)
            self.assertEqual(stats["TotalSubmittedIORequests"], stats["TotalReceivedIOReplies"])
            self.assertEqual(stats["AbortedSubmittedIORequests"] + stats["AbortedUnsubmittedIORequests"], 0)
            self.unmap(name)
        for each, least in ((neighbour, 0), (program, 200)):
            done = each.wait()
            self.assertEqual((done.status, done.stderr), (0, ""), str(done))
            self.assertGreaterEqual(int(re.findall(r"\d+", done.stdout)[3]), least)


class Vetoed(bed.Case):
    """Somebody has the disk open while it is to be removed softly."""

    OPTIONS = ("--no-hard-disconnect-fallback", "--soft-disconnect-retry-interval", 1, "--soft-disconnect-timeout")

    def test_stays_and_is_served(self):
        program, (number,) = self.serving("served", 8)
        device = self.client("show", "served").stdout.partition("PNPDeviceID")[2].splitlines()[0].partition(" : ")[2]
        holder = self.hold(number)
        done = self.client("unmap", "served", *self.OPTIONS, 1, "--debug", status=None)
        self.assertIn("did not let go of the disk in time", done.stderr)
        self.assertRegex(done.stderr, r"vetoed by an open file or handle \(PNP_VETO_TYPE 5\): ")
        self.assertIn(f"): {device}", done.stderr)
        self.assertNotIn(b" is ejected", self.driver_log())
        content = random.Random(5).randbytes(MIB)
        self.write(number, MIB, content)
        self.assertEqual(self.read(number, MIB, MIB), content)
        self.assertIsNone(program.process.poll())
        self.let_go(holder)
        self.unmap("served", *self.OPTIONS, 60)
        self.assertEqual(self.driver_log().count(b" is ejected"), 1)
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))

    def test_asked_until_it_is_closed(self):
        program, (number,) = self.serving("served", 8)
        holder = self.hold(number)
        unmap = bed.Program(["wnbd-client", "unmap", "served", *self.OPTIONS, 60])
        deadline = time.monotonic() + bed.COMMAND_SECONDS
        while b" isn't ejected" not in self.driver_log():
            self.assertLess(time.monotonic(), deadline, "Windows is not asked")
            time.sleep(0.05)
        self.assertIsNone(unmap.process.poll())
        self.assertIsNone(program.process.poll())
        self.let_go(holder)
        for each in (unmap, program):
            done = each.wait()
            self.assertEqual(done.status, 0, str(done))
        self.assertEqual(self.mapped(), {})


if __name__ == "__main__":
    bed.main()
