#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Each row of docs/interop.md: a server with its options, and a disk of it, through the whole product.

Usage: tools/wine-env python3 tests/wine/test_interop.py
"""
import pathlib
import random
import struct
import time

import bed
from bed import MIB, sha256
import peers  # in the folder that bed has added to the path
from peers import SIZE

ERROR_WRITE_PROTECT, ERROR_CRC, ERROR_DISK_FULL = "error 19:", "error 23:", "error 112:"
FLAGS = {"flush": "FlushSupported", "fua": "FUASupported", "trim": "UnmapSupported", "read-only": "ReadOnly"}
PEER_FLAGS = {"flush": "can_flush", "fua": "can_fua", "trim": "can_trim", "read-only": "is_read_only"}
SENSE = "70 00 %s( [0-9a-f]{2}){9} %s"  # key; code and qualifier
UNMAP_OFFSET, UNMAP_BYTES = MIB, 512 * 1024


def unmap_list(block, count):
    """UNMAP's parameter list with one descriptor (SBC-3 5.28)."""
    return struct.pack(">HH4xQI4x", 22, 16, block, count)


class Rows(bed.Case):
    """The checks that rows name, and a test for each row. The model is what the disk must hold."""

    def begin(self):
        self.content = self.image(SIZE)
        self.peer = peers.server(self.row, self.content)
        self.peer.start()
        self.addCleanup(self.peer.__exit__)

    def begin_disk(self):
        self.original = self.content.read_bytes()
        self.number = self.map("disk", self.peer)
        info = self.info(self.number)
        self.block = int(info["block"])
        self.info_text = info
        self.show = dict((key.strip(), value) for key, value in (
            line.split(" : ", 1) for line in self.client("show", "disk").stdout.splitlines() if " : " in line))
        # Of a server that has no image: what it holds at first.
        self.model = bytearray(peers.copy(self.peer, self.folder / "at-first"))

    def scsi(self, cdb, data=None, **options):
        words = () if data is None else ("out", self.windows(self.file("scsi", data)))
        return self.disktool(self.number, "scsi", cdb, *words, **options)

    def put(self, seed, offset, length):
        fresh = random.Random(seed).randbytes(length)
        self.model[offset:offset + length] = fresh
        return fresh

    def folder_of_peer(self):
        return pathlib.Path(self.peer.folder.name)

    # What the disk says

    def properties(self):
        shown = {word for word, label in FLAGS.items() if self.show[label] == "true"}
        self.assertEqual(shown, self.row.says)
        self.assertEqual(self.info_text["writable"], "no" if "read-only" in self.row.says else "yes")

    def identity(self):
        """The same as libnbd's client sees."""
        facts = peers.facts(self.peer)
        self.assertEqual(self.info_text["length"], str(facts["export-size"]))
        self.assertEqual(int(self.show["BlockCount"]) * int(self.show["BlockSize"]), facts["export-size"])
        self.assertGreaterEqual(self.block, facts.get("block_minimum", 1))
        for word in ("flush", "read-only"):
            self.assertEqual(self.show[FLAGS[word]], str(facts[PEER_FLAGS[word]]).lower(), word)
        writable = not facts["is_read_only"]
        self.assertEqual(self.show["UnmapSupported"], str(facts["can_trim"] and writable).lower())
        # What can flush can also write through.
        self.assertEqual(self.show["FUASupported"], str(facts["can_fua"] or facts["can_flush"]).lower())
        self.assertEqual(self.info_text["trim"], "yes" if self.show["UnmapSupported"] == "true" else "no")

    # Data

    def reading(self):
        self.assertEqual(self.digest(self.number), sha256(self.model))
        self.assertEqual(self.read(self.number, self.block, 3 * self.block), self.model[self.block:4 * self.block])

    def writing(self):
        for seed, offset, length in ((1, 0, self.block), (2, SIZE - self.block, self.block),
                                     (3, 3 * self.block, MIB)):
            self.write(self.number, offset, self.put(seed, offset, length))
        self.assertEqual(self.digest(self.number), sha256(self.model))

    def filling(self):
        self.write(self.number, 0, self.put(6, 0, SIZE))
        self.assertEqual(self.digest(self.number), sha256(self.model))

    def fua(self):
        # WRITE (10), FUA, 4 blocks at block 40.
        self.scsi("2a080000002800000400", self.put(4, 40 * self.block, 4 * self.block))
        self.assertEqual(self.read(self.number, 40 * self.block, 4 * self.block),
                         self.model[40 * self.block:44 * self.block])

    def flush(self):
        self.disktool(self.number, "flush")
        self.scsi("35000000000000000000")  # SYNCHRONIZE CACHE (10)

    def unmap_command(self, **options):
        return self.scsi("42000000000000001800", unmap_list(UNMAP_OFFSET // self.block, UNMAP_BYTES // self.block),
                         **options)

    def unmapping(self):
        end = UNMAP_OFFSET + UNMAP_BYTES
        self.unmap_command()
        # What it reads as is the server's choice, but the same for everybody.
        self.model[UNMAP_OFFSET:end] = self.read(self.number, UNMAP_OFFSET, UNMAP_BYTES)
        self.assertEqual(self.digest(self.number), sha256(self.model))

    def freeing(self):
        """UNMAP gives the image's space back to the file system."""
        self.write(self.number, UNMAP_OFFSET, random.Random(8).randbytes(UNMAP_BYTES))
        self.disktool(self.number, "flush")
        before = self.content.stat().st_blocks * 512
        self.unmap_command()
        self.disktool(self.number, "flush")
        after = self.content.stat().st_blocks * 512
        self.assertLessEqual(after, before - UNMAP_BYTES)

    def no_unmap(self):
        refused = self.unmap_command(status=1)
        self.assertRegex(refused.stdout, SENSE % ("05", "20 00"))
        self.assertEqual(self.digest(self.number), sha256(self.model))

    def traffic(self, count=300, depth=32):
        done = self.disktool(self.number, "random", "--count", count, "--depth", depth)
        self.assertIn("0 failed, 0 mismatches", done.stdout)
        self.model = None

    def light_traffic(self):
        self.traffic(count=100)

    def serial_traffic(self):
        self.traffic(depth=1)

    def contents(self):
        """What the disk holds is what a second connection reads."""
        self.disktool(self.number, "flush")
        seen = peers.copy(self.peer, self.folder / "second")
        if self.model is not None:
            self.assertEqual(sha256(seen), sha256(self.model))
        self.assertEqual(self.digest(self.number), sha256(seen))

    def image_content(self):
        return self.peer.content() if hasattr(self.peer, "content") else self.content.read_bytes()

    def image_file(self):
        self.assertEqual(self.digest(self.number), sha256(self.image_content()))
        if "read-only" in self.row.says:
            self.assertEqual(self.image_content(), self.original)
        else:
            self.assertNotEqual(self.image_content(), self.original)

    def image_kept(self):
        self.assertEqual(self.content.read_bytes(), self.original)
        self.assertNotEqual(self.digest(self.number), sha256(self.original))

    def fresh_again(self):
        """Each connection has a copy of its own."""
        self.unmap("disk")
        self.number = self.map("disk", self.peer)
        self.assertEqual(self.digest(self.number), sha256(self.original))

    def write_protected(self):
        refused = self.disktool(self.number, "write", 0, self.windows(self.file("y", bytes(4096))), status=1)
        self.assertIn(ERROR_WRITE_PROTECT, refused.stderr)
        sense = self.scsi("2a000000002800000100", bytes(self.block), status=1).stdout
        self.assertRegex(sense, SENSE % ("07", "27 00"))

    # Exports

    def listing(self, wrong="no-such-export"):
        return self.client("map", wrong, "127.0.0.1", "--port", self.peer.port, status=None).stderr

    def listed(self):
        text = self.listing()
        self.assertIn("disk", text.replace("no-such-export", ""))
        for name in self.row.setup.get("others", ()):
            self.assertIn(name, text)

    def unknown_name(self):
        self.assertIn("no-such-export", self.listing())
        self.assertEqual(list(self.mapped()), ["disk"])

    def list_refused(self):
        text = self.listing()
        self.assertIn("does not tell which exports it offers", text)
        self.assertEqual(list(self.mapped()), ["disk"])

    def second_disk(self):
        self.client("map", "second", "127.0.0.1", "--port", self.peer.port)
        self.addCleanup(self._remove, "second")
        number = int(self.mapped()["second"]["DiskNumber"])
        self.disktool("wait", number, 10)
        self.assertEqual(self.digest(number), self.digest(self.number))
        refused = self.disktool(number, "write", 0, self.windows(self.file("y", bytes(4096))), status=1)
        self.assertIn(ERROR_WRITE_PROTECT, refused.stderr)

    # Servers with a will of their own

    def writes_compared(self):
        """sparse-random takes only what is there already."""
        there = self.read(self.number, 0, MIB)
        self.write(self.number, 0, there)
        other = bytes(byte ^ 0xFF for byte in there[:4096])
        refused = self.disktool(self.number, "write", 0, self.windows(self.file("y", other)), status=1)
        self.assertIn(ERROR_CRC, refused.stderr)
        self.assertEqual(self.digest(self.number), sha256(self.model))

    def zeroes_only(self):
        self.write(self.number, 0, random.Random(1).randbytes(MIB))
        self.disktool(self.number, "flush")
        self.unmapping()
        self.assertEqual(self.digest(self.number), sha256(bytes(SIZE)))

    def pattern(self):
        self.assertEqual(self.digest(self.number), sha256(struct.pack(f">{SIZE // 8}Q", *range(0, SIZE, 8))))

    def block_4096(self):
        self.assertEqual(self.block, 4096)

    def refused_map(self):
        text = self.client("map", "disk", "127.0.0.1", "--port", self.peer.port, status=None).stderr
        self.assertEqual(self.mapped(), {})
        return text

    def refused_block(self):
        self.assertIn("65536", self.refused_map())

    def refused_oldstyle(self):
        self.assertIn("oldstyle", self.refused_map())

    def failing(self, action, error):
        """Fails while the server is told to fail, and not before or afterwards."""
        action(0)
        (self.folder_of_peer() / "fail").touch()
        self.assertIn(error, action(1).stderr)
        (self.folder_of_peer() / "fail").unlink()
        action(0)
        self.assertIn("disk", self.mapped())

    def failing_reads(self):
        target = self.windows(self.folder / "x")
        self.failing(lambda status: self.disktool(self.number, "read", 0, 4096, target, status=status), ERROR_CRC)

    def failing_writes(self, error=ERROR_CRC):
        source = self.windows(self.file("y", self.put(7, 0, 4096)))
        self.failing(lambda status: self.disktool(self.number, "write", 0, source, status=status), error)

    def failing_writes_full(self):
        self.failing_writes(ERROR_DISK_FULL)

    def fua_requests(self):
        """The server's log of a write with FUA and nothing else."""
        start = len(self.peer.requests())
        self.scsi("2a080000003200000100", random.Random(5).randbytes(self.block))
        return self.peer.requests()[start:]

    def fua_by_flush(self):
        self.assertRegex(self.fua_requests(), r"(?s)Write id=\d+ offset=\S+ count=\S+ fua=0 .*Flush")

    def fua_by_server(self):
        log = self.fua_requests()
        self.assertRegex(log, r"Write id=\d+ offset=\S+ count=\S+ fua=1 ")
        self.assertNotIn("Flush", log)

    def map_another(self):
        bed.Program(["wnbd-client", "map", "another", "127.0.0.1", "--port", self.peer.port]).wait()
        return self.mapped()

    def exits(self):
        """The server waits for its clients: the disk goes on until it is unmapped, and no other can be mapped."""
        (self.folder_of_peer() / "stop").touch()
        limit = time.monotonic() + 60
        while "another" in self.map_another():
            self.assertLess(time.monotonic(), limit, "the server still takes new clients")
            self.unmap("another")
            time.sleep(0.2)
        self.writing()
        self.disktool(self.number, "flush")
        self.unmap("disk")
        self.peer.process.wait(60)
        self.assertEqual(self.content.read_bytes(), self.model)

    def exercise(self, row):
        self.row = row
        self.begin()
        if "copyonwrite" in row.options and not peers.keeps_writes(self.peer):
            self.skipTest("this nbd-server loses writes with copyonwrite, qemu-io's as well: docs/interop.md, Versions")
        if not row.checks[0].startswith("refused"):
            self.begin_disk()
        for check in row.checks:
            try:
                getattr(self, check)()
            except Exception as error:
                error.add_note(f"in the check {check} of the row {row.name}")
                raise


for one in peers.ROWS:
    setattr(Rows, f"test_{one.name}", lambda self, row=one: self.exercise(row))

if __name__ == "__main__":
    bed.main()
