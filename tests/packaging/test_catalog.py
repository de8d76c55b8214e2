#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""wnbd.cat: what it lists, read by others than its writer (openssl, osslsigncode), and that nothing else passes."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WNBD_BUILD", ROOT / "build"))
DIST = BUILD / "dist"
CERTIFICATE = ROOT / "build" / "test-certificate" / "cert.pem"
NAME_VALUE, INDIRECT_DATA = "1.3.6.1.4.1.311.12.2.1", "1.3.6.1.4.1.311.2.1.4"


def run(*words, status=0):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", timeout=60,
                          check=False)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def elements(path):
    """What openssl reads: (depth, what it is, content)."""
    for line in run("openssl", "asn1parse", "-inform", "DER", "-in", path).stdout.splitlines():
        match = re.match(r"\s*(\d+):d=(\d+)\s+hl=(\d+) l=\s*(\d+) (?:cons|prim): (.*?)\s*(?::(.*))?$", line)
        offset, depth, header, length = (int(number) for number in match.group(1, 2, 3, 4))
        yield depth, match.group(5), match.group(6), path.read_bytes()[offset + header:offset + header + length]


def read(path):
    """The catalog: {what names a member: {attribute: value}}, an attribute's value in bytes for a hash."""
    members, kind, name = {}, None, None
    for depth, element, text, content in elements(path):
        if element.startswith("OCTET STRING") and depth == 8:
            current = members.setdefault(content, {})
        elif element == "OBJECT" and depth == 10:
            kind = text
        elif element == "BMPSTRING":
            name = content.decode("utf-16-be")
        elif element.startswith("OCTET STRING") and depth == 12 and kind == NAME_VALUE:
            current[name] = content.decode("utf-16-le").rstrip("\0")
        elif element.startswith("OCTET STRING") and depth == 13 and kind == INDIRECT_DATA:
            current["hash"] = content
    return members


