#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Compares wnbd-client's help with interface.csv: the commands, aliases, arguments, options and defaults that scripts
rely on. Everything of the table must be in the help, and nothing else may be. Takes run.py's --client and --fake.
"""
import csv
import pathlib
import re
import tempfile
import unittest

import run

TABLE = pathlib.Path(__file__).with_name("interface.csv")
COMMON_OPTIONS = {"debug": ""}


def read_table():
    """Returns {command: (aliases, arguments, {option: default})}."""
    table = {}
    with open(TABLE, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            entry = table.setdefault(row["command"], (row["aliases"].split(), row["arguments"].split(), {}))
            if row["option"]:
                entry[2][row["option"]] = row["default"]
    return table


def usage_of(command, arguments):
    shown = "".join(f" [<{name[1:-1]}>]" if name[0] == "[" else f" <{name}>" for name in arguments)
    return f"Usage: wnbd-client {command}{shown} [options]"


def entries_of(text, title):
    """The entries of a list in a help text, as {first word: whole text}."""
    found = re.search(rf"^{title}:\n((?:  .*\n)+)", text, re.MULTILINE)
    entries = re.split(r"^  (?=\S)", found.group(1), flags=re.MULTILINE)[1:] if found else []
    return {entry.split()[0].rstrip(","): " ".join(entry.split()) for entry in entries}


class Interface(unittest.TestCase):
    runner = None

    def help(self, *arguments):
        case = run.Case("help")
        case.arguments = " ".join(arguments)
        status, stdout, stderr, _ = self.runner.run(case)
        self.assertEqual((status, stderr), (0, ""), arguments)
        return stdout

    def test_commands(self):
        entries = entries_of(self.help("help"), "Commands")
        self.assertEqual(list(entries), list(read_table()))
        for command, (aliases, arguments, _) in read_table().items():
            start = ", ".join([command, *aliases])
            usage = usage_of("", arguments).removeprefix("Usage: wnbd-client ").removesuffix(" [options]")
            self.assertEqual(entries[command][: len(start + usage)], start + usage)

    def test_each_command(self):
        for command, (aliases, arguments, options) in read_table().items():
            with self.subTest(command=command):
                text = self.help("help", command)
                self.assertEqual(text.splitlines()[0], usage_of(command, arguments))
                self.assertEqual(list(entries_of(text, "Arguments")), [name.strip("[]") for name in arguments])
                entries = entries_of(text, "Options")
                self.assertEqual(set(entries), {f"--{name}" for name in [*options, *COMMON_OPTIONS]})
                for name, default in options.items():
                    found = re.search(r"default: (.*)\)$", entries[f"--{name}"])
                    self.assertEqual(found.group(1) if found else "", default, name)
                for alias in aliases:
                    self.assertIn(alias, text.splitlines()[1].removeprefix("Also:").replace(",", "").split())
                    self.assertEqual(self.help(alias, "--help"), text)


def main():
    options = run.parse_options()
    with tempfile.TemporaryDirectory(prefix="wnbd-cli-") as directory:
        Interface.runner = run.Runner(options, directory)
        unittest.main(argv=["interface.py"], verbosity=2)


if __name__ == "__main__":
    main()
