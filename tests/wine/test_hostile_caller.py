#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Programs that misuse the adapter (hostile_caller.exe), and names of all kinds from end to end.

Usage: tools/wine-env python3 tests/wine/test_hostile_caller.py
"""
import os
import time

import bed
from bed import servers

INF = os.environ.get("WNBD_INF")
GOOD = ["pool/ns/image@snap", "\\ / : * ? \" < > |", "two words", "trailing. ", " leading", "..", "caf\u00e9",
        "CAF\u00c9", "cafe\u0301", "\u6f22\u5b57", "\U0001f4be", "x" * 255, "\u00e9" * 127]
# What the command line passes on, and a part of the refusal.
BAD = [("x" * 256, "255"), ("\u00e9" * 128, "255"), ("", "empty"), ("tab\tted", "control characters"),
       ("line\nend", "control characters"), ("bell\x07", "control characters"), ("\u202egnp.exe", "control characters"),
       ("\x7f", "control characters"), ("\u0085", "control characters")]


class HostileCaller(bed.Case):
    def hostile_caller(self, *arguments, status=0):
        return self._run(["hostile_caller", *arguments], status, bed.COMMAND_SECONDS)

    def two_ports(self):
        return self.serve(servers.NbdKit, self.image(), export="hostile").port, self.hostile("--silent").port

    def nothing_left(self):
        """No disk, no name, and the driver goes as clean as it came: its unloading counts what it left."""
        limit = time.monotonic() + 30
        while self.mapped():
            self.assertLess(time.monotonic(), limit, f"still there: {self.mapped()}")
            time.sleep(0.1)
        self.client("uninstall-driver")
        self.assertNotIn(bed.VIOLATION, self.driver_log())
        self.client("install-driver", INF)

    def works(self):
        number = self.map("disk", self.serve(servers.NbdKit, self.image(name="afterwards")))
        self.digest(number)
        self.unmap("disk")

    def test_anything_at_once(self):
        self.hostile_caller("throw", 1, 1500, *self.two_ports())
        self.works()
        self.nothing_left()

    def test_while_the_adapter_goes(self):
        program = bed.Program(["hostile_caller", "throw", "2", "2000", *self.two_ports(), "--gone"])
        self.assertEqual(program.process.stdout.readline().strip(), b"throwing")
        self.client("uninstall-driver")
        done = program.wait()
        self.assertEqual(done.status, 0, str(done))
        self.client("install-driver", INF)
        self.works()
        self.nothing_left()

    def test_rights(self):
        self.hostile_caller("access")

    def test_killed_with_requests_pended(self):
        port = self.hostile("--silent").port
        for _ in range(3):
            program = bed.Program(["hostile_caller", "pend", "40", port])
            self.assertEqual(program.process.stdout.readline().strip(), b"pended")
            self.assertEqual(len(self.mapped()), 40)
            program.process.kill()
            program.wait()
            limit = time.monotonic() + 30
            while self.mapped():
                self.assertLess(time.monotonic(), limit, "requests of a dead process are still there")
                time.sleep(0.1)
        self.works()
        self.nothing_left()


class Names(bed.Case):
    def names(self):
        """Of all mapped disks, as `list` prints them: the last of five columns, the rest of the line."""
        header, *rows = self.client("list").stdout.splitlines()
        start = header.index("InstanceName")
        return [row[start:] for row in rows]

    def test_names_that_are_accepted(self):
        server = self.serve(servers.NbdKit, self.image(), export="")
        for name in GOOD:
            self.client("map", name, "127.0.0.1", "--port", server.port, "--export-name=")
            self.addCleanup(self._remove, name)
        self.assertEqual(self.names(), GOOD)
        for name in GOOD:
            with self.subTest(name=name):
                self.assertIn(f"InstanceName              : {name}\n", self.client("show", name).stdout)
                self.assertIn(f"SerialNumber              : {name}\n", self.client("show", name).stdout)
        text = self.client("map", GOOD[0], "127.0.0.1", "--port", server.port, "--export-name=", status=None).stderr
        self.assertIn("mapped already", text)
        self.assertIn("no disk of that name", self.client("unmap", GOOD[0].upper(), status=None).stderr)
        left = list(GOOD)
        for name in GOOD:
            self.client("unmap", name, "--hard-disconnect")
            left.remove(name)
            self.assertEqual(self.names(), left)

    def test_names_that_are_refused(self):
        port = self.serve(servers.NbdKit, self.image(), export="").port
        for name, words in BAD:
            with self.subTest(name=name):
                text = self.client("map", name, "127.0.0.1", "--port", port, "--export-name=", status=None).stderr
                self.assertIn(words, text)
                self.assertTrue(text.isprintable() or text.replace("\n", "").isprintable(), repr(text))
        for host, words in ((h, w) for h, w in BAD if h):
            with self.subTest(host=host):
                text = self.client("map", "disk", host, "--port", port, status=None).stderr
                self.assertIn(words, text)
        for export, words in ((e, w) for e, w in BAD if e):
            with self.subTest(export=export):
                text = self.client("map", "disk", "127.0.0.1", "--port", port, f"--export-name={export}",
                                   status=None).stderr
                self.assertIn(words, text)
        self.assertEqual(self.names(), [])

    def test_the_driver_does_not_trust_the_library(self):
        port = self.serve(servers.NbdKit, self.image(), export="").port
        for name, words in (("78" * 256, "at most 255 bytes"), ("ff", "UTF-8"), ("610a62", "control characters"),
                            ("c0af", "UTF-8"), ("", "empty")):
            with self.subTest(name=name):
                done = self._run(["hostile_caller", "rename", name, str(port)], 0, bed.COMMAND_SECONDS)
                self.assertTrue(done.stdout.startswith("0 87 "), str(done))
                self.assertIn(words, done.stdout)
        self.assertEqual(self.names(), [])


if __name__ == "__main__":
    bed.main()
