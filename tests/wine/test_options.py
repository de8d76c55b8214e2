#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The driver's options, by wnbd-client and the real driver: what is printed, refused, kept, and what they do.

Usage: tools/wine-env python3 tests/wine/test_options.py
"""
import os
import signal
import subprocess
import time

import bed
from bed import MIB, servers

START_SECONDS = 60
LIST = """\
LogLevel               : 1 (Default: 1)
NewMappingsAllowed     : true (Default: true)
EtwLoggingEnabled      : true (Default: true)
WppLoggingEnabled      : false (Default: false)
DbgPrintEnabled        : true (Default: true)
MaxIOReqPerAdapter     : 1000 (Default: 1000)
MaxIOReqPerLun         : 255 (Default: 255)
RemoveStaleConnections : true (Default: true)
StaleReqTimeoutMs      : 15000 (Default: 15000)
StaleConnTimeoutMs     : 60000 (Default: 60000)
"""


class Options(bed.Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.reset)

    def reset(self):
        for line in LIST.splitlines():
            bed.Program(["wnbd-client", "reset-opt", line.split()[0], "--persistent"]).wait()

    def restart(self):
        """Ends everything that runs in the prefix and starts it again, as Windows does."""
        for option in ("-k", "-w", "-p"):
            subprocess.run(["wineserver", option], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        # The system's processes write where the first program writes (tools/wine-env).
        with open(self.log_path(), "ab") as log:
            subprocess.run(["wine", "cmd", "/c", "rem"], check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                           env=dict(os.environ, WINEDEBUG="-all,err+all,+debugstr"))
        limit = time.monotonic() + START_SECONDS
        while bed.Program(["wnbd-client", "list"]).wait().status != 0:
            self.assertLess(time.monotonic(), limit, f"the driver has not started within {START_SECONDS} s")
            time.sleep(0.5)

    def listed(self, *options):
        return self.client("list-opt", *options).stdout

    def limits(self, name):
        lines = self.client("show", name).stdout.splitlines()
        values = {line[:25].rstrip(): line.partition(" : ")[2] for line in lines}
        return values["MaxIOReqPerLun"], values["MaxIOReqPerAdapter"]

    def test_get_set_reset(self):
        self.assertEqual(self.listed(), LIST)
        self.assertEqual(self.listed("--persistent"), "")
        self.assertEqual(self.client("get-opt", "LogLevel").stdout, "Name: LogLevel\nValue: 1\n")
        self.client("set-opt", "LogLevel", "4", "--persistent")
        self.assertEqual(self.listed("--persistent"), "LogLevel           : 4 (Default: 1)\n")
        self.assertEqual(self.client("get-opt", "loglevel", "--persistent").stdout, "Name: loglevel\nValue: 4\n")
        self.client("reset-opt", "LogLevel")
        self.assertEqual(self.listed(), LIST)
        self.assertEqual(self.listed("--persistent"), "LogLevel           : 4 (Default: 1)\n")
        self.client("reset-opt", "LogLevel", "--persistent")
        self.assertEqual(self.listed("--persistent"), "")
        self.assertEqual(self.client("set-opt", "WppLoggingEnabled", "TRUE").stdout, "")
        self.assertIn("WppLoggingEnabled      : true (Default: false)\n", self.listed())

    def test_refusals(self):
        for name, value, words in (("LogLevel", "5", '"5" is not a whole number from 0 to 4'),
                                   ("MaxIOReqPerLun", "0", '"0" is not a whole number from 1 to 1024'),
                                   ("NewMappingsAllowed", "no", '"no" is neither true nor false')):
            done = self.client("set-opt", name, value, "--persistent", status=87)
            self.assertIn(f"cannot set the option {name}: {words}", done.stderr)
        for command in (["get-opt", "SendWindow"], ["set-opt", "SendWindow", "1"], ["reset-opt", "SendWindow"]):
            done = self.client(*command, status=2)
            self.assertIn("the driver has no option of that name", done.stderr)
            self.assertIn("The options are:\n  LogLevel\n  NewMappingsAllowed\n", done.stderr)
        self.assertIn("it has no persistent value", self.client("get-opt", "LogLevel", "--persistent", status=2).stderr)
        self.assertEqual(self.listed(), LIST)

    def test_new_mappings_allowed(self):
        server = self.serve(servers.NbdKit, self.image(), export="disk")
        self.client("set-opt", "NewMappingsAllowed", "false")
        done = self.client("map", "disk", "127.0.0.1", "--port", server.port, status=1115 & 0xFF)
        self.assertIn("no new disks are made as long as the option NewMappingsAllowed is false", done.stderr)
        self.client("set-opt", "NewMappingsAllowed", "true")
        self.map("disk", server)

    def test_log_level(self):
        server = self.serve(servers.NbdKit, self.image(), export="disk")
        self.map("disk", server)
        self.unmap("disk")
        self.assertNotIn(b"disk: connected, at target", self.driver_log())
        self.client("set-opt", "LogLevel", "3")
        self.map("disk", server)
        self.assertIn(b"disk: connected, at target", self.driver_log())

    def test_what_is_kept_is_there_after_a_restart(self):
        server = self.serve(servers.NbdKit, self.image(8 * MIB), export="disk")
        self.map("disk", server)
        self.assertEqual(self.limits("disk"), ("255", "1000"))
        self.assertEqual(self.client("set-opt", "MaxIOReqPerLun", "1024", "--persistent").stdout,
                         "MaxIOReqPerLun takes effect when the adapter starts again.\n")
        self.client("set-opt", "MaxIOReqPerAdapter", "3000", "--persistent")
        self.client("set-opt", "NewMappingsAllowed", "true", "--persistent")
        self.client("set-opt", "LogLevel", "3")
        self.assertEqual(self.limits("disk"), ("255", "1000"))
        kept = self.listed("--persistent")
        self.unmap("disk")
        self.restart()
        self.assertEqual(self.listed("--persistent"), kept)
        self.assertEqual(self.client("get-opt", "MaxIOReqPerLun").stdout, "Name: MaxIOReqPerLun\nValue: 1024\n")
        self.assertEqual(self.client("get-opt", "LogLevel").stdout, "Name: LogLevel\nValue: 1\n")
        image = self.image(8 * MIB)
        number = self.map("disk", self.serve(servers.NbdKit, image, export="disk"))
        self.assertEqual(self.limits("disk"), ("1024", "3000"))
        self.assertEqual(self.digest(number), bed.sha256(image.read_bytes()))

    def restart_adapter(self, *options, status=0):
        return self.client("reset-adapter", *options, status=status)

    def test_restart_of_the_adapter(self):
        self.client("set-opt", "MaxIOReqPerLun", "99", "--persistent")
        self.client("set-opt", "LogLevel", "3")
        self.restart_adapter()
        log = self.driver_log()
        self.assertIn(b"an adapter is removed", log)
        # Asked and removed in order, not surprised.
        self.assertNotIn(b"gone without notice", log)
        self.assertEqual(self.client("get-opt", "LogLevel").stdout, "Name: LogLevel\nValue: 1\n")
        image = self.image()
        number = self.map("disk", self.serve(servers.NbdKit, image, export="disk"))
        self.assertEqual(self.limits("disk"), ("99", "1000"))
        self.assertEqual(self.digest(number), bed.sha256(image.read_bytes()))

    def test_restart_while_there_are_disks(self):
        server = self.serve(servers.NbdKit, self.image(), export="disk")
        number = self.map("disk", server)
        done = self.restart_adapter("--reset-timeout", 0, status=170)
        self.assertRegex(done.stderr, r"cannot restart the WNBD adapter: it is in use \(.*\)\nMapped are:\n  disk\n$")
        self.assertIn("disk", self.mapped())
        self.read(number, 0, 4096)
        self.restart_adapter("--hard-disconnect-mappings", "--reset-timeout", START_SECONDS)
        self.assertEqual(self.mapped(), {})
        self.assertIn(b"an adapter is removed", self.driver_log())
        self.disktool("wait-gone", number, START_SECONDS)
        self.map("disk", server)

    def test_restart_while_a_program_has_the_adapter_open(self):
        """A process keeps its handle until it ends: here it is stopped, with its disk gone."""
        provider = bed.Program(["ramdisk", "ram", 4])
        self.addCleanup(self.let_go, provider)
        self.assertIn(b"PhysicalDrive", provider.process.stdout.readline())
        provider.process.send_signal(signal.SIGSTOP)
        self.client("unmap", "ram", "--hard-disconnect")
        done = self.restart_adapter("--reset-timeout", 0, "--debug", status=170)
        self.assertIn("vetoed by an open file or handle (PNP_VETO_TYPE 5): ROOT\\SCSIADAPTER", done.stderr)
        self.assertNotIn(b"an adapter is removed", self.driver_log())
        provider.process.send_signal(signal.SIGCONT)
        self.assertEqual(provider.wait().status, 0)
        self.restart_adapter()


if __name__ == "__main__":
    bed.main()
