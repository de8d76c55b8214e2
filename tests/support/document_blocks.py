# SPDX-License-Identifier: LGPL-2.1-only
"""The blocks of the documents that are run: fenced, and marked `console run` (this machine's shell, prompt `$`) or
`console wine` (a Windows program under Wine, prompt `>`).

What follows a command is its output. Numbers and the widths of gaps are not compared, a version may have a commit
behind it, and a line `...` stands for any lines. The last line `[status N]` is a failure's exit status.
"""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROMPTS = {"run": "$ ", "wine": "> "}


class Command:
    def __init__(self, document, line, words):
        self.where, self.words = f"{document}:{line}", words
        self.expected, self.status = [], 0

    def pattern(self):
        """A regular expression for the output."""
        parts = []
        for line in self.expected:
            if line == "...":
                parts.append(r"(?:.*\n)*?")
                continue
            text = re.escape(" ".join(line.split())).replace(r"\ ", r"[ ]+")
            text = re.sub(r"\d+\\\.\d+\\\.\d+$", r"\\d+\\.\\d+\\.\\d+(?:-\\d+-g\\w+)?", text)
            text = re.sub(r"(?:\\-)?(?<![\\\w])\d+(?!\w)", r"-?\\d+", text)
            parts.append(text + r"[ ]*\n")
        return "".join(parts)

    def check(self, case, status, output):
        """Fails the test where the document is wrong."""
        shown = "\n".join([f"{self.where}: {self.words}", output + "-- the document has", *self.expected])
        case.assertEqual(status, self.status, shown)
        case.assertTrue(re.fullmatch(self.pattern(), output), shown)


def documents():
    """Names of the documents for people who use or change WNBD."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT,
                            check=True, capture_output=True, text=True)
    return sorted(listed.stdout.split("\0")[:-1])


def commands(document, kind):
    """The marked commands of a document, in their order."""
    found, inside = [], False
    for number, line in enumerate((ROOT / document).read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            inside = line == f"```console {kind}"
        elif inside and line.startswith(PROMPTS[kind]):
            found.append(Command(document, number, line.removeprefix(PROMPTS[kind])))
        elif inside and re.fullmatch(r"\[status \d+\]", line):
            found[-1].status = int(line[len("[status "):-1])
        elif inside:
            found[-1].expected.append(line)
    return found
