#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Tests of wnbd-client.exe: its help, its output and its error texts, under Wine with a libwnbd.dll of ours.

    run.py --client wnbd-client.exe --fake DIR [--print] FILE.test...

--fake is where libwnbd.dll (the fake one) and launch.exe are. Runs in a Wine prefix that somebody else provides
(WINEPREFIX; tools/wine-env --bare makes one). A .test file has cases:

    === name of the case
    $ arguments of wnbd-client, quoted as for a shell
    --- library            script for the fake library (see fake/fake_libwnbd.c); fields are separated by two blanks
    --- environment        NAME=VALUE lines; CLI_TEST_LIMITED=1: not elevated; CLI_TEST_STDOUT: where stdout goes,
                           | for a pipe that nobody reads any more
    --- files              files to make in the working directory, empty
    --- registry           mappings that are remembered: key, value, type, content; fields as those of library
    --- status 87          exit status, 0 if missing, <any> for any but 0
    --- stdout             expected output; what is missing must be empty. In it, <1500..4000> stands for a number in
    --- stderr             that range, <any> for anything, <version> for the program's version
    --- calls              calls of the library that are expected

{a*255} in any of it stands for 255 times a. Lines that start with # before the first case are comments. --print
prints the cases as they came out instead of judging them.
"""
import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

SECTIONS = ("library", "environment", "files", "registry", "stdout", "stderr", "calls")
VARIABLES = {"script": "FAKE_WNBD_SCRIPT", "calls": "FAKE_WNBD_CALLS", "status": "CLI_TEST_STATUS"}
TIMEOUT_S = 60
MAPPINGS = r"HKLM\SOFTWARE\WNBD\Mappings"


class Case:
    def __init__(self, name):
        self.name = name
        self.arguments = ""
        self.status = 0
        self.sections = {section: [] for section in SECTIONS}

    def text(self, section):
        lines = self.sections[section]
        return "".join(line + "\n" for line in lines)


def parse_cases(path):
    cases = []
    section = None
    with open(path, encoding="utf-8") as file:
        text = re.sub(r"\{(.)\*(\d+)\}", lambda found: found.group(1) * int(found.group(2)), file.read())
    lines = text.split("\n")[:-1]
    for number, line in enumerate(lines, 1):
        if line.startswith("=== "):
            cases.append(Case(line[4:]))
            section = None
        elif not cases:
            if line and not line.startswith("#"):
                sys.exit(f"{path}:{number}: text before the first case")
        elif line.startswith("$ ") or line == "$":
            cases[-1].arguments = line[2:]
        elif line.startswith("--- status "):
            cases[-1].status = None if line[11:] == "<any>" else int(line[11:])
        elif line.startswith("--- "):
            section = line[4:]
            if section not in SECTIONS:
                sys.exit(f"{path}:{number}: unknown section {section}")
        elif section is not None:
            cases[-1].sections[section].append(line)
        elif line:
            sys.exit(f"{path}:{number}: text outside a section")
    for case in cases:
        for lines in case.sections.values():  # the blank line before the next case
            while lines and lines[-1] == "":
                lines.pop()
    return cases


def matches(expected, actual, version):
    """Whether actual is expected, with <A..B> for a number from A to B, <any> for anything, <version> for version."""
    expected = expected.replace("<version>", version)
    parts = re.split(r"<(-?\d+)\.\.(-?\d+)>", expected)
    pattern = ""
    ranges = []
    for index, part in enumerate(parts):
        if index % 3 == 0:
            pattern += re.escape(part).replace("<any>", ".*")
        elif index % 3 == 1:
            pattern += r"(-?\d+)"
            ranges.append((int(part), int(parts[index + 1])))
    found = re.fullmatch(pattern, actual)
    return bool(found) and all(low <= int(value) <= high for value, (low, high) in zip(found.groups(), ranges))


class Runner:
    def __init__(self, options, directory):
        self.environment = dict(os.environ, WINEDEBUG="-all", LC_ALL="C.UTF-8")
        self.directory = directory
        self.serial = 0
        fakes = [os.path.join(options.fake, name) for name in ("libwnbd.dll", "launch.exe")]
        for file in (options.client, *fakes):
            if not os.path.exists(file):
                sys.exit(f"tests/cli: {file} is missing (build it first: make)")
            shutil.copy(file, directory)
        self.version = None

    def run(self, case):
        """Runs a case; returns the exit status and the text of stdout, stderr and calls."""
        self.serial += 1
        work = os.path.join(self.directory, str(self.serial))
        os.mkdir(work)
        environment = dict(self.environment)
        for name, variable in VARIABLES.items():
            environment[variable] = windows_path(os.path.join(work, name))
        for line in case.sections["environment"]:
            name, value = line.split("=", 1)
            environment[name] = value
        with open(os.path.join(work, "script"), "w", encoding="utf-8") as file:
            file.write(re.sub("  +", "\t", case.text("library")))
        for name in case.sections["files"]:
            os.makedirs(os.path.dirname(os.path.join(work, name)), exist_ok=True)
            open(os.path.join(work, name), "w").close()
        for line in case.sections["registry"]:
            key, value, kind, content = re.split("  +", line)
            self.reg("add", rf"{MAPPINGS}\{key}", "/v", value, "/t", kind, "/d", content, "/f")
        command = ["wine", "../launch.exe", "../wnbd-client.exe"] + shlex.split(case.arguments)
        # Files, not pipes: a first program of the prefix would leave a pipe open in the system's processes.
        target = environment.get("CLI_TEST_STDOUT", os.path.join(work, "out"))
        with open(dead_pipe() if target == "|" else target, "wb") as out, open(os.path.join(work, "err"), "wb") as err:
            subprocess.run(command, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                           timeout=TIMEOUT_S, check=False)
        stdout, stderr = (text_of(os.path.join(work, name)) for name in ("out", "err"))
        if case.sections["registry"] or "--persistent" in case.arguments:
            self.reg("delete", MAPPINGS, "/f")
        if not os.path.exists(os.path.join(work, "status")):
            return None, stdout, stderr, ""
        with open(os.path.join(work, "status")) as file:
            status = int(file.read())
        calls = ""
        if os.path.exists(os.path.join(work, "calls")):
            with open(os.path.join(work, "calls"), encoding="utf-8") as file:
                calls = re.sub(r"WnbdSetLogLevel (?:CRITICAL|WARNING)\n", "", file.read())
        return status, stdout, stderr, calls.replace(windows_path(work), "<directory>")

    def reg(self, *words):
        subprocess.run(["wine", "reg", *words], env=self.environment, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False)

    def find_version(self):
        case = Case("version")
        case.arguments = "version"
        _, stdout, _, _ = self.run(case)
        found = re.match(r"wnbd-client\.exe: (\d+\.\d+\.\d+\S*)\n", stdout)
        self.version = found.group(1) if found else "?"


def dead_pipe():
    """The writing end of a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def windows_path(path):
    return "Z:" + path.replace("/", "\\")


