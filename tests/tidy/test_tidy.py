#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""tools/tidy itself: each rule finds what breaks it, and a clean file has no findings."""
import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import tempfile
import unittest

TIDY = pathlib.Path(__file__).resolve().parents[2] / "tools" / "tidy"
LOADER = importlib.machinery.SourceFileLoader("tidy", str(TIDY))
tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", LOADER))
LOADER.exec_module(tidy)

LICENCE = "SPDX-License-Identifier: LGPL-2.1-only"
CLEAN = f"""/* {LICENCE} */
/* What it is for. */
#include "one.h"

#include <stdio.h>

int One(void)
{{
    return 1;
}}
"""
SIBLINGS = ("one.c", "one.h")


class Rules(unittest.TestCase):
    def findings(self, text, name="one.c"):
        return [what for _, what in tidy.findings(pathlib.Path(name), text, SIBLINGS)]

    def check(self, text, complaint, name="one.c"):
        found = self.findings(text, name)
        self.assertTrue(any(complaint in what for what in found), f"{complaint!r} not among {found}")

    def test_a_clean_file(self):
        self.assertEqual(self.findings(CLEAN), [])

    def test_licence(self):
        self.check(CLEAN.replace(LICENCE, "Copyright"), "SPDX")
        self.check("#!/bin/sh\nset -eu\n", "SPDX", "tool")
        self.assertEqual(self.findings(f"#!/bin/sh\n# {LICENCE}\nset -eu\n", "tool"), [])

    def test_white_space(self):
        self.check(CLEAN.replace("    return", "\treturn"), "a tab")
        self.check(CLEAN.replace("return 1;", "return 1; "), "white space")
        self.check(CLEAN.replace("\n", "\r\n"), "carriage return")
        self.check(CLEAN[:-1], "no line end")

    def test_columns(self):
        self.check(CLEAN + "/* " + "x" * 120 + " */\n", "columns")

    def test_file_size(self):
        self.check(CLEAN + "\n" * 600, "two subjects")

    def test_function_size(self):
        def long(lines):
            return CLEAN.replace("    return 1;\n", "    One();\n" * (lines - 3))

        self.check(long(71), "function of 71 lines")
        self.assertEqual(self.findings(long(70)), [])
        body = "    pass\n" * 70
        self.check(f"# {LICENCE}\ndef long():\n{body}", "function of 71 lines", "one.py")

    def test_tasks(self):
        self.check(CLEAN + "/* TO" + "DO: the rest */\n", "leaves a task")

    def test_machine_paths(self):
        self.check(CLEAN + "/* see /ro" + "ot/notes */\n", "one machine")
        self.check(CLEAN + "/* see ../sha" + "red/notes */\n", "one machine")
        self.assertEqual(self.findings(CLEAN + "/* build/work/x, $HOME/work */\n"), [])

    def test_includes(self):
        self.check(CLEAN.replace("#include <stdio.h>\n", "#include <stdio.h>\n#include <stdio.h>\n"), "again")
        self.check(CLEAN.replace('#include "one.h"\n\n#include <stdio.h>', '#include <stdio.h>\n\n#include "one.h"'),
                   "own header")
        self.check(f"/* {LICENCE} */\nint One(void);\n", "pragma once", "one.h")

    def test_file_names(self):
        self.check(CLEAN, "snake_case", "One.c")
        self.check(CLEAN, "snake_case", "one-two.c")

    def test_function_names(self):
        def header(name, path):
            return self.findings(f"/* {LICENCE} */\n#pragma once\nint {name}(void);\n", path)

        for name in ("one", "one_two", "One_Two", "OneTwo_"):
            self.check(CLEAN.replace("int One", f"static int {name}"), "PascalCase")
        self.assertEqual(self.findings(CLEAN.replace("int One(void)", "int main(void)")), [])
        for name, path in (("TextAppend", "core/base/text.h"), ("Be16Get", "core/base/byte_order.h"),
                           ("NbdReceive", "core/nbd/engine.h"), ("HelpPrint", "wnbd-client/help.h"),
                           ("WnbdShow", "include/wnbd.h"), ("StringSize", "libwnbd/internal.h"),
                           ("printf", "testbed/native/include/nt/rtl.h"), ("DiskRead", "testbed/disk/disk.h")):
            self.assertEqual(header(name, path), [], (name, path))
        for name, path in (("Append", "core/base/text.h"), ("TextGet", "core/base/byte_order.h"),
                           ("Receive", "core/nbd/engine.h"), ("PrintHelp", "wnbd-client/help.h"),
                           ("Show", "include/wnbd.h")):
            self.assertTrue(any("its module's noun" in what for what in header(name, path)), (name, path))
        self.assertTrue(any("only what the library exports" in what for what in self.findings(
            f"/* {LICENCE} */\nint WnbdShow(void)\n{{\n}}\n", "core/base/text.c")))

    def irql(self, text, path="driver/disk.c"):
        return self.findings(f"/* {LICENCE} */\n{text}", path)

    def check_irql(self, text, complaint, path="driver/disk.c"):
        found = self.irql(text, path)
        self.assertTrue(any(complaint in what for what in found), f"{complaint!r} not among {found}")

    def test_irql(self):
        limit, exact = "_IRQL_requires_max_(DISPATCH_LEVEL)\n", "_IRQL_requires_(DISPATCH_LEVEL)\n"
        function = "static void DiskOne(DISK *Disk,\n                    ULONG More)\n{\n}\n"
        missing = "at which IRQL"
        for line in (limit, exact, "_IRQL_requires_max_(PASSIVE_LEVEL)\n"):
            self.assertEqual(self.irql(line + function), [])
        self.assertEqual(self.irql(function, "core/base/disk.c"), [])
        self.check_irql(function, missing)
        self.check_irql("_Check_return_\n" + function, missing)
        self.check_irql(limit + "/* Why. */\n" + function, missing)
        pragma = "#pragma once\n"
        self.check_irql(pragma + "void DiskOne(DISK *Disk);\n", missing, "driver/disk.h")
        self.check_irql(pragma + "static inline DISK *DiskOne(void)\n{\n}\n", missing, "driver/disk.h")
        self.check_irql(pragma + "typedef NTSTATUS DISK_DONE(DISK *Disk);\n", missing, "driver/disk.h")
        self.assertEqual(self.irql(f"{pragma}typedef {limit}NTSTATUS DISK_DONE(DISK *Disk);\n", "driver/disk.h"), [])
        member = "    void (*Done)(DISK *Disk);\n} DISK_TYPE;\n"
        self.check_irql(pragma + "typedef struct {\n" + member, missing, "driver/disk.h")
        self.assertEqual(self.irql(pragma + "typedef struct {\n    " + limit + member, "driver/disk.h"), [])

    def test_irql_agrees(self):
        release = "void DiskRelease(DISK *Disk)\n{\n}\n"
        self.assertEqual(self.irql("_IRQL_requires_max_(DISPATCH_LEVEL)\n" + release), [])
        self.check_irql("_IRQL_requires_max_(PASSIVE_LEVEL)\n" + release, "and its header")

    def test_irql_of_callbacks(self):
        uses = "_Use_decl_annotations_\n"
        start = uses + "BOOLEAN StartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)\n{\n}\n"
        self.assertEqual(self.irql(start), [])
        tick = "static VOID DiskTick(PVOID Extension)\n{\n}\n"
        self.assertEqual(self.irql(f"static HW_TIMER DiskTick;\n{uses}{tick}"), [])
        self.check_irql(uses + tick, "from no function type")
        self.check_irql(f"static DISK_TICK DiskTick;\n{uses}{tick}", "from no function type")

    def test_irql_of_calls(self):
        def caller(irql, *calls):
            lines = "".join(f"    {call};\n" for call in calls)
            return f"_IRQL_requires_{irql}_LEVEL)\nstatic void DiskOne(DISK *Disk)\n{{\n{lines}}}\n"

        options, move = "OptionsSendWindow()", "ConnectionMove(Connection, State)"
        self.assertEqual(self.irql(caller("max_(PASSIVE", options)), [])
        self.assertEqual(self.irql(caller("(DISPATCH", move)), [])
        self.assertEqual(self.irql(caller("max_(DISPATCH", "KeAcquireSpinLock(&Disk->Lock, &Irql)", move)), [])
        self.check_irql(caller("max_(DISPATCH", options), "which may not")
        self.check_irql(caller("(DISPATCH", options), "which may not")
        self.check_irql(caller("max_(DISPATCH", move), "runs under one")
        self.check_irql(caller("max_(PASSIVE", move), "runs under one")
        start = "_Use_decl_annotations_\nBOOLEAN StartIo(PVOID Extension, PSCSI_REQUEST_BLOCK Srb)\n{\n    %s;\n}\n"
        self.check_irql(start % options, "which may not")
        self.check_irql(start % move, "runs under one")

    def test_layers(self):
        def including(name, path):
            return self.findings(f"/* {LICENCE} */\n#include {name}\n", path)

        for name, path in (('"../base/text.h"', "core/nbd/x.c"), ("<wnbd.h>", "wnbd-client/x.c"),
                           ('"nbd/nbd.h"', "driver/x.c"), ("<stdint.h>", "core/base/x.c"),
                           ('"../../driver/disk.h"', "tests/sim/x.c"), ('"host.h"', "testbed/storport/test/x.c")):
            self.assertEqual(including(name, path), [], (name, path))
        for name, path in (('"../scsi/scsi.h"', "core/nbd/x.c"), ("<wnbd_ioctl.h>", "core/base/x.c"),
                           ('"nbd/nbd.h"', "wnbd-client/x.c"), ("<native.h>", "driver/x.c"),
                           ('"../libwnbd/internal.h"', "driver/x.c"), ('"../tests/sim/bed.h"', "driver/x.c"),
                           ('"storport.h"', "include/x.c")):
            self.assertTrue(any("may not depend on" in what for what in including(name, path)), (name, path))
        self.assertTrue(any("any system" in what for what in including("<windows.h>", "core/nbd/x.c")))
        self.assertTrue(any("no part of the tree" in what for what in including("<stdio.h>", "elsewhere/x.c")))
        self.assertEqual(including("<stdio.h>", "x.c"), [])

    def test_layers_are_documented(self):
        text = (TIDY.parents[1] / "docs" / "architecture.md").read_text()
        documented = {}
        for line in re.findall(r"(?m)^\| (`.*)$", text.split("## Who may know whom")[1].split("\n## ")[0]):
            parts, allowed = (re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[:2])
            documented.update({part: set(allowed) for part in parts})
        core = {"core/base", "core/nbd", "core/scsi"}
        for allowed in documented.values():
            allowed.update(core if "core" in allowed else ())
            allowed.discard("core")
        self.assertEqual(documented, {part: set(allowed) for part, allowed in tidy.LAYERS.items()})

    def test_formatting(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "one.c")
            path.write_text(CLEAN.replace("    return 1;", "  return 1;"))
            pathlib.Path(folder, ".clang-format").write_text((TIDY.parents[1] / ".clang-format").read_text())
            self.assertEqual([line for _, line, _ in tidy.format_findings([str(path)])], [8])
            path.write_text(CLEAN)
            self.assertEqual(tidy.format_findings([str(path)]), [])

    def test_reports_and_fails(self):
        done = subprocess.run([TIDY, __file__], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
