# SPDX-License-Identifier: LGPL-2.1-only
"""A Ceph of one node, of Debian's packages: a monitor, a manager and one OSD, with authentication, and gateways to it.

Everything is in one folder and listens on 127.0.0.1 only. The daemons are children of the process that starts them:
they end with the `with` block, and with that process however it ends.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import uuid

from servers import Server, die_with_parent, free_port

POOL = "disks"
# What the gateway needs and no more: the monitors' map, and the pool's images.
GATEWAY_USER = "client.gateway"
OSD_BYTES = 4 << 30  # of a sparse file


class CephError(Exception):
    """A program or a daemon of Ceph's failed; says which and why."""


def keyring(**keys):
    """A keyring file's text. Keys: {user: (key, {service: capability})}, for the monitor, which knows users from it."""
    lines = []
    for user, (key, caps) in keys.items():
        lines += [f"[{user}]", f"key = {key}", *(f'caps {service} = "{what}"' for service, what in caps.items())]
    return "\n".join([*lines, ""])


class Cluster:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.conf = self.folder / "ceph.conf"
        self.daemons = {}

    def __enter__(self):
        try:
            return self._start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        for name in list(self.daemons):
            self.stop(name)

    # Daemons

    def _start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.fsid = str(uuid.uuid4())
        self._configure()
        self._monitor()
        self._daemon("mgr", "ceph-mgr", self.user_keyring("mgr.x", "mgr", mon="allow profile mgr", osd="allow *"), "x")
        self._osd()
        self.ceph("osd", "pool", "create", POOL, "8")
        self.rbd("pool", "init", POOL)
        self.user_keyring(GATEWAY_USER, "gateway", mon="profile rbd", osd=f"profile rbd pool={POOL}")
        return self

    def _configure(self):
        self.address = f"v2:127.0.0.1:{free_port()}"
        keys = {"mon.": (self.new_key(), {"mon": "allow *"}),
                "client.admin": (self.new_key(), {"mon": "allow *", "osd": "allow *", "mgr": "allow *"})}
        for name, users in (("mon", keys), ("admin", ["client.admin"])):
            self._keyring_file(name).write_text(keyring(**{user: keys[user] for user in users}))
        self.conf.write_text(f"""[global]
fsid = {self.fsid}
mon host = [{self.address}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr1 = false
ms bind ipv6 = false
run dir = {self.folder}
log file = {self.folder}/$name.log
admin socket =
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
osd objectstore = bluestore
bluestore block size = {OSD_BYTES}
osd memory target = 1073741824
mgr initial modules =
mon data = {self.folder}/mon.data
osd data = {self.folder}/osd.data
mgr data = {self.folder}/mgr.data
crash dir = {self.folder}
[client]
log file =
[client.admin]
keyring = {self._keyring_file("admin")}
[{GATEWAY_USER}]
keyring = {self._keyring_file("gateway")}
""")

    def _keyring_file(self, name):
        return self.folder / f"{name}.keyring"

    def _monitor(self):
        monmap = self.folder / "monmap"
        self.run("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", f"[{self.address}]", monmap)
        self.run("ceph-mon", "-c", self.conf, "-i", "a", "--mkfs", "--monmap", monmap,
                 "--keyring", self._keyring_file("mon"))
        self._daemon("mon", "ceph-mon", self._keyring_file("mon"), "a")
        self.until(lambda: self.ceph("quorum_status"), "the monitor has a quorum")

    def _osd(self):
        uid, key = str(uuid.uuid4()), self.new_key()
        self.osd = self.ceph("osd", "new", uid, "-i", "-", data=json.dumps({"cephx_secret": key})).strip()
        ring = self._keyring_file("osd")
        ring.write_text(keyring(**{f"osd.{self.osd}": (key, {})}))
        (self.folder / "osd.data").mkdir()
        self.run("ceph-osd", "-c", self.conf, "-i", self.osd, "--mkfs", "--osd-uuid", uid, "--keyring", ring)
        self.start_osd()

    def start_osd(self):
        """Until the monitor has seen this start."""
        def up_since():
            state = json.loads(self.ceph("osd", "dump", "-f", "json"))["osds"][0]
            return state["up_from"] if state["up"] else 0

        before = up_since()
        self._daemon("osd", "ceph-osd", self._keyring_file("osd"), self.osd)
        self.until(lambda: up_since() > before, "the OSD is up")

    def _daemon(self, name, program, ring, identity):
        (self.folder / f"{name}.data").mkdir(exist_ok=True)
        with open(self.folder / f"{name}.out", "ab") as out:
            self.daemons[name] = subprocess.Popen(
                [program, "-f", "-c", self.conf, "-i", identity, "--keyring", ring], stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, preexec_fn=die_with_parent, start_new_session=True)

    def stop(self, name):
        process = self.daemons.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def until(self, condition, what, seconds=120):
        limit = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except CephError as error:
                what = f"{what} ({error})" if " (" not in what else what
            for name, process in self.daemons.items():
                if process.poll() is not None:
                    text = (self.folder / f"{name}.out").read_text(errors="replace")
                    raise CephError(f"ceph-{name} has ended: {text[-2000:]}")
            if time.monotonic() > limit:
                raise CephError(f"not within {seconds} s: {what}")
            time.sleep(0.2)

    # Programs

    def run(self, *words, data=None, seconds=60):
        done = subprocess.run(list(map(str, words)), input=data, capture_output=True, text=True, timeout=seconds,
                              env={**os.environ, "CEPH_CONF": str(self.conf)}, check=False)
        if done.returncode:
            raise CephError(f"{' '.join(map(str, words))}: {done.stdout}{done.stderr}")
        return done.stdout

    def new_key(self):
        return self.run("ceph-authtool", "--gen-print-key").strip()

    def ceph(self, *words, data=None):
        return self.run("ceph", "-c", self.conf, "--connect-timeout", 10, *words, data=data)

    def rbd(self, *words):
        return self.run("rbd", "-c", self.conf, *words, seconds=120)

    def user_keyring(self, user, name, **capabilities):
        """Makes the user, and its keyring file."""
        words = [word for pair in capabilities.items() for word in pair]
        self._keyring_file(name).write_text(self.ceph("auth", "get-or-create", user, *words))
        return self._keyring_file(name)

    # Images

    def create(self, image, mib):
        self.rbd("create", f"{POOL}/{image}", "--size", f"{mib}M")

    def export(self, image, path):
        """What the image, or `image@snapshot`, holds, by Ceph's own client."""
        path.unlink(missing_ok=True)
        self.rbd("export", "--no-progress", f"{POOL}/{image}", path)
        return path.read_bytes()