def text_of(path):
    """Output in a file as text, if there is one. Every line must end in CR LF."""
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        text = file.read().decode("utf-8", "backslashreplace")
    return re.sub(r"(?<!\r)\n", "<LF>\n", text).replace("\r\n", "\n")


def print_case(case, status, stdout, stderr, calls):
    print(f"=== {case.name}\n$ {case.arguments}".rstrip())
    for section in ("environment", "files", "registry", "library"):
        if case.sections[section]:
            print(f"--- {section}\n{case.text(section)}", end="")
    if status:
        print(f"--- status {status}")
    for section, text in (("stdout", stdout), ("stderr", stderr), ("calls", calls)):
        if text:
            print(f"--- {section}\n{text}", end="")
    print()


def judge(case, runner):
    """Runs a case and returns the differences as lines."""
    status, stdout, stderr, calls = runner.run(case)
    problems = []
    if status != case.status and (case.status is not None or not status):
        problems.append(f"exit status {status}, expected {case.status}")
    for section, actual in (("stdout", stdout), ("stderr", stderr), ("calls", calls)):
        expected = case.text(section)
        if not matches(expected, actual, runner.version):
            problems += [f"{section} is:", *("  |" + line for line in actual.splitlines()), "expected:",
                         *("  |" + line for line in expected.splitlines())]
    return problems


def run_files(options):
    failures = 0
    count = 0
    with tempfile.TemporaryDirectory(prefix="wnbd-cli-") as directory:
        runner = Runner(options, directory)
        runner.find_version()
        for path in options.files:
            for case in parse_cases(path):
                if options.print:
                    print_case(case, *runner.run(case))
                    continue
                problems = judge(case, runner)
                count += 1
                failures += bool(problems)
                print(f"{'FAILED' if problems else 'ok'}: {os.path.basename(path)}: {case.name}", flush=True)
                for line in problems:
                    print("    " + line)
    if not options.print:
        print(f"{count} cases, {failures} failed")
    return 1 if failures or (count == 0 and not options.print) else 0


def parse_options(files=None):
    """The options of the tests; files is how many .test files may be given, as argparse writes it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", required=True)
    parser.add_argument("--fake", required=True)
    if files is not None:
        parser.add_argument("--print", action="store_true")
        parser.add_argument("files", nargs=files)
    options = parser.parse_args()
    if "WINEPREFIX" not in os.environ:
        sys.exit("tests/cli: WINEPREFIX is not set (run it as tools/wine-env --bare tests/cli/run.py ...)")
    return options


def main():
    sys.exit(run_files(parse_options("+")))


if __name__ == "__main__":
    main()
