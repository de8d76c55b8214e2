#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/deps: apt is asked only when something is missing, and whatever is in the way is said with what to install."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from leftovers import ROOT, script

DEPS = ROOT / "tools" / "deps"
COMMANDS = ("clang-19", "ld.lld-19", "llvm-ar-19", "x86_64-w64-mingw32-gcc", "cmake", "ninja", "python3", "git")
TOOLS = ("cat", "chmod", "mktemp", "rm", "sed", "tail", "true")


class Deps(unittest.TestCase):
    """On a machine of which the test decides what it has. Group `build` only: its proofs are all commands."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-deps-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for name in TOOLS:
            (self.bin / name).symlink_to(shutil.which(name))
        # The script runs `sh -c SCRIPT sh POLICY PACKAGES...` as root; here the policy is a file of the test's.
        script(self.bin, "sh", f'script=$2\nshift 4\nexec /bin/sh -c "$script" sh "{self.folder}/policy" "$@"')
        self.calls = self.folder / "calls"
        self.calls.touch()

    def machine(self, missing=(), uid=0, apt="installs", sudo=None):
        for name in COMMANDS:
            if name not in missing:
                script(self.bin, name, ":")
        script(self.bin, "id", f"echo {uid}")
        if sudo is not None:
            script(self.bin, "sudo", f'echo "sudo $*" >> "{self.calls}"\nshift\n{sudo} && exec "$@"')
        if apt == "installs":
            made = "".join(f' printf "#!/bin/sh\\n" > "{self.bin}/{name}"; chmod 755 "{self.bin}/{name}";'
                           for name in missing)
            apt = f'case "$*" in *install*) [ -x "{self.folder}/policy" ] || exit 9;{made} esac'
        if apt is not None:
            script(self.bin, "apt-get", f'echo "apt-get $*" >> "{self.calls}"\n{apt}')

    def deps(self, *groups):
        done = subprocess.run([DEPS, *(groups or ("build",))], env={**os.environ, "PATH": str(self.bin)},
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout + done.stderr, self.calls.read_text()

    def test_asks_nobody_when_nothing_is_missing(self):
        for uid in (0, 1000):
            self.machine(uid=uid)
            self.assertEqual(self.deps(), (0, "", ""))

    def test_installs_what_is_missing_as_root(self):
        self.machine(missing=("ninja", "ld.lld-19"))
        status, output, calls = self.deps()
        self.assertEqual(status, 0, output)
        update, install = calls.splitlines()
        self.assertTrue(update.endswith(" update"), update)
        self.assertEqual(install.partition("--no-install-recommends ")[2].split(), ["lld-19", "ninja-build"])
        self.assertIn("lld-19 ninja-build", output)

    def test_starts_no_daemon_and_leaves_no_policy(self):
        self.machine(missing=("ninja",))
        self.assertEqual(self.deps()[0], 0)  # the apt-get of the test insists on the policy
        self.assertFalse((self.folder / "policy").exists())

    def test_uses_sudo_without_a_password(self):
        self.machine(missing=("ninja",), uid=1000, sudo="true")
        status, output, calls = self.deps()
        self.assertEqual(status, 0, output)
        self.assertIn("sudo -n sh", calls)
        self.assertIn("install --no-install-recommends ninja-build", calls)

    def refused(self, words, calls_apt=False):
        status, output, calls = self.deps()
        self.assertEqual(status, 1, output)
        self.assertIn(words, output)
        self.assertIn("apt-get install --no-install-recommends ninja-build\n", output)
        self.assertEqual("apt-get" in calls, calls_apt, calls)

    def test_neither_root_nor_sudo(self):
        self.machine(missing=("ninja",), uid=1000)
        self.refused("neither root nor allowed to use sudo")

    def test_sudo_wants_a_password(self):
        self.machine(missing=("ninja",), uid=1000, sudo="false")
        self.refused("neither root nor allowed to use sudo")

    def test_another_distribution(self):
        self.machine(missing=("ninja",), apt=None)
        self.refused("this is not Debian")

    def test_no_network(self):
        self.machine(missing=("ninja",), apt='echo "Temporary failure resolving deb.example" >&2; exit 100')
        self.refused("is there a network?", calls_apt=True)
        self.assertIn("Temporary failure resolving", self.deps()[1])

    def test_a_release_whose_packages_lack_something(self):
        self.machine(missing=("ninja",), apt="exit 0")
        self.refused("what they should bring is not found", calls_apt=True)

    def test_every_group_is_in_the_list(self):
        listed = subprocess.run([DEPS, "--list", "build", "run", "dist", "test", "ceph"], capture_output=True,
                                text=True, timeout=60, check=True).stdout.split()
        for package in ("clang-19", "lld-19", "wine", "nbd-server", "osslsigncode", "nbdkit", "qemu-utils",
                        "libnbd-bin", "libnbd-dev", "valgrind", "libcmocka-dev", "ceph-osd", "qemu-block-extra"):
            self.assertIn(package, listed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
