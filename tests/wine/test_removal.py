#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""How a disk goes: Windows is asked, may refuse, and what happens then; and what an address is used for afterwards.

Usage: tools/wine-env python3 tests/wine/test_removal.py
"""
import random
import signal
import time

import bed
from bed import MIB

DEADLINE_SECONDS = 60
NO_FALLBACK = "--no-hard-disconnect-fallback"


class Removal(bed.Case):
    def until(self, what, condition):
        limit = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), limit, f"not within {DEADLINE_SECONDS} s: {what}")
            time.sleep(0.05)

    def show(self, name):
        lines = self.client("show", name).stdout.splitlines()
        return {line[:25].rstrip(): line.partition(" : ")[2] for line in lines}

    def asked(self):
        """How often Windows agreed to remove a disk, and how often it refused."""
        log = self.driver_log()
        return log.count(b" is ejected"), log.count(b" isn't ejected")

    def server(self, *options):
        return self.hostile("--size", "8M", "--log", self.folder / "server.log", *options)

    def requests(self):
        """The commands that the server got, in order: their names."""
        known = ("read", "write", "flush", "disc", "trim", "zeroes")
        words = [line.split() for line in (self.folder / "server.log").read_text().splitlines()]
        return [word for line in words for word in line[:3] if word in known]


class Asked(Removal):
    def test_windows_is_asked_and_flushes(self):
        number = self.map("disk", self.server())
        self.write(number, 0, bytes(MIB))
        self.assertNotIn("flush", self.requests())
        self.unmap("disk")
        self.assertEqual(self.asked(), (1, 0))
        self.assertNotIn(b"gone without notice", self.driver_log())
        self.disktool("wait-gone", number, DEADLINE_SECONDS)
        self.until("the server hears of the end", lambda: "disc" in self.requests())
        sent = [request for request in self.requests() if request != "read"]
        self.assertEqual(sent[-3:], ["write", "flush", "disc"])

    def test_not_with_a_hard_disconnect(self):
        number = self.map("disk", self.server())
        self.unmap("disk", "--hard-disconnect")
        self.disktool("wait-gone", number, DEADLINE_SECONDS)
        self.assertEqual(self.asked(), (0, 0))
        self.assertIn(b"gone without notice", self.driver_log())

    def test_again_and_again(self):
        server = self.server()
        for _ in range(5):
            number = self.map("disk", server)
            self.unmap("disk", NO_FALLBACK)
            self.disktool("wait-gone", number, DEADLINE_SECONDS)
        self.assertEqual(self.asked()[0], 5)


class Missed(Removal):
    def test_windows_is_told_again(self):
        server = self.server()
        self.disktool("order", "miss", 1)
        number = self.map("disk", server)
        self.assertIn(b"Windows has missed", self.driver_log())
        self.disktool("order", "miss", 2)
        start = len(self.driver_log())
        self.unmap("disk", "--hard-disconnect")
        self.disktool("wait-gone", number, DEADLINE_SECONDS)
        self.assertGreaterEqual(self.driver_log()[start:].count(b"Windows has missed"), 2)


class Refused(Removal):
    """Somebody has the disk open."""

    def refuse(self, *options):
        return self.client("unmap", "disk", NO_FALLBACK, "--soft-disconnect-timeout", 1,
                           "--soft-disconnect-retry-interval", 1, *options, status=None)

    def test_the_disk_stays_and_works(self):
        number = self.map("disk", self.server())
        self.hold(number)
        done = self.refuse()
        self.assertIn("did not let go of the disk in time", done.stderr)
        self.assertNotIn("vetoed", done.stderr)
        self.assertIn("disk", self.mapped())
        self.assertEqual(self.asked()[0], 0)
        # The refusal is taken back from every driver: the disk can be opened, and works.
        self.write(number, 0, b"x" * 4096)
        self.assertEqual(self.read(number, 0, 4096), b"x" * 4096)

    def test_debug_says_who(self):
        number = self.map("disk", self.server())
        self.hold(number)
        device = self.show("disk")["PNPDeviceID"]
        text = self.refuse("--debug").stderr
        self.assertRegex(text, r"vetoed by an open file or handle \(PNP_VETO_TYPE 5\): ")
        self.assertIn(f"): {device}", text)

    def test_by_a_driver(self):
        """The class driver has agreed already when the port driver refuses: it is told to go on."""
        number = self.map("disk", self.server())
        data = random.Random(3).randbytes(MIB)
        self.write(number, 0, data)
        self.disktool("order", "refuse", 1000)
        self.addCleanup(self.disktool, "order", "refuse", 0)
        text = self.refuse("--debug").stderr
        self.assertRegex(text, r"vetoed by a device \(PNP_VETO_TYPE 6\): ")
        agreed, refused = self.asked()
        self.assertEqual(agreed, 0)
        self.assertGreaterEqual(refused, 1)
        # Wine gives out handles that a driver refuses, so that only the log tells whether the disk takes any.
        self.assertIn(f"PhysicalDrive{number}: stays after all", self.driver_log().decode(errors="replace"))
        self.assertEqual(self.read(number, 0, MIB), data)
        data = data[::-1]
        self.write(number, 0, data)
        self.assertEqual(self.read(number, 0, MIB), data)
        self.disktool("order", "refuse", 1)
        self.unmap("disk", NO_FALLBACK, "--soft-disconnect-timeout", DEADLINE_SECONDS,
                   "--soft-disconnect-retry-interval", 1)
        self.assertEqual(self.asked(), (1, refused + 1))

    def test_retried_until_it_is_closed(self):
        number = self.map("disk", self.server())
        holder = self.hold(number)
        unmap = bed.Program(["wnbd-client", "unmap", "disk", NO_FALLBACK, "--soft-disconnect-timeout",
                             str(DEADLINE_SECONDS), "--soft-disconnect-retry-interval", "1"])
        self.until("Windows refuses", lambda: self.asked()[1] > 0)
        self.assertIsNone(unmap.process.poll())
        self.let_go(holder)
        done = unmap.wait()
        self.assertEqual(done.status, 0, str(done))
        self.assertEqual(self.asked()[0], 1)
        self.assertNotIn("disk", self.mapped())

    def test_fallback(self):
        number = self.map("disk", self.server())
        self.hold(number)
        device = self.show("disk")["PNPDeviceID"]
        done = self.client("unmap", "disk", "--soft-disconnect-timeout", 1, "--soft-disconnect-retry-interval", 1)
        self.assertEqual(done.stderr, "wnbd-client: warning: disk was removed hard, without Windows' consent: vetoed "
                                      f"by an open file or handle (PNP_VETO_TYPE 5): {device}\n")
        self.assertNotIn("disk", self.mapped())
        self.disktool("wait-gone", number, DEADLINE_SECONDS)
        agreed, refused = self.asked()
        self.assertEqual(agreed, 0)
        self.assertGreaterEqual(refused, 1)

    def test_requests_in_flight_are_waited_for(self):
        server = self.server()
        number = self.map("disk", server)
        server.signal(signal.SIGUSR1)
        traffic = bed.Program(["disktool", str(number), "random", "--count", "100", "--depth", "8"])
        self.until("the disk is in use", lambda: self.stats("disk")["PendingSubmittedIORequests"] > 0)
        unmap = bed.Program(["wnbd-client", "unmap", "disk", NO_FALLBACK, "--soft-disconnect-timeout",
                             str(DEADLINE_SECONDS), "--soft-disconnect-retry-interval", "1"])
        self.until("Windows refuses", lambda: self.asked()[1] > 0)
        server.signal(signal.SIGUSR1)
        done = traffic.wait()
        self.assertEqual(done.status, 0, str(done))
        self.assertIn("0 failed, 0 mismatches", done.stdout)
        done = unmap.wait()
        self.assertEqual(done.status, 0, str(done))
        self.assertEqual(self.asked()[0], 1)


class Addresses(Removal):
    def test_not_used_again_while_the_old_device_is_open(self):
        server = self.server()
        number = self.map("disk", server)
        old = self.show("disk")["TargetId"]
        holder = self.hold(number)
        self.unmap("disk", "--hard-disconnect")
        self.disktool("wait-gone", number, DEADLINE_SECONDS)
        for _ in range(3):
            number = self.map("other", server)
            self.assertNotEqual(self.show("other")["TargetId"], old)
            self.read(number, 0, 4096)
            self.unmap("other")
            self.disktool("wait-gone", number, DEADLINE_SECONDS)
        self.let_go(holder)

        def is_free():
            self.map("other", server)
            target = self.show("other")["TargetId"]
            self.unmap("other")
            return target == old

        self.until("the address is free when the device is closed", is_free)


if __name__ == "__main__":
    bed.main()