class Catalog(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-catalog-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        for name in ("wnbd.sys", "wnbd.inf"):
            shutil.copy(DIST / name, self.folder)
        self.make()

    def make(self):
        run(ROOT / "tools" / "make-catalog", self.folder / "wnbd.inf", self.folder / "wnbd.cat")
        return (self.folder / "wnbd.cat").read_bytes()

    def verify(self, file, status=0):
        return run("osslsigncode", "verify", "-CAfile", CERTIFICATE, "-catalog", self.folder / "wnbd.cat", "-in",
                   self.folder / file, status=status).stdout

    def change(self, name, offset):
        path = self.folder / name
        content = bytearray(path.read_bytes())
        content[offset] ^= 1
        path.write_bytes(content)

    def test_the_same_files_give_the_same_bytes(self):
        shipped = (DIST / "wnbd.cat").read_bytes()
        self.assertEqual(self.make(), shipped)
        self.change("wnbd.inf", 5)
        self.assertNotEqual(self.make(), shipped)

    def test_members(self):
        members = read(self.folder / "wnbd.cat")
        self.assertEqual(sorted((len(key), value["File"]) for key, value in members.items()),
                         [(20, "wnbd.inf"), (20, "wnbd.sys"), (32, "wnbd.inf"), (32, "wnbd.sys")])
        self.assertEqual(list(members), sorted(members))
        for key, value in members.items():
            self.assertEqual(value["OSAttr"], "2:10.0")
            self.assertEqual(value.get("hash"), key if len(key) == 32 else None)

    def test_the_inf_is_named_by_its_hashes(self):
        content = (self.folder / "wnbd.inf").read_bytes()
        names = {key for key, value in read(self.folder / "wnbd.cat").items() if value["File"] == "wnbd.inf"}
        self.assertEqual(names, {hashlib.sha1(content).digest(), hashlib.sha256(content).digest()})

    def test_header(self):
        found = list(elements(self.folder / "wnbd.cat"))
        time = next(text for _, element, text, _ in found if element == "UTCTIME")
        version = re.search(r"DriverVer +=\s*(\d+)/(\d+)/\d\d(\d\d),(\d+)\.(\d+)\.(\d+)\.",
                            (self.folder / "wnbd.inf").read_text()).groups()
        month, day, year, *clock = (int(part) for part in version)
        self.assertEqual(time, "".join(f"{part:02}" for part in (year, month, day, *clock)) + "Z")
        attributes = b"".join(content for depth, element, _, content in found
                              if depth == 9 and element.startswith("OCTET STRING"))
        for text in ("OS", "HWID1"):
            self.assertIn(text.encode("utf-16-be"), attributes)
        for text in ("_v100_X64\0", "root\\wnbd\0"):
            self.assertIn(text.encode("utf-16-le"), attributes)

    def test_signed_it_verifies_the_driver_and_no_other(self):
        run(ROOT / "tools" / "sign", "--test", self.folder / "wnbd.cat")
        self.assertIn("Signature verification: ok", self.verify("wnbd.sys"))
        # The driver's own signature, and with it the checksum, are no part of what is hashed.
        run(ROOT / "tools" / "sign", "--test", self.folder / "wnbd.sys")
        self.verify("wnbd.sys")
        size = (DIST / "wnbd.sys").stat().st_size
        for offset in (2, 0x400, size // 2, size - 1):
            with self.subTest(offset=offset):
                self.change("wnbd.sys", offset)
                self.verify("wnbd.sys", status=1)
                self.change("wnbd.sys", offset)

    def test_a_changed_catalog_is_refused(self):
        run(ROOT / "tools" / "sign", "--test", self.folder / "wnbd.cat")
        run("osslsigncode", "verify", "-CAfile", CERTIFICATE, "-in", self.folder / "wnbd.cat")
        digest = hashlib.sha256((self.folder / "wnbd.inf").read_bytes()).digest()
        self.change("wnbd.cat", (self.folder / "wnbd.cat").read_bytes().index(digest))
        run("osslsigncode", "verify", "-CAfile", CERTIFICATE, "-in", self.folder / "wnbd.cat", status=1)

    def test_what_is_no_package_is_refused(self):
        inf = self.folder / "wnbd.inf"
        text = inf.read_text()
        for old, new, complaint in (("[SourceDisksFiles]", "[Other]", "SourceDisksFiles"),
                                    ("DriverVer ", "Driver ", "DriverVer")):
            with self.subTest(missing=complaint):
                inf.write_text(text.replace(old, new))
                done = run(ROOT / "tools" / "make-catalog", inf, self.folder / "new.cat", status=1)
                self.assertIn(complaint, done.stderr)
                self.assertFalse((self.folder / "new.cat").exists())


class Signing(unittest.TestCase):
    def test_what_is_missing_is_said(self):
        for words in ((), ("--test",), ("--certs", "x", "wnbd.sys"), ("--test", "--key", "x", "wnbd.sys"),
                      ("--other", "wnbd.sys")):
            with self.subTest(words=words):
                self.assertIn("sign --test FILE", run(ROOT / "tools" / "sign", *words, status=2).stderr)

    def test_a_key_of_ones_own(self):
        with tempfile.TemporaryDirectory(prefix="wnbd-sign-") as folder:
            key, cert, image = (pathlib.Path(folder) / name for name in ("key.pem", "cert.pem", "wnbd.sys"))
            run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Somebody", "-addext",
                "extendedKeyUsage=codeSigning", "-keyout", key, "-out", cert)
            shutil.copy(DIST / "wnbd.sys", image)
            run(ROOT / "tools" / "sign", "--certs", cert, "--key", key, image)
            self.assertIn("/CN=Somebody", run("osslsigncode", "verify", "-CAfile", cert, "-in", image).stdout)
            self.assertIn("could not sign", run(ROOT / "tools" / "sign", "--certs", cert, "--key", folder, image,
                                                status=1).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
