#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The disk class driver and disktool under Wine, above ramport.sys. Runs inside tools/wine-env --bare."""
import hashlib
import os
import pathlib
import random
import shutil
import struct
import subprocess
import tempfile
import threading
import time
import unittest

TESTBED = pathlib.Path(os.environ["WNBD_TESTBED"])
PREFIX = pathlib.Path(os.environ["WINEPREFIX"])

SECONDS = 60  # for PnP to do what was asked for; a loaded machine takes its time

# Win32 errors
CRC, SECTOR_NOT_FOUND, WRITE_PROTECT, DEV_NOT_EXIST, DISK_FULL = 23, 27, 19, 55, 112
INVALID_PARAMETER, BUSY, NO_SUCH_DEVICE, IO_DEVICE, INVALID_FUNCTION = 87, 170, 433, 1117, 1

# NTSTATUS
OBJECT_NAME_NOT_FOUND = "0xc0000034"

# SCSI
READ_10, WRITE_10, READ_16, WRITE_16, READ_CAPACITY_16, SYNCHRONIZE = 0x28, 0x2A, 0x88, 0x8A, 0x9E, 0x35
UNMAP, MODE_SENSE = 0x42, 0x1A
CHECK_CONDITION, SRB_ERROR_WITH_SENSE = 0x02, 0x84

# Control requests
QUERY_PROPERTY, MANAGE_DATA_SET, NOT_FS_ALLOCATED = 0x2D1400, 0x2D9404, 0x80000000


