#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/lint finds what it is there for, in each source and between them, and leaves alone what is as it should be."""
import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOADER = importlib.machinery.SourceFileLoader("lint", str(ROOT / "tools" / "lint"))
lint = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint", LOADER))
LOADER.exec_module(lint)
lint.HEADERS = ".*"
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
    def findings(self, *texts):
        with tempfile.TemporaryDirectory() as sources, tempfile.TemporaryDirectory() as folder:
            paths = [pathlib.Path(sources, f"{number}.c") for number in range(len(texts))]
            commands = {}
            for path, text in zip(paths, texts):
                path.write_text(text)
                commands[path] = {"directory": folder, "file": str(path), "command": f"clang-19 -std=c11 -c {path}"}
            return lint.check(paths, commands, folder)

    def check(self, text, name):
        self.assertIn(name, self.findings(text))

    def test_a_clean_file(self):
        self.assertEqual(self.findings(CLEAN), "")

    def test_two_sources(self):
        """The second calls a function of the first with what it can't bear."""
        caller = "int CountOfNothing(void);\nint CountOfNothing(void)\n{\n    return CountOf(NULL, 1);\n}\n"
        self.assertIn("clang-analyzer-core.NullDereference", self.findings(CLEAN, caller))

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
