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
# What the compiler lets pass (-Wframe-larger-than), and the registers that it saves besides.
FRAME_BYTES_MAX = 1024 + 128
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


def image_problems(image):
    """What every image has to be (/DYNAMICBASE, /HIGHENTROPYVA, /NXCOMPAT, /GUARD, /RELEASE)."""
    if image.machine != 0x8664:
        yield "is not x64"
    if image.section_alignment % 0x1000 or any(section.address % 0x1000 for section in image.sections):
        yield "has sections that share a page"
    for section in image.sections:
        if section.flags & pe.EXECUTE and section.flags & pe.WRITE:
            yield f"has a section that is writable and executable: {section.name}"
    address, size = image.directory(pe.IAT_DIRECTORY)
    if size and image.section_at(address).flags & pe.EXECUTE:
        yield "has its import address table in an executable section"
    if not image.dll_characteristics & pe.DYNAMIC_BASE:
        yield "cannot be relocated"
    if not image.dll_characteristics & pe.HIGH_ENTROPY_VA:
        yield "cannot be relocated above 4 GiB"
    if not image.dll_characteristics & pe.NX_COMPAT:
        yield "is not NX compatible"
    if image.dll_characteristics & pe.GUARD_CF and not image.guards_control_flow():
        yield "claims control flow guard and has none"
    if image.checksum != image.computed_checksum():
        yield f"has the checksum {image.checksum:#x}, not {image.computed_checksum():#x}"


def driver_problems(image):
    """Implement memory integrity compatible code; Code integrity checking 0x2000 to 0x2005; /DRIVER:WDM; x64 exception
    handling: a function that calls another or moves the stack pointer has unwind data."""
    yield from image_problems(image)
    if image.subsystem != 1:
        yield "is not a native image"
    if image.characteristics & pe.FILE_DLL or not image.dll_characteristics & pe.WDM_DRIVER:
        yield "is not what /DRIVER:WDM makes"
    for section in image.sections:
        if section.name.startswith("PAGE"):
            yield f"has pageable code or data, {section.name}: no test sees it touched at DISPATCH_LEVEL"
    functions = list(image.functions())
    if not functions:
        yield "has no unwind data"
    for begin, _, frame in functions:
        if frame > FRAME_BYTES_MAX:
            yield f"has a frame of {frame} bytes at {begin:#x}: the kernel's stack has 24 KiB for everybody"


