#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Servers that die, stall, lie or dawdle while a disk is in use.

Usage: tools/wine-env python3 tests/wine/test_failures.py
"""
import signal
import time

import bed
from bed import MIB, servers, sha256


# More operations than a server serves before a test ends it; those left over fail one by one, which takes a moment.
TRAFFIC = "20000"

# Requests after which it is well under way: disktool first reads the whole disk, in a few large ones.
UNDER_WAY = 350


class Loss(bed.Case):
    """Until the driver reconnects, a lost connection ends the disk: requests fail, nothing hangs."""

    def start_traffic(self, number):
        program = bed.Program(["disktool", str(number), "random", "--count", TRAFFIC, "--depth", "32",
                               "--expect-errors"])
        deadline = time.monotonic() + bed.COMMAND_SECONDS
        while self.stats("disk")["TotalReceivedIORequests"] < UNDER_WAY:
            self.assertIsNone(program.process.poll(), "the traffic ended before its server did")
            self.assertLess(time.monotonic(), deadline, "the traffic does not begin")
        return program

    def lose(self, server, end):
        number = self.map("disk", server)
        program = self.start_traffic(number)
        end()
        self.gone("disk")
        done = program.wait(60)
        self.assertNotIn(" 0 failed", done.stdout, str(done))
        self.assertIn("0 mismatches", done.stdout, str(done))
        self.disktool("wait-gone", number, 20)

    def test_real_servers_killed_during_traffic(self):
        for kind in servers.ALL:
            with self.subTest(server=kind.name):
                server = self.serve(kind, self.image(16 * MIB))
                self.lose(server, server.kill)

    def test_connection_reset_during_traffic(self):
        server = self.hostile("--size", "16M")
        self.lose(server, lambda: server.signal(signal.SIGUSR2))

    def test_server_killed_while_idle(self):
        server = self.serve(servers.NbdKit, self.image())
        number = self.map("disk", server)
        server.kill()
        self.gone("disk")
        self.disktool("wait-gone", number, 20)

    def test_the_name_is_free_afterwards(self):
        image = self.image()
        server = self.serve(servers.NbdServer, image)
        self.map("disk", server)
        server.kill()
        self.gone("disk")
        server.start()
        number = self.map("disk", server)
        self.assertEqual(self.digest(number), sha256(image.read_bytes()))

    def test_an_open_handle_does_not_keep_the_disk(self):
        server = self.serve(servers.NbdKit, self.image())
        number = self.map("disk", server)
        holder = bed.Program(["disktool", str(number), "hold", "3"])
        time.sleep(0.5)
        server.kill()
        self.gone("disk")
        self.assertEqual(holder.wait().status, 0)
        self.disktool("wait-gone", number, 20)


class Lies(bed.Case):
    """The server breaks the protocol: the connection ends with the words that say how, and the disk with it."""

    def broken(self, *options):
        server = self.hostile("--size", "16M", *options)
        number = self.map("disk", server)
        done = bed.Program(["disktool", str(number), "random", "--count", "2000", "--depth", "32",
                            "--expect-errors"]).wait(60)
        self.assertIn("0 mismatches", done.stdout, str(done))
        self.gone("disk")

    def test_wrong_magic(self):
        self.broken("--bad-magic", 200)

    def test_a_cookie_that_nobody_sent(self):
        self.broken("--bad-cookie", 200)

    def test_an_answer_given_twice(self):
        self.broken("--old-cookie", 200)

    def test_half_an_answer(self):
        self.broken("--short-read", 200)


class Oddities(bed.Case):
    """What a server may do, and few do."""

    def right(self, *options, count=800):
        server = self.hostile("--size", "16M", *options)
        number = self.map("disk", server)
        done = self.disktool(number, "random", "--count", count, "--depth", 32)
        self.assertIn("0 failed, 0 mismatches", done.stdout)
        self.assertIn("disk", self.mapped())
        return number

    def test_replies_in_any_order(self):
        self.right("--delay", 10, "--shuffle", 4)

    def test_replies_in_small_pieces(self):
        self.right("--chunk", 700)

    def test_no_go(self):
        self.right("--no-go")

    def test_not_fixed_newstyle(self):
        self.right("--not-fixed")

    def test_largest_request_of_64k(self):
        self.right("--max-block", "64K")

    def test_nothing_but_reads_and_writes(self):
        number = self.right("--without", "flush", "--without", "fua", "--without", "trim", "--without", "zeroes")
        self.disktool(number, "flush")

    def test_errors_of_the_server_fail_single_requests(self):
        server = self.hostile("--fail", "write:28:3")
        number = self.map("disk", server)
        self.write(number, 0, bytes(4096))
        done = self.disktool(number, "random", "--count", 200, "--depth", 8, "--expect-errors")
        self.assertNotIn(" 0 failed", done.stdout)
        self.assertIn("disk", self.mapped())
        self.read(number, 0, 4096)

    def test_a_server_that_refuses_writes_unannounced(self):
        number = self.map("disk", self.hostile("--lie-writable"))
        self.disktool(number, "write", 0, self.windows(self.file("y", bytes(4096))), status=1)
        self.read(number, 0, 4096)

    def test_unmap_while_the_server_is_silent(self):
        server = self.hostile("--size", "16M")
        number = self.map("disk", server)
        program = bed.Program(["disktool", str(number), "random", "--count", TRAFFIC, "--depth", "16",
                               "--expect-errors"])
        time.sleep(0.5)
        server.signal(signal.SIGUSR1)
        time.sleep(0.3)
        self.client("unmap", "disk", "--hard-disconnect", seconds=30)
        done = program.wait(60)
        self.assertNotIn(" 0 failed", done.stdout, str(done))
        self.assertEqual(self.mapped(), {})


if __name__ == "__main__":
    bed.main()
