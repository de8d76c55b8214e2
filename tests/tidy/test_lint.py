#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What tools/lint checks with (.clang-tidy) finds what it is there for, and leaves alone what is as it should be."""
import pathlib
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLEAN = """#include <stddef.h>
int CountOf(const int *Values, size_t Length);
int CountOf(const int *Values, size_t Length)
{
    int Count = 0;
    for (size_t Index = 0; Index < Length; Index++) {
        Count += Values[Index];
    }
    return Count;
}
"""


class Rules(unittest.TestCase):
    def findings(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "one.c")
            path.write_text(text)
            return subprocess.run(["clang-tidy-19", "--quiet", f"--config-file={ROOT / '.clang-tidy'}", str(path), "--",
                                   "-std=c11"], capture_output=True, text=True, check=False)

    def check(self, text, name):
        done = self.findings(text)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(name, done.stdout)

    def test_a_clean_file(self):
        done = self.findings(CLEAN)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_the_analyzer(self):
        body = "    int *First = NULL;\n    if (Length == 1) {\n        *First = 1;\n    }\n    return *Values;\n}\n"
        self.check(CLEAN[:CLEAN.index("    int Count")] + body, "clang-analyzer-core.NullDereference")
        self.check(CLEAN.replace("int Count = 0;", "int Count;"), "clang-analyzer-core")

    def test_names(self):
        for name, other in (("CountOf", "count_of"), ("Values", "values"), ("Index", "index_of"), ("Length", "length")):
            self.check(CLEAN.replace(name, other), "readability-identifier-naming")

    def test_groups(self):
        self.check(CLEAN.replace("Count += Values[Index]", "Count += Values[Index] == Values[Index]"), "misc-redundant")
        self.check(CLEAN.replace("return Count;", "return Length == 3 ? Count : Count;"), "bugprone-branch-clone")
        self.check(CLEAN.replace("Length)\n{", "Size)\n{").replace("< Length", "< Size"),
                   "readability-inconsistent-declaration-parameter-name")


if __name__ == "__main__":
    unittest.main(verbosity=2)
