#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Driver packages that can't be installed: what the user reads, and that nothing of them is left. A driver that does
not know what the library asks.

Usage: tools/wine-env --bare python3 tests/wine/test_packages.py
"""
import os
import pathlib
import re
import shutil
import subprocess

import bed
from bed import ROOT

# Wine needs an .inf of its own; which files belong to it is the same.
SOURCES = {"wnbd.inf": ROOT / "build" / "testbed", "wnbd.sys": ROOT / "build" / "dist"}


class Packages(bed.Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: bed.Program(["wnbd-client", "uninstall-driver"]).wait())

    def package(self, *files):
        """A folder with these files of the real package; returns it and the .inf as Windows sees it."""
        folder = self.folder / "package"
        folder.mkdir()
        for name in files:
            shutil.copy(SOURCES[name] / name, folder)
        return folder, self.windows(folder / "wnbd.inf")

    def traces(self):
        """What an installed driver would leave: packages, the service, the device."""
        windows = pathlib.Path(os.environ["WINEPREFIX"]) / "drive_c" / "windows"
        found = [path.name for path in (windows / "inf").glob("oem*.inf")]
        found += [path.name for path in (windows / "system32" / "drivers").glob("wnbd.sys")]
        for key in (r"Services\wnbd", r"Enum\ROOT\SCSIADAPTER"):
            done = bed.Program(["wine", "reg", "query", rf"HKLM\System\CurrentControlSet\{key}", "/s"]).wait()
            found += re.findall(r"(?im)^HKEY.*\\(?:wnbd|SCSIADAPTER\\\w+)$", done.stdout)
        return found

    def refused(self, code, cause, inf):
        done = self.client("install-driver", inf, status=code & 0xFF or 1)  # Wine: a failure stays one
        self.assertEqual((done.stdout, done.stderr),
                         ("", f"wnbd-client: cannot install the driver from {inf}: {cause}\n"), str(done))
        self.assertEqual(self.traces(), [])

    def test_traces_are_seen(self):
        self.client("install-driver", os.environ["WNBD_INF"])
        self.assertNotEqual(self.traces(), [])
        self.client("uninstall-driver")
        self.assertEqual(self.traces(), [])

    def test_a_file_that_is_no_inf(self):
        folder, inf = self.package("wnbd.sys")
        (folder / "wnbd.inf").write_text("hello\n")
        self.refused(0xE0000000, "the file is not an INF (give the path of wnbd.inf)", inf)

    def test_an_inf_of_another_device(self):
        folder, inf = self.package("wnbd.sys", "wnbd.inf")
        text = (folder / "wnbd.inf").read_bytes()
        (folder / "wnbd.inf").write_bytes(text.replace(b"root\\wnbd", b"root\\other"))
        self.refused(259, "the file has no driver for the WNBD adapter (give the path of wnbd.inf)", inf)

    def test_a_driver_that_is_missing(self):
        _, inf = self.package("wnbd.inf")
        self.refused(2, "a file that belongs to it is missing (keep wnbd.sys and wnbd.cat beside wnbd.inf)", inf)
        done = self.client("install-driver", "--debug", inf, status=2)
        self.assertRegex(done.stderr, r"cannot install \S+\\wnbd\.inf: \S+\\wnbd\.sys is missing")

    def test_a_driver_that_does_not_start(self):
        folder, inf = self.package("wnbd.inf")
        (folder / "wnbd.sys").write_bytes(b"no driver")
        self.refused(4319, "the adapter does not start with this driver (is the driver signed, or test signing on? "
                     "--debug shows the adapter's problem code; 52 is the signature)", inf)

    def build(self, tree, version):
        """The driver from a copy of the sources as that version, which knows no command 64."""
        (tree / "VERSION").write_text(version + "\n")
        for command in (["cmake", "--preset", "windows-release"],
                        ["ninja", "-C", "build/windows-release", "driver/wnbd.sys"]):
            done = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return tree / "build" / "windows-release" / "driver" / "wnbd.sys"

    def test_drivers_of_other_versions(self):
        tree = self.folder / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build"))
        header = tree / "include" / "wnbd_ioctl.h"
        text, count = re.subn(r"(?m)^(#define IOCTL_WNBD_CREATE_EX) 64$", r"\1 63", header.read_text(encoding="utf-8"))
        self.assertEqual(count, 1)
        header.write_text(text, encoding="utf-8")
        folder, inf = self.package("wnbd.inf")
        library = self.client("version", status=None).stdout.split()[3]
        for version, order in (("0.0.9", "older"), ("9.0.0", "newer")):
            with self.subTest(version=version):
                shutil.copy(self.build(tree, version), folder)
                self.client("install-driver", inf)
                self.assertIn(f"wnbd.sys: {version}\n", self.client("version").stdout)
                done = self.client("map", "foo", "127.0.0.1", "--debug", status=1)
                self.assertIn(f"wnbd-client: cannot map foo: wnbd.sys {version} is {order} than libwnbd.dll {library} "
                              "(use libwnbd.dll and wnbd.sys of the same version)\n", done.stderr)
                self.assertIn("the driver refused the request: ", done.stderr)
                self.assertEqual(self.mapped(), {})
                self.client("uninstall-driver")


if __name__ == "__main__":
    bed.main(240)
