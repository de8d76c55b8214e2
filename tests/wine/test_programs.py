#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Programs that serve disks: the examples, wnbd-client, and one that uses the library as Ceph's handler does
(tests/abi/handler.cpp).

Usage: tools/wine-env python3 tests/wine/test_programs.py
"""
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import bed
from bed import MIB, servers

BUILD_HANDLER = bed.ROOT / "tests" / "abi" / "build_handler.sh"
HANDLER = ["wine", r"C:\wnbd\handler.exe"]


class Provided(bed.Case):
    def serve_by(self, name, *command, says):
        """Starts a program that serves a disk; returns it and the match of the line that it says then."""
        program = bed.Program(command)
        self.addCleanup(self.let_go, program)
        self.addCleanup(self._remove, name)
        line = program.process.stdout.readline().decode()
        found = re.search(says, line)
        self.assertTrue(found, line)
        return program, found

    def ramdisk(self, name, mib):
        """Starts the program; returns it and the number of its disk."""
        program, found = self.serve_by(name, "ramdisk", name, mib, says=r"PhysicalDrive(\d+)")
        self.disktool("wait", found.group(1), 10)
        return program, int(found.group(1))

    def number(self, name):
        """The number of a disk, once Windows has made it."""
        limit = time.monotonic() + bed.COMMAND_SECONDS
        while (number := int(self.mapped()[name]["DiskNumber"])) < 0:
            self.assertLess(time.monotonic(), limit, f"Windows does not make the disk {name}")
            time.sleep(0.1)
        self.disktool("wait", number, 10)
        return number

    def ends(self, program):
        """The program ends by itself, because its disk is gone; returns what it wrote."""
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))
        return done

    @staticmethod
    def kill(program):
        program.process.kill()
        program.process.communicate()


class RamDisk(Provided):
    def test_name_taken(self):
        program, _ = self.ramdisk("served", 8)
        done = self._run(["ramdisk", "served", 8], 183, bed.COMMAND_SECONDS)
        self.assertEqual(done.stdout, "")
        self.unmap("served", "--hard-disconnect")
        self.ends(program)

    def test_readme(self):
        """README's example: what it prints, and that Ctrl-C removes the disk, with Windows' consent."""
        section = (bed.ROOT / "README.md").read_text().partition("\n## A disk of your own program\n")[2]
        command, says = re.findall(r"(?m)^    (.*)$", section.partition("\n## ")[0])
        name, *words = command.split()
        says = re.sub(r"Drive\d+", r"Drive(\\d+)", re.escape(says))
        program, found = self.serve_by(words[0], name.removesuffix(".exe"), *words, says=f"^{says}\r?\n$")
        number = found.group(1)
        self.disktool("wait", number, 10)
        program.process.send_signal(signal.SIGINT)
        self.ends(program)
        self.assertEqual(self.mapped(), {})
        self.assertIn(b" is ejected", self.driver_log())
        self.disktool("wait-gone", number, 20)


class FileDisk(Provided):
    def test_data(self):
        image = self.image(8 * MIB)
        program, _ = self.serve_by("file", "filedisk", "file", self.windows(image), says="^file is served")
        number = self.number("file")
        self.assertEqual(self.digest(number), bed.sha256(image.read_bytes()))
        self.disktool(number, "random", "--count", 300, "--depth", 16)
        content = random.Random(3).randbytes(MIB)
        self.write(number, 5 * MIB, content)
        self.disktool(number, "flush")
        self.unmap("file")
        self.ends(program)
        self.assertEqual(image.read_bytes()[5 * MIB:6 * MIB], content)


class Handler(Provided):
    """One process serves, others look and remove."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(os.environ["WINEPREFIX"]) / "drive_c" / "wnbd"
        subprocess.run([BUILD_HANDLER, folder], check=True)

    def handler(self, what, name):
        return self._run([*HANDLER, what, name], 0, bed.COMMAND_SECONDS).stdout

    def start(self, what, says):
        program, _ = self.serve_by("disk", *HANDLER, what, "disk", 4, says=says)
        return program, self.number("disk")

    def test_data_and_sense(self):
        program, number = self.start("serve", "^serving")
        pid = self.mapped()["disk"]["Pid"]
        self.assertEqual(self.handler("show", "disk"), f"pid {pid}, 8192 blocks, disconnecting 0\n")
        self.assertEqual(self.handler("list", "-"), "disk ceph-rbd-wnbd\n")
        content = random.Random(4).randbytes(MIB)
        self.write(number, MIB, content)
        self.assertEqual(self.read(number, MIB, MIB), content)
        # Its block 77 is bad: medium error, unrecovered read error, with the block's address.
        text = self.disktool(number, "scsi", "28000000004d00000100", "in", 512, status=1).stdout
        self.assertRegex(text, r"\n0000: f0 00 03 00 00 00 4d 0a 00 00 00 00 11 00")
        self.assertRegex(self.handler("stats", "disk"), r"^received [1-9]\d*, outstanding 0\n$")
        self.handler("remove", "disk")
        self.assertNotIn("disk", self.mapped())
        self.assertRegex(self.ends(program).stdout, r"read errors [1-9]\d*, invalid 0\n$")

    def test_resized(self):
        """The disk grows while it is in use, as `rbd resize` has it."""
        program, number = self.start("resize", "^serving")
        self.assertEqual(program.process.stdout.readline(), b"resized to 16384 blocks: 0\r\n")
        limit = time.monotonic() + bed.COMMAND_SECONDS
        while self.info(number)["length"] != str(8 * MIB):
            self.assertLess(time.monotonic(), limit, "Windows does not see the new size")
            self.read(number, 0, 512)  # the next request is told that the capacity has changed
        content = random.Random(6).randbytes(MIB)
        self.write(number, 7 * MIB, content)
        self.assertEqual(self.read(number, 7 * MIB, MIB), content)
        self.handler("remove", "disk")
        self.ends(program)

    def test_removed_hard_in_use(self):
        program, number = self.start("serve", "^serving")
        holder = self.hold(number)
        self.unmap("disk", "--hard-disconnect")
        self.ends(program)
        self.let_go(holder)
        self.disktool("wait-gone", number, 20)


