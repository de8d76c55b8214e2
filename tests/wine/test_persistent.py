#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Mappings that are remembered, and the service that maps them again: the real one, started by Wine's service manager,
and the same in the foreground.

Usage: tools/wine-env python3 tests/wine/test_persistent.py
"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import bed
from bed import servers

INF = os.environ.get("WNBD_INF")
HOME = r"HKLM\SOFTWARE\WNBD\Mappings"
AGAIN_SECONDS = 60
INVALID_STATE, NOT_THERE = 36, 39  # the low 8 bits of 1060 and 1063


def reg(*words):
    done = subprocess.run(["wine", "reg", *words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"reg {words}: {done.stdout}{done.stderr}")


class Persistent(bed.Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.forget_all)
        self.server = self.serve(servers.NbdKit, self.image())
        self.where = ("127.0.0.1", "--port", self.server.port, "--export-name", self.server.export)

    def remembered(self):
        return {row["InstanceName"]: row for row in
                json.loads(self.client("list", "--persistent", "--json").stdout)["Mappings"]}

    @staticmethod
    def forget_all():
        with contextlib.suppress(AssertionError):  # there may be none
            reg("delete", HOME, "/f")

    def remember(self, name, **values):
        """As an administrator may write it: numbers as REG_DWORD, the rest as REG_SZ."""
        values = {"Hostname": "127.0.0.1", "ExportName": self.server.export, "Port": self.server.port, **values}
        for value, content in values.items():
            kind = "REG_DWORD" if isinstance(content, int) else "REG_SZ"
            reg("add", rf"{HOME}\{name}", "/v", value, "/t", kind, "/d", str(content), "/f")

    def install(self):
        self.client("service", "install")
        self.addCleanup(self.uninstall_if_there)

    @staticmethod
    def uninstall_if_there():
        bed.Program(["wnbd-client", "service", "uninstall"]).wait()

    def mapped_again(self, name, seconds=AGAIN_SECONDS):
        limit = time.monotonic() + seconds
        while name not in self.mapped():
            self.assertLess(time.monotonic(), limit, f"{name} is not mapped after {seconds} s")
            time.sleep(0.2)

    def stays_unmapped(self, name, seconds=7):
        limit = time.monotonic() + seconds  # more than from one look of the service to the next
        while time.monotonic() < limit:
            self.assertNotIn(name, self.mapped())
            time.sleep(0.5)

    def foreground(self):
        program = bed.Program(["wnbd-client", "service", "run", "--foreground"])
        self.addCleanup(self.let_go, program)
        return program

    def end(self, program):
        program.process.send_signal(signal.SIGINT)
        done = program.wait(10)
        self.assertEqual((done.status, done.stdout), (0, ""), str(done))
        return done.stderr

    # What is remembered

    def test_what_is_remembered(self):
        done = self.client("map", "disk", *self.where, "--persistent", "--read-only", "--block-size", 4096)
        self.assertIn("warning: the service that maps it again is not installed", done.stderr)
        self.assertEqual(self.remembered(), {"disk": {
            "InstanceName": "disk", "Hostname": "127.0.0.1", "PortNumber": self.server.port,
            "ExportName": self.server.export, "ReadOnly": True, "SkipNegotiation": False, "BlockSize": 4096,
            "BlockCount": 0}})
        self.assertEqual([line.split() for line in self.client("list", "--persistent").stdout.splitlines()],
                         [["Server", "ExportName", "InstanceName"],
                          [f"127.0.0.1:{self.server.port}", self.server.export, "disk"]])
        self.unmap("disk")
        self.assertEqual(self.remembered(), {})

    def test_nothing_is_remembered_of_what_fails_or_is_not_asked_for(self):
        self.client("map", "disk", "127.0.0.1", "--port", servers.free_port(), "--persistent", status=None)
        self.client("map", "disk", *self.where)
        self.assertEqual(self.remembered(), {})

    def test_names(self):
        names = ["pool/image", r"a\b", "100%", "%5C", "größe 日本"]
        for name in names:
            self.client("map", name, *self.where, "--persistent")
        self.assertEqual(sorted(self.remembered()), sorted(names))
        # The registry doesn't tell them apart.
        refused = self.client("map", "POOL/image", *self.where, "--persistent", status=183)
        self.assertIn("cannot remember the mapping, which is there now, POOL/image: one is remembered of which the "
                      "name differs in case only (", refused.stderr)
        self.assertEqual(len(json.loads(self.client("list", "--json").stdout)["Disks"]), len(names) + 1)
        for name in [*names, "POOL/image"]:
            self.client("unmap", name)
        self.assertEqual(self.remembered(), {})

    def test_a_name_that_is_too_long(self):
        name = "\\" * 86  # 258 characters of the key's name
        refused = self.client("map", name, *self.where, "--persistent", status=206)
        self.assertIn("its name is too long for the registry", refused.stderr)
        self.client("unmap", name)

    def test_unmap_of_what_is_remembered_only(self):
        self.remember("disk")
        self.assertEqual(self.client("unmap", "disk", "--dry-run").stdout, "Would forget disk, which is not mapped\n")
        self.assertEqual(self.client("unmap", "disk").stdout,
                         "It was remembered and not mapped; now it is not remembered either.\n")
        self.assertEqual(self.remembered(), {})
        self.assertIn("no disk of that name", self.client("unmap", "disk", status=2).stderr)

    def test_a_disk_that_stays_stays_remembered(self):
        self.client("map", "disk", *self.where, "--persistent")
        number = int(self.mapped()["disk"]["DiskNumber"])
        self.disktool("wait", number, 10)
        holder = self.hold(number)
        before = self.remembered()
        self.client("unmap", "disk", "--no-hard-disconnect-fallback", "--soft-disconnect-timeout", 1, status=None)
        self.assertEqual(self.remembered(), before)
        self.let_go(holder)

    # The service

    def test_service(self):
        self.assertIn("it is not installed", self.client("service", "uninstall", status=INVALID_STATE).stderr)
        self.assertIn("only Windows starts it like that", self.client("service", "run", status=NOT_THERE).stderr)
        # What was remembered before it starts, as after a restart of Windows.
        self.remember("disk")
        self.install()
        self.mapped_again("disk")
        self.assertIn("installed already", self.client("service", "install", status=None).stderr)
        # What is remembered while it runs.
        self.client("map", "second", *self.where, "--persistent")
        self.assertEqual(set(self.mapped()), {"disk", "second"})
        # Its server goes, and comes back.
        self.server.kill()
        self.gone("disk", 30)
        self.server.start()
        self.mapped_again("disk")
        self.mapped_again("second")
        # Nobody wants it any more.
        self.unmap("second")
        self.stays_unmapped("second")
        # It ends, and leaves the disks.
        self.client("service", "uninstall")
        self.assertEqual(set(self.mapped()), {"disk"})
        self.assertIn("it is not installed", self.client("service", "uninstall", status=INVALID_STATE).stderr)

    def test_new_mappings_allowed(self):
        self.client("set-opt", "NewMappingsAllowed", "false")
        self.addCleanup(self.client, "reset-opt", "NewMappingsAllowed")
        self.remember("disk")
        program = self.foreground()
        self.stays_unmapped("disk")
        self.client("set-opt", "NewMappingsAllowed", "true")
        self.mapped_again("disk")
        said = self.end(program)
        self.assertEqual(re.findall(r"cannot map disk: .*", said), [
            "cannot map disk: no new disks are made as long as the option NewMappingsAllowed is false (if it is not "
            "being removed: wnbd-client set-opt NewMappingsAllowed true)"])
        self.assertTrue(said.endswith("wnbd-client: disk is mapped\n"), said)

    def test_the_driver_goes_and_comes_back(self):
        self.remember("disk")
        self.install()
        self.mapped_again("disk")
        self.client("uninstall-driver")
        self.client("install-driver", INF)
        self.mapped_again("disk")

    def test_what_the_registry_has_may_be_wrong(self):
        wrong = {"no-host": ("Hostname", {"Hostname": ""}), "port-zero": ("Port", {"Port": 0}),
                 "port-high": ("Port", {"Port": 65536}), "port-text": ("Port", {"Port": "10809"}),
                 "host-number": ("Hostname", {"Hostname": 7}), "host-long": ("Hostname", {"Hostname": "h" * 300}),
                 "block": ("BlockSize", {"BlockSize": 1024}), "flag": ("ReadOnly", {"ReadOnly": 2}),
                 "handshake": ("SkipHandshake", {"SkipHandshake": 3}),
                 "no-size": ("DiskSize", {"SkipHandshake": 1}), "size": ("DiskSize", {"DiskSize": 512})}
        for name, (_, values) in wrong.items():
            self.remember(name, **values)
        reg("add", rf"{HOME}\empty", "/f")
        self.remember("right")
        program = self.foreground()
        self.mapped_again("right")
        listed = self.client("list", "--persistent", status=242)  # of 1010
        self.assertEqual([row.split()[-1] for row in listed.stdout.splitlines()], ["InstanceName", "right"])
        self.stays_unmapped("port-zero", 3)
        said = self.end(program)
        for name, (value, _) in {**wrong, "empty": ("Hostname", {})}.items():
            line = (f"wnbd-client: cannot use the value {value} of the remembered mapping {name}: it is missing or "
                    f"wrong (map it again with --persistent, or forget it: wnbd-client unmap {name})\n")
            self.assertEqual((said.count(line), listed.stderr.count(line)), (1, 1), said)
        self.assertEqual(set(self.mapped()), {"right"})

    def test_its_end_does_not_wait_for_a_server(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.remember("disk", Port=listener.getsockname()[1])
            program = self.foreground()
            listener.settimeout(30)
            connection, _ = listener.accept()
            start = time.monotonic()
            self.end(program)
            self.assertLess(time.monotonic() - start, 10)
            connection.close()


if __name__ == "__main__":
    bed.main()
