# SPDX-License-Identifier: LGPL-2.1-only
"""What the tests under Wine share: running wnbd-client and disktool, servers, the driver's log.

Runs inside tools/wine-env, which gives it a Wine prefix of its own. A test that fails prints what the driver
logged meanwhile; a test during which the test bed saw the driver break a rule of Storport's fails.
"""
import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
import servers  # noqa: E402

KIB, MIB = 1024, 1024 * 1024
COMMAND_SECONDS = 120
VIOLATION = b"STORPORT-VIOLATION"


class Done:
    """A finished Windows program: status (the low 8 bits of its exit code), stdout, stderr with plain line ends."""

    def __init__(self, arguments, status, stdout, stderr):
        self.arguments, self.status = arguments, status
        self.stdout, self.stderr = (text.decode(errors="replace").replace("\r\n", "\n") for text in (stdout, stderr))

    def __str__(self):
        return f"{' '.join(self.arguments)}\nstatus {self.status}\nstdout: {self.stdout}\nstderr: {self.stderr}"


class Program:
    """A Windows program that runs beside the test."""

    def __init__(self, arguments):
        self.arguments = [str(word) for word in arguments]
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)

    def wait(self, seconds=COMMAND_SECONDS):
        try:
            stdout, stderr = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            stdout, stderr = self.process.communicate()
            raise AssertionError(f"did not end within {seconds} s: "
                                 f"{Done(self.arguments, 'none', stdout, stderr)}") from None
        return Done(self.arguments, self.process.returncode, stdout, stderr)


class HostileServer:
    """testbed/wine/nbd_server.py with the given options."""

    name = "nbd_server.py"

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "testbed" / "wine" / "nbd_server.py", *map(str, options)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=servers.die_with_parent)
        self.port = int(self.process.stdout.readline())
        self.export = "disk"

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Case(unittest.TestCase):
    """A test with the driver installed. Disks that it leaves are removed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="wnbd-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.log_start = self.log_path().stat().st_size
        self.addCleanup(self._end)

    @staticmethod
    def log_path():
        return pathlib.Path(os.environ["WNBD_LOG"])

    def driver_log(self):
        """What the driver and the test bed wrote since the test began."""
        with open(self.log_path(), "rb") as log:
            log.seek(self.log_start)
            return log.read()

    def _end(self):
        self._remove(*self.mapped())
        if VIOLATION in self.driver_log():
            self.fail("the driver broke a rule of Storport (see its log)")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            log = self.driver_log().decode(errors="replace")
            print(f"---- the driver's log of {self.id()} ----\n{log}---- end ----", file=sys.stderr, flush=True)

    @staticmethod
    def _remove(*names):
        """Disks that may be gone already."""
        for name in names:
            Program(["wnbd-client", "unmap", name, "--hard-disconnect"]).wait()

    # Programs

    def client(self, *arguments, status=0, seconds=COMMAND_SECONDS):
        """Runs wnbd-client. Status: what it must return; None for any failure."""
        return self._run(["wnbd-client", *arguments], status, seconds)

    def disktool(self, *arguments, status=0, seconds=COMMAND_SECONDS):
        return self._run(["disktool", *arguments], status, seconds)

    def _run(self, arguments, status, seconds):
        done = Program(arguments).wait(seconds)
        if status is None:
            self.assertNotEqual(done.status, 0, str(done))
        else:
            self.assertEqual(done.status, status, str(done))
        return done

    # Disks

    def mapped(self):
        """{instance name: row of `list` as a dictionary}; without the driver there are none."""
        done = Program(["wnbd-client", "list"]).wait()
        if "driver is not installed" in done.stderr:
            return {}
        self.assertEqual(done.status, 0, str(done))
        header, *rows = done.stdout.splitlines()
        names = header.split()
        return {row.split()[-1]: dict(zip(names, row.split())) for row in rows}

    def map(self, name, server, *options):
        """Maps the server's export and returns the disk's number."""
        self.client("map", name, "127.0.0.1", "--port", server.port, "--export-name", server.export, *options)
        self.addCleanup(self._remove, name)
        number = int(self.mapped()[name]["DiskNumber"])
        self.disktool("wait", number, 10)
        return number

    def hold(self, number):
        """Keeps the disk open until the test ends, or until the program that is returned is ended by let_go()."""
        holder = Program(["disktool", str(number), "hold", "600"])
        self.addCleanup(self.let_go, holder)
        self.assertIn(b"holding", holder.process.stdout.readline())
        return holder

    @staticmethod
    def let_go(holder):
        if holder.process.poll() is None:
            holder.process.kill()
        holder.process.communicate()

    def unmap(self, name, *options):
        self.client("unmap", name, *options)
        self.assertNotIn(name, self.mapped())

    def gone(self, name, seconds=15):
        """Waits until a disk that nobody unmaps is no longer listed."""
        limit = time.monotonic() + seconds
        while name in self.mapped():
            self.assertLess(time.monotonic(), limit, f"{name} is still there after {seconds} s")
            time.sleep(0.1)

    def stats(self, name):
        lines = self.client("stats", name).stdout.splitlines()[1:]
        return {key.strip(): int(value) for key, value in (line.split(":") for line in lines)}

    def info(self, number):
        """disktool's info: {name: text}"""
        return dict(line.split(": ", 1) for line in self.disktool(number, "info").stdout.splitlines() if ": " in line)

    def serving(self, name, mib, *options):
        """Starts testbed/wine/provider.c; returns it and the numbers of its disks, which can be opened."""
        program = Program(["provider", name, mib, *options])
        self.addCleanup(self.let_go, program)
        line = program.process.stdout.readline().decode().split()
        if line[:1] != ["serving"]:
            self.fail(f"{line} {program.wait()}")
        return program, [int(number) for number in line[1:]]

    # Servers and data

    def image(self, size=8 * MIB, name="image", seed=1):
        path = self.folder / name
        path.write_bytes(random.Random(seed).randbytes(size))
        return path

    def serve(self, kind, image, **options):
        server = kind(image, **options)
        server.start()
        self.addCleanup(server.__exit__)
        return server

    def hostile(self, *options):
        server = HostileServer(*options)
        self.addCleanup(server.kill)
        return server

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def windows(self, path):
        """A path of this machine as Windows programs under Wine see it."""
        return "Z:" + str(path).replace("/", "\\")

    def write(self, number, offset, content):
        self.disktool(number, "write", offset, self.windows(self.file("to-write", content)))

    def read(self, number, offset, length):
        path = self.folder / "read-back"
        self.disktool(number, "read", offset, length, self.windows(path))
        return path.read_bytes()

    def digest(self, number, *extent):
        return re.search(r"\b[0-9a-f]{64}\b", self.disktool(number, "sha256", *extent).stdout).group(0)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def watchdog(seconds):
    """Ends the process, and with it the Wine prefix, before ctest's limit: so that the log is still printed."""
    def bark():
        log = pathlib.Path(os.environ["WNBD_LOG"]).read_text(errors="replace")
        print(f"the tests did not end within {seconds} s\n---- the driver's log ----\n{log}---- end ----",
              file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

    timer = threading.Timer(seconds, bark)
    timer.daemon = True
    timer.start()


def main(seconds=540):
    if "WNBD_LOG" not in os.environ:
        raise SystemExit(f"run it as: tools/wine-env python3 {sys.argv[0]}")
    watchdog(seconds)
    unittest.main(verbosity=2)
