#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""`make dist`: what is in the zip and the installer, that they depend on nothing but the files, their signatures, and
the list of contents (SPDX 2.3)."""
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
        again = self.dist(other, "again")
        for suffix in (".zip", ".msi"):
            one, other = (path.with_suffix(suffix).read_bytes() for path in (self.plain, again))
            self.assertEqual(one, other, suffix)

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
        run("osslsigncode", "verify", "-CAfile", certificate, "-in", self.signed.with_suffix(".msi"))

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


class Msi(unittest.TestCase):
    """The installer as a database (msiinfo)."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-msi-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        for path in (*DIST.glob("*.*"), *(ROOT / name for name in ("README.md", "CHANGELOG.md", "LICENSE"))):
            shutil.copy(path, cls.folder)
        cls.msi = cls.folder / "wnbd.msi"
        run(ROOT / "tools" / "make-msi", cls.folder, cls.msi)

    def rows(self, table):
        names, _, _, *rows = run("msiinfo", "export", self.msi, table).replace("\r", "").splitlines()
        return [dict(zip(names.split("\t"), row.split("\t"))) for row in rows]

    def test_identity(self):
        properties = {row["Property"]: row["Value"] for row in self.rows("Property")}
        # By this one Windows finds what it upgrades: it never changes.
        self.assertEqual(properties["UpgradeCode"], "{1E3DA85B-3F0B-4E7C-8D1F-5C0B1E2D9A47}")
        self.assertRegex(properties["ProductVersion"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(properties["ALLUSERS"], "1")
        attributes = {row["VersionMin"] != "": int(row["Attributes"]) for row in self.rows("Upgrade")}
        self.assertEqual(attributes[True] & 2, 2)  # msidbUpgradeAttributesOnlyDetect: what is newer stays
        self.assertEqual(attributes[False] & 2, 0)

    def test_summary(self):
        text = run("env", "TZ=UTC", "msiinfo", "suminfo", self.msi)
        self.assertIn("Template: x64;1033", text)
        self.assertIn(run(ROOT / "tools" / "version").strip(), text)
        day, *clock = run(ROOT / "tools" / "version", "--date").split()
        times = re.findall(r"(?m)^(?:Created|Last saved): \w+ \w+ +(\d+) ([\d:]+) (\d+)$", text)
        self.assertEqual(times, [(str(int(day[-2:])), ":".join(clock), day[:4])] * 2)

    def test_files(self):
        run("msiextract", "-C", self.folder / "out", self.msi)
        files = {path.name: path.read_bytes() for path in (self.folder / "out").rglob("*") if path.is_file()}
        self.assertEqual(set(files), {"wnbd-client.exe", "libwnbd.dll", "wnbd.sys", "wnbd.inf", "wnbd.cat", "README.md",
                                      "CHANGELOG.md", "LICENSE"})
        for name, content in files.items():
            self.assertEqual(content, (self.folder / name).read_bytes(), name)

    def test_actions(self):
        """In the order that Windows Installer's documentation asks for; what changes the system is deferred."""
        order = {row["Action"]: (int(row["Sequence"]), row["Condition"]) for row in self.rows("InstallExecuteSequence")}
        expected = [
            "AppSearch", "InstallValidate", "InstallInitialize", "RemoveExistingProducts", "ProcessComponents",
            "StopServices", "DeleteServices", "UninstallDriver", "RemoveEnvironmentStrings", "RemoveFiles",
            "InstallFiles", "UndoDriver", "InstallDriver", "InstallService", "WriteEnvironmentStrings",
            "InstallFinalize"]
        self.assertEqual([name for name, _ in sorted(order.items(), key=lambda item: item[1]) if name in expected],
                         expected)
        self.assertEqual(order["UninstallDriver"][1], 'REMOVE="ALL"')
        self.assertEqual({order["UndoDriver"][1], order["InstallDriver"][1]}, {"NOT REMOVE"})
        deferred, rollback = 18 | 0x400 | 0x800, 0x100 | 0x40
        actions = {row["Action"]: (int(row["Type"]), row["Target"]) for row in self.rows("CustomAction")}
        self.assertEqual(actions, {
            "UninstallDriver": (deferred, "uninstall-driver"),
            "UndoDriver": (deferred | rollback, "uninstall-driver"),
            "InstallDriver": (deferred, 'install-driver "[INSTALLFOLDER]wnbd.inf"'),
            "InstallService": (deferred, "service install")})

    def test_service(self):
        """Whoever has installed it: it ends with the product, and an upgrade installs it again."""
        [row] = self.rows("ServiceControl")
        stop_when_removed, delete_when_removed = 0x20, 0x80
        self.assertEqual((row["Name"], int(row["Event"]), row["Wait"], row["Component_"]),
                         ("wnbd-mappings", stop_when_removed | delete_when_removed, "1", "Wnbd"))
        [row] = self.rows("RegLocator")
        self.assertEqual((row["Root"], row["Key"], row["Name"]),
                         ("2", r"SYSTEM\CurrentControlSet\Services\wnbd-mappings", "ImagePath"))
        order = {row["Action"]: row["Condition"] for row in self.rows("InstallExecuteSequence")}
        self.assertEqual(order["InstallService"], "HADSERVICE AND WIX_UPGRADE_DETECTED AND NOT REMOVE")

    def test_path(self):
        self.assertEqual([list(row.values()) for row in self.rows("Environment")],
                         [["Path", "=-*PATH", "[~];[INSTALLFOLDER]", "Wnbd"]])


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
