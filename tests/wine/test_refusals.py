#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Refusals that only the real driver and real servers give: what the user reads, word for word, and that nothing of the
disk is left.

Usage: tools/wine-env python3 tests/wine/test_refusals.py
"""
import pathlib
import re
import socket
import struct
import subprocess
import threading

import bed
from bed import servers

ANSWERED = 'it answered NBD_OPT_GO for export "{}" with error 0x8000000{}'
TLS_ADVICE = "let the server offer the export without TLS, over a tunnel or a network that you trust"
POLICY_ADVICE = "see what the server's configuration and log say of this client's address"
CLOSED_ADVICE = "the server's log should say why; it may not accept this client or export name"
BLOCK_ADVICE = "map it without --block-size, or let the server take smaller requests"


class NbdServerForOthers(servers.NbdServer):
    """Allows another client's address only."""

    def config(self):
        allowed = pathlib.Path(self.folder.name) / "allowed"
        allowed.write_text("10.9.8.7\n")
        return f"{super().config()}authfile = {allowed}\n"


class NbdKitForOthers(servers.NbdKit):
    """Closes a connection that it does not want before it says a word."""

    def command(self):
        command = super().command()
        at = command.index("--filter=exportname")
        return [*command[:at], "--filter=ip", *command[at:], "deny=all"]


def psk(folder):
    keys = pathlib.Path(folder) / "keys.psk"
    keys.write_text("user:" + "ab" * 32 + "\n")
    return keys


class NbdKitTls(servers.NbdKit):
    def command(self):
        program, *rest = super().command()
        return [program, "--tls=require", f"--tls-psk={psk(self.folder.name)}", *rest]


class QemuNbdTls(servers.QemuNbd):
    def command(self):
        program, *rest = super().command()
        folder = psk(self.folder.name).parent
        return [program, "--object", f"tls-creds-psk,id=tls,endpoint=server,dir={folder}", "--tls-creds", "tls", *rest]


class NbdKitNull(servers.NbdKit):
    """An export of any size and any block size; the image's name has the plugin's parameters."""

    def command(self):
        return ["nbdkit", "-f", "--exit-with-parent", "-i", "127.0.0.1", "-p", str(self.port),
                "--filter=blocksize-policy", "null", *str(self.image).split()]


