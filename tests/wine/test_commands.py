#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""wnbd-client against the real driver: what map, list, show, stats and unmap print, and what errors say.

Usage: tools/wine-env python3 tests/wine/test_commands.py
"""
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import bed
from bed import MIB, ROOT, servers

sys.path.insert(0, str(ROOT / "tests" / "cli"))
import prometheus  # noqa: E402

STATS = ["TotalReceivedIORequests", "TotalSubmittedIORequests", "TotalReceivedIOReplies", "UnsubmittedIORequests",
         "PendingSubmittedIORequests", "AbortedSubmittedIORequests", "AbortedUnsubmittedIORequests",
         "CompletedAbortedIORequests", "OutstandingIOCount", "TimeSinceLastReceivedReqMs",
         "TimeSinceLastSubmittedReqMs", "TimeSinceLastReplyMs"]
SHOW = ["InstanceName", "SerialNumber", "Owner", "ReadOnly", "FlushSupported", "FUASupported", "UnmapSupported",
        "UnmapAnchorSupported", "UseUserspaceNbd", "BlockCount", "BlockSize", "MaxUnmapDescCount", "Pid", "DiskNumber",
        "PNPDeviceID", "BusNumber", "TargetId", "Lun", "MaxIOReqPerLun", "MaxIOReqPerAdapter"]
SHOW_NBD = ["Hostname", "PortNumber", "ExportName", "SkipNegotiation"]


class Commands(bed.Case):
    def serve_one(self, export="disk"):
        return self.serve(servers.NbdKit, self.image(), export=export)

    def test_version(self):
        version = subprocess.run([ROOT / "tools" / "version"], check=True, capture_output=True,
                                 text=True).stdout.strip()
        expected = "".join(f"{name}: {version}\n" for name in ("wnbd-client.exe", "libwnbd.dll", "wnbd.sys"))
        self.assertEqual(self.client("-v").stdout, expected)
        self.assertEqual(self.client("version").stdout, expected)

    def test_list(self):
        self.assertEqual(self.client("list").stdout.split(), ["Pid", "DiskNumber", "Nbd", "Owner", "InstanceName"])
        number = self.map("disk", self.serve_one())
        header, row = self.client("list").stdout.splitlines()
        self.assertEqual(header, "Pid         DiskNumber  Nbd    Owner            InstanceName")
        columns = row.split()
        self.assertGreater(int(columns[0]), 0)
        self.assertEqual(columns[1:], [str(number), "true", "wnbd-client", "disk"])
        self.assertEqual(self.client("ls").stdout, self.client("list").stdout)

    def test_pid_is_that_of_the_program_that_mapped(self):
        server = self.serve_one()
        pids = []
        for _ in range(2):
            self.map("disk", server)
            pids.append(self.mapped()["disk"]["Pid"])
            self.unmap("disk")
        self.assertNotEqual(*pids)

    def test_show(self):
        server = self.serve_one(export="the-export")
        number = self.map("disk", server)
        text = self.client("show", "disk").stdout
        first, second = text.split("\n\n")
        title, *lines = first.splitlines()
        self.assertEqual(title, "Connection info")
        self.assertEqual([line[:25].rstrip() for line in lines], SHOW)
        values = {line[:25].rstrip(): line.partition(" : ")[2] for line in lines}
        self.assertEqual(values["InstanceName"], "disk")
        self.assertEqual(values["SerialNumber"], "disk")
        self.assertEqual(values["BlockCount"], str(8 * MIB // 512))
        self.assertEqual(values["BlockSize"], "512")
        self.assertEqual(values["DiskNumber"], str(number))
        self.assertEqual(values["ReadOnly"], "false")
        self.assertEqual(values["FlushSupported"], "true")
        self.assertEqual(values["UseUserspaceNbd"], "false")
        self.assertEqual(values["MaxIOReqPerLun"], "255")
        self.assertEqual(values["MaxIOReqPerAdapter"], "1000")
        title, *lines = second.splitlines()
        self.assertEqual(title, "Nbd properties")
        self.assertEqual([line[:25].rstrip() for line in lines], SHOW_NBD)
        self.assertEqual([line.partition(" : ")[2] for line in lines],
                         ["127.0.0.1", str(server.port), "the-export", "false"])

    def test_stats(self):
        number = self.map("disk", self.serve_one())
        self.digest(number)
        lines = self.client("stats", "disk").stdout.splitlines()
        self.assertEqual(lines[0], "Disk stats")
        self.assertEqual([line[:30].rstrip() for line in lines[1:]], STATS)
        self.assertTrue(all(line[30:33] == " : " for line in lines[1:]))
        stats = self.stats("disk")
        self.assertGreater(stats["TotalSubmittedIORequests"], 0)
        self.assertEqual(stats["TotalSubmittedIORequests"], stats["TotalReceivedIOReplies"])
        self.assertEqual(stats["OutstandingIOCount"], 0)
        self.assertEqual(stats["PendingSubmittedIORequests"], 0)
        self.assertGreaterEqual(stats["TotalReceivedIORequests"], stats["TotalSubmittedIORequests"])

    def operations(self):
        """What stats --json says of the disk's operations; everything adds up."""
        stats = json.loads(self.client("stats", "disk", "--json").stdout)
        ended = 0
        for operation in stats["Operations"].values():
            self.assertEqual(sum(operation["Latencies"]), operation["Completed"])
            ended += operation["Completed"] + operation["Aborted"]
        self.assertEqual(ended + stats["OutstandingIOCount"], stats["TotalReceivedIORequests"])
        return stats["Operations"]

    def test_statistics(self):
        number = self.map("disk", self.serve_one())
        before = self.operations()
        self.digest(number)
        self.write(number, MIB, bytes(3 * MIB))
        self.disktool(number, "flush")
        after = self.operations()
        self.assertEqual(after["Read"]["Bytes"] - before["Read"]["Bytes"], 8 * MIB)
        self.assertEqual(after["Write"]["Bytes"] - before["Write"]["Bytes"], 3 * MIB)
        self.assertGreater(after["Flush"]["Completed"], before["Flush"]["Completed"])
        path = self.folder / "wnbd.prom"
        self.client("metrics", "--output", self.windows(path))
        metrics = prometheus.read(path.read_bytes())
        for operation, values in self.operations().items():
            labels = {"disk": "disk", "operation": operation.lower()}
            self.assertEqual(metrics["wnbd_disk_operation_bytes_total"].value(**labels), values["Bytes"])
            self.assertEqual(metrics["wnbd_disk_operation_duration_seconds"].value("_count", **labels),
                             values["Completed"])
        [disk] = json.loads(self.client("list", "--json").stdout)["Disks"]
        self.assertEqual((disk["InstanceName"], disk["DiskNumber"]), ("disk", number))
        self.assertEqual(json.loads(self.client("show", "disk", "--json").stdout)["BlockCount"], 8 * MIB // 512)

    def watch(self):
        """stats --watch, which has looked at least once."""
        program = bed.Program(["wnbd-client", "stats", "disk", "--watch"])
        self.addCleanup(self.let_go, program)
        self.assertIn(b"Operation", program.process.stdout.readline())
        self.assertTrue(program.process.stdout.readline())
        return program

    def test_watching_ends_with_ctrl_c_and_with_the_disk(self):
        self.map("disk", self.serve_one())
        program = self.watch()
        program.process.send_signal(signal.SIGINT)
        done = program.wait()
        self.assertEqual((done.status, done.stderr), (0, ""), str(done))
        program = self.watch()
        self.unmap("disk")
        done = program.wait()
        self.assertEqual(done.status, 2, str(done))
        self.assertIn("cannot go on watching disk: the disk is gone (", done.stderr)

    def test_export_name_is_the_instance_name(self):
        server = self.serve_one(export="foo")
        self.client("map", "foo", "127.0.0.1", "--port", server.port)
        self.assertIn("foo", self.mapped())

    def test_host_names_resolve(self):
        server = self.serve_one()
        self.client("map", "disk", "localhost", "--port", server.port)
        self.assertIn("disk", self.mapped())

    def test_map_and_unmap_again_and_again(self):
        server = self.serve_one()
        for _ in range(10):
            number = self.map("disk", server)
            self.unmap("disk")
            self.disktool("wait-gone", number, 10)
        self.assertEqual(self.mapped(), {})

    def test_dry_runs_change_nothing(self):
        server = self.serve_one()
        where = ("127.0.0.1", "--port", server.port)
        said = self.client("map", "disk", *where, "--dry-run").stdout
        self.assertEqual(said, f'Would map disk: the export "disk" of 127.0.0.1:{server.port}\n')
        self.assertEqual(self.mapped(), {})
        refused = self.client("map", "disk", "127.0.0.1", "--port", servers.free_port(), "--dry-run", status=None)
        self.assertIn("refused the connection", refused.stderr)
        number = self.map("disk", server)
        self.assertIn("mapped already", self.client("map", "disk", *where, "--dry-run", status=183).stderr)
        self.assertEqual(self.client("unmap", "disk", "--dry-run").stdout, f"Would remove disk, disk {number}\n")
        self.assertIn("it is in use", self.client("reset-adapter", "--dry-run", status=170).stderr)
        options = self.client("list-opt").stdout
        self.assertEqual(self.client("set-opt", "LogLevel", "4", "--persistent", "--dry-run").stdout,
                         "Would set LogLevel to 4, persistently; it is 1 at present\n")
        self.client("reset-opt", "LogLevel", "--dry-run")
        self.assertEqual(self.client("list-opt").stdout, options)
        self.assertEqual(self.client("list-opt", "--persistent").stdout, "")
        self.assertEqual(self.client("uninstall-driver", "--dry-run").stdout,
                         "Would remove 1 disk, the adapter and the driver\n")
        self.info(number)

    def test_unmap_hard(self):
        number = self.map("disk", self.serve_one())
        self.unmap("disk", "--hard-disconnect")
        self.disktool("wait-gone", number, 10)

    def test_unmap_by_the_short_name(self):
        self.map("disk", self.serve_one())
        self.client("rm", "disk")
        self.assertEqual(self.mapped(), {})

    def test_skip_handshake(self):
        # The server speaks the transmission phase from the first byte, as after a handshake done by somebody else.
        image = self.image()
        kit = self.serve(servers.NbdKit, image)
        relay = Relay(kit.port, kit.export)
        self.addCleanup(relay.close)
        self.client("map", "disk", "127.0.0.1", "--port", relay.port, "--skip-handshake", "--disk-size", 8 * MIB,
                    "--block-size", "512")
        number = int(self.mapped()["disk"]["DiskNumber"])
        self.disktool("wait", number, 10)
        self.assertEqual(self.digest(number), bed.sha256(image.read_bytes()))
        self.assertIn("SkipNegotiation           : true", self.client("show", "disk").stdout)


class Errors(bed.Case):
    def refused(self, *arguments):
        done = self.client(*arguments, status=None)
        self.assertEqual(done.stdout, "")
        self.assertTrue(done.stderr.startswith("wnbd-client: "), str(done))
        return done.stderr

    def map_refused(self, port, *options, name="disk", host="127.0.0.1"):
        text = self.refused("map", name, host, "--port", port, *options)
        self.assertNotIn(name, self.mapped())
        return text

    def test_nobody_listens(self):
        port = servers.free_port()
        text = self.map_refused(port)
        self.assertIn(f"127.0.0.1:{port}", text)
        self.assertIn("refused", text)
        self.assertIn("is the NBD server running there", text)

    def test_no_such_export(self):
        server = self.serve(servers.NbdKit, self.image(), export="the-only-export")
        text = self.map_refused(server.port, "--export-name", "another")
        self.assertIn("another", text)
        self.assertIn("The server offers:\n  the-only-export\n", text)

    def test_no_such_export_of_a_server_that_does_not_list(self):
        server = self.hostile("--name", "disk", "--no-list")
        text = self.map_refused(server.port, "--export-name", "another")
        self.assertIn("another", text)
        self.assertIn("does not tell which exports it offers", text)

    def test_the_servers_own_words(self):
        server = self.hostile("--refuse", "this export is closed on Sundays", "--refuse-code", "policy")
        self.assertIn("this export is closed on Sundays", self.map_refused(server.port))

    def test_unknown_host(self):
        text = self.map_refused(10809, host="no-such-host.invalid")
        self.assertIn("no-such-host.invalid", text)

    def test_not_an_nbd_server(self):
        server = self.hostile("--greeting", "220 mail.example ESMTP")
        self.assertIn("NBD", self.map_refused(server.port))

    def test_already_mapped(self):
        server = self.serve(servers.NbdKit, self.image())
        number = self.map("disk", server)
        text = self.refused("map", "disk", "127.0.0.1", "--port", server.port)
        self.assertIn("disk", text)
        self.assertIn("already", text)
        self.assertEqual(self.mapped()["disk"]["DiskNumber"], str(number))

    def test_unknown_instance(self):
        for command in ("unmap", "show", "stats"):
            text = self.refused(command, "nothing")
            self.assertIn("nothing", text)
            self.assertIn("no disk of that name", text)

    def test_servers_that_stop_answering(self):
        """Each map ends in bounded time with words that help; and they wait at the same time, not one by one."""
        started = time.monotonic()
        running = {}
        for stop in ("--silent", "--stall=greeting", "--stall=option", "--stall=answer"):
            server = self.hostile(stop)
            running[stop] = bed.Program(["wnbd-client", "map", f"disk{stop}", "127.0.0.1", "--port", server.port,
                                         "--debug"])
        # The driver goes on serving others meanwhile.
        image = self.image()
        number = self.map("disk", self.serve(servers.NbdKit, image))
        self.assertEqual(self.digest(number), bed.sha256(image.read_bytes()))
        self.assertTrue(all(program.process.poll() is None for program in running.values()))
        for stop, program in running.items():
            with self.subTest(stop=stop):
                done = program.wait(60)
                self.assertNotEqual(done.status, 0, str(done))
                self.assertIn("did not answer", done.stderr)
                self.assertIn("the server did not finish the NBD handshake within 15 seconds (is it an NBD server?)",
                              done.stderr)
                self.assertNotIn(f"disk{stop}", self.mapped())
        self.assertLess(time.monotonic() - started, 60)

    def test_a_server_that_closes_in_the_handshake(self):
        for step in ("accept", "greeting", "option", "answer"):
            with self.subTest(step=step):
                self.assertIn("closed", self.map_refused(self.hostile("--close", step).port))

    def test_a_server_that_breaks_the_protocol(self):
        self.map_refused(self.hostile("--bad-option-magic").port)
        self.map_refused(self.hostile("--oldstyle").port)


class Relay:
    """Does a client's handshake with a server itself, then passes everything on in both directions."""

    def __init__(self, port, export):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

        def pump(source, target):
            try:
                while data := source.recv(65536):
                    target.sendall(data)
            except OSError:
                pass
            for end in (source, target):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        def run():
            while True:
                try:
                    client, _ = self.listener.accept()
                except OSError:
                    return
                server = socket.create_connection(("127.0.0.1", port))
                server.recv(18, socket.MSG_WAITALL)
                name = export.encode()
                server.sendall(struct.pack(">L8sLL", 3, b"IHAVEOPT", 1, len(name)) + name)
                server.recv(10, socket.MSG_WAITALL)
                threading.Thread(target=pump, args=(client, server), daemon=True).start()
                threading.Thread(target=pump, args=(server, client), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()

    def close(self):
        self.listener.close()


if __name__ == "__main__":
    bed.main()
