#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Every text of an error is expected by a test: who adds one adds its test.

Looks for the texts in the sources: the rows of wnbd-client/errors.c, with their codes; what else wnbd-client writes to
standard error; and what the driver, the NBD engine and the library say of a disk that can't be made.
"""
import pathlib
import re
import subprocess
import unittest

import run

ROOT = pathlib.Path(__file__).resolve().parents[2]
LITERAL = r'"(?:[^"\\\n]|\\.)*"'
LITERALS = rf"{LITERAL}(?:\s*{LITERAL})*"
COMMANDS = {"LIST": "list", "DISK": "show stats", "OPERATIONS": "stats metrics", "WATCH": "stats", "MAP": "map",
            "SERVE": "map", "UNMAP": "unmap rm",
            "VERSION": "version -v", "OPTION": "list-opt get-opt set-opt reset-opt", "KEPT_OPTION": "get-opt",
            "FIND_INF": "install-driver", "INSTALL": "install-driver", "UNINSTALL": "uninstall-driver",
            "RESTART": "reset-adapter", "REMEMBER": "map unmap", "RECALL": "list service", "SERVICE": "service"}
SHORTEST = 4  # characters of a text that is worth looking for

# Texts that no test can provoke, each with the reason.
EXEMPT = {
    "wnbd-client: cannot read the command line: out of memory (close programs and try again)\n": "memory",
    "out of memory": "memory",
    "no memory for the rest of a write that was given back": "memory, and read in the driver's log only",
    "the connection to the server was lost while sending": "whether sending or receiving notices first is a race",
    "access to the WNBD adapter is denied: run this as administrator, elevated": "Wine opens it for everybody",
    "cannot open the WNBD adapter: %s": "Windows only, when the adapter is about to start or to go",
    "wnbd-client: %s is mapped\n": "the service's, in tests/wine/test_persistent.py",
    "(unreadable name)": "WideCharToMultiByte replaces what it can't convert",
}


def read(path):
    return re.sub(r"/\*.*?\*/", " ", (ROOT / path).read_text(encoding="utf-8"), flags=re.DOTALL)


def joined(literals):
    """Neighbouring C strings as one text."""
    text = "".join(found[1:-1] for found in re.findall(LITERAL, literals))
    return re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found.group(1), found.group(1)), text)


def pattern(text, hole):
    """A regular expression for a text with holes."""
    return ".*".join(re.escape(part) for part in re.split(hole, text))


def codes(names):
    """{name: number} of Win32 error codes, from the headers that the client is compiled with."""
    source = "".join(f"@ {name}\n" for name in names)
    headers = "#include <winsock2.h>\n#include <windows.h>\n#include <setupapi.h>\n"
    extra = "".join(re.findall(r"(?m)^#define ERROR_.*\n", read("wnbd-client/errors.c")))
    done = subprocess.run(["clang-19", "--target=x86_64-w64-mingw32", "-E", "-P", "-"], check=True, text=True,
                          capture_output=True, input=headers + extra + source).stdout
    values = [value_of(line[1:]) for line in done.splitlines() if line.startswith("@")]
    return dict(zip(names, values, strict=True))


def value_of(expression):
    """The headers write 5, 5L, (0x20000000|0xC0000000|0x242), (10000+60) or ((HRESULT)0x80070005)."""
    plain = re.sub(r"\(\(?HRESULT\)|[()\s]|(?<=[0-9a-fA-F])[lLuU]+", "", expression)
    result = 0
    for part in plain.split("|"):
        result |= sum(int(number, 0) for number in part.split("+"))
    return result & 0xFFFFFFFF


def calls(source, names):
    """The arguments of each call of one of these functions."""
    for found in re.finditer(rf"\b(?:{names})\(", source):
        depth, at = 1, found.end()
        while depth:
            character = source[at]
            if character == '"':
                at = re.compile(LITERAL).match(source, at).end() - 1
            depth += {"(": 1, ")": -1}.get(character, 0)
            at += 1
        yield source[found.end():at - 1]


class Coverage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cases = [case for path in sorted(pathlib.Path(__file__).parent.glob("*.test"))
                     for case in run.parse_cases(path)]
        cls.written = "".join(case.text("stderr") for case in cls.cases)

    def assert_none(self, missing, what):
        self.assertEqual(missing, [], f"{what} that no test expects:\n  " + "\n  ".join(missing))

    def test_rows_of_the_table(self):
        source = read("wnbd-client/errors.c")
        constants = {name: joined(text) for name, text in
                     re.findall(rf"static const char (\w+)\[\] =\s*({LITERALS});", source)}
        rows = re.findall(rf"\{{\s*ACTION_(\w+),\s*(\w+),\s*({LITERALS}),\s*({LITERALS}|\w+)\s*\}}", source)
        self.assertGreater(len(rows), 40)
        self.assertEqual(len(rows), len(re.findall(r"\{\s*ACTION_\w+,", source)), "a row that this test can't read")
        numbers = codes(sorted({code for _, code, _, _ in rows}))
        missing = []
        for action, code, cause, advice in rows:
            advice = constants[advice] if advice in constants else joined(advice)
            wanted = re.compile(rf"wnbd-client: cannot [^\n]*: {pattern(joined(cause), '{[a-z]+}')} "
                                rf"\({pattern(advice, '{[a-z]+}')}\)")
            commands = COMMANDS.get(action, "").split()
            if not any(wanted.search(case.text("stderr")) and case.status in (numbers[code], None) and
                       (not commands or set(commands) & set(case.arguments.split())) for case in self.cases):
                missing.append(f"ACTION_{action}, {code} ({numbers[code]}): {joined(cause)}")
        self.assert_none(missing, "rows of wnbd-client/errors.c")

    def test_what_else_the_client_writes(self):
        missing, seen = [], 0
        for path in sorted(set((ROOT / "wnbd-client").glob("*.c")) - {ROOT / "wnbd-client" / "help.c"}):
            source = read(path)
            texts = [joined(text) for arguments in calls(source, "OutputError|ParseFail|snprintf")
                     for text in re.findall(LITERALS, arguments)]
            texts += [joined(text) for text in re.findall(rf"\.NeedsWhy = ({LITERALS})", source)]
            for text in texts:
                if len(re.sub(r"%[-*.0-9lz]*[a-z]|\W", "", text)) < SHORTEST or text in EXEMPT:
                    continue
                seen += 1
                if not re.search(pattern(text, r"%[-*.0-9lz]*[a-z]"), self.written):
                    missing.append(f"{path.name}: {text}")
        self.assertGreater(seen, 30)
        self.assert_none(missing, "texts of wnbd-client")

    def test_why_a_disk_is_not_made(self):
        """Whole sentences of the driver and the library, and the parts from which the engine makes its own."""
        tests = "\n".join(self.known(path) for folder in ("tests/cli", "tests/wine", "tests/sim", "tests/unit",
                                                          "tests/interop", "libwnbd/tests")
                          for path in sorted((ROOT / folder).iterdir())
                          if path.suffix in (".c", ".h", ".py", ".test") and path.name != "coverage.py")
        missing, seen = [], 0
        paths = [*(ROOT / "driver").glob("*.c"), *(ROOT / "core" / "nbd").glob("*.c"),
                 *(ROOT / "libwnbd" / name for name in ("adapter.c", "disk.c", "text.c"))]
        for path in sorted(paths):
            for text in self.reasons(path):
                seen += 1
                parts = [part.strip() for part in re.split(r"%[-*.0-9lz]*[a-z]", text)]
                if not all(part in tests for part in parts):
                    missing.append(f"{path.relative_to(ROOT)}: {text}")
        self.assertGreater(seen, 50)
        self.assert_none(missing, "reasons")

    @staticmethod
    def known(path):
        """What a test's source says, with its strings joined as the compiler would."""
        text = path.read_text(encoding="utf-8")
        return text if path.suffix == ".test" else re.sub(LITERALS, lambda found: joined(found.group()), text)

    @staticmethod
    def reasons(path):
        """Texts with at least two words; not those that only go into a log."""
        source = read(path)
        logs = r"Trace\w+|Log\w+|INVARIANT|_Static_assert"
        for arguments in list(calls(source, logs)):
            source = source.replace(arguments, "")
        source = re.sub(r"(?m)^#.*$", "", source)
        for literals in re.findall(LITERALS, source):
            text = joined(literals)
            if re.search(r"[a-z]{2,} [a-z0-9]", text) and text not in EXEMPT:
                yield text


if __name__ == "__main__":
    unittest.main(verbosity=2)
