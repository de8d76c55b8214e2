#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""wnbd.inf: what Windows wants of it, and that each of these rules would notice."""
import os
import pathlib
import subprocess
import unittest

import inf

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WNBD_BUILD", ROOT / "build"))


def read(path):
    return path.read_bytes().decode("ascii").replace("\r\n", "\n")


class ShippedInf(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.raw = (BUILD / "dist" / "wnbd.inf").read_bytes()
        cls.text = read(BUILD / "dist" / "wnbd.inf")
        cls.date = subprocess.run([ROOT / "tools" / "version", "--date"], check=True, capture_output=True,
                                  text=True).stdout.strip()

    def test_has_no_problem(self):
        self.assertEqual(inf.problems(self.text, self.date), [])

    def test_has_windows_line_ends(self):
        self.assertEqual(self.raw.count(b"\n"), self.raw.count(b"\r\n"))

    def broken(self, old, new, complaint):
        self.assertIn(old, self.text)
        found = inf.problems(self.text.replace(old, new), self.date)
        self.assertTrue(any(complaint in problem for problem in found), f"{complaint!r} not among {found}")

    def test_notices_an_open_device(self):
        self.broken("(A;;GA;;;BA)", "(A;;GA;;;BA)(A;;GRGW;;;WD)", "Security is not")

    def test_notices_an_unprotected_namespace(self):
        self.broken("DeviceCharacteristics,0x00010001,0x00000100", "DeviceCharacteristics,0x00010001,0x00000000",
                    "FILE_DEVICE_SECURE_OPEN")

    def test_notices_a_missing_decoration(self):
        self.broken("NTamd64.10.0...17763", "NTamd64", "not decorated")

    def test_notices_a_forbidden_directive(self):
        self.broken("[Wnbd_Files]", "DelReg = Wnbd_Files\n[Wnbd_Files]", "DelReg")

    def test_notices_a_forbidden_section(self):
        self.broken("[Strings]", "[ClassInstall32]\nAddReg = Wnbd_Device\n[Strings]", "classinstall32")

    def test_notices_a_write_outside_the_device(self):
        self.broken("HKR,Parameters,BusType", "HKLM,Parameters,BusType", "outside HKR")

    def test_notices_a_section_that_nobody_uses(self):
        self.broken("[Strings]", "[Wnbd_Spare]\nwnbd.sys\n[Strings]", "never used")

    def test_notices_a_section_that_is_missing(self):
        self.broken("[Wnbd_Parameters]", "[Wnbd_Parameter]", "named but missing")

    def test_notices_strings(self):
        self.broken("%Disk%", '"disk"', "never used")
        self.broken("%Device% =", "%Devices% =", "not defined")

    def test_notices_another_start_type(self):
        self.broken("StartType     = 3", "StartType     = 0", "StartType")

    def test_notices_another_bus(self):
        self.broken("BusType,0x00010001,0x0000000E", "BusType,0x00010001,0x00000006", "BusType")

    def test_notices_a_missing_timeout(self):
        self.broken("HKR,Parameters,IoTimeoutValue,0x00010001,60\n", "", "IoTimeoutValue")

    def test_notices_a_wrong_version(self):
        self.broken("DriverVer   = ", "DriverVer   = 1", "DriverVer")
        self.broken(inf.Inf(self.text).value("Version", "DriverVer"), "01/01/2020,0.0.0.0", "not all may be 0")

    def test_notices_missing_lockdown(self):
        self.broken("PnpLockdown = 1", "PnpLockdown = 0", "PnpLockdown")

    def test_notices_forms_that_are_not_allowed(self):
        self.broken('"WNBD"', '"WNBD\u00ae"', "outside ASCII")
        self.broken('"WNBD"', f'"{4096 * "W"}"', "4096 characters")
        self.broken("PnpLockdown = 1", "PnpLockdown = 1\nPnpLockdown = 1", "pnplockdown more than once")
        self.broken("[Strings]", "[Wnbd_Files]\nwnbd.sys\n[Strings]", "[wnbd_files] is there more than once")
        self.broken("StartType ", "LoadOrderGroup = SCSI Miniport\nStartType ", "LoadOrderGroup")

    def test_notices_files_outside_the_driver_store(self):
        self.broken("%13%\\wnbd.sys", "%12%\\wnbd.sys", "%12%")
        self.broken("DefaultDestDir = 13", "DefaultDestDir = 13\nWnbd_Files = 12", "more than the default directory")

    def test_notices_unknown_events(self):
        self.broken("{FFACC4E7", "{FFACC4E8", "AddEventProvider")
        self.broken("WNBD-Driver", "wnbd", "ProviderName")
        self.broken("ImportChannel = System", "ImportChannel = Application", "ImportChannel")

    def test_notices_another_directory(self):
        self.broken("DefaultDestDir = 13", "DefaultDestDir = 12", "DIRID 13")


class WineInf(unittest.TestCase):
    """The copy that Wine installs is the shipped file with two differences and no others."""

    def test_differs_only_where_wine_needs_it(self):
        shipped = read(BUILD / "dist" / "wnbd.inf").splitlines()
        wine = read(BUILD / "testbed" / "wnbd.inf").splitlines()
        added = "HKR,Parameters,SendWindow,0x00010001,1"
        self.assertIn(added, wine)
        self.assertNotIn(added, shipped)
        wine.remove(added)
        self.assertEqual([line.replace("NTamd64.10.0...17763", "NTamd64") for line in shipped], wine)


if __name__ == "__main__":
    unittest.main(verbosity=2)
