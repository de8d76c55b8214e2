#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Writes the manual page wnbd-client(1) to standard output.

The words are those of `wnbd-client help`, which come from the program's command table. They are read where the test
cli.help has all of them and holds the program to each: tests/cli/help.test. So no Windows program has to run.

  man_page.py VERSION
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
HELP = ROOT / "tests" / "cli" / "help.test"
OPTION_COLUMN = 28


def fail(words):
    sys.exit(f"man_page.py: {words}")


def help_texts():
    """What `help` prints, and what `help COMMAND` prints, by command; "" is the list of all."""
    texts = {}
    for case in HELP.read_text(encoding="utf-8").split("\n=== ")[1:]:
        match = re.match(r".*\n\$ help ?(\S*)\n--- stdout\n(.*)\Z", case, re.S)
        if match:
            texts.setdefault(match.group(1), match.group(2).strip("\n"))
    return texts


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def entries(lines, column):
    """(left, text) of a list in two columns, the right one of which goes on in later lines."""
    found = []
    for line in lines:
        if re.match(r"  \S", line):
            left, right = line[2:].rstrip(), ""
            if match := re.match(r"  (.*?\S)  +(\S.*)", line):
                left, right = match.groups()
            found.append([left, right])
        elif line.startswith(" " * column):
            found[-1][1] = f"{found[-1][1]} {line.strip()}".strip()
        else:
            fail(f"a line is in no list of {HELP.name}: {line}")
    return found


def items(pairs):
    return [line for left, right in pairs for line in (".TP", f".B {escaped(left)}", escaped(right))]


def command(name, text, common):
    """One command's part of the page, without the options that every command has."""
    blocks = [block.split("\n") for block in text.split("\n\n")]
    usage, *also = blocks.pop(0)
    page = [f".SS {escaped(name)}", ".nf", f".B {escaped(usage.removeprefix('Usage: '))}"]
    page += [escaped(re.sub(" +", " ", line)) for line in also] + [".fi", ".PP"]
    for block in blocks:
        if block[0] in ("Arguments:", "Options:"):
            page += items(pair for pair in entries(block[1:], OPTION_COLUMN) if pair not in common)
        else:
            page += [".PP", escaped(" ".join(block))]
    return page


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    texts = help_texts()
    _, listed, common, _, rest = texts.pop("").split("\n\n")  # each command has the fourth, if it is for it
    listed = entries(listed.split("\n")[1:], 37)
    names = [re.match(r"[\w-]+", left).group() for left, _ in listed]
    if missing := [name for name in names if name not in texts]:
        fail(f"{HELP.name} has no help of {', '.join(missing)}")
    page = ['.\\" Made by tools/man_page.py', f'.TH WNBD\\-CLIENT 1 "" "WNBD {escaped(sys.argv[1])}"',
            ".SH NAME", "wnbd\\-client \\- disks of NBD exports on Windows", ".SH SYNOPSIS",
            ".B wnbd\\-client\n.I command\n[\\fIarguments\\fR] [\\fIoptions\\fR]",
            ".SH DESCRIPTION", escaped(" ".join(rest.split("\n"))), ".SH OPTIONS OF EVERY COMMAND"]
    common = entries(common.split("\n")[1:], OPTION_COLUMN)
    page += items(common) + [".SH COMMANDS"]
    for name in names:
        page += command(name, texts[name], common)
    print("\n".join(page))


main()
