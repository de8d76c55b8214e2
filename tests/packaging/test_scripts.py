#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""PowerShell scripts, as far as they can be told without PowerShell: brackets and quotes that close, commands that
wnbd-client has, steps that the document describes, habits that PSScriptAnalyzer asks for."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*(ROOT / "packaging").glob("*.ps1"), *(ROOT / "tests" / "windows").glob("*.ps1")])
ALIASES = re.compile(r"(?m)(?:^|[|{(;=]\s*)\s*"
                     r"(%|\?|cat|cd|copy|del|dir|echo|gc|gci|iex|ls|mv|rm|select|sleep|sort|where)\s")
TOKEN = re.compile(r"""(?s)<\#.*?\#>|\#[^\n]*|@'\n.*?\n'@|'(?:[^']|'')*'|"(?:[^"`]|`.|"")*"|`.|[()\[\]{}'"]""")
PAIRS = {")": "(", "]": "[", "}": "{"}


def bracket_problems(text):
    """Brackets that don't match and quotes that don't close, outside comments and strings."""
    stack = []
    for match in TOKEN.finditer(text):
        token, line = match.group(0), text.count("\n", 0, match.start()) + 1
        if token in PAIRS.values():
            stack.append((token, line))
        elif token in PAIRS:
            if not stack or stack.pop()[0] != PAIRS[token]:
                yield f"line {line}: {token} closes nothing"
        elif token in "'\"":
            yield f"line {line}: {token} is not closed"
    yield from (f"line {line}: {token} is not closed" for token, line in stack)


def bare(text):
    """The script without its comments."""
    return re.sub(r"(?s)<#.*?#>|(?m:^\s*#.*$)", "", text)


class Scripts(unittest.TestCase):
    def test_brackets_and_quotes(self):
        self.assertGreaterEqual(len(SCRIPTS), 3)
        for path in SCRIPTS:
            with self.subTest(script=path.name):
                self.assertEqual(list(bracket_problems(path.read_text())), [])
        for text in ("if (1) { 'a' ", "'a", "$x[0)", "}"):
            self.assertTrue(list(bracket_problems(text)), text)
        self.assertEqual(list(bracket_problems("# '(\n<# { #> \"`\"(\" '{''' | % { $_ }")), [])

    def test_habits(self):
        for path in SCRIPTS:
            text = path.read_text()
            with self.subTest(script=path.name):
                self.assertRegex(text, r"(?s)^# SPDX.*?<#\n\.SYNOPSIS\n.*\[CmdletBinding\(SupportsShouldProcess")
                self.assertIn("Set-StrictMode -Version", text)
                self.assertIn("$ErrorActionPreference = 'Stop'", text)
                self.assertIsNone(ALIASES.search(bare(text)))
                self.assertNotIn("Invoke-Expression", text)
                named = set(re.findall(r"(?m)^\.PARAMETER (\w+)$", text))
                block = re.search(r"(?s)\nparam\((.*?)\n\)\n", text).group(1)
                self.assertEqual(named, set(re.findall(r"\] \$(\w+)", block)))

    def test_commands_are_the_clients(self):
        commands = set(re.findall(r'\.Name = "([\w-]+)"', (ROOT / "wnbd-client" / "commands.c").read_text()))
        for path in SCRIPTS:
            for command in re.findall(r"Invoke-Client -Arguments @\('([\w-]+)'", path.read_text()):
                self.assertIn(command, commands, path.name)

    def test_functions_are_defined_and_used(self):
        for path in SCRIPTS:
            text = bare(path.read_text())
            for name in re.findall(r"(?m)^function ([\w-]+)", text):
                self.assertGreater(len(re.findall(rf"\b{name}\b", text)), 1, f"{path.name}: {name}")

    def test_the_document_describes_each_step(self):
        text = (ROOT / "tests" / "windows" / "Test-Wnbd.ps1").read_text()
        document = (ROOT / "docs" / "windows-testing.md").read_text()
        rows = re.findall(r"(?m)^\| (`[^|]*`) \|", document)
        self.assertEqual([name for row in rows for name in re.findall(r"`(\w+)`", row)],
                         re.findall(r"Invoke-Step -Step '(\w+)'", text))
        self.assertIn("have never been run", document)


if __name__ == "__main__":
    unittest.main(verbosity=2)
