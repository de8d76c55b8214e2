#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What the drivers own is the same before and after: many maps, unmaps in the middle of things, 32 disks, removal.

The test bed counts it (`disktool resources`): pool by tag, IRPs, MDLs, work items, WSK registrations, sockets, device
objects, system threads, timers and handles of the miniport, the port driver and the class driver.

Usage: tools/wine-env python3 tests/wine/test_endurance.py [--seed S] [--rounds N] [CASE...]
    --seed S    of the random moments; a test prints the one that it used
    --rounds N  how often instead of the usual number: of maps, of random ends
"""
import os
import random
import sys
import threading
import time

import bed
from bed import MIB, servers, sha256

INF = os.environ.get("WNBD_INF")
OPTIONS = {"--seed": None, "--rounds": None}
TRAFFIC = "3000"  # operations, more than a test waits for; those left over fail one by one
DISKS = 32
SETTLE_SECONDS = 60
HARD, PLAIN = ("--hard-disconnect",), ()

# Wine itself owns these in the driver process, as many as it likes: threads and events of its thread pools. Its
# IoRegisterDeviceInterface and what reads a device's key leave registry keys open (seen in Wine 8.0: 7 for each disk
# that arrives); those that the drivers open are counted as kind "handle".
WINES_OWN = {("process-handle", name) for name in ("Key", "Event", "Thread", "KeyedEvent", "Desktop", "WindowStation",
                                                   "Mutant", "IoCompletion", "TpWorkerFactory", "Semaphore", "-")}


class Endurance(bed.Case):
    def resources(self):
        """{(kind, name): (count, bytes)}"""
        lines = [line.split() for line in self.disktool("resources").stdout.splitlines()]
        return {(kind, name): (int(count), int(size)) for kind, name, count, size in lines}

    def owned(self):
        return {key: value for key, value in self.resources().items() if key not in WINES_OWN}

    @staticmethod
    def difference(before, after):
        return {key: (before.get(key, (0, 0)), after.get(key, (0, 0))) for key in sorted(set(before) | set(after))
                if before.get(key) != after.get(key)}

    def cycle(self, server, options=HARD, wait=True):
        self.client("map", "cycle", "127.0.0.1", "--port", server.port, "--export-name", server.export)
        if wait:
            self.disktool("wait", self.mapped()["cycle"]["DiskNumber"], 60)
        self.client("unmap", "cycle", *options)

    def baseline(self, server):
        """What is owned with no disk mapped, and one that was unmapped just now (the class driver deletes a disk's
        device object when it has been gone for a second and another one comes)."""
        deadline = time.monotonic() + SETTLE_SECONDS
        before = None
        while True:
            time.sleep(1.1)
            self.cycle(server)
            now = self.owned()
            if now == before:
                return now
            self.assertLess(time.monotonic(), deadline, f"no rest: {self.difference(before or {}, now)}")
            before = now

    def settle(self, server, before, expected=lambda difference: not difference):
        """Waits until what is owned differs from before as expected; by default not at all."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            difference = self.difference(before, self.owned())
            if expected(difference):
                return
            self.assertLess(time.monotonic(), deadline, f"(before, after): {difference}")
            time.sleep(1.1)
            self.cycle(server)

    def traffic(self, number, *options):
        return bed.Program(["disktool", str(number), "random", "--count", TRAFFIC, "--depth", "32", "--length", "2M",
                            "--expect-errors", *options])

    def under_way(self, name):
        deadline = time.monotonic() + bed.COMMAND_SECONDS
        while self.stats(name)["TotalReceivedIORequests"] < 100:
            self.assertLess(time.monotonic(), deadline, "the traffic does not begin")

    def ended(self, program):
        done = program.wait(120)
        self.assertIn("0 mismatches", done.stdout, str(done))


class Counts(Endurance):
    def maps(self, options):
        server = self.serve(servers.NbdServer, self.image(2 * MIB))
        for round_ in range(10):
            self.cycle(server, options, wait=round_ % 2 == 0)
        before = self.baseline(server)
        for round_ in range(int(OPTIONS["--rounds"] or 100)):
            self.cycle(server, options, wait=round_ % 4 == 0)
        self.settle(server, before)

    def test_map_and_hard_unmap(self):
        self.maps(HARD)

    def test_map_and_unmap(self):
        self.maps(PLAIN)

    def test_unmap_during_traffic(self):
        server = self.hostile("--size", "4M")
        before = self.baseline(server)
        for options in (HARD, PLAIN) * 4:
            program = self.traffic(self.map("disk", server))
            self.under_way("disk")
            self.unmap("disk", *options)
            self.ended(program)
        self.settle(server, before)


class Leaks(Endurance):
    """Counts that nothing can change would always be equal: whatever a driver forgets is seen, and named."""

    def forget(self, server, before, kind, *tag):
        self.disktool("leak", kind, *tag)
        number = self.map("disk", server)
        self.read(number, 0, 4096)
        self.unmap("disk", "--hard-disconnect")

        def one(difference):
            return [(key[0], now[0] - was[0]) for key, (was, now) in difference.items()
                    if key[0] != "process-handle"] == [(kind, 1)]

        self.settle(server, before, one)
        if tag:
            self.assertEqual(list(self.difference(before, self.owned())), [(kind, *tag)])
        self.disktool("leak", "nothing")
        self.settle(server, before)

    def test_what_is_forgotten_is_seen(self):
        server = self.serve(servers.NbdServer, self.image(2 * MIB))
        self.read(self.map("disk", server), 0, 4096)
        self.unmap("disk", "--hard-disconnect")
        before = self.baseline(server)
        for leak in (("pool", "Wnbd"), ("pool", "PstP"), ("irp",), ("mdl",), ("work-item",), ("socket",), ("device",),
                     ("handle",), ("thread",), ("timer",)):
            with self.subTest(leak=leak):
                self.forget(server, before, *leak)