def unwind_problems(image, disassembly):
    functions = [(begin, end) for begin, end, _ in image.functions()]
    for line in disassembly.splitlines():
        if match := re.match(r"\s*([0-9a-f]+):\s+callq?\b", line):
            address = int(match.group(1), 16) - image.base
            if not any(begin <= address < end for begin, end in functions):
                yield f"calls from a function without unwind data: {line.strip()}"


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

        cls.disassembly = subprocess.run(["llvm-objdump-19", "-d", "--no-show-raw-insn", cls.path], check=True,
                                         capture_output=True, text=True).stdout

    def check_changed(self, offset, layout, value, *complaints):
        """The image with one value changed is complained about."""
        data = bytearray(self.image.data)
        struct.pack_into(f"<{layout}", data, offset, value)
        found = list(driver_problems(pe.Image(data)))
        for complaint in complaints:
            self.assertTrue(any(complaint in problem for problem in found), f"{complaint!r} not among {found}")

    def test_layout(self):
        self.assertEqual(list(driver_problems(self.image)), [])

    def test_unwind_data(self):
        self.assertIn("call", self.disassembly)
        self.assertEqual(list(unwind_problems(self.image, self.disassembly)), [])

    def test_imports_only_what_windows_10_1809_exports(self):
        self.assertEqual(list(import_problems(self.image.imports(), allowed_imports())), [])

    def test_every_allowed_import_is_used(self):
        imports = self.image.imports()
        unused = [f"{library}!{name}" for library, names in allowed_imports().items()
                  for name in names if name not in imports.get(library, [])]
        self.assertEqual(unused, [])

    def test_uses_only_registers_that_windows_saves(self):
        self.assertIn("ret", self.disassembly)
        self.assertEqual(list(register_problems(self.disassembly)), [])

    def test_notices_a_foreign_import(self):
        self.assertTrue(list(import_problems({"msvcrt.dll": ["printf"]}, allowed_imports())))
        self.assertTrue(list(import_problems({"ntoskrnl.exe": ["ExAllocatePool2"]}, allowed_imports())))
        self.assertTrue(list(import_problems({"ntoskrnl.exe": ["__chkstk"]}, allowed_imports())))

    def test_notices_avx(self):
        self.assertTrue(list(register_problems("  140001000: vmovdqu (%rax), %ymm0")))
        self.assertEqual(list(register_problems("  140001000: movups (%rax), %xmm0")), [])

    def test_notices_wrong_headers(self):
        optional = self.image.optional
        self.check_changed(optional - 20, "H", 0x14C, "x64")
        self.check_changed(optional + 32, "I", 0x200, "share a page")
        self.check_changed(optional + 68, "H", 3, "native")
        self.check_changed(optional + 64, "I", 0, "checksum")
        self.check_changed(optional + 70, "H", 0, "relocated", "above 4 GiB", "NX", "/DRIVER:WDM")
        self.check_changed(optional + 70, "H", self.image.dll_characteristics | pe.GUARD_CF, "control flow guard")
        self.check_changed(optional - 2, "H", self.image.characteristics | pe.FILE_DLL, "/DRIVER:WDM")

    def test_notices_wrong_sections(self):
        table = self.image.table
        self.check_changed(table + 36, "I", pe.EXECUTE | pe.WRITE, "writable and executable")
        self.check_changed(table + 12, "I", self.image.sections[0].address + 0x200, "share a page")
        self.check_changed(table, "4s", b"PAGE", "pageable")
        place = self.image.section_at(self.image.directory(pe.IAT_DIRECTORY)[0])
        header = table + 40 * self.image.sections.index(place)
        self.check_changed(header + 36, "I", place.flags | pe.EXECUTE, "import address table")

    def test_notices_missing_unwind_data(self):
        directory = self.image.optional + 112 + 8 * pe.EXCEPTION_DIRECTORY
        self.check_changed(directory + 4, "I", 0, "no unwind data")
        self.assertTrue(list(unwind_problems(self.image, f"{self.image.base + 0xFFFFFF:x}: callq 0x140001000")))

    def test_notices_large_frames(self):
        self.assertEqual(pe.frame_bytes(bytes.fromhex("01 08 02 00 08 72 04 50")), 8 * 7 + 8 + 8)
        self.assertEqual(pe.frame_bytes(bytes.fromhex("01 08 04 00 08 01 00 01 04 68 02 00")), 8 * 0x100)
        self.assertEqual(pe.frame_bytes(bytes.fromhex("01 08 03 00 08 11 00 00 01 00")), 0x10000)
        unwind, = struct.unpack_from("<I", self.image.data, self.image.offset(
            self.image.directory(pe.EXCEPTION_DIRECTORY)[0]) + 8)
        data = bytearray(self.image.data)
        start = self.image.offset(unwind)
        data[start:start + 8] = bytes.fromhex("01 08 02 00 08 01 00 10")
        found = list(driver_problems(pe.Image(data)))
        self.assertTrue(any("a frame of 32768 bytes" in problem for problem in found), found)


class Programs(unittest.TestCase):
    """The library and the client; Driver has the proof that image_problems finds what it looks for."""

    def test_layout(self):
        for name in ("libwnbd.dll", "wnbd-client.exe"):
            with self.subTest(image=name):
                self.assertEqual(list(image_problems(pe.Image((DIST / name).read_bytes()))), [])


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
