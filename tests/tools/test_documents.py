#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What people read: that the documents lead somewhere and say what they must."""
import pathlib
import re
import subprocess
import tempfile
import unittest

from leftovers import ROOT

SCREEN_LINES = 25
# Folders and files of the project that this one succeeds; whoever looks for one of them finds it in README's table.
EARLIER = ("Dockerfile", "driver/", "include/", "ksocket_wsk/", "wnbd-client/", "libwnbd/", "vstudio/", "LICENSE",
           "SubmittingPatches.rst")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


class Readme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = read("README.md")

    def test_first_screen(self):
        screen = "\n".join(self.text.splitlines()[:SCREEN_LINES])
        for words in ("Network Block Device", "It is for", "make demo", "make test", "build/dist", "tools/wine-env",
                      "exercised under Wine and not yet on Windows"):
            self.assertIn(words, screen)

    def test_table_has_every_folder_of_old(self):
        rows = re.findall(r"(?m)^\| ([^|]*) \| ([^|]*) \| [^|]* \|$", self.text)
        earlier = {name: here for names, here in rows for name in re.findall(r"`([^`]+)`", names)}
        for name in EARLIER:
            self.assertTrue(earlier.get(name), f"README does not say where {name} went")

    def test_errors_are_those_that_people_read(self):
        """Each text of "When something fails" is in an error that a test expects of wnbd-client."""
        section = self.text.split("## When something fails\n")[1].split("\n## ")[0]
        texts = re.findall(r"(?m)^\| `([^`]+)` \|", section)
        self.assertGreater(len(texts), 10)
        expected = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "cli").glob("*.test"))
        errors = [line for line in expected.splitlines() if line.startswith("wnbd-client: ")]
        for text in texts:
            self.assertTrue(any(text in line for line in errors), f"no error says: {text}")

    def test_options_are_those_of_the_driver(self):
        section = self.text.split("### Driver options\n")[1].split("\n## ")[0]
        rows = re.findall(r"OPTION\((\w+), (\w+), (\w+), (\w+), (\w+), (\w+)\)", read("core/base/option_table.h"))
        self.assertEqual(len(rows), 10)
        shown = re.findall(r"(?m)^    (\w+) +: (\w+) \(Default: (\w+)\)$", section)
        described = {name: (values, effect) for names, values, effect in
                     re.findall(r"(?m)^\| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", section)
                     for name in re.findall(r"`(\w+)`", names)}
        bools = {"0": "false", "1": "true"}
        self.assertEqual(shown, [(name, *[bools[default] if kind == "Bool" else default] * 2)
                                 for name, kind, default, *_ in rows])
        self.assertEqual(set(described), {row[0] for row in rows})
        for name, kind, _, least, most, effect in rows:
            values, words = described[name]
            self.assertEqual(values, "`true`, `false`" if kind == "Bool" else f"{least} to {most}", name)
            self.assertEqual("from the adapter's next start" in words, effect == "AT_START", name)

    def test_commands_exist(self):
        client = read("wnbd-client/commands.c")
        for command in set(re.findall(r"wnbd-client(?:\.exe)? ([a-z][a-z-]+)", self.text)) - {"help"}:
            self.assertIn(f'"{command}"', client)

    def test_examples_build_as_described(self):
        """Each folder by itself, of what ships; wine.programs runs the example's output."""
        section = self.text.split("## A disk of your own program\n")[1].split("\n## ")[0]
        configure, toolchain, build = re.findall(r"`((?:cmake |-DCMAKE)[^`]*)`", section)
        self.assertIn(" examples/ramdisk ", configure)
        for example in ("ramdisk", "file"):
            with self.subTest(example), tempfile.TemporaryDirectory() as out:
                for command in (f"{configure} {toolchain}", build):
                    words = command.replace("/ramdisk", f"/{example}").split()
                    done = subprocess.run([out if word == "out" else word for word in words], cwd=ROOT, text=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                    self.assertEqual(done.returncode, 0, done.stdout)
                self.assertEqual(len(list(pathlib.Path(out).glob("*.exe"))), 1)


class Links(unittest.TestCase):
    def test_every_relative_link_leads_somewhere(self):
        names = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=ROOT, check=True, capture_output=True,
                               text=True).stdout.split("\0")[:-1]
        self.assertIn("README.md", names)
        for name in names:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(name)):
                self.assertTrue(((ROOT / name).parent / target).exists(), f"{name} links to {target}")


class Disk(unittest.TestCase):
    def test_each_row_is_tested(self):
        tests = set(re.findall(r"def (test_\w+)", read("tests/wine/test_disk_ioctls.py")))
        rows = read("docs/disk.md").split("|---|---|---|---|\n")[1].split("\n\n")[0].splitlines()
        named = [set(re.findall(r"`(test_\w+)`", row.split("|")[-2])) for row in rows]
        for row, names in zip(rows, named):
            self.assertTrue(names and names <= tests, row)
        self.assertEqual(tests, set().union(*named))


class Licence(unittest.TestCase):
    def test_it_is_the_lgpl_2_1(self):
        self.assertIn("GNU LESSER GENERAL PUBLIC LICENSE", read("LICENSE"))
        self.assertIn("Version 2.1, February 1999", read("LICENSE"))

    def test_contributions_are_signed_off(self):
        self.assertIn("Signed-off-by: ", read("CONTRIBUTING.md"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
