#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What people read: that the documents lead somewhere and say what they must, and that their commands do it."""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from leftovers import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))
import document_blocks  # noqa: E402

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
        shown = re.findall(r"(?m)^(\w+) +: (\w+) \(Default: (\w+)\)$", section)
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


def links(name):
    """Where a document's relative links lead, from the top of the tree."""
    return [(ROOT / name).parent / target for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(name))]


class Links(unittest.TestCase):
    def test_every_relative_link_leads_somewhere(self):
        self.assertIn("README.md", document_blocks.documents())
        for name in document_blocks.documents():
            for target in links(name):
                self.assertTrue(target.exists(), f"{name} links to {target}")

    def test_readme_leads_to_every_document(self):
        """In any number of steps. docs/decisions is linked to as a whole."""
        known, new = set(), {"README.md"}
        while new:
            known |= new
            targets = [target.resolve() for name in new for target in links(name)]
            if ROOT / "docs" / "decisions" in targets:
                targets += (ROOT / "docs" / "decisions").glob("*.md")
            new = {str(target.relative_to(ROOT)) for target in targets if target.suffix == ".md"} - known
        self.assertEqual(set(document_blocks.documents()) - known, set())


class Commands(unittest.TestCase):
    """The blocks marked `console run`; wine.documents runs those for Windows."""

    def test_commands(self):
        ran = 0
        for document in document_blocks.documents():
            with tempfile.TemporaryDirectory() as folder:
                for entry in ROOT.iterdir():
                    (pathlib.Path(folder) / entry.name).symlink_to(entry)
                for command in document_blocks.commands(document, "run"):
                    done = subprocess.run(["sh", "-c", command.words], cwd=folder, stdin=subprocess.DEVNULL, text=True,
                                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
                    command.check(self, done.returncode, done.stdout)
                    ran += 1
        self.assertGreaterEqual(ran, 3)

    def test_every_console_is_run(self):
        """So that none is forgotten for a mark that is misspelt."""
        for document in document_blocks.documents():
            for mark in re.findall(r"(?m)^```(console.*)$", read(document)):
                self.assertIn(mark, ("console run", "console wine"), document)


class UserGuide(unittest.TestCase):
    def test_connection_errors_are_the_drivers(self):
        section = read("docs/user-guide.md").split("### Connection errors\n")[1].split("\n###")[0]
        shown = {name: int(code) for code, name in re.findall(r"(?m)^\| (\d+) \| (\w+) \|", section)}
        codes = re.findall(r"(?m)^#define WIN32_(\w+) (\d+)u(?: +/\* (WSA\w+))?", read("driver/status.h"))
        # Of disks that wnbd-client doesn't ask for, and of errors without a name.
        codes = {wsa or f"ERROR_{name}": int(code) for name, code, wsa in codes
                 if name not in ("NOT_SUPPORTED", "GEN_FAILURE")}
        self.assertGreater(len(codes), 12)
        self.assertEqual(shown, codes)


class ThreatModel(unittest.TestCase):
    """Every row of a check names a function or number in a file that has it, and a test that there is."""

    TESTS = {"fuzz": "tests/fuzz/fuzz_{}.c", "sim": "tests/sim/{}.c", "wine": "tests/wine/test_{}.py",
             "unit": "tests/unit/{}.c", "cli": "tests/cli/{}.test", "packaging": "tests/packaging/test_{}.py"}
    OTHER_TESTS = {"sim.seeds": "tests/sim/seeds/seeds.c"}

    def test_rows(self):
        rows = re.findall(r"(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", read("docs/threat-model.md"))
        rows = [row for row in rows if row[2] != "test" and re.search(r"`\w+(\.\w+)+`|by design", row[2])]
        self.assertGreater(len(rows), 25)
        for row in rows:
            spans = re.findall(r"`([^`]+)`", row[1])
            files = [span for span in spans if "/" in span]
            texts = "".join(read(name) for name in files)
            for name in spans:
                if re.fullmatch(r"[A-Z]\w*[a-z]\w*|[A-Z]+_[A-Z_]+", name) and name != "RemoveStaleConnections":
                    self.assertRegex(texts, rf"\b{name}\b", row[0])
            for name in re.findall(r"`(\w+(?:\.\w+)+)`", row[2]):
                kind, subject = name.split(".", 1)
                path = self.OTHER_TESTS.get(name, self.TESTS[kind].format(subject.replace(".", "_")))
                self.assertTrue((ROOT / path).exists(), f"{row[0]}: {name}")


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
