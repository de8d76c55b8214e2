#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A server that stands still for longer than a request may take: the request fails after its time, by a reset, the
disk stays and works again with the server, and `stats` says what was aborted. docs/failures.md lists it. And what the
port driver does to the whole adapter: a reset of the bus, sleep and waking up.

Usage: tools/wine-env python3 tests/wine/test_resets.py
"""
import signal
import time

import bed
from bed import MIB, sha256
from test_disk_ioctls import DATA, DATA_IN, OK, SCSI_PASS_THROUGH, Case

TIMEOUT_S = 1
PLACE = 8 * MIB  # where nobody else reads


class Stalling(Case):
    def read_command(self, offset, timeout):
        cdb = b"\x28\0" + (offset // 512).to_bytes(4, "big") + b"\0\0\x08\0"
        return self.command(cdb, DATA_IN, bytes(4096), timeout=timeout)

    def time_out(self, offset=PLACE):
        """A read that the server doesn't answer in time."""
        begin = time.monotonic()
        self.assertNotEqual(self.one(SCSI_PASS_THROUGH, self.read_command(offset, TIMEOUT_S), DATA + 4096)[0], OK)
        self.assertGreaterEqual(time.monotonic() - begin, TIMEOUT_S)

    def works(self):
        content = self.good(SCSI_PASS_THROUGH, self.read_command(PLACE, 60), DATA + 4096)
        self.assertEqual(content[DATA:], self.content[PLACE:PLACE + 4096])

    def wait_for_late_answers(self, count):
        limit = time.monotonic() + 60
        while self.stats("disk")["CompletedAbortedIORequests"] != count:
            self.assertLess(time.monotonic(), limit, str(self.stats("disk")))
            time.sleep(0.1)
        stats = self.stats("disk")
        self.assertEqual((stats["OutstandingIOCount"], stats["PendingSubmittedIORequests"],
                          stats["UnsubmittedIORequests"]), (0, 0, 0))
        self.assertEqual(stats["TotalSubmittedIORequests"], stats["TotalReceivedIOReplies"])

    def stall(self, *options):
        image = self.image(16 * MIB)
        self.content = image.read_bytes()
        self.disk("--image", image, *options)

    def counts(self, sent):
        stats = self.stats("disk")
        self.assertEqual((stats["AbortedSubmittedIORequests"], stats["AbortedUnsubmittedIORequests"],
                          stats["CompletedAbortedIORequests"]), (sent, 0, 0))


class Stalled(Stalling):
    def test_before_replies(self):
        self.stall()
        self.counts(0)
        self.server.signal(signal.SIGUSR1)
        for count in (1, 2, 3):
            self.time_out(PLACE + 4096 * count)
            self.counts(count)
        self.assertIn("disk", self.mapped())
        self.server.signal(signal.SIGUSR1)
        self.works()
        self.wait_for_late_answers(3)

    def inside(self, said):
        self.stall("--pause-in", f"{PLACE}:{said}")
        self.time_out()
        self.counts(1)
        self.server.signal(signal.SIGUSR1)
        self.works()
        self.wait_for_late_answers(1)

    def test_inside_a_reply_header(self):
        self.inside(7)

    def test_inside_the_payload_of_a_read(self):
        self.inside(16 + 1000)

    def test_while_it_reads_nothing(self):
        # The process itself stands still; requests wait in sockets and in the driver, no longer than they may.
        self.stall()
        program = bed.Program(["disktool", str(self.number), "random", "--count", "3000", "--depth", "32"])
        self.server.signal(signal.SIGSTOP)
        time.sleep(3)
        self.server.signal(signal.SIGCONT)
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))
        self.assertIn("0 failed, 0 mismatches", done.stdout, str(done))
        self.counts(0)

    def test_a_disk_is_unmapped_while_its_server_is_silent(self):
        self.stall()
        self.server.signal(signal.SIGUSR1)
        self.time_out()
        self.client("unmap", "disk", "--hard-disconnect", seconds=60)
        self.assertEqual(self.mapped(), {})
        self.server.signal(signal.SIGUSR1)
        number = self.map("disk", self.server)
        self.assertEqual(self.digest(number), sha256(self.content))


class WholeAdapter(Stalling):
    def reading(self):
        """A read that has arrived at the server, which is silent."""
        before = len(self.requests("read"))
        words = f"{SCSI_PASS_THROUGH:#x}:{self.read_command(PLACE, 60).hex()}:{DATA + 4096}"
        program = bed.Program(["disktool", str(self.number), "ioctl", words])
        limit = time.monotonic() + 60
        while len(self.requests("read")) == before:
            self.assertLess(time.monotonic(), limit, "the server got no read")
            time.sleep(0.1)
        return program

    def test_reset_of_the_bus(self):
        self.stall()
        self.server.signal(signal.SIGUSR1)
        program = self.reading()
        self.disktool("reset-bus")
        self.assertNotEqual(int(program.wait().stdout.split()[0]), OK)
        self.counts(1)
        self.server.signal(signal.SIGUSR1)
        self.works()
        self.wait_for_late_answers(1)

    def test_reset_of_the_bus_during_requests(self):
        self.stall()
        program = bed.Program(["disktool", str(self.number), "random", "--count", "2000", "--depth", "16"])
        for _ in range(5):
            self.disktool("reset-bus")
        done = program.wait()
        # Some may have failed (nobody retries here); what was read is right, and the disk works.
        self.assertIn(" 0 mismatches", done.stdout, str(done))
        self.assertIn("0 failed, 0 mismatches", self.disktool(self.number, "random", "--count", "50").stdout)

    def test_sleep(self):
        self.stall()
        words = f"{SCSI_PASS_THROUGH:#x}:{self.read_command(PLACE, 60).hex()}:{DATA + 4096}"
        program = bed.Program(["disktool", str(self.number), "random", "--count", "1500", "--depth", "16"])
        for _ in range(2):
            self.disktool("power", "off")
            late = bed.Program(["disktool", str(self.number), "ioctl", words])
            self.disktool("power", "on")
            self.assertEqual(int(late.wait().stdout.split()[0]), OK)
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))
        self.assertIn("0 failed, 0 mismatches", done.stdout, str(done))
        log = self.driver_log()
        self.assertEqual((log.count(b"storport: adapter 0 sleeps"), log.count(b"storport: adapter 0 is awake")), (2, 2))
        self.unmap("disk")


if __name__ == "__main__":
    bed.main()
