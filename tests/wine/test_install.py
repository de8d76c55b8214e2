#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Installing and removing the driver, with and without disks; what commands say without it.

Usage: tools/wine-env --bare python3 tests/wine/test_install.py
"""
import os

import bed
from bed import servers, sha256

INF = os.environ.get("WNBD_INF")


class Installation(bed.Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.uninstall)

    @staticmethod
    def uninstall():
        bed.Program(["wnbd-client", "uninstall-driver"]).wait()

    def install(self):
        return self.client("install-driver", INF)

    def test_without_the_driver(self):
        for command in (["list"], ["show", "x"], ["stats", "x"], ["unmap", "x"], ["map", "x", "127.0.0.1"]):
            text = self.client(*command, status=None).stderr
            self.assertIn("driver is not installed", text)
            self.assertIn("wnbd-client install-driver", text)

    def test_version_without_the_driver(self):
        done = self.client("-v", status=None)
        self.assertIn("wnbd-client.exe: ", done.stdout)
        self.assertIn("libwnbd.dll: ", done.stdout)
        self.assertIn("driver is not installed", done.stderr)

    def test_install_and_uninstall(self):
        for _ in range(3):
            self.install()
            self.assertIn("wnbd.sys: ", self.client("-v").stdout)
            self.assertEqual(self.mapped(), {})
            self.client("uninstall-driver")
            self.assertIn("driver is not installed", self.client("list", status=None).stderr)

    def test_install_twice(self):
        self.install()
        self.install()
        image = self.image()
        number = self.map("disk", self.serve(servers.NbdKit, image))
        self.assertEqual(self.digest(number), sha256(image.read_bytes()))

    def test_uninstall_with_disks(self):
        self.install()
        numbers = [self.map(f"disk-{i}", self.serve(servers.NbdServer, self.image(name=f"image-{i}")))
                   for i in range(3)]
        self.client("uninstall-driver")
        for number in numbers:
            self.disktool("wait-gone", number, 10)
        self.install()
        self.assertEqual(self.mapped(), {})

    def test_uninstall_during_traffic(self):
        self.install()
        number = self.map("disk", self.serve(servers.NbdKit, self.image()))
        program = bed.Program(["disktool", str(number), "random", "--count", "20000", "--depth", "16",
                               "--expect-errors"])
        self.client("uninstall-driver", seconds=60)
        program.wait(60)
        self.install()
        self.assertEqual(self.mapped(), {})

    def test_uninstall_with_open_handles(self):
        # To a disk that is there, and to one that is gone and whose device still waits for them.
        self.install()
        server = self.serve(servers.NbdKit, self.image())
        self.hold(self.map("gone", server))
        self.unmap("gone", "--hard-disconnect")
        self.hold(self.map("there", server))
        self.client("uninstall-driver")
        self.install()
        self.assertEqual(self.mapped(), {})
        number = self.map("new", server)
        self.read(number, 0, 4096)

    def test_uninstall_without_the_driver(self):
        self.client("uninstall-driver")

    def test_no_such_inf(self):
        text = self.client("install-driver", "C:\\nowhere\\wnbd.inf", status=None).stderr
        self.assertIn("C:\\nowhere\\wnbd.inf", text)


if __name__ == "__main__":
    bed.main()
