#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/version in repositories with and without tags, and without a repository."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

VERSION = pathlib.Path(__file__).resolve().parents[2] / "tools" / "version"
ENVIRONMENT = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null",
               "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
               "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
               "GIT_COMMITTER_DATE": "2026-03-04T05:06:07Z"}


class Version(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-version-")
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name).resolve()
        (self.root / "tools").mkdir()
        shutil.copy(VERSION, self.root / "tools" / "version")
        (self.root / "VERSION").write_text("1.2.3\n")

    def run_in(self, *words):
        return subprocess.run(words, cwd=self.root, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout

    def version(self, *words):
        return self.run_in("tools/version", *words).strip()

    def commit(self, count=1):
        for _ in range(count):
            self.run_in("git", "commit", "-q", "--allow-empty", "-m", "x")

    def repository(self):
        self.run_in("git", "init", "-q")
        self.run_in("git", "add", ".")
        self.commit()

    def test_without_a_repository(self):
        self.assertEqual(self.version(), "1.2.3")

    def test_counts_from_the_version_file(self):
        self.repository()
        self.assertEqual(self.version(), "1.2.3")
        self.commit(5)
        self.assertRegex(self.version(), r"^1\.2\.3-5-g[0-9a-f]{7}$")

    def test_counts_from_a_tag(self):
        self.repository()
        self.commit()
        self.run_in("git", "tag", "v1.3.0")
        self.assertEqual(self.version(), "1.3.0")
        self.commit(2)
        self.assertRegex(self.version(), r"^1\.3\.0-2-g[0-9a-f]{7}$")

    def test_date_is_the_commits(self):
        self.repository()
        self.assertEqual(self.version("--date"), "2026-03-04 05 06 07")

    def test_header(self):
        self.repository()
        self.commit(3)
        self.version("--header", "out/version.h")
        header = (self.root / "out" / "version.h").read_text()
        values = dict(re.findall(r"#define WNBD_VERSION_(\w+) (.+)", header))
        self.assertEqual([values[name] for name in ("MAJOR", "MINOR", "PATCH", "COMMITS")], ["1", "2", "3", "3"])
        self.assertEqual(values["STRING"], f'"{self.version()}"')

    def test_header_is_left_alone_when_nothing_changed(self):
        self.version("--header", "version.h")
        os.utime(self.root / "version.h", (1, 1))
        self.version("--header", "version.h")
        self.assertEqual((self.root / "version.h").stat().st_mtime, 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