def run(*words, status=0, timeout=2 * SECONDS, cwd=None):
    """A program of the prefix; its output as (stdout, stderr)."""
    done = subprocess.run([str(word) for word in words], cwd=cwd, timeout=timeout, check=False, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != status:
        raise AssertionError("%s: status %d instead of %d\n%s%s" % (" ".join(map(str, words)), done.returncode,
                                                                     status, done.stdout, done.stderr))
    return done.stdout, done.stderr


def commands():
    """What the port driver saw since the last call: (CDB, data bytes, SRB flags, offset in the MDL)."""
    lines = run("ramctl", "log")[0].splitlines()
    return [(bytes.fromhex(cdb), int(count), int(flags, 16), int(offset))
            for cdb, count, flags, offset in (line.split() for line in lines)]


def setUpModule():
    for name in ("ramport.sys", "ramport.inf"):
        shutil.copy(TESTBED / name, PREFIX / "drive_c/wnbd")
    run("ramctl", "install", r"C:\wnbd\ramport.inf")


class ClassDriver(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.number = None

    def tearDown(self):
        for words in (["release"], ["script", "0", "0", "0"], ["unplug"]):
            subprocess.run(["ramctl", *words], check=False, stderr=subprocess.DEVNULL, timeout=SECONDS)
        if self.number is not None:
            run("disktool", "wait-gone", self.number, SECONDS, timeout=2 * SECONDS)

    def disks(self):
        """The disks that have announced themselves: {path of the interface: number}."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                lines = run("disktool", "list")[0].splitlines()
                break
            except AssertionError:  # one that was listed has gone before it was asked
                if time.monotonic() > end:
                    raise
        return {path: int(name.removeprefix("PhysicalDrive")) for name, _, path in (line.split() for line in lines)}

    def numbers(self):
        return sorted(self.disks().values())

    def plug(self, blocks=16384, block=512, longest=2 << 20, pages=513, *flags):
        before = self.disks().keys()
        run("ramctl", "plug", blocks, block, longest, pages, *flags)
        end = time.monotonic() + SECONDS
        while not (new := [number for path, number in self.disks().items() if path not in before]):
            self.assertLess(time.monotonic(), end, "no disk appears")
            time.sleep(0.05)
        self.number, = new
        run("disktool", "wait", self.number, SECONDS)

    def disk(self, *words, **options):
        return run("disktool", self.number, *words, cwd=self.folder, **options)

    def refused(self, error, *words):
        """The command fails, with this Win32 error."""
        text = self.disk(*words, status=1)[1]
        self.assertIn("error %d:" % error, text)

    def info(self):
        return dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                    for line in self.disk("info")[0].splitlines())

    def script(self, opcode, count, *answer):
        run("ramctl", "script", hex(opcode), count, *answer)

    def file(self, name, count, seed=1):
        data = random.Random(seed).randbytes(count)
        (self.folder / name).write_bytes(data)
        return data

    # Arrival

    def test_arrival_asks_what_windows_asks(self):
        commands()
        self.plug()
        asked = [(cdb[0], cdb[2] if cdb[0] == 0x12 else None) for cdb, *_ in commands()]
        self.assertEqual(asked[:9], [(0x12, 0), (0x12, 0x00), (0x12, 0x80), (0x12, 0x83), (0x12, 0xB1), (0x12, 0xB2),
                                     (0x25, None), (0x9E, None), (0x1A, None)])

    def test_info(self):
        self.plug(16384, 512, 1 << 20, 300, "wce", "fua")
        info = self.info()
        self.assertEqual(info["length"], str(16384 * 512))
        self.assertEqual((info["block"], info["physical block"]), ("512", "4096"))
        self.assertEqual(info["geometry"], "1 cylinders, 255 heads, 63 sectors of 512 bytes")
        self.assertEqual(info["device number"], str(self.number))
        self.assertEqual(info["scsi address"], "port 5 path 0 target 3 lun 0")
        self.assertEqual((info["vendor"], info["product"], info["bus"]), ("RAM", "RAMDISK", "Virtual"))
        self.assertEqual((info["adapter maximum transfer"], info["adapter maximum pages"]), (str(1 << 20), "300"))
        self.assertEqual((info["seek penalty"], info["trim"], info["writable"]), ("no", "yes", "yes"))

    def test_4096_byte_blocks(self):
        self.plug(2048, 4096)
        info = self.info()
        self.assertEqual((info["length"], info["block"], info["physical block"]), (str(8 << 20), "4096", "4096"))
        data = self.file("in", 12288)
        self.disk("write", 4096, "in")
        self.assertEqual(self.disk("sha256", 4096, 12288)[0].strip(), hashlib.sha256(data).hexdigest())
        self.refused(INVALID_PARAMETER, "read", 512, 4096, "out")
        self.refused(INVALID_PARAMETER, "read", 0, 512, "out")

    # Data

    def test_data_comes_back(self):
        self.plug()
        data = self.file("in", 3 << 20)
        self.disk("write", "1M", "in")
        self.disk("read", "1M", "3M", "out")
        self.assertEqual((self.folder / "out").read_bytes(), data)
        self.disk("zero", "2M", "64K")
        data = data[:1 << 20] + bytes(64 << 10) + data[(1 << 20) + (64 << 10):]
        self.assertEqual(self.disk("sha256", "1M", "3M")[0].strip(), hashlib.sha256(data).hexdigest())
        whole = bytes(1 << 20) + data + bytes(4 << 20)
        self.assertEqual(self.disk("sha256")[0].strip(), hashlib.sha256(whole).hexdigest())
        self.assertEqual(self.disk("sha256", 0, 0)[0].strip(), hashlib.sha256(b"").hexdigest())

    def check_split(self, parts):
        """The last command was split into reads of these lengths, one behind the other, and nothing else."""
        seen = [(cdb, count, offset) for cdb, count, _, offset in commands() if cdb[0] == READ_10]
        at = 0
        for (cdb, count, offset), part in zip(seen, parts, strict=True):
            self.assertEqual((count, offset), (part, at))
            self.assertEqual(int.from_bytes(cdb[2:6], "big"), 1 + at // 512)
            self.assertEqual(int.from_bytes(cdb[7:9], "big"), part // 512)
            at += part

    def test_split_at_the_longest_transfer(self):
        self.plug(16384, 512, 64 << 10, 513)
        self.file("in", 300 << 10)
        self.disk("write", 512, "in")
        commands()
        self.disk("read", 512, "300K", "out")
        self.check_split([64 << 10] * 4 + [44 << 10])
        self.assertEqual((self.folder / "in").read_bytes(), (self.folder / "out").read_bytes())

    def test_split_at_the_most_pages(self):
        self.plug(16384, 512, 2 << 20, 17)
        commands()
        self.disk("read", 512, "200K", "out")
        seen = [count for cdb, count, *_ in commands() if cdb[0] == READ_10]
        self.assertEqual(sum(seen), 200 << 10)
        self.assertIn(seen[0], (64 << 10, 68 << 10))  # one page less unless the buffer starts on a page

    def test_two_megabytes_in_one(self):
        self.plug()
        commands()
        self.disk("read", 512, "2M", "out")
        self.check_split([2 << 20])

    def test_read_16_beyond_two_tebibytes(self):
        self.plug(1 << 33)
        self.assertEqual(self.info()["length"], str(1 << 42))
        commands()
        self.disk("read", (1 << 41) - 512, 512, "out")   # the last block that fits READ (10)
        self.disk("read", (1 << 41) - 512, 1024, "out")  # reaches beyond
        self.disk("read", (1 << 42) - 4096, 4096, "out")
        self.disk("zero", 1 << 41, 512)
        seen = [(cdb[0], cdb[2:10], count) for cdb, count, *_ in commands()]
        self.assertEqual([(opcode, count) for opcode, _, count in seen],
                         [(READ_10, 512), (READ_16, 1024), (READ_16, 4096), (WRITE_16, 512)])
        self.assertEqual([int.from_bytes(block, "big") for _, block, _ in seen[1:]],
                         [(1 << 32) - 1, (1 << 33) - 8, 1 << 32])
        self.refused(SECTOR_NOT_FOUND, "read", 1 << 42, 512, "out")

    def test_random_at_depth(self):
        for seed, arguments in enumerate((("--max", "64K"), ("--max", "1M", "--count", 300), ("--depth", 64))):
            with self.subTest(seed=seed):
                if self.number is None:
                    self.plug(16384, 512, 64 << 10, 17)
                self.assertIn(" 0 failed, 0 mismatches", self.disk("random", "--seed", seed, *arguments)[0])

    def test_random_sees_wrong_data(self):
        self.plug()
        self.script(WRITE_10, 1, 1)  # a write that reports success and writes nothing
        text = self.disk("random", "--min", "16K", "--count", 400, status=1)[1]
        self.assertIn("mismatch at byte", text)

    # Refusals

    def test_refusals(self):
        self.plug()
        self.refused(INVALID_PARAMETER, "read", 100, 512, "out")
        self.refused(INVALID_PARAMETER, "read", 0, 100, "out")
        self.refused(SECTOR_NOT_FOUND, "read", "8M", 512, "out")
        self.refused(SECTOR_NOT_FOUND, "read", (8 << 20) - 512, 1024, "out")
        self.refused(INVALID_PARAMETER, "read", "9M", 512, "out")
        self.refused(INVALID_PARAMETER, "read", "0x8000000000000000", 512, "out")
        self.disk("read", "8M", 0, "out")

    def test_numbers_that_are_too_large_are_named(self):
        self.plug()
        self.assertIn("SECONDS", self.disk("hold", "90000", status=1)[1])
        self.assertIn("LENGTH", self.disk("scsi", "12 00 00 00 24 00", "in", "2G", status=1)[1])

    def test_write_protected(self):
        self.plug(16384, 512, 2 << 20, 513, "ro")
        self.assertEqual(self.info()["writable"], "no")
        self.file("in", 512)
        self.refused(WRITE_PROTECT, "write", 0, "in")
        self.disk("read", 0, 512, "out")

    # Flush

    def test_flush(self):
        self.plug(16384, 512, 2 << 20, 513, "wce")
        commands()
        self.disk("flush")
        self.assertEqual([cdb[0] for cdb, *_ in commands()], [SYNCHRONIZE])
        self.script(SYNCHRONIZE, 9, SRB_ERROR_WITH_SENSE, CHECK_CONDITION, 3, 0x0C, 0)
        self.refused(CRC, "flush")

    def test_flush_without_write_cache(self):
        self.plug()
        commands()
        self.disk("flush")
        self.assertEqual(commands(), [])

    # Errors and retries

    def check_answer(self, error, tries, opcode, *answer):
        commands()
        self.script(opcode, 9, *answer)
        self.refused(error, "read", 0, 512, "out")
        self.assertEqual(sum(cdb[0] == opcode for cdb, *_ in commands()), tries)
        self.script(opcode, 0, 0)

    def test_results_without_retry(self):
        self.plug()
        for error, *answer in ((CRC, SRB_ERROR_WITH_SENSE, 2, 3, 0x11, 0),          # medium error
                               (INVALID_FUNCTION, SRB_ERROR_WITH_SENSE, 2, 5, 0x20, 0),  # illegal request
                               (SECTOR_NOT_FOUND, SRB_ERROR_WITH_SENSE, 2, 5, 0x21, 0),
                               (WRITE_PROTECT, SRB_ERROR_WITH_SENSE, 2, 7, 0x27, 0),
                               (DISK_FULL, SRB_ERROR_WITH_SENSE, 2, 7, 0x27, 7),  # space allocation failed
                               (NO_SUCH_DEVICE, 0x08),  # no device
                               (NO_SUCH_DEVICE, 0x20),  # invalid LUN
                               (IO_DEVICE, 0x12)):      # data overrun
            with self.subTest(answer=answer):
                self.check_answer(error, 1, READ_10, *answer)

    def test_results_with_retries(self):
        self.plug()
        for error, *answer in ((IO_DEVICE, SRB_ERROR_WITH_SENSE, 2, 4, 0x44, 0),  # hardware error
                               (IO_DEVICE, SRB_ERROR_WITH_SENSE, 2, 6, 0x29, 0),  # unit attention
                               (IO_DEVICE, 0x0E)):                                # bus reset
            with self.subTest(answer=answer):
                self.check_answer(error, 5, READ_10, *answer)

    def test_retries_while_others_wait_for_theirs(self):
        """Packets come back to be retried while others are sent again."""
        self.plug(16384, 512, 64 << 10, 513)
        for seed in range(3):
            self.script(WRITE_10, 200, 0x0E)
            text = self.disk("random", "--seed", seed, "--count", 200, "--max", "256K", "--expect-errors")[0]
            self.assertIn(" 0 mismatches", text)

    def test_aborted_is_retried_after_a_second(self):
        self.plug()
        self.script(READ_10, 1, 0x02)
        start = time.monotonic()
        self.disk("read", 0, 512, "out")
        self.assertGreater(time.monotonic() - start, 1)

    def test_short_transfer_is_an_error(self):
        self.plug()
        self.script(READ_10, 1, "short", 512)
        self.refused(IO_DEVICE, "read", 0, 4096, "out")

    def test_one_failing_part_fails_the_request(self):
        self.plug(16384, 512, 64 << 10, 513)
        self.script(READ_10, 1, SRB_ERROR_WITH_SENSE, 2, 3, 0x11, 0)
        self.refused(CRC, "read", 0, "300K", "out")

    def test_capacity_change(self):
        self.plug()
        run("ramctl", "resize", 8192)
        self.script(READ_10, 1, SRB_ERROR_WITH_SENSE, 2, 6, 0x2A, 9)
        commands()
        self.disk("read", 0, 512, "out")
        self.assertEqual([cdb[0] for cdb, *_ in commands()], [READ_10, READ_CAPACITY_16, READ_10])
        self.assertEqual(self.info()["length"], str(4 << 20))
        self.refused(SECTOR_NOT_FOUND, "read", "4M", 512, "out")

    def test_scsi_goes_to_the_port_driver(self):
        self.plug()
        commands()
        self.refused(INVALID_FUNCTION, "scsi", "12 00 00 00 24 00", "in", 36)  # which has no pass-through here
        self.assertEqual(commands(), [])

    # Control requests

    def ioctl(self, code, data=b"", room=0):
        """(Win32 error, the bytes returned)"""
        error, _, *content = self.disk("ioctl", "%#x:%s:%d" % (code, data.hex(), room))[0].split()
        return int(error), bytes.fromhex(content[0]) if content else b""

    def trim(self, *extents):
        body = b"".join(struct.pack("<qQ", *extent) for extent in extents)
        return self.ioctl(MANAGE_DATA_SET, struct.pack("<7L4x", 28, 1, NOT_FS_ALLOCATED, 0, 0, 32, len(body)) + body)[0]

    def test_trim_is_one_unmap(self):
        self.plug()
        commands()
        self.script(UNMAP, 9, 1)
        self.assertEqual(self.trim((512, 1024), (8192, 512)), 0)
        (cdb, count, flags, _), = commands()
        self.assertEqual(cdb.hex(), "42000000000000002800")  # a header and two descriptors, without ANCHOR
        self.assertEqual((count, flags & 0xC0), (40, 0x80))  # data out

    def test_failing_trim(self):
        self.plug()
        self.script(UNMAP, 9, SRB_ERROR_WITH_SENSE, CHECK_CONDITION, 7, 0x27, 0)
        self.assertEqual(self.trim((0, 512)), WRITE_PROTECT)
        self.script(UNMAP, 9, SRB_ERROR_WITH_SENSE, CHECK_CONDITION, 5, 0x20, 0)
        self.assertEqual(self.trim((0, 512)), INVALID_FUNCTION)

    def test_provisioning_without_block_limits(self):
        # No page B0h: classpnp assumes blocks as unit and no limits.
        self.plug()
        error, content = self.ioctl(QUERY_PROPERTY, struct.pack("<LLL", 11, 0, 0), 64)
        self.assertEqual((error, struct.unpack("<LLB7xQQLL", content)),
                         (0, (40, 40, 0, 512, 0, 0xFFFFFFFF, 0xFFFFFFFF)))

    def test_write_cache_that_refuses(self):
        self.plug(16384, 512, 2 << 20, 513, "wce")
        query = struct.pack("<LLL", 4, 0, 0)
        self.script(SYNCHRONIZE, 9, SRB_ERROR_WITH_SENSE, CHECK_CONDITION, 5, 0x20, 0)
        error, content = self.ioctl(QUERY_PROPERTY, query, 64)
        self.assertEqual((error, struct.unpack("<LLLLLLBBBx", content)[2:]), (0, (2, 2, 2, 1, 0, 0, 0)))
        self.script(MODE_SENSE, 9, SRB_ERROR_WITH_SENSE, CHECK_CONDITION, 5, 0x24, 0)
        self.assertEqual(self.ioctl(QUERY_PROPERTY, query, 64), (IO_DEVICE, b""))

    # Departure

    def test_unplug(self):
        self.plug()
        self.assertIn(self.number, self.numbers())
        run("ramctl", "unplug")
        run("disktool", "wait-gone", self.number, SECONDS)
        self.assertNotIn(self.number, self.numbers())

    def test_number_is_used_again(self):
        self.plug()
        first = self.number
        for _ in range(3):
            run("ramctl", "unplug")
            run("disktool", "wait-gone", first, SECONDS)
            self.plug()
            self.assertEqual(self.number, first)

    def test_each_disk_has_its_own_medium(self):
        """A disk that is plugged in while PnP still removes the last one."""
        self.plug()
        for seed in range(8):
            run("ramctl", "unplug")
            self.plug()
            self.assertEqual(self.disk("sha256", 0, "64K")[0].strip(), hashlib.sha256(bytes(64 << 10)).hexdigest())
            data = self.file("in", 64 << 10, seed)
            self.disk("write", 0, "in")
            self.assertEqual(self.disk("sha256", 0, "64K")[0].strip(), hashlib.sha256(data).hexdigest())

    def hold(self, seconds):
        holder = subprocess.Popen(["disktool", str(self.number), "hold", str(seconds)], stdout=subprocess.PIPE,
                                  text=True)
        self.addCleanup(holder.stdout.close)
        self.assertIn("holding", holder.stdout.readline())
        return holder

    def test_query_remove(self):
        self.plug()
        run("ramctl", "query-remove")
        holder = self.hold(1)
        self.assertIn("error %d" % BUSY, run("ramctl", "query-remove", status=1)[1])
        holder.wait()
        run("ramctl", "query-remove")
        self.disk("read", 0, 512, "out")

    def test_number_of_a_disk_that_is_still_open(self):
        self.plug()
        first = self.number
        holder = self.hold(600)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        run("ramctl", "unplug")
        run("disktool", "wait-gone", first, SECONDS)
        self.plug()
        self.assertNotEqual(self.number, first)
        self.disk("random", "--count", 50)
        holder.kill()
        holder.wait()
        self.disk("random", "--count", 50)

    def test_a_refused_open_does_not_count(self):
        """Wine gives a handle for a refused open, too, and closes it: the device object stays as long as the handles
        that count, and no longer."""
        self.plug()
        path = run("ramctl", "target", "PhysicalDrive%d" % self.number)[0].strip()
        holder = self.hold(10 * SECONDS)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        run("ramctl", "unplug")
        run("disktool", "wait-gone", self.number, SECONDS)
        for _ in range(2):
            run("ramctl", "open", path)  # refused: the disk is gone
        time.sleep(1.1)  # unused for a second, a device object is deleted when the next disk arrives
        self.plug()
        self.assertNotIn(OBJECT_NAME_NOT_FOUND, run("ramctl", "open", path)[0])
        holder.kill()
        end = time.monotonic() + SECONDS
        while OBJECT_NAME_NOT_FOUND not in run("ramctl", "open", path)[0]:
            self.assertLess(time.monotonic(), end, path + " is never deleted")
            run("ramctl", "unplug")
            time.sleep(1.1)
            self.plug()

    def test_unplug_with_requests_in_flight(self):
        self.plug(16384, 512, 64 << 10, 513)
        commands()  # what other tests have read
        run("ramctl", "hold")
        reader = threading.Thread(target=lambda: results.append(
            self.disk("read", 0, "1M", "out", status=1, timeout=20)[1]))
        results = []
        reader.start()
        held = 0
        end = time.monotonic() + SECONDS
        while (held := held + sum(cdb[0] == READ_10 for cdb, *_ in commands())) < 16:
            self.assertLess(time.monotonic(), end, "the requests do not arrive")
            time.sleep(0.5)
        run("ramctl", "unplug")
        reader.join()
        self.assertIn("error %d:" % NO_SUCH_DEVICE, results[0])

    def test_unplug_under_load(self):
        self.plug()
        load = subprocess.Popen(["disktool", str(self.number), "random", "--count", "10000", "--expect-errors"],
                                stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        run("ramctl", "unplug")
        text = load.communicate(timeout=120)[0]
        self.assertEqual(load.returncode, 0, text)
        self.assertIn(" 0 mismatches", text)
        self.assertIn("error %d, " % DEV_NOT_EXIST, text)


class Tool(unittest.TestCase):
    """disktool's own refusals."""

    def test_usage(self):
        for words in ((), ("1",), ("x", "info"), ("1", "unknown"), ("1", "read", "0"), ("1", "info", "--seed", "1"),
                      ("1", "random", "--seed"), ("1", "sha256", "--request", "0"), ("wait", "1"),
                      ("wait", "1", "2Q"), ("order", "unknown", "1"), ("order", "miss", "x"), ("order", "miss")):
            with self.subTest(words=words):
                self.assertTrue(run("disktool", *words, status=2)[1])

    def test_help(self):
        text = run("disktool", "help")[0]
        for command in ("info", "read", "write", "zero", "flush", "sha256", "random", "scsi", "hold", "wait-gone"):
            self.assertIn(command, text)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run(["disktool", "help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                                  timeout=2 * SECONDS)
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot write the output", done.stderr)

    def test_no_such_disk(self):
        self.assertIn("cannot open PhysicalDrive77: error 2:", run("disktool", "77", "info", status=1)[1])
        self.assertIn("still not there", run("disktool", "wait", "77", "0", status=1)[1])
        run("disktool", "wait-gone", "77", "0")


if __name__ == "__main__":
    unittest.main()
