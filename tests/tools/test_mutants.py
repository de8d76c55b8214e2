#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tests/mutants and tools/mutants: each patch applies and is in the document, and what survives is said to have."""
import pathlib
import re
import subprocess
import tempfile
import unittest

from leftovers import ROOT

TOOL = ROOT / "tools" / "mutants"
PATCHES = sorted((ROOT / "tests" / "mutants").glob("*.patch"))

# A project of one function and one test, with what tools/mutants asks of a tree.
FILES = {
    "CMakeLists.txt": """\
cmake_minimum_required(VERSION 3.25)
project(toy C)
enable_testing()
add_executable(toy toy.c)
add_test(NAME unit.toy COMMAND toy)
add_test(NAME unit.broken COMMAND toy fail)
""",
    "CMakePresets.json": """\
{ "version": 6, "configurePresets": [
  { "name": "native-asan", "generator": "Ninja", "binaryDir": "${sourceDir}/build/native-asan" } ] }
""",
    ".gitignore": "build/\n",
    "toy.c": """\
#include <stdio.h>
static int Twice(int Number)
{
    return 2 * Number; /* twice */
}
int main(int Count, char **Arguments)
{
    (void)Arguments;
    if (Count > 1 || Twice(21) != 42) {
        printf("toy.c:10: failed: Twice(21) == 42\\nseed 7 failed, after 6 that did not. To repeat it:\\n");
        return 1;
    }
    return 0;
}
""",
}


def patch(new, old="    return 2 * Number; /* twice */", **head):
    lines = {"What": "a bug", "Kind": "toy", "Caught-by": "unit.toy", **head}
    return "".join(f"{key}: {value}\n" for key, value in lines.items() if value) + f"""\
--- a/toy.c
+++ b/toy.c
@@ -2,5 +2,5 @@
 static int Twice(int Number)
 {{
-{old}
+{new}
 }}
 int main(int Count, char **Arguments)
"""


class Project(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-mutants-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name, text in FILES.items():
            (self.root / name).write_text(text)
        (self.root / "tests" / "mutants").mkdir(parents=True)
        subprocess.run(["git", "init", "-q"], cwd=self.root, check=True)

    def mutants(self, patches, *arguments):
        for path in (self.root / "tests" / "mutants").iterdir():
            path.unlink()
        for name, text in patches.items():
            (self.root / "tests" / "mutants" / f"{name}.patch").write_text(text)
        return subprocess.run([TOOL, "--root", self.root, *arguments], capture_output=True, text=True)

    def test_caught(self):
        done = self.mutants({"thrice": patch("    return 3 * Number;"),
                             "nobody-named": patch("    return 4 * Number;", **{"Caught-by": None})})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("| nobody-named | toy | unit.toy: toy.c: Twice(21) == 42 | 7 |", done.stdout)
        self.assertIn("| thrice | toy | unit.toy: toy.c: Twice(21) == 42 | 7 |", done.stdout)
        self.assertEqual((self.root / "toy.c").read_text(), FILES["toy.c"])

    def test_survivor(self):
        done = self.mutants({"harmless": patch("    return Number * 2;"), "thrice": patch("    return 3 * Number;")})
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\| harmless \| toy \| SURVIVED passed: unit\.toy \|")
        self.assertIn("2 mutants: 1 caught, 1 survived, 0 could not be tried", done.stdout)

    def test_says(self):
        done = self.mutants({"thrice": patch("    return 3 * Number;", Says="another check")})
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("nothing says 'another check'", done.stdout)

    def test_trouble(self):
        done = self.mutants({"old": patch("    return 3 * Number;", old="    return Number + Number;"),
                             "syntax": patch("    return 3 *;"),
                             "broken": patch("    return 3 * Number;", **{"Caught-by": "unit.broken"})})
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"\| old \| toy \| ERROR the patch does not apply any more: ")
        self.assertRegex(done.stdout, r"\| syntax \| toy \| ERROR it does not compile: .*toy\.c:\d+:\d+: error: ")
        self.assertIn("| broken | toy | ERROR unit.broken fails without any bug |", done.stdout)
        self.assertIn("3 could not be tried", done.stdout)

    def test_check(self):
        done = self.mutants({"old": patch("    return 3 * Number;", old="    return Number + Number;"),
                             "thrice": patch("    return 3 * Number;")}, "--check")
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertIn("2 mutants, 1 apply", done.stdout)

    def test_unknown_name(self):
        self.assertNotEqual(self.mutants({"thrice": patch("    return 3 * Number;")}, "other").returncode, 0)


class Patches(unittest.TestCase):
    def test_each_applies(self):
        done = subprocess.run([TOOL, "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertGreaterEqual(len(PATCHES), 20)

    def test_each_is_in_the_document(self):
        text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
        table = text.partition("| mutant | ")[2].partition("\n\n")[0]
        self.assertEqual(re.findall(r"^\| ([\w-]+) \| [^|-]", table, re.M), [path.stem for path in PATCHES])
        self.assertNotIn("SURVIVED", table)
        self.assertNotIn("ERROR", table)


if __name__ == "__main__":
    unittest.main()