class Gateway(Server):
    """qemu-nbd, which is librbd's client and an NBD server."""

    name = "qemu-nbd with rbd"

    def __init__(self, cluster, image, shared=1, settings=(), **options):
        """Settings: (name, value) pairs of Ceph's configuration, for this gateway."""
        super().__init__(image, **options)
        self.cluster, self.shared, self.settings = cluster, shared, settings

    def source(self):
        words = {"id": GATEWAY_USER.removeprefix("client."), "conf": self.cluster.conf, **dict(self.settings)}
        return ":".join([f"rbd:{POOL}/{self.image}", *(f"{name}={value}" for name, value in words.items())])

    def command(self):
        return ["qemu-nbd", "--persistent", "--format", "raw", "--bind", "127.0.0.1", "--port", str(self.port),
                "--export-name", self.export, "--shared", str(self.shared), "--cache", "writeback",
                "--discard", "unmap", *(["--read-only"] if self.read_only else []), self.source()]

    def stop(self):
        """In good order, with the image's lock given back."""
        self.process.terminate()
        self.process.wait(60)
        self.process = None

    def clients(self):
        """TCP connections that the gateway has."""
        wanted = rf"(?m)^\s*\d+: 0100007F:{self.port:04X} 0100007F:[0-9A-F]{{4}} 01 "
        return len(re.findall(wanted, pathlib.Path("/proc/net/tcp").read_text()))
