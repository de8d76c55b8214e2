#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The NBD engine against real servers over TCP. Usage: test_servers.py NBD-EXCHANGE SERVER"""
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import servers  # noqa: E402

KIB, MIB = 1024, 1024 * 1024
SIZE = 8 * MIB
FLAG_READ_ONLY = 0x2
FLAG_FLUSH, FLAG_FUA, FLAG_TRIM, FLAG_ZEROES = 0x4, 0x8, 0x20, 0x40
EXCHANGE = SERVER = None


class Case(unittest.TestCase):
    block_size = 512

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-interop-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.image = self.folder / "image"
        self.content = random.Random(4711).randbytes(SIZE)
        self.image.write_bytes(self.content)

    def serve(self, **options):
        server = SERVER(self.image, **{"export": "disk", "block_size": self.block_size, **options})
        server.start()
        self.addCleanup(server.__exit__)
        return server

    def exchange(self, *words, succeed=True):
        done = subprocess.run([EXCHANGE, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
        if succeed:
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr, "")
        else:
            self.assertEqual(done.returncode, 1, f"it should have failed, and printed {done.stdout!r}")
        return done

    def talk(self, server, *words, **options):
        return self.exchange(server.port, server.export, self.block_size, *words, **options)

    def info(self, server):
        lines = self.talk(server, "info").stdout.splitlines()
        return {name: int(value, 0) for name, value in (line.split() for line in lines)}


class Transfers:
    """Run for each block size."""

    def test_info(self):
        info = self.info(self.serve())
        self.assertEqual(info["size"], SIZE)
        self.assertEqual(info["block-size"], self.block_size)
        self.assertFalse(info["flags"] & FLAG_READ_ONLY)
        self.assertTrue(info["flags"] & FLAG_FLUSH)
        self.assertLessEqual(info["minimum"], self.block_size)
        self.assertEqual(info["maximum"] % self.block_size, 0)

    def test_read(self):
        server, got = self.serve(), self.folder / "got"
        for offset, length in ((0, self.block_size), (SIZE - self.block_size, self.block_size), (0, SIZE),
                               (3 * self.block_size, MIB)):
            self.talk(server, "read", offset, length, got)
            self.assertEqual(got.read_bytes(), self.content[offset:offset + length])

    def test_write(self):
        server, data = self.serve(), self.folder / "data"
        fresh = random.Random(1).randbytes(2 * MIB)
        data.write_bytes(fresh)
        self.talk(server, "write", 4096, len(fresh), data, "write", SIZE - self.block_size, self.block_size, data,
                  "flush")
        expected = bytearray(self.content)
        expected[4096:4096 + len(fresh)] = fresh
        expected[-self.block_size:] = fresh[:self.block_size]
        self.assertEqual(self.image.read_bytes(), expected)

    def test_write_fua(self):
        server, data = self.serve(), self.folder / "data"
        self.assertTrue(self.info(server)["flags"] & FLAG_FUA)
        data.write_bytes(b"\x5a" * 4096)
        self.talk(server, "write-fua", 8192, 4096, data)
        self.assertEqual(self.image.read_bytes()[8192:12288], b"\x5a" * 4096)

    def test_trim_and_zeroes(self):
        server = self.serve()
        flags = self.info(server)["flags"]
        self.assertTrue(flags & FLAG_TRIM)
        self.talk(server, "trim", MIB, MIB)
        expected = bytearray(self.content)
        if flags & FLAG_ZEROES:
            self.talk(server, "zeroes", 4 * MIB, MIB)
            expected[4 * MIB:5 * MIB] = bytes(MIB)
        after = self.image.read_bytes()
        # What a trimmed range reads as is the server's choice; what lies around it is not.
        expected[MIB:2 * MIB] = after[MIB:2 * MIB]
        self.assertEqual(after, expected)

    def test_random_traffic_at_depth_32(self):
        server, model = self.serve(), self.folder / "model"
        for seed in (1, 2):
            self.talk(server, "random", seed, 1000, 32, model, "flush")
            self.assertNotEqual(model.read_bytes(), self.content)
            self.assertEqual(model.read_bytes(), self.image.read_bytes())

    def test_read_only(self):
        server = self.serve(read_only=True)
        self.assertTrue(self.info(server)["flags"] & FLAG_READ_ONLY)
        got = self.folder / "got"
        self.talk(server, "read", 0, SIZE, got)
        self.assertEqual(got.read_bytes(), self.content)


class Blocks512(Transfers, Case):
    block_size = 512


class Blocks4096(Transfers, Case):
    block_size = 4096


class Names(Case):
    def test_list(self):
        listed = self.exchange(self.serve(export="first-disk").port, "list").stdout
        self.assertEqual([line.split("\t")[0] for line in listed.splitlines()], ["first-disk"])

    def test_unknown_export(self):
        server = self.serve(export="disk")
        refused = self.exchange(server.port, "no-such-disk", 512, "info", succeed=False)
        self.assertIn("no-such-disk", refused.stderr)

    def test_unicode_name(self):
        server = self.serve(export="Platte-ü-磁盘")
        self.assertEqual(self.info(server)["size"], SIZE)


class BlockSizes(Case):
    def test_refuses_a_disk_with_blocks_smaller_than_the_servers(self):
        if SERVER is servers.NbdServer:
            self.skipTest("nbd-server has no smallest block")
        server = self.serve(block_size=4096)
        refused = self.exchange(server.port, server.export, 512, "info", succeed=False)
        self.assertIn("4096", refused.stderr)
        self.assertIn("512", refused.stderr)

    def test_follows_the_server(self):
        wanted = 512 if SERVER is servers.NbdServer else 4096
        server = self.serve(block_size=wanted)
        self.assertIn(f"block-size {wanted}\n", self.exchange(server.port, server.export, 0, "info").stdout)


class Endings(Case):
    def test_killed_server(self):
        server = self.serve()
        got = self.folder / "got"
        self.talk(server, "read", 0, 512, got)
        server.kill()
        refused = self.talk(server, "read", 0, 512, got, succeed=False)
        self.assertIn("refused", refused.stderr)


if __name__ == "__main__":
    EXCHANGE = sys.argv.pop(1)
    SERVER = {server.name: server for server in servers.ALL}[sys.argv.pop(1)]
    unittest.main(verbosity=2)
