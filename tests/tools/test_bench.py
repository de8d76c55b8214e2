#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""A tiny run of `make bench`: that all it promises is there, and that wrong data would be seen. Never how fast."""
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from leftovers import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import bench_report  # noqa: E402
import callgrind  # noqa: E402

LOADER = importlib.machinery.SourceFileLoader("bench", str(ROOT / "tools" / "bench"))
bench = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench", LOADER))
LOADER.exec_module(bench)

PROGRAMS = pathlib.Path(os.environ.get("WNBD_BENCH", ROOT / "build" / "native-asan" / "bench"))
SPREAD = {"median", "low", "high"}

CALLGRIND = f"""version: 1
positions: line
events: Ir

fl={ROOT}/driver/queue.c
fn=QueueSubmit
12 100
fi={ROOT}/testbed/native/include/nt/rtl.h
40 20
cfi={ROOT}/core/base/slot_map.c
cfn=SlotMapTake
calls=10 30
12 4000

fl={ROOT}/core/base/slot_map.c
fn=SlotMapTake
30 50

fl={ROOT}/testbed/storport/queue.c
fn=PortQueueSubmit
7 400

fl=./malloc/malloc.c
fn=malloc
9 70

totals: 640
"""


class Run(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.output = pathlib.Path(cls.folder.name) / "bench.json"
        done = subprocess.run([ROOT / "tools" / "bench", "--quick", "--rounds", "2", "--seconds", "0.1", "--programs",
                               PROGRAMS, "--output", cls.output], capture_output=True, text=True, timeout=240)
        if done.returncode:
            raise AssertionError(done.stdout + done.stderr)
        cls.text = done.stdout
        cls.report = json.loads(cls.output.read_text())

    def test_every_row_has_every_program_and_field(self):
        self.assertEqual(len(self.report["rows"]), 3)
        for row in self.report["rows"]:
            self.assertEqual(set(row["programs"]), {"driver", "libnbd", "wire"})
            for name, fields in row["programs"].items():
                with self.subTest(row=bench_report.label(row), program=name):
                    self.assertEqual(set(fields), set(bench_report.FIELDS))
                    for field, value in fields.items():
                        self.assertEqual(set(value), SPREAD)
                        self.assertGreater(value["low"], 0, field)
                        self.assertLessEqual(value["low"], value["median"], field)
                        self.assertLessEqual(value["median"], value["high"], field)
                    self.assertLessEqual(fields["p50_us"]["median"], fields["p999_us"]["median"])
            for peer in ("libnbd", "wire"):
                self.assertEqual(set(row["ratios"][peer]), {"iops", "cpu_us_per_io"})

    def test_a_process_that_serves_a_disk_has_its_rows(self):
        found = [(row["operation"], row["block"], row["depth"], row["threads"]) for row in self.report["user"]]
        self.assertEqual(found,
                         [("randread", 4096, 64, 1), ("randread", 4096, 64, 4), ("randread", 4096, 64, 16),
                          ("read", 1048576, 8, 4)])
        for row in self.report["user"]:
            with self.subTest(row=bench_report.user_label(row)):
                for field in (*bench_report.USER_FIELDS, "iops_to_nbd"):
                    self.assertEqual(set(row[field]), SPREAD)
                    self.assertGreater(row[field]["low"], 0, field)
                # A fetch and an answer; what is under way at both ends of the measuring may be more or less than that.
                self.assertAlmostEqual(row["ioctls_per_io"]["median"], 2, delta=0.2)

    def test_figures_fit_each_other(self):
        for row in self.report["rows"]:
            for fields in row["programs"].values():
                mib = fields["iops"]["high"] * row["block"] / 1048576
                self.assertAlmostEqual(fields["mib_per_s"]["high"], mib, delta=0.01 + mib / 1000)

    def test_memory_and_times_of_a_disk(self):
        disk = self.report["disk"]
        self.assertEqual(set(disk), set(bench_report.DRIVER_FIELDS))
        self.assertGreater(disk["disk_bytes"], 255 * disk["slot_bytes"])
        self.assertLess(disk["map_ms"], disk["ready_ms"])

    def test_machine_and_targets_are_named(self):
        self.assertLessEqual({"cpu", "cpus", "kernel", "load"}, set(self.report["machine"]))
        self.assertLessEqual({"rounds", "seconds", "version", "instructions"}, set(self.report))
        self.assertTrue(all(set(target) == {"what", "value", "limit", "most", "met"}
                            for target in self.report["targets"]))
        self.assertEqual(len(self.report["targets"]), 4)

    def test_table_and_picture_show_the_rows(self):
        picture = self.output.with_suffix(".svg").read_text()
        for row in self.report["rows"]:
            self.assertIn(bench_report.label(row), self.text)
            self.assertIn(bench_report.label(row), picture)
        for row in self.report["user"]:
            self.assertIn(bench_report.user_label(row), self.text)
            self.assertIn(bench_report.user_label(row), picture)


class WrongData(unittest.TestCase):
    """A medium that nobody has prepared says nothing about its places."""

    def test_each_program_stops(self):
        for name in ("driver", "libnbd", "wire"):
            with self.subTest(program=name):
                # nbdkit ends with the command that --run gives it.
                done = subprocess.run(["nbdkit", "-i", "127.0.0.1", "-p", str(free_port()), "memory", "64M", "--run",
                                       f"exec {PROGRAMS / ('bench_' + name)} $port randread 4096 8 1 1"],
                                      capture_output=True, text=True, timeout=120, check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("wrong data at", done.stderr)


class Counting(unittest.TestCase):
    def test_instructions_are_their_functions(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "out"
            path.write_text(CALLGRIND)
            shares = callgrind.shares(callgrind.read(path), ROOT, 10)
        self.assertEqual(shares, {"requests": 10, "product": 17.0, "core": 5.0, "driver": 12.0, "testbed": 40.0,
                                  "system": 7.0, "functions": {"QueueSubmit": 12.0, "SlotMapTake": 5.0}})

    def test_copies_are_their_callers(self):
        frames = ["[root]", "0x1: memcpy (in /usr/libexec/valgrind/vgpreload_dhat-amd64-linux.so)",
                  f"0x2: FetchCopy ({ROOT}/driver/channel_user.c:170)", f"0x3: Obey ({ROOT}/bench/user.c:40)",
                  f"0x4: NbdTakeOutput ({ROOT}/core/nbd/client.c:90)"]
        points = [{"tb": size, "tbk": 1, "fs": stack}
                  for size, stack in ((4096, [1, 2, 3]), (512, [1, 3]), (28, [1, 4, 2]), (7, [1]))]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "out"
            path.write_text(json.dumps({"pps": points, "ftbl": frames}))
            self.assertEqual(callgrind.copied(path, ROOT), 4096 + 28)

    def test_counts_of_a_run(self):
        """What the tools of valgrind say of a small run of the real program."""
        row = ("randread", 65536, 4, 1)
        program = PROGRAMS / "bench_user"
        if any(word in program.read_bytes() for word in (b"__asan_init", b"__tsan_init")):
            self.skipTest("sanitizers and valgrind exclude each other")
        self.assertEqual(round(bench.count_copies(program, 2, row, 50), 1), 1)
        counted = bench.count_instructions(program, 2, row, 50)
        self.assertGreater(counted["driver"], 0)
        self.assertGreater(counted["core"], 0)

    def test_targets_ask_for_growth_too(self):
        rows = [{"operation": "randread", "block": 4096, "depth": depth, "disks": disks, "product": product}
                for depth, disks, product in ((16, 1, 500.0), (64, 1, 601.0), (255, 1, 520.0), (16, 64, 530.0))]
        found = bench_report.targets({"rows": [], "instructions": rows})
        self.assertEqual([(target["value"], target["met"]) for target in found],
                         [(601.0, False), (1.06, False), (1.04, True)])


def free_port():
    import socket
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    unittest.main()
