# SPDX-License-Identifier: LGPL-2.1-only
"""The servers and options that disks are tested with: the rows of docs/interop.md, and how each is started.

    python3 tests/support/peers.py      print the table
"""
import json
import pathlib
import subprocess

import servers

MIB = 1024 * 1024
SIZE = 4 * MIB


class Row:
    """One server with its options.

    Says: what of flush, fua, trim, read-only the disk must show, as the server is documented to offer it.
    Checks: names of the methods (test_interop.Rows) that are run, in this order.
    """

    def __init__(self, name, server, options, says, checks, **setup):
        self.name, self.server, self.options = name, server, options
        self.says, self.checks, self.setup = frozenset(says.split()), checks.split(), setup

    def cells(self):
        says = ", ".join(word for word in ("flush", "fua", "trim", "read-only") if word in self.says)
        return (self.name, self.server, self.options, says or "none", ", ".join(self.checks))


COLUMNS = ("row", "server", "options", "the disk says", "tested")


def table():
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in ROWS]
    return "\n".join(lines) + "\n"


# Servers


class ConfiguredNbdServer(servers.NbdServer):
    """Setup: the settings of the export; allowlist; more exports as {name: settings}."""

    def __init__(self, image, settings, allowlist=True, others=None):
        super().__init__(image)
        self.settings, self.allowlist, self.others = settings, allowlist, others or {}

    def config(self):
        text = (f"[generic]\nlistenaddr = 127.0.0.1\nport = {self.port}\n"
                f"allowlist = {str(self.allowlist).lower()}\n")
        for name, settings in {self.export: self.settings, **self.others}.items():
            text += f"\n[{name}]\nexportname = {self.image}\n"
            text += "".join(f"{key} = {value}\n" for key, value in settings.items())
        return text.replace("FOLDER", self.folder.name)


class ConfiguredNbdkit(servers.Server):
    """Setup: nbdkit's words; IMAGE and FOLDER in them are replaced. Its requests are logged to FOLDER/requests."""

    name = "nbdkit"

    def __init__(self, image, words, export="disk"):
        super().__init__(image, export=export)
        self.words = words

    def command(self):
        words = [word.replace("IMAGE", str(self.image)).replace("FOLDER", self.folder.name)
                 for word in self.words.split()]
        return ["nbdkit", "-f", "--exit-with-parent", "-i", "127.0.0.1", "-p", str(self.port), "--filter=log", *words,
                f"logfile={self.folder.name}/requests"]

    def requests(self):
        return (pathlib.Path(self.folder.name) / "requests").read_text()


class ConfiguredQemuNbd(servers.Server):
    """Setup: qemu-nbd's words; format: of the image, which is converted from the raw one."""

    name = "qemu-nbd"

    def __init__(self, image, words, image_format="raw", bitmap=None):
        super().__init__(image)
        self.words, self.image_format = words, image_format
        if image_format != "raw":
            self.image = self.image.with_suffix("." + image_format)
            run("qemu-img", "convert", "-f", "raw", "-O", image_format, image, self.image)
        if bitmap:
            run("qemu-img", "bitmap", "-f", image_format, "--add", self.image, bitmap)

    def command(self):
        return ["qemu-nbd", "-b", "127.0.0.1", "-p", str(self.port), "-t", "-e", "16", "-x", self.export,
                "-f", self.image_format, *self.words.split(), str(self.image)]

    def content(self):
        """What the image holds, read by qemu-img; the server may run."""
        raw = self.image.with_suffix(".content")
        run("qemu-img", "convert", "-U", "-f", self.image_format, "-O", "raw", self.image, raw)
        return raw.read_bytes()


KINDS = {kind.name: kind for kind in (ConfiguredNbdServer, ConfiguredNbdkit, ConfiguredQemuNbd)}


def server(row, image):
    """The row's server for this raw image, not started."""
    return KINDS[row.server](image, **row.setup)


# A second client, libnbd's


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def uri(peer, export=None):
    return f"nbd://127.0.0.1:{peer.port}/{peer.export if export is None else export}"


def copy(peer, path):
    """What a second connection reads of the export."""
    run("nbdcopy", "--request-size=65536", uri(peer), path)
    return path.read_bytes()


