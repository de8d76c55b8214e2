#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""make docs: that the manuals are built, complete, and lead somewhere."""
import html.parser
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.parse

from leftovers import ROOT

HEADERS = ("wnbd.h", "wnbd_ioctl.h", "wnbd_stats.h")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


class Api(unittest.TestCase):
    """doxygen's reference of the public headers: an omission in their comments is an error."""

    def doxygen(self, change=lambda text: text):
        """Runs it on copies of the headers; returns status, words and the pages' text."""
        with tempfile.TemporaryDirectory() as folder:
            for name in HEADERS:
                (pathlib.Path(folder) / name).write_text(change(read(f"include/{name}")), encoding="utf-8")
            settings = read("docs/Doxyfile") + f"INPUT = {folder}\nOUTPUT_DIRECTORY = {folder}/out\n"
            done = subprocess.run(["doxygen", "-"], cwd=ROOT, input=settings, capture_output=True, text=True,
                                  check=False)
            pages = "".join(page.read_text(encoding="utf-8") for page in pathlib.Path(folder).glob("out/api/*.html"))
        return done.returncode, done.stdout + done.stderr, pages

    def test_has_every_function_and_structure(self):
        status, words, pages = self.doxygen()
        self.assertEqual((status, words), (0, ""))
        functions = re.findall(r"(?m)^(?:DWORD|VOID|void) (Wnbd\w+)\(", read("include/wnbd.h"))
        structures = [name for header in HEADERS for name in re.findall(r"(?m)^} (\w+)[,;]", read(f"include/{header}"))]
        self.assertGreater(len(functions), 40)
        self.assertGreater(len(structures), 30)
        for name in functions + structures:
            self.assertIn(f">{name}<", pages)

    def test_every_value_of_an_enumeration_is_explained(self):
        """doxygen 1.9.4 doesn't look at them."""
        values = [line for header in HEADERS for line in read(f"include/{header}").splitlines()
                  if re.match(r"    Wnbd\w+ = \d+\b", line)]
        self.assertGreater(len(values), 20)
        for line in values:
            self.assertIn("/**< ", line)

    def test_an_omission_is_an_error(self):
        for words in ("UTF-8, terminated", "Removes all disks, hard.", "the disk is on its way out"):
            status, said, _ = self.doxygen(lambda text: re.sub(rf"/\*\*<? {words}", f"/* {words}", text))
            self.assertNotEqual(status, 0, words)
            self.assertIn("is not documented", said)


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.names = [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.names.add(value)
            elif name in ("href", "src"):
                self.links.append(value)


class Manuals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.out = pathlib.Path(folder.name).resolve()
        cls.done = subprocess.run([ROOT / "tools" / "docs", cls.out], capture_output=True, text=True, check=False)

    def test_is_built_without_a_word(self):
        self.assertEqual((self.done.returncode, self.done.stdout + self.done.stderr), (0, ""))

    def test_every_link_of_every_page_leads_somewhere(self):
        pages = {path: Page(path) for path in self.out.rglob("*.html") if "api" not in path.parts}
        self.assertGreater(len(pages), 10)
        for path, page in pages.items():
            for link in page.links:
                address = urllib.parse.urlsplit(link)
                if not address.scheme:
                    there = (path.parent / urllib.parse.unquote(address.path)).resolve() if address.path else path
                    self.assertTrue(there.exists(), f"{path.name} links to {link}")
                    if address.fragment and there in pages:
                        self.assertIn(address.fragment, pages[there].names, f"{path.name} links to {link}")

    def test_manual_page_has_every_command_and_option(self):
        page = (self.out / "wnbd-client.1").read_text(encoding="utf-8").replace("\\-", "-")
        table = read("wnbd-client/commands.c").split("CommandTable[] = {")[1].split("\n};")[0]
        commands = re.split(r"(?m)^    \{$", table)[1:]
        self.assertGreater(len(commands), 10)
        for command in commands:
            name, *names = re.findall(r'\.Name = "([\w-]+)"', command)
            part = page.split(f"\n.SS {name}\n")[1].split("\n.SS ")[0]
            self.assertIn(f".B wnbd-client {name}", part)
            for other in names:
                self.assertTrue(re.search(rf"(?m)^\.B (--)?{other}\b", part), f"{name}: {other}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
