#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The whole path: Win32 program, disk, driver, TCP, a real server, its image file.

Usage: tools/wine-env python3 tests/wine/test_disks.py nbd-server|nbdkit|qemu-nbd
"""
import random
import sys

import bed
from bed import MIB, servers, sha256

SERVER = None
ERROR_WRITE_PROTECT = "19"


class Transfers:
    """Run for each block size."""

    def disk(self, size=8 * MIB, **options):
        image = self.image(size)
        server = self.serve(SERVER, image, export="disk", block_size=self.block_size, **options)
        block = ("--block-size", self.block_size) if SERVER is servers.NbdServer else ()
        self.server = server
        return image, self.map("disk", server, *block)

    def test_what_the_disk_says(self):
        _, number = self.disk()
        info = self.info(number)
        self.assertEqual(info["vendor"], "WNBD")
        self.assertEqual(info["product"], "WNBD_DISK")
        self.assertEqual(info["serial"], "disk")
        self.assertEqual(info["length"], str(8 * MIB))
        self.assertEqual(info["block"], str(self.block_size))
        self.assertEqual(info["writable"], "yes")
        self.assertGreaterEqual(int(info["adapter maximum transfer"]), 2 * MIB)

    def test_reads(self):
        image, number = self.disk()
        content = image.read_bytes()
        self.assertEqual(self.digest(number), sha256(content))
        for offset, length in ((0, self.block_size), (len(content) - self.block_size, self.block_size),
                               (self.block_size, 2 * MIB), (5 * MIB, 3 * MIB)):
            self.assertEqual(self.read(number, offset, length), content[offset:offset + length])

    def test_writes(self):
        image, number = self.disk()
        expected = bytearray(image.read_bytes())
        for seed, offset, length in ((1, 0, self.block_size), (2, 8 * MIB - self.block_size, self.block_size),
                                     (3, 3 * self.block_size, 2 * MIB), (4, 4 * MIB, 3 * MIB)):
            fresh = random.Random(seed).randbytes(length)
            self.write(number, offset, fresh)
            expected[offset:offset + length] = fresh
        self.disktool(number, "flush")
        self.assertEqual(image.read_bytes(), expected)
        self.assertEqual(self.digest(number), sha256(expected))

    def test_beyond_the_end(self):
        image, number = self.disk()
        before = image.read_bytes()
        self.disktool(number, "read", 8 * MIB, self.block_size, self.windows(self.folder / "x"), status=1)
        self.disktool(number, "write", 8 * MIB, self.windows(self.file("y", bytes(self.block_size))), status=1)
        self.assertEqual(image.read_bytes(), before)

    def test_random_traffic_at_depth_32(self):
        image, number = self.disk(size=16 * MIB)
        before = image.read_bytes()
        for seed in (1, 2):
            done = self.disktool(number, "random", "--seed", seed, "--count", 1500, "--depth", 32)
            self.assertIn("0 failed, 0 mismatches", done.stdout)
        self.disktool(number, "flush")
        self.assertNotEqual(image.read_bytes(), before)
        self.assertEqual(self.digest(number), sha256(image.read_bytes()))

    def test_data_outlives_the_server(self):
        image, number = self.disk()
        fresh = random.Random(9).randbytes(MIB)
        self.write(number, MIB, fresh)
        self.disktool(number, "flush")
        self.unmap("disk")
        self.server.kill()
        self.server.start()
        again = self.map("disk", self.server, "--block-size", self.block_size)
        self.assertEqual(self.digest(again, MIB, MIB), sha256(fresh))

    def test_read_only_export(self):
        image, number = self.disk(read_only=True)
        before = image.read_bytes()
        self.assertEqual(self.digest(number), sha256(before))
        refused = self.disktool(number, "write", 0, self.windows(self.file("y", bytes(4096))), status=1)
        self.assertIn(f"error {ERROR_WRITE_PROTECT}", refused.stderr)
        self.assertEqual(self.info(number)["writable"], "no")
        self.assertIn("ReadOnly                  : true", self.client("show", "disk").stdout)
        self.assertEqual(image.read_bytes(), before)


class Blocks512(Transfers, bed.Case):
    block_size = 512


class Blocks4096(Transfers, bed.Case):
    block_size = 4096


class Disks(bed.Case):
    def test_read_only_by_choice(self):
        image = self.image()
        server = self.serve(SERVER, image)
        number = self.map("disk", server, "--read-only")
        self.disktool(number, "write", 0, self.windows(self.file("y", bytes(4096))), status=1)
        self.assertEqual(self.digest(number), sha256(image.read_bytes()))

    def test_several_disks_at_once(self):
        images = [self.image(4 * MIB, name=f"image-{i}", seed=i) for i in range(4)]
        numbers = [self.map(f"disk-{i}", self.serve(SERVER, image)) for i, image in enumerate(images)]
        self.assertEqual(len(set(numbers)), 4)
        running = [bed.Program(["disktool", str(number), "random", "--seed", str(i), "--count", "600", "--depth", "32"])
                   for i, number in enumerate(numbers)]
        for program in running:
            done = program.wait()
            self.assertEqual(done.status, 0, str(done))
            self.assertIn("0 failed, 0 mismatches", done.stdout)
        for number, image in zip(numbers, images):
            self.disktool(number, "flush")
            self.assertEqual(self.digest(number), sha256(image.read_bytes()))
        self.unmap("disk-1")
        self.assertEqual(self.digest(numbers[2]), sha256(images[2].read_bytes()))

    def test_large_requests_arrive_whole(self):
        image = self.image(16 * MIB)
        number = self.map("disk", self.serve(SERVER, image))
        before = self.stats("disk")["TotalReceivedIORequests"]
        self.assertEqual(self.digest(number), sha256(image.read_bytes()))
        requests = self.stats("disk")["TotalReceivedIORequests"] - before
        # 16 MiB are 8 requests of 2 MiB; a few more ask for the disk's size.
        self.assertLessEqual(requests, 16)

    def test_a_size_that_is_no_multiple_of_the_block(self):
        image = self.image(MIB + 100)
        server = self.serve(SERVER, image)
        number = self.map("disk", server)
        content = image.read_bytes()
        # qemu-nbd fills the last block up with zeroes itself; of the others the driver hides the tail.
        expected = content + bytes(412) if SERVER is servers.QemuNbd else content[:MIB]
        self.assertEqual(self.info(number)["length"], str(len(expected)))
        self.assertEqual(self.digest(number), sha256(expected))

    def test_the_hidden_tail_is_said(self):
        if SERVER is servers.QemuNbd:
            self.skipTest("qemu-nbd has no tails")
        server = self.serve(SERVER, self.image(MIB + 100))
        warned = self.client("map", "disk", "127.0.0.1", "--port", server.port).stderr
        self.assertIn("warning", warned)
        self.assertIn("100", warned)


class BlockSizes(bed.Case):
    def test_a_server_with_larger_blocks_is_refused_with_the_numbers(self):
        if SERVER is servers.NbdServer:
            self.skipTest("nbd-server has no smallest block")
        server = self.serve(SERVER, self.image(), block_size=4096)
        refused = self.client("map", "disk", "127.0.0.1", "--port", server.port, "--block-size", "512", status=None)
        self.assertIn("4096", refused.stderr)
        self.assertIn("512", refused.stderr)
        self.assertNotIn("disk", self.mapped())


if __name__ == "__main__":
    SERVER = {server.name: server for server in servers.ALL}[sys.argv.pop(1)]
    bed.main()