class Resetter:
    """Resets each connection when it has sent the greeting."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.sendall(struct.pack(">8s8sH", b"NBDMAGIC", b"IHAVEOPT", 3))
            peer.recv(1)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def nbdkit_version():
    text = subprocess.run(["nbdkit", "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(number) for number in re.search(r"(\d+)\.(\d+)", text).groups())


class Refusals(bed.Case):
    def refused(self, code, text, *arguments):
        """The command fails with this code and, on standard error only, these lines."""
        done = self.client(*arguments, status=code & 0xFF)
        self.assertEqual((done.stdout, done.stderr), ("", f"wnbd-client: {text}\n"), str(done))

    def map_refused(self, code, cause, advice, server, *options, more="", export="disk"):
        """{server} in the cause stands for the server's address."""
        cause = cause.replace("{server}", f"127.0.0.1:{server.port}")
        join, end = ("; ", "") if cause.endswith(")") else (" (", ")")
        self.refused(code, f"cannot map foo: {cause}{join}{advice}{end}{more}", "map", "foo", "127.0.0.1",
                     "--port", str(server.port), "--export-name", export, *options)
        self.assertEqual(self.mapped(), {})

    def test_a_name_that_does_not_resolve(self):
        done = self.client("map", "foo", "no-such-host.invalid", "--debug", status=11001 & 0xFF)
        self.assertIn("wnbd-client: cannot map foo: the host name no-such-host.invalid has no address (check its "
                      "spelling and the DNS servers, or give an address)\n", done.stderr)
        self.assertIn(": cannot map foo: the name could not be resolved (check its spelling and DNS) (", done.stderr)

    def test_a_port_in_the_host_name(self):
        self.refused(11001, "cannot map foo: the host name 127.0.0.1:10809 has no address (give the host alone, its "
                     "port with --port and the export with --export-name)", "map", "foo", "127.0.0.1:10809")

    def test_a_closed_port(self):
        port = servers.free_port()
        self.refused(1225, f"cannot map foo: 127.0.0.1:{port} refused the connection (is the NBD server running "
                     "there, on that port?)", "map", "foo", "127.0.0.1", "--port", str(port))

    def test_unknown_exports_of_real_servers(self):
        kit = "; it says: export 'other not found" if nbdkit_version() > (1, 32) else ""
        for kind, words in ((servers.NbdServer, "; it says: Export unknown"), (servers.NbdKit, kit),
                            (servers.QemuNbd, "; it says: export 'other' not present")):
            with self.subTest(server=kind.name):
                server = self.serve(kind, self.image(name=kind.name), export="the-only-one")
                self.map_refused(67, "{server}: the server has no export of that name ("
                                 f"{ANSWERED.format('other', 6)}){words}", "name one that it has with --export-name",
                                 server, export="other", more="\nThe server offers:\n  the-only-one")

    def test_servers_that_want_tls(self):
        for kind, words in ((NbdKitTls, ""), (QemuNbdTls, "; it says: Option 0x7 not permitted before TLS")):
            with self.subTest(server=kind.name):
                server = self.serve(kind, self.image(name=kind.name))
                self.map_refused(65, f"{{server}}: the server insists on TLS ({ANSWERED.format('disk', 5)}){words}",
                                 TLS_ADVICE, server)

    def test_servers_that_do_not_let_us_in(self):
        self.map_refused(65, f"{{server}}: the server's policy forbids it ({ANSWERED.format('disk', 2)}); it says: "
                         "Access denied by server configuration", POLICY_ADVICE,
                         self.serve(NbdServerForOthers, self.image(name="one")))
        self.map_refused(1236, "{server}: the server closed the connection instead of sending its greeting",
                         CLOSED_ADVICE, self.serve(NbdKitForOthers, self.image(name="two")))

    def test_a_server_that_refuses_for_a_reason_of_its_own(self):
        server = self.hostile("--refuse", "größte Last", "--refuse-code", "platform")
        self.map_refused(58, f"{{server}}: the server refused ({ANSWERED.format('disk', 4)}); it says: größte Last",
                         "the server's log should say why", server)

    def test_a_connection_that_is_reset_in_the_handshake(self):
        server = Resetter()
        self.addCleanup(server.close)
        self.map_refused(1236, "{server}: the connection to the server was lost", CLOSED_ADVICE, server)

    def test_exports_that_are_too_small(self):
        for size in (0, 100):
            with self.subTest(size=size):
                self.map_refused(87, f"{{server}}: the export has {size} bytes, but a disk has at least one block "
                                 "(512 bytes) and at most 2^63 - 1 bytes",
                                 "check the names, the size of the export and the block size",
                                 self.serve(NbdKitNull, f"size={size}"), export="")

    def test_an_export_of_an_odd_size(self):
        server = self.serve(NbdKitNull, "size=1000")
        done = self.client("map", "foo", "127.0.0.1", "--port", server.port, "--export-name", "")
        self.assertEqual(done.stderr, "wnbd-client: warning: foo: the export has 1000 bytes, which is not a multiple "
                         "of the block size; its last 488 bytes are not part of the disk\n")

    def test_blocks_that_no_disk_has(self):
        server = self.serve(NbdKitNull, "size=1M blocksize-minimum=4096 blocksize-preferred=4096")
        self.map_refused(1106, "{server}: the server's smallest block is 4096 bytes, but the disk's is 512 bytes",
                         BLOCK_ADVICE, server, "--block-size", "512", export="")
        server = self.serve(NbdKitNull, "size=1M blocksize-minimum=65536 blocksize-preferred=65536")
        self.map_refused(1106, "{server}: the server's smallest block is 65536 bytes, but the disk's is 4096 bytes",
                         BLOCK_ADVICE, server, export="")

    def test_names_in_use_and_unknown_names(self):
        server = self.serve(servers.NbdKit, self.image())
        self.map("größe", server)
        self.refused(183, "cannot map größe: a disk of that name is mapped already (choose another instance name, or "
                     "remove it first: wnbd-client unmap größe)", "map", "größe", "127.0.0.1", "--port",
                     str(server.port), "--export-name", "disk")
        for command, tried in (("show", "show"), ("stats", "read the counters of"), ("unmap", "unmap")):
            self.refused(2, f"cannot {tried} foo: no disk of that name is mapped (wnbd-client list shows the names)\n"
                         "Mapped are:\n  größe", command, "foo")
        self.assertEqual(list(self.mapped()), ["größe"])


if __name__ == "__main__":
    bed.main(240)
