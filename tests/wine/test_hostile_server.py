#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Hostile servers as a user meets them: wnbd-client's words and exit code, and a disk on a good server that goes on.

The whole list of breaches is in tests/sim/hostile_*.c; here are those whose words take another way.
Usage: tools/wine-env python3 tests/wine/test_hostile_server.py
"""
import struct

import bed
from bed import KIB, MIB, servers, sha256

BREACH = "the server broke the NBD protocol: "
OPTION_REPLY_MAGIC = 0x0003E889045565A9
GO, REP_INFO = 7, 3


def reply(kind, data=b"", announced=None, option=GO, magic=OPTION_REPLY_MAGIC):
    """An option reply, as --answer takes it."""
    length = len(data) if announced is None else announced
    return ("--answer", (struct.pack(">QLLL", magic, option, kind, length) + data).hex())


def export(size, flags=0x2D):
    return ("--answer", "".join(part[1] for part in (
        reply(REP_INFO, struct.pack(">HQH", 0, size, flags)), reply(1))))


REFUSALS = [
    ("another protocol", ("--greeting", "SSH-2.0-OpenSSH_9.2"),
     'the peer is not an NBD server: byte 0 of its greeting is 0x53, where "NBDMAGIC" has 0x4e'),
    ("oldstyle", ("--oldstyle",),
     "the server speaks the oldstyle negotiation, which has no export names (its second number is "
     "0x0000420281861253)"),
    ("magic", ("--bad-option-magic",),
     BREACH + "the magic of an option reply must be 0x0003e889045565a9, but it is 0x0003e889045565a8"),
    ("another option", reply(1, option=3),
     BREACH + "an option reply must name the option that was sent, 0x00000007, but it names 0x00000003"),
    ("type", reply(0x7FFFFFFF), BREACH + "replies of type 0x7fffffff must not answer NBD_OPT_GO"),
    ("4 GiB of text", reply(0x80000006, announced=0xFFFFFFFF),
     BREACH + "the data of an option reply of type 0x80000006 must have 0x0 to 0x1000 bytes, but it has 0xffffffff"),
    ("no export", reply(1),
     BREACH + "NBD_INFO_EXPORT must come before the NBD_REP_ACK of NBD_OPT_GO, but it did not"),
    ("endless", (*reply(REP_INFO, b"\0\1x"), "--answer-times", 1000),
     BREACH + "replies to an option must come to an end, but those to NBD_OPT_GO are more than 256"),
    ("flags", export(MIB, 0x0C),
     BREACH + "bit 0 of the transmission flags, NBD_FLAG_HAS_FLAGS, must be set, but they are 0x000c"),
    ("size 0", export(0),
     "the export has 0 bytes, but a disk has at least one block (512 bytes) and at most 2^63 - 1 bytes"),
    ("size 2^63", export(1 << 63), "the export has 9223372036854775808 bytes, but a disk has at least one block "
     "(512 bytes) and at most 2^63 - 1 bytes"),
    ("escapes", reply(0x80000002, b"\x1b[2J\0\xff\r\n%s"),
     "the server's policy forbids it (it answered NBD_OPT_GO for export \"disk\" with error 0x80000002); "
     "it says: \ufffd[2J\ufffd\ufffd\ufffd\ufffd%s"),
    ("closes", ("--close", "option"),
     "the server closed the connection instead of sending its reply to an option"),
]


class Hostile(bed.Case):
    def setUp(self):
        super().setUp()
        image = self.image(2 * MIB)
        self.content = image.read_bytes()
        self.good = self.map("good", self.serve(servers.NbdServer, image))

    def check_good(self):
        """The disk on the good server has its data, and takes new ones."""
        self.content = self.content[::-1]
        self.write(self.good, 0, self.content)
        self.assertEqual(self.digest(self.good), sha256(self.content))
        self.assertEqual(list(self.mapped()), ["good"])

    def refuse(self, server):
        return self.client("map", "disk", "127.0.0.1", "--port", server.port, "--export-name", "disk", status=None)

    def test_refusals(self):
        for name, options, text in REFUSALS:
            with self.subTest(name):
                server = self.hostile(*options)
                done = self.refuse(server)
                self.assertIn(text, done.stderr)
                self.assertIn(f"wnbd: disk: {text}", self.driver_log().decode(errors="replace"))
                for character in done.stderr.replace("\n", ""):
                    self.assertTrue(character.isprintable() or character == "\ufffd", repr(done.stderr))
                self.assertNotIn("disk", self.mapped())
                self.assertIn("disk", self.client("show", "disk", status=None).stderr)
        self.check_good()

    def test_silence_in_the_handshake(self):
        done = self.refuse(self.hostile("--stall", "option"))
        self.assertIn("did not answer in time", done.stderr)
        self.assertIn("wnbd: disk: the server did not finish the NBD handshake within 15 seconds",
                      self.driver_log().decode(errors="replace"))
        self.check_good()

    def test_a_long_list_is_cut(self):
        done = self.refuse(self.hostile("--list-many", 5000))
        self.assertIn("  many-99\n  and 4900 more\n", done.stderr)
        self.assertNotIn("many-100\n", done.stderr)

    def test_breaches_in_transmission(self):
        for options, text in ((("--bad-magic", 1), BREACH + "the magic of a reply must be 0x67446698"),
                              (("--bad-cookie", 1), BREACH + "a reply must carry the cookie of a request in flight"),
                              (("--old-cookie", 3), BREACH + "a reply must carry the cookie of a request in flight"),
                              (("--short-read", 1), "the server closed the connection; requests in flight: ")):
            with self.subTest(text):
                server = self.hostile("--size", MIB, *options)
                self.client("map", "disk", "127.0.0.1", "--port", server.port)
                number = self.mapped().get("disk", {}).get("DiskNumber")
                if number is not None and int(number) > 0:
                    bed.Program(["disktool", number, "random", "--count", "100", "--expect-errors"]).wait()
                self.gone("disk", 60)
                self.assertIn(f"wnbd: disk: {text}", self.driver_log().decode(errors="replace"))
                self.assertIn("disk", self.client("stats", "disk", status=None).stderr)
        self.check_good()

    def test_another_size_at_each_map(self):
        for size in (MIB, 64 * KIB, 2 * MIB):
            number = self.map("disk", self.hostile("--size", size))
            self.assertEqual(len(self.read(number, 0, size)), size)
            self.disktool(number, "read", size, 512, self.windows(self.folder / "beyond"), status=1)
            self.unmap("disk")
        self.check_good()


if __name__ == "__main__":
    bed.main()