def keeps_writes(peer):
    """Whether a third client, qemu's, reads what it has just written."""
    done = subprocess.run(["qemu-io", "-f", "raw", "-c", f"write -P 3 0 {SIZE}", "-c", f"read -P 3 0 {SIZE}",
                           uri(peer)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode == 0 and "Pattern verification failed" not in done.stdout


def facts(peer):
    """nbdinfo's words about the export."""
    export = json.loads(run("nbdinfo", "--no-content", "--json", uri(peer)))["exports"][0]
    # Before an export is used, nbd-server says that its size is 0; nbdinfo 1.22 never uses it.
    image = json.loads(run("qemu-img", "info", "-f", "raw", "--output=json", uri(peer)))
    export["export-size"] = image["virtual-size"]
    return export


FULL = "properties identity reading writing fua flush unmapping traffic contents"
FULL_FILE = FULL + " image_file"
NO_TRIM = "properties identity reading writing fua flush no_unmap traffic contents"
READ_ONLY = "properties identity reading write_protected contents image_file"
READ_ONLY_MADE = "properties identity write_protected contents"

PLAIN = {"flush": "true", "fua": "true", "trim": "true"}

ROWS = (
    Row("nbd_server_plain", "nbd-server", "flush, fua, trim", "flush fua trim",
        FULL_FILE + " freeing listed unknown_name", settings=PLAIN),
    Row("nbd_server_bare", "nbd-server", "none set", "",
        "properties identity reading writing no_unmap traffic contents image_file", settings={}),
    Row("nbd_server_flush_only", "nbd-server", "flush", "flush fua", NO_TRIM + " image_file",
        settings={"flush": "true"}),
    Row("nbd_server_readonly", "nbd-server", "readonly", "flush fua read-only", READ_ONLY,
        settings={**PLAIN, "readonly": "true"}),
    Row("nbd_server_copyonwrite", "nbd-server", "copyonwrite", "flush fua",
        "properties identity reading writing fua flush serial_traffic image_kept fresh_again",
        settings={"flush": "true", "fua": "true", "copyonwrite": "true", "cowdir": "FOLDER"}),
    Row("nbd_server_sparse_cow", "nbd-server", "copyonwrite, sparse_cow", "flush fua",
        "properties identity reading filling fua flush serial_traffic image_kept fresh_again",
        settings={"flush": "true", "fua": "true", "copyonwrite": "true", "sparse_cow": "true", "cowdir": "FOLDER"}),
    Row("nbd_server_several", "nbd-server", "two exports, one of them readonly", "flush fua trim",
        FULL_FILE + " listed second_disk", settings=PLAIN, others={"second": {**PLAIN, "readonly": "true"}}),
    Row("nbd_server_list_refused", "nbd-server", "allowlist = false", "flush fua trim",
        FULL_FILE + " list_refused",
        settings=PLAIN, allowlist=False),
    Row("nbdkit_memory", "nbdkit", "memory", "flush fua trim", FULL, words="memory 4M"),
    Row("nbdkit_memory_malloc", "nbdkit", "memory allocator=malloc", "flush fua trim", FULL,
        words="memory 4M allocator=malloc"),
    Row("nbdkit_file", "nbdkit", "file", "flush fua trim", FULL_FILE + " freeing",
        words="file IMAGE"),
    Row("nbdkit_file_readonly", "nbdkit", "-r file", "flush fua read-only", READ_ONLY, words="-r file IMAGE"),
    Row("nbdkit_sparse_random", "nbdkit", "sparse-random", "flush fua trim",
        "properties identity writes_compared contents", words="sparse-random 4M seed=1"),
    Row("nbdkit_null", "nbdkit", "null", "flush fua trim", "properties identity zeroes_only", words="null 4M"),
    Row("nbdkit_pattern", "nbdkit", "pattern", "read-only", READ_ONLY_MADE + " pattern", words="pattern 4M"),
    Row("nbdkit_blocks_4096", "nbdkit", "file, blocksize-policy 4096, 64K, 256K", "flush fua trim",
        FULL_FILE + " block_4096",
        words="--filter=blocksize-policy file IMAGE blocksize-minimum=4096 blocksize-preferred=65536 "
              "blocksize-maximum=256K blocksize-error-policy=error"),
    Row("nbdkit_blocks_maximum", "nbdkit", "file, blocksize-policy 1, 4096, 64K", "flush fua trim", FULL_FILE,
        words="--filter=blocksize-policy file IMAGE blocksize-minimum=1 blocksize-preferred=4096 "
              "blocksize-maximum=64K blocksize-error-policy=error"),
    Row("nbdkit_blocks_too_large", "nbdkit", "memory, blocksize-policy 65536", "", "refused_block",
        words="--filter=blocksize-policy memory 4M blocksize-minimum=65536 blocksize-preferred=65536 "
              "blocksize-maximum=1M blocksize-error-policy=error"),
    Row("nbdkit_delay", "nbdkit", "file, delay 10 ms", "flush fua trim",
        "properties identity reading writing fua flush unmapping light_traffic contents image_file",
        words="--filter=delay file IMAGE rdelay=10ms wdelay=10ms"),
    Row("nbdkit_rate", "nbdkit", "file, rate 100M", "flush fua trim",
        "properties identity reading writing fua flush unmapping light_traffic contents image_file",
        words="--filter=rate file IMAGE rate=100M"),
    Row("nbdkit_error_read", "nbdkit", "file, error EIO on reads", "flush fua trim",
        "properties identity failing_reads reading writing contents image_file",
        words="--filter=error file IMAGE error-pread=EIO error-pread-rate=100% error-file=FOLDER/fail"),
    Row("nbdkit_error_write", "nbdkit", "file, error EIO on writes", "flush fua trim",
        "properties identity failing_writes reading writing contents image_file",
        words="--filter=error file IMAGE error-pwrite=EIO error-pwrite-rate=100% error-file=FOLDER/fail"),
    Row("nbdkit_error_full", "nbdkit", "file, error ENOSPC on writes", "flush fua trim",
        "properties identity failing_writes_full reading writing contents image_file",
        words="--filter=error file IMAGE error-pwrite=ENOSPC error-pwrite-rate=100% error-file=FOLDER/fail"),
    Row("nbdkit_nozero", "nbdkit", "file, nozero", "flush fua trim", FULL_FILE, words="--filter=nozero file IMAGE"),
    Row("nbdkit_fua_none", "nbdkit", "file, fua without fuamode", "flush fua trim",
        FULL_FILE + " fua_by_flush", words="--filter=fua file IMAGE"),
    Row("nbdkit_fua_emulate", "nbdkit", "file, fua fuamode=emulate", "flush fua trim", FULL_FILE + " fua_by_server",
        words="--filter=fua file IMAGE fuamode=emulate"),
    Row("nbdkit_fua_native", "nbdkit", "file, fua fuamode=native", "flush fua trim", FULL_FILE + " fua_by_server",
        words="--filter=fua file IMAGE fuamode=native"),
    Row("nbdkit_fua_force", "nbdkit", "file, fua fuamode=force", "flush fua trim", FULL_FILE + " fua_by_server",
        words="--filter=fua file IMAGE fuamode=force"),
    Row("nbdkit_exitwhen", "nbdkit", "file, exitwhen", "flush fua trim", "properties identity exits",
        words="--filter=exitwhen file IMAGE exit-when-file-created=FOLDER/stop exit-when-poll=1"),
    Row("nbdkit_no_sr", "nbdkit", "--no-sr file", "flush fua trim", FULL_FILE, words="--no-sr file IMAGE"),
    Row("nbdkit_oldstyle", "nbdkit", "--oldstyle memory", "", "refused_oldstyle", words="--oldstyle memory 4M"),
    Row("nbdkit_exportname", "nbdkit", "file, exportname strict, explicit", "flush fua trim",
        FULL_FILE + " listed unknown_name",
        words="--filter=exportname file IMAGE exportname=disk exportname-strict=true exportname-list=explicit"),
    Row("nbdkit_list_error", "nbdkit", "file, exportname-list=error", "flush fua trim", FULL_FILE + " list_refused",
        words="--filter=exportname file IMAGE exportname=disk exportname-strict=true exportname-list=error"),
    Row("nbdkit_mask_0", "nbdkit", "--mask-handshake=0 file: newstyle that is not fixed, no options",
        "flush fua trim", FULL_FILE, words="--mask-handshake=0 file IMAGE"),
    Row("nbdkit_mask_1", "nbdkit", "--mask-handshake=1 file: zeroes after the export", "flush fua trim", FULL_FILE,
        words="--mask-handshake=1 file IMAGE"),
    Row("qemu_raw", "qemu-nbd", "raw", "flush fua trim", FULL_FILE + " listed unknown_name", words="--discard=unmap"),
    Row("qemu_qcow2", "qemu-nbd", "qcow2", "flush fua trim", FULL_FILE, words="--discard=unmap",
        image_format="qcow2"),
    Row("qemu_read_only", "qemu-nbd", "-r, raw", "flush fua read-only", READ_ONLY, words="-r"),
    Row("qemu_bitmap", "qemu-nbd", "qcow2, -A -B (allocation and bitmap contexts), -D", "flush fua trim",
        FULL_FILE + " listed", words="--discard=unmap -A -B changes -D a-description", image_format="qcow2",
        bitmap="changes"),
)


if __name__ == "__main__":
    print(table(), end="")
