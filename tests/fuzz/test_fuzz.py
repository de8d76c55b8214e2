#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/fuzz and the corpora: a bound taken out of core/ is found by the inputs in the tree, without any fuzzing."""
import base64
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/fuzz"
TARGETS = ("handshake", "replies", "disk", "scsi", "startio", "ioctl")
CORPUS_BYTES = 300_000
COMPILER = ("clang-19", "-std=c11", "-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")


def fuzz(*arguments):
    return subprocess.run([ROOT / "tools/fuzz", *arguments], capture_output=True, text=True, timeout=120, check=False)


class Tool(unittest.TestCase):
    def test_lists_the_targets(self):
        done = fuzz()
        self.assertEqual(done.returncode, 0)
        for target in TARGETS:
            self.assertRegex(done.stdout, rf"(?m)^  {target} +\w")

    def test_says_which_targets_there_are(self):
        done = fuzz("handshakes", "5")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is no fuzz target 'handshakes'; there are: handshake, replies,", done.stderr)

    def test_make_passes_what_it_is_told(self):
        done = subprocess.run(["make", "-n", "fuzz", "TARGET=scsi", "SECONDS=7"], cwd=ROOT, capture_output=True,
                              text=True, timeout=60, check=True)
        self.assertIn("tools/fuzz scsi 7", done.stdout)


class Inputs(unittest.TestCase):
    def test_each_target_has_some_and_all_are_few(self):
        total = 0
        for target in TARGETS:
            lines = (HERE / f"corpus/{target}.txt").read_text().splitlines()
            inputs = [base64.b64decode(line, validate=True) for line in lines if not line.startswith("#")]
            self.assertGreater(len(inputs), 20, target)
            self.assertEqual(len(set(inputs)), len(inputs), target)
            total += sum(len(line) for line in lines)
        self.assertLess(total, CORPUS_BYTES)


class Planted(unittest.TestCase):
    """The target is built from a copy of core/ with one line changed."""

    def run_corpus(self, target, change=None):
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            shutil.copytree(ROOT / "core", work / "core")
            if change is not None:
                name, old, new = change
                file = work / "core" / name
                text = file.read_text()
                self.assertEqual(text.count(old), 1, f"{name} has changed; plant another bug")
                file.write_text(text.replace(old, new))
            sources = [*(work / "core/base").glob("*.c")]
            sources += (work / "core" / ("scsi" if target == "scsi" else "nbd")).glob("*.c")
            subprocess.run([*COMPILER, "-I", work / "core", HERE / f"fuzz_{target}.c", *sources, "-o", work / "fuzz"],
                           check=True, timeout=240)
            (work / "corpus").mkdir()
            lines = (HERE / f"corpus/{target}.txt").read_text().splitlines()
            for number, line in enumerate(line for line in lines if not line.startswith("#")):
                (work / "corpus" / str(number)).write_bytes(base64.b64decode(line))
            done = subprocess.run([work / "fuzz", "-runs=0", work / "corpus"], capture_output=True, text=True,
                                  errors="replace", timeout=240, cwd=work, check=False)
            return done.returncode, done.stderr

    def assert_found(self, target, change, sign):
        status, output = self.run_corpus(target, change)
        self.assertNotEqual(status, 0, output)
        self.assertIn(sign, output)

    def test_nothing_is_found_where_nothing_is(self):
        status, output = self.run_corpus("scsi")
        self.assertEqual(status, 0, output)

    def test_facts_longer_than_their_message(self):
        self.assert_found("handshake", ("nbd/handshake.c", "if (Client->ReplyLength != sizeof(*Export)) {",
                                        "if (Client->ReplyLength > sizeof(*Export)) {"), "AddressSanitizer")

    def test_reply_to_an_earlier_request(self):
        self.assert_found("replies", ("nbd/reply.c", " && Slot->Cookie == Cookie ?", " ?"),
                          "does not hold")

    def test_place_of_a_request_that_does_not_exist(self):
        self.assert_found("replies", ("nbd/reply.c", "Index < Client->SlotCount ? &Client->Slots[Index] : NULL;",
                                      "&Client->Slots[Index];"),
                          "AddressSanitizer")

    def test_unmap_list_longer_than_its_buffer(self):
        self.assert_found("scsi", ("scsi/unmap.c", "if (Length > Available - sizeof(Header)) {", "if (false) {"),
                          "AddressSanitizer")


if __name__ == "__main__":
    unittest.main()
