#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The binaries as files: what the loader and memory integrity ask of a driver, what it imports, and what the
Properties page shows. Each rule is shown a broken image as well."""
import os
import pathlib
import re
import struct
import subprocess
import unittest

import pe

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WNBD_BUILD", ROOT / "build"))
DIST = BUILD / "dist"
ALLOWED = pathlib.Path(__file__).with_name("kernel_imports.txt")
VFT_APP, VFT_DLL, VFT_DRV = 1, 2, 3


def allowed_imports():
    allowed = {}
    for line in ALLOWED.read_text().splitlines():
        if line and not line.startswith("#"):
            library, name = line.split()[:2]
            allowed.setdefault(library, set()).add(name)
    return allowed


def import_problems(imports, allowed):
    for library, names in imports.items():
        if library not in allowed:
            yield f"imports from {library}"
        else:
            for name in set(names) - allowed[library]:
                yield (f"imports {library}!{name}: if its documentation says that Windows 10 1809 has it, add it to "
                       f"{ALLOWED.name}; if not, look it up at run time")


def layout_problems(image):
    """Implement memory integrity compatible code; Code integrity checking 0x2000 to 0x2005; /DYNAMICBASE, /NXCOMPAT."""
    if image.machine != 0x8664:
        yield "is not x64"
    if image.subsystem != 1:
        yield "is not a native image"
    if image.section_alignment % 0x1000:
        yield "has sections that share a page"
    for section in image.sections:
        if section.flags & pe.EXECUTE and section.flags & pe.WRITE:
            yield f"has a section that is writable and executable: {section.name}"
    address, size = image.directory(pe.IAT_DIRECTORY)
    if size and image.section_at(address).flags & pe.EXECUTE:
        yield "has its import address table in an executable section"
    if not image.dll_characteristics & pe.DYNAMIC_BASE:
        yield "cannot be relocated"
    if not image.dll_characteristics & pe.NX_COMPAT:
        yield "is not NX compatible"
    if image.characteristics & pe.FILE_DLL or not image.dll_characteristics & pe.WDM_DRIVER:
        yield "is not what /DRIVER:WDM makes"
    if image.checksum != image.computed_checksum():
        yield f"has the checksum {image.checksum:#x}, not {image.computed_checksum():#x}"


def register_problems(disassembly):
    """Floating point in a WDM driver: only XMM is saved by the system; x87, MMX and AVX state isn't."""
    for line in disassembly.splitlines():
        if match := re.search(r"%(ymm|zmm|st\(|mm[0-7]|k[0-7]\b)|\b(fld|fst|emms|vzeroupper)\b", line):
            yield f"uses {match.group(0)}: {line.strip()}"


class Driver(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.path = DIST / "wnbd.sys"
        cls.image = pe.Image(cls.path.read_bytes())

    def changed(self, change):
        data = bytearray(self.image.data)
        change(data)
        return list(layout_problems(pe.Image(data)))

    def test_layout(self):
        self.assertEqual(list(layout_problems(self.image)), [])

    def test_imports_only_what_windows_10_1809_exports(self):
        self.assertEqual(list(import_problems(self.image.imports(), allowed_imports())), [])

    def test_every_allowed_import_is_used(self):
        imports = self.image.imports()
        unused = [f"{library}!{name}" for library, names in allowed_imports().items()
                  for name in names if name not in imports.get(library, [])]
        self.assertEqual(unused, [])

    def test_uses_only_registers_that_windows_saves(self):
        text = subprocess.run(["llvm-objdump-19", "-d", "--no-show-raw-insn", self.path], check=True,
                              capture_output=True, text=True).stdout
        self.assertIn("ret", text)
        self.assertEqual(list(register_problems(text)), [])

    def test_notices_a_foreign_import(self):
        self.assertTrue(list(import_problems({"msvcrt.dll": ["printf"]}, allowed_imports())))
        self.assertTrue(list(import_problems({"ntoskrnl.exe": ["ExAllocatePool2"]}, allowed_imports())))

    def test_notices_avx(self):
        self.assertTrue(list(register_problems("  140001000: vmovdqu (%rax), %ymm0")))
        self.assertEqual(list(register_problems("  140001000: movups (%rax), %xmm0")), [])

    def test_notices_a_writable_executable_section(self):
        table = self.image.optional + struct.unpack_from("<H", self.image.data, self.image.optional - 4)[0]
        found = self.changed(lambda data: struct.pack_into("<I", data, table + 36, pe.EXECUTE | pe.WRITE))
        self.assertTrue(any("writable and executable" in problem for problem in found), found)

    def test_notices_a_wrong_checksum(self):
        found = self.changed(lambda data: struct.pack_into("<I", data, self.image.optional + 64, 0))
        self.assertTrue(any("checksum" in problem for problem in found), found)

    def test_notices_missing_flags(self):
        found = self.changed(lambda data: struct.pack_into("<H", data, self.image.optional + 70, 0))
        self.assertTrue(any("relocated" in problem for problem in found), found)
        self.assertTrue(any("NX" in problem for problem in found), found)
        self.assertTrue(any("/DRIVER:WDM" in problem for problem in found), found)


class Versions(unittest.TestCase):
    """What Properties, Details shows is what `wnbd-client -v` prints."""

    @classmethod
    def setUpClass(cls):
        cls.text = subprocess.run([ROOT / "tools" / "version"], check=True, capture_output=True,
                                  text=True).stdout.strip()

    def check(self, name, kind):
        version = pe.Image((DIST / name).read_bytes()).version()
        self.assertEqual(version.get("FileVersion"), self.text)
        self.assertEqual(version.get("ProductVersion"), self.text)
        self.assertEqual(version.get("OriginalFilename"), name)
        self.assertEqual(version.get("ProductName"), "Windows Network Block Device (WNBD)")
        self.assertTrue(version.get("FileDescription"))
        self.assertEqual(version["type"], kind)
        base, _, rest = self.text.partition("-")
        numbers = tuple(int(part) for part in base.split(".")) + (int(rest.split("-")[0]) if rest else 0,)
        self.assertEqual(version["numbers"], [numbers, numbers])

    def test_driver(self):
        self.check("wnbd.sys", VFT_DRV)

    def test_library(self):
        self.check("libwnbd.dll", VFT_DLL)

    def test_client(self):
        self.check("wnbd-client.exe", VFT_APP)


class Symbols(unittest.TestCase):
    """Every image that ships has its PDB beside it and names it without a folder."""

    def test_every_image_has_its_pdb(self):
        images = [path for path in DIST.iterdir() if path.suffix in (".sys", ".dll", ".exe")]
        self.assertEqual(len(images), 3)
        for path in images:
            with self.subTest(image=path.name):
                pdb = path.with_suffix(".pdb")
                self.assertTrue(pdb.exists())
                name = re.search(rb"RSDS.{20}([^\0]*)\0", path.read_bytes(), re.S).group(1).decode()
                self.assertEqual(name, pdb.name)

    def test_nothing_names_the_folder_it_was_built_in(self):
        for path in DIST.iterdir():
            if path.suffix in (".sys", ".dll", ".exe", ".pdb", ".a"):
                named = str(ROOT).encode() in path.read_bytes()
                self.assertFalse(named, f"{path.name} names {ROOT}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
