#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""The events of wnbd.sys: that Windows finds them in the image as the manifest has them, and that each is written."""
import os
import pathlib
import re
import unittest
import uuid
import xml.etree.ElementTree as xml

import pe
import wevt

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WNBD_BUILD", ROOT / "build"))
RT_MESSAGETABLE = 11
LEVELS = {"win:Error": 2, "win:Warning": 3, "win:Informational": 4, "win:Verbose": 5}
TYPES = {"win:UnicodeString": 1, "win:UInt32": 8, "win:Int64": 9, "win:UInt64": 10, "win:HexInt32": 20}
SYSTEM = (8, 0x8000000000000000)  # the channel's number, the keyword of a provider's first channel


class Manifest:
    """packaging/wnbd.man, read without the tool that makes something of it."""

    def __init__(self):
        root = xml.parse(ROOT / "packaging" / "wnbd.man").getroot()
        self.strings = {f"$(string.{row.get('id')})": row.get("value") for row in root.iterfind(".//{*}string")}
        self.templates = {row.get("tid"): [(data.get("name"), TYPES[data.get("inType")]) for data in row]
                          for row in root.iterfind(".//{*}template")}
        self.provider = root.find(".//{*}provider")
        self.events = root.findall(".//{*}event")


class Resources(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        image = pe.Image((BUILD / "dist" / "wnbd.sys").read_bytes())
        cls.raw = image.resource_named("WEVT_TEMPLATE")
        cls.provider = wevt.manifest(cls.raw)
        cls.messages = wevt.messages(image.resource(RT_MESSAGETABLE))
        cls.manifest = Manifest()

    def test_the_provider_is_the_manifest_s(self):
        self.assertEqual(self.provider.guid, uuid.UUID(self.manifest.provider.get("guid")))
        self.assertEqual(self.messages[self.provider.message],
                         self.manifest.strings[self.manifest.provider.get("message")] + "\r\n")
        # 1: the channel is another's, Windows' own.
        self.assertEqual([channel[:3] for channel in self.provider.channels.values()], [(1, "System", SYSTEM[0])])
        for value, message, name in self.provider.levels.values():
            self.assertEqual(LEVELS[name], value)
            self.assertTrue(self.messages[message].strip())

    def test_every_event_is_the_manifest_s(self):
        found = {event["id"]: event for event in self.provider.events}
        self.assertEqual(len(found), len(self.manifest.events))
        for event in self.manifest.events:
            with self.subTest(event.get("symbol")):
                one = found[int(event.get("value"))]
                self.assertEqual((one["version"], one["level"]),
                                 (int(event.get("version")), LEVELS[event.get("level")]))
                self.assertEqual((one["channel"], one["keyword"]), SYSTEM if event.get("channel") else (0, 0))
                self.assertEqual(self.messages[one["message"]], self.manifest.strings[event.get("message")] + "\r\n")
                self.assertEqual(one["template"].name, event.get("template"))
                self.assertEqual(one["template"].fields, self.manifest.templates[event.get("template")])

    def test_a_changed_byte_is_noticed(self):
        """Whatever byte is changed of the headers, the first template and two events: the reader sees it."""
        templates, events = self.raw.index(b"TTBL"), self.raw.index(b"EVNT")
        unused = {*range(events + 12, events + 16)}
        for at in (*range(52), *range(templates, templates + 400), *range(events, events + 112)):
            broken = bytearray(self.raw)
            broken[at] ^= 1
            try:
                same = wevt.manifest(bytes(broken)).content() == self.provider.content()
            except (wevt.Malformed, KeyError, UnicodeError, IndexError):
                same = False
            self.assertEqual(same, at in unused, f"byte {at}")


class WppFormat(unittest.TestCase):
    """The .tmf that is beside the driver says what the manifest says, in the types that the driver writes."""

    ITEMS = {1: ("ItemString", "s"), 8: ("ItemLong", "u"), 9: ("ItemLongLong", "I64d"), 10: ("ItemULongLong", "I64u"),
             20: ("ItemLong", "08x")}

    def test_every_event_has_its_format(self):
        manifest = Manifest()
        file, = (BUILD / "dist").glob("*.tmf")
        words = re.search(r"LOG_WPP_MESSAGES .*", (ROOT / "driver" / "log_wpp.c").read_text()).group()
        self.assertEqual(uuid.UUID("".join(re.findall(r"0x(\w+)", words))), uuid.UUID(file.stem))
        text = file.read_bytes().decode("ascii").replace("\r\n", "\n")
        self.assertIn(f"\n{file.stem} wnbd // SRC=", text)
        found = re.findall(r'#typev (\w+) (\d+) "%0(.*)" //   LEVEL=(\w+) .*\n\{\n((?:.*\n)*?)\}\n', text)
        self.assertEqual(len(found), len(manifest.events))
        levels = {2: "ERROR", 3: "WARNING", 4: "INFORMATION", 5: "VERBOSE"}
        for event, (name, number, words, level, items) in zip(manifest.events, found):
            fields = manifest.templates[event.get("template")]
            self.assertEqual((name, number), (event.get("symbol"), event.get("value")))
            self.assertEqual(level, "TRACE_LEVEL_" + levels[LEVELS[event.get("level")]])
            self.assertEqual(items.splitlines(), [f"{field}, {self.ITEMS[kind][0]} -- {10 + index}"
                                                  for index, (field, kind) in enumerate(fields)])
            for index, (_, kind) in enumerate(fields):
                prefix = "0x" if kind == 20 else ""
                words = words.replace(f"{prefix}%{10 + index}!{self.ITEMS[kind][1]}!", f"%{index + 1}")
            self.assertEqual(words, manifest.strings[event.get("message")])


class Sources(unittest.TestCase):
    def test_every_event_is_written_somewhere_and_none_is_unknown(self):
        text = "".join(path.read_text() for path in (ROOT / "driver").glob("*.c"))
        written = set(re.findall(r"\b(?:LOG|CONNECTION_LOG)\((\w+)[,)]", text)) - {"Event"}
        written |= set(re.findall(r"LogEmit\(LogEvent(\w+)", text))
        self.assertEqual(written, {event.get("symbol") for event in Manifest().events})


if __name__ == "__main__":
    unittest.main(verbosity=2)
