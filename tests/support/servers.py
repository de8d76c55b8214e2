# SPDX-License-Identifier: LGPL-2.1-only
"""Real NBD servers for the tests: nbd-server, nbdkit and qemu-nbd, on free ports of 127.0.0.1.

A server ends with the `with` block, and with the test's process however that ends.
"""
import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def listening(port):
    """Looks for the socket without connecting to it: a server may take the first connection as its last."""
    return f"0100007F:{port:04X} 00000000:0000 0A" in pathlib.Path("/proc/net/tcp").read_text()


def alive(process):
    """Whether a process that need not be a child runs; a zombie doesn't."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Server:
    """One server process for one image. Subclasses say how it is started."""

    name = "?"

    def __init__(self, image, export="disk", read_only=False, block_size=512, port=None, log=None):
        self.image, self.export, self.read_only, self.block_size = pathlib.Path(image), export, read_only, block_size
        self.port = port
        self.process = None
        self.folder = tempfile.TemporaryDirectory(prefix="wnbd-server-")
        self.log = pathlib.Path(log or pathlib.Path(self.folder.name) / "log")

    def command(self):
        raise NotImplementedError

    def start(self):
        """Starts it, on the port of the last start if there was one, and waits until it listens."""
        wanted = self.port
        for _ in range(5):
            self.port = wanted or free_port()
            with open(self.log, "ab") as log:
                self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                preexec_fn=die_with_parent, start_new_session=True)
            if self._listens():
                return self
            self.kill()
        raise RuntimeError(f"{self.name} does not start: {self.log.read_text(errors='replace')}")

    def _listens(self):
        limit = time.monotonic() + 10
        while time.monotonic() < limit and self.process.poll() is None:
            if listening(self.port):
                return True
            time.sleep(0.01)
        return False

    def kill(self):
        """Ends the server and the processes that serve its connections, at once."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()


class NbdServer(Server):
    """Always puts itself into the background, as the leader of its own session."""

    name = "nbd-server"

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.group = self.watchdog = None
        self.pid_file = pathlib.Path(self.folder.name) / "pid"

    def config(self):
        return (f"[generic]\nlistenaddr = 127.0.0.1\nport = {self.port}\nallowlist = true\n\n"
                f"[{self.export}]\nexportname = {self.image}\ncopyonwrite = false\n"
                f"readonly = {str(self.read_only).lower()}\nflush = true\nfua = true\ntrim = true\n")

    def command(self):
        config = pathlib.Path(self.folder.name) / "config"
        config.write_text(self.config())
        return ["nbd-server", "-C", str(config), "-p", str(self.pid_file)]

    def _listens(self):
        self.process.wait(timeout=10)  # the part that stays in the foreground
        limit = time.monotonic() + 10
        while time.monotonic() < limit:
            if self.pid_file.exists() and (text := self.pid_file.read_text().strip()):
                self._watch(int(text))
                return listening(self.port)
            time.sleep(0.01)
        return False

    def _watch(self, group):
        """A process of its own, no child of this one, kills the server when this process is gone."""
        self.group = group
        self.watchdog = subprocess.Popen(
            ["setsid", "-f", "sh", "-c", 'cat; kill -9 "-$1"', "sh", str(group)], stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        if self.group is not None:
            os.killpg(self.group, signal.SIGKILL)
            while alive(self.group):
                time.sleep(0.005)
            self.watchdog.stdin.close()
            self.watchdog.wait()
            self.group = None
            self.pid_file.unlink()
        super().kill()


class NbdKit(Server):
    name = "nbdkit"

    def command(self):
        command = ["nbdkit", "-f", "--exit-with-parent", "-i", "127.0.0.1", "-p", str(self.port)]
        if self.read_only:
            command.append("-r")
        if self.block_size > 512:
            command += ["--filter=blocksize-policy"]
        command += ["--filter=exportname", "file", str(self.image), f"exportname={self.export}",
                    "exportname-strict=true", "exportname-list=explicit"]
        if self.block_size > 512:
            command += [f"blocksize-minimum={self.block_size}", "blocksize-preferred=65536",
                        "blocksize-maximum=1M", "blocksize-error-policy=error"]
        return command


class QemuNbd(Server):
    name = "qemu-nbd"

    def command(self):
        command = ["qemu-nbd", "-b", "127.0.0.1", "-p", str(self.port), "-t", "-e", "16", "-x", self.export,
                   "--discard=unmap"]
        if self.read_only:
            command.append("-r")
        if self.block_size > 512:
            # A medium that takes requests of this size only.
            return command + ["--image-opts", f"driver=blkdebug,align={self.block_size},discard=unmap,"
                              f"image.driver=file,image.discard=unmap,image.filename={self.image}"]
        return command + ["-f", "raw", str(self.image)]


ALL = (NbdServer, NbdKit, QemuNbd)
