#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What `wnbd-client completion powershell` prints, as far as it can be told without PowerShell: brackets and quotes
close, and each command has its options and what its first argument may be. Takes run.py's --client and --fake.
"""
import pathlib
import re
import sys
import tempfile
import unittest

import interface
import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "packaging"))
import test_scripts  # noqa: E402

COMMAND = re.compile(r"(?m)^        '([\w-]+)' = @\{ Help = '((?:[^']|'')*)'; Choices = \{ ?(.*?) ?\}; "
                     r"Valued = @\((.*?)\); Options = \[ordered\]@\{\n((?:            .*\n)*)        \} \}$")
MAPPED = "(& $program list --json 2>$null | ConvertFrom-Json).Disks.InstanceName"
CHOICES = {"instance-name": MAPPED, "name": "$driverOptions", "command-name": "$commands.Keys", "shell": "'powershell'",
           "action": "'install', 'uninstall', 'run'"}
VALUED = {"map": ["port", "export-name", "disk-size", "block-size"], "stats": ["watch"], "metrics": ["output"],
          "unmap": ["soft-disconnect-timeout", "soft-disconnect-retry-interval"],
          "reset-adapter": ["reset-timeout", "reset-retry-interval"]}


class Completion(unittest.TestCase):
    runner = None

    def setUp(self):
        case = run.Case("completion")
        case.arguments = "completion powershell"
        status, self.script, stderr, _ = self.runner.run(case)
        self.assertEqual((status, stderr), (0, ""))

    def test_brackets_and_quotes(self):
        self.assertEqual(list(test_scripts.bracket_problems(self.script)), [])
        self.assertIsNone(test_scripts.ALIASES.search(self.script))

    def test_order(self):
        order = [self.script.index(text) for text in (
            "Register-ArgumentCompleter -Native -CommandName 'wnbd-client', 'wnbd-client.exe' -ScriptBlock {\n",
            "    param($wordToComplete, $commandAst, $cursorPosition)\n", "    $commands = [ordered]@{\n",
            "    $words = ", "[System.Management.Automation.CompletionResult]::new(")]
        self.assertEqual(order, sorted(order))
        self.assertTrue(self.script.endswith("\n}\n"))

    def test_commands(self):
        table = interface.read_table()
        names = {name: command for command, (aliases, _, _) in table.items()
                 for name in [command, *(alias for alias in aliases if alias[0] != "-")]}
        found = COMMAND.findall(self.script)
        self.assertEqual([name for name, *_ in found], list(names))
        for name, _, choices, valued, options in found:
            with self.subTest(command=name):
                _, arguments, expected = table[names[name]]
                first = arguments[0].strip("[]") if arguments and names[name] != "map" else ""
                self.assertEqual(choices, CHOICES.get(first, ""))
                self.assertCountEqual(re.findall(r"(?m)^            '--([\w-]+)' = '(?:[^']|'')+'$", options),
                                      [*expected, *interface.COMMON_OPTIONS])
                self.assertEqual(re.findall(r"--([\w-]+)", valued), VALUED.get(names[name], []))

    def test_driver_options(self):
        table = re.findall(r"OPTION\((\w+), ", (ROOT / "core" / "base" / "option_table.h").read_text())
        line = re.search(r"(?m)^    \$driverOptions = (.*)$", self.script).group(1)
        self.assertEqual(line, ", ".join(f"'{name}'" for name in table))


def main():
    options = run.parse_options()
    with tempfile.TemporaryDirectory(prefix="wnbd-cli-") as directory:
        Completion.runner = run.Runner(options, directory)
        unittest.main(argv=["completion.py"], verbosity=2)


if __name__ == "__main__":
    main()
