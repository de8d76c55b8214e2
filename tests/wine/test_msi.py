#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The installer: installed, upgraded and removed under Wine, with the driver and the tools working from where it puts
them. Wine gets its own wnbd.inf (packaging/make-inf); the rest is what ships.

Usage: tools/wine-env --bare python3 tests/wine/test_msi.py
"""
import os
import pathlib
import re
import shutil
import subprocess
import time

import bed
from bed import ROOT, servers, sha256

INSTALLED = "C:\\Program Files\\WNBD"
ENVIRONMENT = r"HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment"
SERVICE = r"HKLM\SYSTEM\CurrentControlSet\Services\wnbd-mappings"
UNINSTALL = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall"


class Installer(bed.Case):
    def setUp(self):
        super().setUp()
        self.drive = pathlib.Path(os.environ["WINEPREFIX"]) / "drive_c"
        self.place = self.drive / "Program Files" / "WNBD"
        # Part of the system on Windows; the test bed's has what Wine's lacks.
        system = self.drive / "windows" / "system32" / "cfgmgr32.dll"
        system.unlink()
        shutil.copy(ROOT / "build" / "testbed" / "cfgmgr32.dll", system)

    def msi(self, version, broken=False):
        """An installer of that version; a broken one has a driver that does not start."""
        tree = self.folder / version
        (tree / "tools").mkdir(parents=True)
        (tree / "packaging").mkdir()
        shutil.copy(ROOT / "tools" / "make-msi", tree / "tools")
        shutil.copy(ROOT / "packaging" / "wnbd.wxs", tree / "packaging")
        script = tree / "tools" / "version"
        script.write_text(f'#!/bin/sh\n[ "$#" = 0 ] && echo {version} || echo 2026-03-04 05 06 07\n')
        script.chmod(0o755)
        files = tree / "files"
        shutil.copytree(ROOT / "build" / "dist", files)
        shutil.copy(ROOT / "build" / "testbed" / "wnbd.inf", files)
        for name in ("README.md", "CHANGELOG.md", "LICENSE"):
            shutil.copy(ROOT / name, files)
        if broken:
            (files / "wnbd.sys").write_bytes(b"no driver")
        output = tree / "wnbd.msi"
        subprocess.run([tree / "tools" / "make-msi", files, output], check=True, timeout=60)
        return output

    def msiexec(self, *words, status=0):
        log = self.folder / "msi.log"
        done = bed.Program(["wine", "msiexec", *words, "/qn", "/l*v", self.windows(log)]).wait(180)
        text = log.read_text(encoding="utf-16-le", errors="replace") if log.exists() else ""
        check = self.assertEqual if status == 0 else self.assertNotEqual
        check(done.status, 0, f"{done}\n{text}")

    def installed(self, *words):
        """Runs the installed wnbd-client."""
        done = bed.Program(["wine", f"{INSTALLED}\\wnbd-client.exe", *words]).wait()
        self.assertEqual(done.status, 0, str(done))
        return done.stdout

    def registry(self, *words):
        return bed.Program(["wine", "reg", "query", *words]).wait().stdout

    def path(self):
        """The machine's PATH as a list. (Wine leaves an empty entry behind.)"""
        text = re.search(r"(?im)^\s*PATH\s+REG_\w+\s+(.*)$", self.registry(ENVIRONMENT, "/v", "PATH")).group(1)
        return [part.rstrip("\\") for part in text.strip().split(";") if part]

    def products(self):
        """The versions of WNBD that Windows lists."""
        text = self.registry(UNINSTALL, "/s")
        return [re.search(r"DisplayVersion\s+REG_SZ\s+(\S+)", part).group(1) for part in text.split("\n\n")
                if "Windows Network Block Device (WNBD)" in part]

    def services(self):
        """The command line of the service, if there is one."""
        return re.findall(r"ImagePath\s+REG_\w+\s+(.*?)\r?\n", self.registry(SERVICE))

    def test_life(self):
        before = self.path()
        first, second = self.msi("0.3.0-7-g1234567"), self.msi("0.3.1")
        self.msiexec("/i", self.windows(first))
        self.assertEqual({path.name for path in self.place.iterdir()}, {
            "wnbd-client.exe", "libwnbd.dll", "wnbd.sys", "wnbd.inf", "wnbd.cat", "README.md", "CHANGELOG.md",
            "LICENSE"})
        self.assertEqual(self.path(), [*before, INSTALLED])
        self.assertEqual(self.products(), ["0.3.7"])
        self.assertIn("wnbd.sys: ", self.installed("version"))

        image = self.image()
        server = self.serve(servers.NbdKit, image)
        self.installed("map", "disk", "127.0.0.1", "--port", str(server.port), "--export-name", server.export)
        number = int(self.mapped()["disk"]["DiskNumber"])
        self.disktool("wait", number, 10)
        self.assertEqual(self.digest(number), sha256(image.read_bytes()))

        # An upgrade takes the old driver, and with it the disk, away; and has no service where there was none.
        self.msiexec("/i", self.windows(second))
        self.assertEqual(self.products(), ["0.3.1000"])
        self.assertEqual(self.path(), [*before, INSTALLED])
        self.assertEqual(self.mapped(), {})
        self.assertEqual(self.services(), [])
        self.assertIn("wnbd.sys: ", self.installed("version"))
        self.msiexec("/i", self.windows(first), status=None)
        self.assertEqual(self.products(), ["0.3.1000"])

        self.msiexec("/x", self.windows(second))
        self.assertFalse(self.place.exists())
        self.assertEqual(self.path(), before)
        self.assertEqual(self.products(), [])
        self.assertIn("driver is not installed", self.client("list", status=None).stderr)

    def test_service(self):
        """It goes with the product, and comes back with an upgrade, and so does what it maps."""
        first, second = self.msi("0.3.0-7-g1234567"), self.msi("0.3.1")
        self.msiexec("/i", self.windows(first))
        server = self.serve(servers.NbdKit, self.image())
        self.installed("service", "install")
        self.installed("map", "disk", "127.0.0.1", "--port", str(server.port), "--export-name", server.export,
                       "--persistent")
        self.msiexec("/i", self.windows(second))
        self.assertEqual(self.products(), ["0.3.1000"])
        self.assertEqual(self.services(), [f'"{INSTALLED}\\wnbd-client.exe" service run'])
        limit = time.monotonic() + 60
        while "disk" not in self.mapped():
            self.assertLess(time.monotonic(), limit, "the disk is not mapped again")
            time.sleep(0.2)
        self.msiexec("/x", self.windows(second))
        self.assertEqual(self.services(), [])
        self.assertFalse(self.place.exists())

    def test_a_driver_that_does_not_start(self):
        self.msiexec("/i", self.windows(self.msi("0.3.0", broken=True)), status=None)
        self.assertEqual(self.products(), [])
        self.assertIn("driver is not installed", self.client("list", status=None).stderr)


if __name__ == "__main__":
    bed.main(280)
