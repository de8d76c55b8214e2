#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""`make dist`: what is in the zip, that it depends on nothing but the files, its signatures and its list (SPDX 2.3)."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WNBD_BUILD", ROOT / "build"))
DIST = BUILD / "dist"
ADDED = {"README.md", "CHANGELOG.md", "LICENSE", "reinstall.ps1", "wnbd.spdx.json"}
SIGNED = {"wnbd.sys", "wnbd.cat", "libwnbd.dll", "wnbd-client.exe"}


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise AssertionError(f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def contents(path):
    """{name without the folder: content}"""
    with zipfile.ZipFile(path) as archive:
        return {name.split("/", 1)[1]: archive.read(name) for name in archive.namelist()}


class Dist(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-dist-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.version = run(ROOT / "tools" / "version").strip()
        cls.plain = cls.dist(DIST, "plain")
        cls.signed = cls.dist(DIST, "signed", "--test")

    @classmethod
    def dist(cls, source, target, *options):
        run(ROOT / "tools" / "dist", "--from", source, "--to", cls.folder / target, *options)
        found = list((cls.folder / target).glob("*.zip"))
        assert len(found) == 1, found
        return found[0]

    def test_contents(self):
        self.assertEqual(self.plain.name, f"wnbd-{self.version}-x64.zip")
        files = contents(self.plain)
        shipped = {str(path.relative_to(DIST)) for path in DIST.rglob("*") if path.is_file()}
        self.assertEqual(set(files), shipped | ADDED)
        for name in shipped:
            self.assertEqual(files[name], (DIST / name).read_bytes(), name)
        with zipfile.ZipFile(self.plain) as archive:
            self.assertEqual({name.split("/")[0] for name in archive.namelist()}, {f"wnbd-{self.version}"})

    def test_the_same_files_give_the_same_bytes(self):
        """Elsewhere, with other dates and modes, found in another order."""
        other = self.folder / "a-longer-name-of-a-folder"
        other.mkdir()
        for path in sorted(DIST.rglob("*"), reverse=True):
            if path.is_file():
                copy = other / path.relative_to(DIST)
                copy.parent.mkdir(exist_ok=True)
                shutil.copyfile(path, copy)
                os.utime(copy, (1e9, 1e9))
                copy.chmod(0o600)
        self.assertEqual(self.dist(other, "again").read_bytes(), self.plain.read_bytes())

    def test_signatures_are_the_only_difference(self):
        plain, signed = contents(self.plain), contents(self.signed)
        self.assertEqual(self.signed.name, f"wnbd-{self.version}-x64-signed.zip")
        self.assertEqual(set(signed) - set(plain), {"wnbd-test.cer"})
        self.assertEqual({name for name in plain if plain[name] != signed[name]}, SIGNED | {"wnbd.spdx.json"})

    def test_signatures(self):
        folder = self.folder / "verify"
        folder.mkdir()
        files = contents(self.signed)
        certificate = folder / "cert.pem"
        for name in SIGNED | {"wnbd-test.cer"}:
            (folder / name).write_bytes(files[name])
        run("openssl", "x509", "-inform", "DER", "-in", folder / "wnbd-test.cer", "-out", certificate)
        for name in SIGNED:
            run("osslsigncode", "verify", "-CAfile", certificate, "-in", folder / name)
        run("osslsigncode", "verify", "-CAfile", certificate, "-catalog", folder / "wnbd.cat", "-in",
            folder / "wnbd.sys")

    def test_what_an_earlier_run_left_goes(self):
        target = self.folder / "again-and-again"
        target.mkdir()
        (target / "wnbd-0.0.1-x64.zip").touch()
        self.dist(DIST, "again-and-again")

    def check_sbom(self, path):
        """The members that SPDX 2.3 makes mandatory, and that hashes and references are right."""
        files = contents(path)
        document = json.loads(files.pop("wnbd.spdx.json"))
        for name in ("spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace", "creationInfo"):
            self.assertTrue(document[name], name)
        self.assertEqual((document["spdxVersion"], document["dataLicense"], document["SPDXID"]),
                         ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"))
        self.assertNotIn("#", document["documentNamespace"])
        self.assertRegex(document["creationInfo"]["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        for creator in document["creationInfo"]["creators"]:
            self.assertRegex(creator, r"^(Tool|Organization|Person): \S")
        for entry in document["packages"]:
            for name in ("SPDXID", "name", "downloadLocation"):
                self.assertTrue(entry[name], name)
        listed = {entry["fileName"]: entry for entry in document["files"]}
        self.assertEqual(set(listed), {f"./{name}" for name in files})
        for name, content in files.items():
            sums = {entry["algorithm"]: entry["checksumValue"] for entry in listed[f"./{name}"]["checksums"]}
            self.assertEqual(sums, {"SHA1": hashlib.sha1(content).hexdigest(),
                                    "SHA256": hashlib.sha256(content).hexdigest()}, name)
        product = document["packages"][0]
        self.assertEqual((product["name"], product["versionInfo"]), ("wnbd", self.version))
        hashes = sorted(hashlib.sha1(content).hexdigest() for content in files.values())
        self.assertEqual(product["packageVerificationCode"]["packageVerificationCodeValue"],
                         hashlib.sha1("".join(hashes).encode()).hexdigest())
        names = [entry["SPDXID"] for entry in (document, *document["packages"], *document["files"])]
        self.assertEqual(len(names), len(set(names)))
        self.assertTrue(all(re.fullmatch(r"SPDXRef-[\w.-]+", name) for name in names), names)
        kinds = [entry["relationshipType"] for entry in document["relationships"]]
        self.assertEqual(kinds.count("DESCRIBES"), 1)
        self.assertEqual(kinds.count("CONTAINS"), len(files))
        for entry in document["relationships"]:
            self.assertLessEqual({entry["spdxElementId"], entry["relatedSpdxElement"]}, set(names))
        return document["documentNamespace"]

    def test_sbom(self):
        self.assertNotEqual(self.check_sbom(self.plain), self.check_sbom(self.signed))


class Reinstall(unittest.TestCase):
    """reinstall.ps1 names files of the package that it lies in, and commands that wnbd-client has."""

    def test_names(self):
        text = (ROOT / "packaging" / "reinstall.ps1").read_text()
        named = set(re.findall(r"'([\w-]+\.(?:exe|dll|inf|sys|cat|cer))'", text))
        self.assertEqual(named - {"wnbd-test.cer"}, {path.name for path in DIST.iterdir()} & named)
        self.assertIn("wnbd.cat", named)
        table = (ROOT / "wnbd-client" / "commands.c").read_text()
        for command in re.findall(r"Invoke-Client -Arguments @\('([\w-]+)'", text):
            self.assertIn(f'"{command}"', table)


if __name__ == "__main__":
    unittest.main(verbosity=2)