class UserspaceNbd(Provided):
    """wnbd-client map --userspace-nbd: the client is the process."""

    def map_from_here(self, server):
        program, found = self.serve_by("disk", "wnbd-client", "map", "disk", "127.0.0.1", "--port", server.port,
                                       "--userspace-nbd", says=r"^Disk (\d+): \\\\.\\PhysicalDrive\1\r?\n$")
        self.disktool("wait", found.group(1), 10)
        return program, int(found.group(1))

    def test_data(self):
        image = self.image(8 * MIB)
        program, number = self.map_from_here(self.serve(servers.NbdKit, image))
        row = self.mapped()["disk"]
        self.assertEqual((row["Nbd"], row["Owner"], row["DiskNumber"]), ("true", "wnbd-client", str(number)))
        self.assertEqual(self.digest(number), bed.sha256(image.read_bytes()))
        content = random.Random(5).randbytes(MIB)
        self.write(number, 5 * MIB, content)
        self.disktool(number, "flush")
        self.assertEqual(self.read(number, 5 * MIB, MIB), content)
        self.assertEqual(image.read_bytes()[5 * MIB:6 * MIB], content)
        self.assertIsNone(program.process.poll())
        self.unmap("disk")
        self.assertEqual(self.ends(program).stderr, "")

    def test_ends(self):
        """Ctrl-C, a kill and the end of the server each take the disk away."""
        server = self.serve(servers.NbdKit, self.image())
        program, _ = self.map_from_here(server)
        program.process.send_signal(signal.SIGINT)
        self.ends(program)
        self.assertNotIn("disk", self.mapped())
        program, _ = self.map_from_here(server)
        self.kill(program)
        self.gone("disk")
        program, _ = self.map_from_here(server)
        server.kill()
        done = program.wait()
        self.assertEqual(done.status, 1236 & 0xFF, str(done))
        self.assertRegex(done.stderr, r"cannot go on serving disk: 127\.0\.0\.1:\d+ closed the connection \(")
        self.gone("disk")

    def test_refusals(self):
        server = self.serve(servers.NbdServer, self.image(), export="there")
        for arguments in (("disk", server.port), ("disk", servers.free_port())):
            name, port = arguments
            by_driver, by_process = (self.client("map", name, "127.0.0.1", "--port", port, *more, status=None)
                                     for more in ((), ("--userspace-nbd",)))
            self.assertEqual((by_process.status, by_process.stderr), (by_driver.status, by_driver.stderr))
            self.assertEqual(self.mapped(), {})


if __name__ == "__main__":
    bed.main()