class Moments(Endurance):
    """The server dies, or the disk is unmapped, or both, at random moments of mapping and of traffic."""

    def map_somehow(self, name, server, done):
        bed.Program(["wnbd-client", "map", name, "127.0.0.1", "--port", str(server.port)]).wait()
        row = self.mapped().get(name)
        if row is not None and int(row["DiskNumber"]) >= 0:
            done.append(self.traffic(row["DiskNumber"]))

    def round(self, chance):
        server = bed.HostileServer("--size", "4M")
        programs = []
        mapping = threading.Thread(target=self.map_somehow, args=("moment", server, programs))
        end = chance.choice(("kill", "hard", "plain", "both", "reset"))
        pause_s = chance.uniform(0, 0.9)
        try:
            mapping.start()
            time.sleep(pause_s)
            if end in ("kill", "both"):
                server.kill()
            if end == "reset":
                server.signal(bed.signal.SIGUSR2)
            if end in ("hard", "plain", "both"):
                options = PLAIN if end == "plain" else HARD
                bed.Program(["wnbd-client", "unmap", "moment", *options]).wait()
        finally:
            mapping.join()
            if server.process.poll() is None:
                server.kill()
        for program in programs:
            program.wait(120)
        self.gone("moment", 60)

    def test_random_ends(self):
        seed = int(OPTIONS["--seed"] or random.SystemRandom().randrange(1 << 32))
        rounds = int(OPTIONS["--rounds"] or 50)
        print(f"random moments: --seed {seed}", flush=True)
        chance = random.Random(seed)
        server = self.hostile("--size", "4M")
        for _ in range(3):
            self.round(random.Random(1))
        before = self.baseline(server)
        for round_ in range(rounds):
            with self.subTest(round=round_, seed=seed):
                self.round(chance)
        self.settle(server, before)


class ManyExports(servers.NbdServer):
    def __init__(self, images):
        super().__init__(images["disk-0"])
        self.images = images

    def config(self):
        head = f"[generic]\nlistenaddr = 127.0.0.1\nport = {self.port}\n\n"
        return head + "".join(f"[{name}]\nexportname = {image}\nflush = true\nfua = true\n\n"
                              for name, image in self.images.items())


class Many(Endurance):
    def test_32_disks_at_once(self):
        images = {f"disk-{index}": self.image(2 * MIB, f"image-{index}", seed=index + 1) for index in range(DISKS)}
        server = ManyExports(images)
        server.start()
        self.addCleanup(server.__exit__)
        server.export = "disk-0"
        before = self.baseline(server)
        numbers = {}
        for name in images:
            server.export = name
            numbers[name] = self.map(name, server)
        rows = self.mapped()
        self.assertEqual(set(rows), set(images))
        self.assertEqual(len(set(numbers.values())), DISKS)
        self.assertEqual({name: int(row["DiskNumber"]) for name, row in rows.items()}, numbers)
        self.use(images, numbers)
        removers = [bed.Program(["wnbd-client", "unmap", name, *(HARD if index % 2 else PLAIN)])
                    for index, name in enumerate(images)]
        for remover in removers:
            done = remover.wait()
            self.assertEqual(done.status, 0, str(done))
        self.assertEqual(self.mapped(), {})
        server.export = "disk-0"
        self.settle(server, before, self.none_for_each_disk)

    @staticmethod
    def none_for_each_disk(difference):
        """Wine's process opens a handle of its own for a thread or two; what the disks leave comes once for each."""
        return all(kind == "process-handle" and abs(after[0] - before[0]) < DISKS // 4
                   for (kind, _), (before, after) in difference.items())

    def use(self, images, numbers):
        """Each disk has its own image's data, before and after all of them were written at the same time."""
        for name in list(images)[::5]:
            self.assertEqual(self.digest(numbers[name]), sha256(images[name].read_bytes()), name)
        writers = [bed.Program(["disktool", str(number), "random", "--count", "150", "--depth", "8", "--seed",
                                str(number), "--max", "32K"]) for number in numbers.values()]
        for writer in writers:
            done = writer.wait(300)
            self.assertIn("0 failed, 0 mismatches", done.stdout, str(done))
        for name, number in numbers.items():
            self.disktool(number, "flush")
            self.assertEqual(self.digest(number), sha256(images[name].read_bytes()), name)
        self.assertEqual(len({sha256(path.read_bytes()) for path in images.values()}), DISKS)


class Uninstall(Endurance):
    def owned(self):
        """Only what the drivers own: Wine keeps a file open for each time that a driver was loaded."""
        return {key: value for key, value in self.resources().items() if key[0] != "process-handle"}

    def test_with_disks_and_traffic(self):
        server = self.hostile("--size", "4M")
        before = None
        for _ in range(3):
            first = self.baseline(server)
            before = before or first
            self.assertEqual(self.difference(before, first), {})
            programs = [self.traffic(self.map(f"disk-{index}", server)) for index in range(3)]
            self.under_way("disk-2")
            self.client("uninstall-driver")
            for program in programs:
                program.wait(120)
            self.assertEqual(self.mapped(), {})
            self.client("install-driver", INF)
        self.settle(server, before)


def take_options():
    for name in OPTIONS:
        if name in sys.argv:
            place = sys.argv.index(name)
            OPTIONS[name] = sys.argv[place + 1]
            del sys.argv[place:place + 2]


if __name__ == "__main__":
    take_options()
    bed.main(540 if OPTIONS["--rounds"] is None else 6 * 3600)
