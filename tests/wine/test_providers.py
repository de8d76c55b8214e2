#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Many processes that serve disks (testbed/wine/provider.c): killed at random moments, and many disks at once. What the
drivers own is the same before and after, as in test_endurance.py.

Usage: tools/wine-env python3 tests/wine/test_providers.py [--seed S] [--rounds N] [--disks N] [CASE...]
    --seed S    of the random moments; the test prints the one that it used
    --rounds N  kills, instead of the usual number
    --disks N   from eight processes, instead of the usual number
"""
import random
import re
import time

import bed
import test_endurance
from bed import MIB, sha256
from test_endurance import HARD, OPTIONS, PLAIN

ROUNDS = 6
PROCESSES = 8
DISKS = 16
ENDS_SECONDS = 60

OPTIONS["--disks"] = None


class Served(test_endurance.Endurance):
    def cycle(self, server, options=HARD, wait=True):
        """With no server: a process's disk."""
        program, _ = self.serving("cycle", 1)
        self.unmap("cycle", *options)
        self.ends(program)

    def ends(self, program):
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))


class Kills(Served):
    def round(self, chance):
        program = bed.Program(["provider", "victim", 4, "--threads", chance.choice((1, 4, 16)),
                               "--hold", chance.choice((1, 8))])
        traffic = None
        try:
            if chance.randrange(4) != 0:
                number = program.process.stdout.readline().split()[1].decode()
                traffic = bed.Program(["disktool", number, "random", "--count", 400, "--depth", 32, "--expect-errors"])
            time.sleep(chance.uniform(0, 1.0))  # the random moment
        finally:
            program.process.kill()
            program.process.communicate()
        self.gone("victim", ENDS_SECONDS)
        self.assertEqual(list(self.mapped()), ["other"])
        if traffic is not None:
            done = traffic.wait()
            self.assertNotRegex(done.stdout, r"[1-9]\d* mismatches", str(done))

    def test_at_random_moments(self):
        seed = int(OPTIONS["--seed"] or random.SystemRandom().randrange(1 << 32))
        rounds = int(OPTIONS["--rounds"] or ROUNDS)
        print(f"random moments: --seed {seed}", flush=True)
        chance = random.Random(seed)
        other, (number,) = self.serving("other", 4)
        content = random.Random(seed + 1).randbytes(4 * MIB)
        self.write(number, 0, content)
        self.round(random.Random(1))
        before = self.baseline(None)
        for round_ in range(rounds):
            with self.subTest(round=round_, seed=seed):
                self.round(chance)
                if round_ % 4 == 0:
                    self.assertEqual(self.digest(number), sha256(content))
        self.settle(None, before)
        self.assertEqual(self.digest(number), sha256(content))
        self.unmap("other")
        self.ends(other)


class Many(Served):
    def at_once(self, programs):
        """As many at a time as there are processors to speak of: [Done]"""
        running, done = [], []
        for arguments in programs:
            running.append(bed.Program(arguments))
            if len(running) == PROCESSES:
                done.append(running.pop(0).wait())
        done += [program.wait() for program in running]
        for each in done:
            self.assertEqual(each.status, 0, str(each))
        return done

    def test_from_eight_processes(self):
        disks = int(OPTIONS["--disks"] or DISKS) // PROCESSES
        before = self.baseline(None)
        start = time.monotonic()
        programs = [bed.Program(["provider", f"p{index}", 1, "--disks", disks, "--threads", 2])
                    for index in range(PROCESSES)]
        numbers = {}
        for index, program in enumerate(programs):
            self.addCleanup(self.let_go, program)
            words = program.process.stdout.readline().decode().split()
            self.assertEqual(len(words), 1 + disks, words)
            numbers.update({f"p{index}-{disk}": int(word) for disk, word in enumerate(words[1:])})
        self.assertEqual({name: int(row["DiskNumber"]) for name, row in self.mapped().items()}, numbers)
        self.assertEqual(len(set(numbers.values())), disks * PROCESSES)
        print(f"{len(numbers)} disks after {time.monotonic() - start:.1f} s", flush=True)
        images = {name: self.image(MIB, name, seed=number) for name, number in numbers.items()}
        self.at_once(["disktool", numbers[name], "write", 0, self.windows(path)] for name, path in images.items())
        hashes = self.at_once(["disktool", number, "sha256"] for number in numbers.values())
        self.assertEqual([re.search(r"\b[0-9a-f]{64}\b", done.stdout).group(0) for done in hashes],
                         [sha256(images[name].read_bytes()) for name in numbers])
        self.at_once(["wnbd-client", "unmap", name, *(HARD if index % 2 else PLAIN)]
                     for index, name in enumerate(numbers))
        for program in programs:
            self.ends(program)
        self.assertEqual(self.mapped(), {})
        print(f"all removed after {time.monotonic() - start:.1f} s", flush=True)
        self.settle(None, before, lambda difference: all(
            kind == "process-handle" and abs(now[0] - was[0]) < len(numbers) // 4
            for (kind, _), (was, now) in difference.items()))


if __name__ == "__main__":
    test_endurance.take_options()
    bed.main(540 if not any(OPTIONS.values()) else 6 * 3600)
