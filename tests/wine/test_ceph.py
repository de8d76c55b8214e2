#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Images of a Ceph of one node as disks, through NBD gateways (docs/ceph.md).

Usage: tools/test-ceph, or tools/wine-env python3 tests/wine/test_ceph.py
"""
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
import unittest

import bed
from bed import KIB, MIB, sha256
import ceph  # in the folder that bed has added to the path
import peers

OBJECT = 4 * MIB  # how RBD cuts an image
SIZE = 4 * OBJECT
# Of librbd: keeps for a minute what nobody flushes.
LAZY_CACHE = (("rbd_cache_policy", "writeback"), ("rbd_cache_writethrough_until_flush", "false"),
              ("rbd_cache_max_dirty_age", "60"))
CLUSTER = None


def setUpModule():
    """The cluster's folder goes with the Wine prefix, however this ends."""
    global CLUSTER
    began = time.monotonic()
    CLUSTER = ceph.Cluster(pathlib.Path(os.environ["WINEPREFIX"]).parent / "ceph")
    CLUSTER.__enter__()
    unittest.addModuleCleanup(CLUSTER.__exit__)
    print(f"{CLUSTER.ceph('--version').strip()}, started in {time.monotonic() - began:.0f} s", flush=True)


class Images(bed.Case):
    """Each test has an image of its own, and a gateway that serves it."""

    def setUp(self):
        super().setUp()
        self.image_name = self.id().rpartition(".")[2]
        CLUSTER.create(self.image_name, SIZE // MIB)
        self.model = bytearray(SIZE)
        self.gateway = self.gateway_to(self.image_name)

    def gateway_to(self, image, **options):
        gateway = ceph.Gateway(CLUSTER, image, **options)
        gateway.start()
        self.addCleanup(gateway.__exit__)
        return gateway

    def put(self, number, seed, offset, length):
        """Writes to the disk and to the model."""
        self.model[offset:offset + length] = random.Random(seed).randbytes(length)
        self.write(number, offset, self.model[offset:offset + length])

    def timed_write(self, number, offset):
        """The first through a gateway: it may have to wait for the image's lock."""
        began = time.monotonic()
        self.put(number, 99, offset, MIB)
        self.disktool(number, "flush")
        print(f"the gateway's first write took {time.monotonic() - began:.1f} s", flush=True)

    def stored(self, snapshot=""):
        return CLUSTER.export(self.image_name + snapshot, self.folder / "exported")

    def traffic(self, number, count, *options):
        program = bed.Program(["disktool", number, "random", "--count", count, *options])
        self.addCleanup(self.let_go, program)
        return program

    def under_way(self, program, name, requests):
        """Until the disk has had so many requests more."""
        before = self.stats(name)["TotalReceivedIORequests"]
        limit = time.monotonic() + bed.COMMAND_SECONDS
        while self.stats(name)["TotalReceivedIORequests"] < before + requests:
            self.assertIsNone(program.process.poll(), "the traffic has ended")
            self.assertLess(time.monotonic(), limit, "the traffic does not go on")
            time.sleep(0.05)

    def faultless(self, program):
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))
        self.assertIn(" 0 failed, 0 mismatches", done.stdout)

    # Tests

    def test_data(self):
        """What Windows writes is what Windows reads, what `rbd export` gives and what qemu-img finds in the image."""
        number = self.map("disk", self.gateway)
        self.assertEqual(self.info(number)["length"], str(SIZE))
        for seed, offset, length in ((1, 0, 512), (2, SIZE - 512, 512), (3, OBJECT - 512, 1024),
                                     (4, 2 * OBJECT - MIB, OBJECT + 2 * MIB)):
            self.put(number, seed, offset, length)
        self.disktool(number, "flush")
        self.assertEqual(self.digest(number), sha256(self.model))
        self.assertEqual(sha256(self.stored()), sha256(self.model))
        self.faultless(self.traffic(number, 300))
        self.disktool(number, "flush")
        self.assertEqual(self.digest(number), sha256(self.stored()))
        self.unmap("disk")
        self.gateway.stop()
        subprocess.run(["qemu-img", "compare", "-f", "raw", "-F", "raw", self.folder / "exported",
                        self.gateway.source()], check=True, stdout=subprocess.DEVNULL)

    def test_snapshot(self):
        """A snapshot keeps what was flushed before it, also as a disk of its own, while the disk goes on."""
        number = self.map("disk", self.gateway)
        self.put(number, 1, MIB, OBJECT)
        self.disktool(number, "flush")
        before = bytes(self.model)
        CLUSTER.rbd("snap", "create", "--no-progress", f"{ceph.POOL}/{self.image_name}@before")
        self.put(number, 2, MIB + 512, 2 * OBJECT)
        self.disktool(number, "flush")
        self.assertEqual(self.digest(number), sha256(self.model))
        self.assertEqual(sha256(self.stored()), sha256(self.model))
        self.assertEqual(sha256(self.stored("@before")), sha256(before))
        old = self.map("old", self.gateway_to(self.image_name + "@before", read_only=True))
        self.assertEqual(self.info(old)["writable"], "no")
        self.assertEqual(self.digest(old), sha256(before))
        self.assertNotEqual(sha256(before), sha256(self.model))

    def test_resized(self):
        """The disk keeps its size and goes on, as does its gateway; a new gateway and a new map see the new one."""
        number = self.map("disk", self.gateway)
        self.put(number, 1, SIZE - MIB, MIB)
        CLUSTER.rbd("resize", "--no-progress", f"{ceph.POOL}/{self.image_name}", "--size", f"{2 * SIZE // MIB}M")
        self.put(number, 2, 0, MIB)
        self.disktool(number, "flush")
        self.assertEqual(self.digest(number), sha256(self.model))
        self.assertEqual(self.info(number)["length"], str(SIZE))
        self.unmap("disk")
        number = self.map("disk", self.gateway)
        self.assertEqual(self.info(number)["length"], str(SIZE))
        self.unmap("disk")
        self.gateway.stop()
        number = self.map("disk", self.gateway.start())
        self.assertEqual(self.info(number)["length"], str(2 * SIZE))
        self.model += bytes(SIZE)
        self.timed_write(number, 2 * SIZE - MIB)
        self.assertEqual(self.digest(number), sha256(self.model))

    def test_two_gateways(self):
        """Disks of two gateways at once: one connection each, also to the one that offers more; each its own data."""
        CLUSTER.create("second", SIZE // MIB)
        gateways = {"first": self.gateway, "second": self.gateway_to("second", shared=2)}
        self.assertTrue(peers.facts(gateways["second"])["can_multi_conn"])
        numbers = {name: self.map(name, gateway) for name, gateway in gateways.items()}
        running = {name: self.traffic(number, 2000, "--seed", number) for name, number in numbers.items()}
        for name, program in running.items():
            self.under_way(program, name, 20)
            self.assertEqual(gateways[name].clients(), 1)
        for program in running.values():
            self.faultless(program)
        digests = {self.digest(number) for number in numbers.values()}
        self.assertEqual(len(digests), 2)
        for number in numbers.values():
            self.disktool(number, "flush")
        self.assertEqual(digests, {sha256(self.stored()), sha256(CLUSTER.export("second", self.folder / "exported"))})

    def write_and_flush(self, number, acknowledged, until):
        """Pieces of 64 KiB, each flushed, until it is told or one fails."""
        for index in range(SIZE // 2 // (64 * KIB)):
            piece = self.file("piece", random.Random(index).randbytes(64 * KIB))
            for words in (("write", index * 64 * KIB, self.windows(piece)), ("flush",)):
                if until.is_set() or bed.Program(["disktool", number, *words]).wait().status:
                    return
            acknowledged.append(index)

    def test_gateway_killed(self):
        """The disk ends with its gateway. Another that stands by has what was flushed."""
        gateway = self.gateway_to(self.image_name, settings=LAZY_CACHE)
        number = self.map("disk", gateway)
        traffic = self.traffic(number, 20000, "--expect-errors", "--offset", SIZE // 2)
        acknowledged, stop = [], threading.Event()
        writer = threading.Thread(target=self.write_and_flush, args=(number, acknowledged, stop), daemon=True)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(stop.set)
        limit = time.monotonic() + bed.COMMAND_SECONDS
        while len(acknowledged) < 5:
            self.assertTrue(writer.is_alive(), "writing failed before the gateway was killed")
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.02)
        self.under_way(traffic, "disk", 20)
        gateway.kill()
        writer.join()
        self.gone("disk")
        done = traffic.wait()
        self.assertNotIn(" 0 failed", done.stdout, str(done))
        self.assertIn("0 mismatches", done.stdout, str(done))
        self.disktool("wait-gone", number, 20)

        number = self.map("disk", self.gateway)
        for index in acknowledged:
            self.assertEqual(self.read(number, index * 64 * KIB, 64 * KIB), random.Random(index).randbytes(64 * KIB))
        self.timed_write(number, SIZE - MIB)
        self.assertEqual(self.digest(number), sha256(self.stored()))

    def test_osd_killed(self):
        """Requests wait for an OSD that comes back."""
        number = self.map("disk", self.gateway)
        traffic = self.traffic(number, 3000)
        self.under_way(traffic, "disk", 100)
        CLUSTER.stop("osd")
        self.assertIsNone(traffic.process.poll(), "the traffic had ended before the OSD did")
        CLUSTER.start_osd()
        self.faultless(traffic)
        self.disktool(number, "flush")
        self.assertEqual(self.digest(number), sha256(self.stored()))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    bed.main(seconds=900)
