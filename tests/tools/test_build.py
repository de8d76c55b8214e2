#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What `make` leaves in build/dist and build/testbed, and how everything is compiled."""
import json
import os
import pathlib
import re
import shlex
import subprocess
import unittest

from leftovers import ROOT

BUILD = ROOT / "build"
DIST = {
    "wnbd.sys", "wnbd.pdb", "wnbd.inf", "wnbd.cat", "wnbd.man", "libwnbd.dll", "libwnbd.pdb", "libwnbd.a",
    "wnbd-client.exe", "wnbd-client.pdb", "include/wnbd.h", "include/wnbd_ioctl.h", "include/wnbd_stats.h",
    "6e1bd93c-84c7-4e0a-b25d-3f1a906c5e27.tmf"}
TESTBED = {
    "storport.sys", "storport.pdb", "wnbddisk.sys", "wnbddisk.pdb", "wnbddisk.inf", "wnbd.inf", "disktool.exe",
    "disktool.pdb"}


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def compilations(tree):
    text = subprocess.run(["ninja", "-C", BUILD / tree, "-t", "compdb"], check=True, capture_output=True,
                          text=True, timeout=60).stdout
    for entry in json.loads(text[text.index("["):]):
        words = shlex.split(entry["command"])
        if "-c" in words and entry["file"].endswith(".c"):
            yield pathlib.Path(entry["file"]), words


class Contents(unittest.TestCase):
    def test_dist_is_what_ships(self):
        self.assertEqual(files(BUILD / "dist"), DIST)

    def test_testbed_has_the_windows_half(self):
        self.assertEqual(TESTBED - files(BUILD / "testbed"), set())

    def test_headers_are_the_public_ones(self):
        for name in ("wnbd.h", "wnbd_ioctl.h", "wnbd_stats.h"):
            self.assertEqual((BUILD / "dist" / "include" / name).read_bytes(), (ROOT / "include" / name).read_bytes())


class Compilers(unittest.TestCase):
    def check(self, tree, compiler):
        compiled = list(compilations(tree))
        self.assertGreater(len(compiled), 40)
        for source, words in compiled:
            with self.subTest(source=source.name):
                self.assertEqual(pathlib.Path(words[0]).name, compiler)
                for option in ("-Wall", "-Wextra", "-Werror"):
                    self.assertIn(option, words)
                self.assertFalse([word for word in words if word.startswith("-Wno-error")])

    def test_warnings_are_errors_for_windows(self):
        self.check("windows-release", "clang-19")

    def test_warnings_are_errors_natively(self):
        self.check("native-asan", "clang-19")

    def test_native_tests_run_under_sanitizers(self):
        for source, words in compilations("native-asan"):
            self.assertTrue(any(word.startswith("-fsanitize=address") for word in words), source)


class Core(unittest.TestCase):
    """core/ needs nothing of any system: no allocation, no I/O, no clock."""

    # What a compiler may call by itself, and the sanitizers.
    ALLOWED = re.compile(r"mem(cpy|set|move|cmp|chr)|str(len|cmp)|__(asan|ubsan)_\w+|_GLOBAL_OFFSET_TABLE_")

    def test_it_calls_only_itself(self):
        defined, undefined = set(), set()
        for part in ("base", "nbd", "scsi"):
            library = BUILD / "native-asan" / "core" / f"libcore_{part}.a"
            text = subprocess.run(["llvm-nm-19", library], check=True, capture_output=True, text=True).stdout
            for kind, name in re.findall(r"(?m) (\w) (\S+)$", text):
                (undefined if kind == "U" else defined).add(name)
        self.assertIn("NbdReceive", defined)
        self.assertEqual([name for name in sorted(undefined - defined) if not self.ALLOWED.fullmatch(name)], [])


class Entry(unittest.TestCase):
    """make, make demo, make test and .ci/run."""

    def commands(self, *words):
        # This test itself runs under `make test`, whose variables make a make below it say more.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(["make", "-n", *words], cwd=ROOT, env=environment, check=True, capture_output=True,
                              text=True, timeout=60).stdout.split()

    def test_make_is_thin(self):
        self.assertEqual(self.commands(), ["tools/build"])
        self.assertEqual(self.commands("demo"), ["tools/demo"])
        self.assertEqual(self.commands("test"), ["tools/run-tests"])
        self.assertEqual(self.commands("dist"), ["tools/dist"])
        self.assertEqual(self.commands("dist", "SIGN=test"), ["tools/dist", "--test"])
        self.assertEqual(self.commands("dist", "SIGN=--key k"), ["tools/dist", "--key", "k"])

    def test_continuous_integration_runs_the_tests(self):
        self.assertIn("exec make test\n", (ROOT / ".ci" / "run").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
