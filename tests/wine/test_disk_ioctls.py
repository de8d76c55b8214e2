#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""What Windows' tools ask of a disk, and what a WNBD disk must answer: structures byte by byte as Microsoft documents
them (the page is named with each), and the NBD requests that arrive at the server. docs/disk.md lists it.

Usage: tools/wine-env python3 tests/wine/test_disk_ioctls.py
"""
import re
import struct

import bed
from bed import MIB, sha256

# winioctl.h, ntddscsi.h
SCSI_PASS_THROUGH, SCSI_PASS_THROUGH_DIRECT, SCSI_GET_ADDRESS = 0x4D004, 0x4D014, 0x41018
DISK_GET_DRIVE_GEOMETRY, DISK_GET_DRIVE_GEOMETRY_EX, DISK_GET_LENGTH_INFO = 0x70000, 0x700A0, 0x7405C
DISK_IS_WRITABLE, DISK_UPDATE_PROPERTIES = 0x70024, 0x70140
DISK_GET_DISK_ATTRIBUTES, DISK_SET_DISK_ATTRIBUTES = 0x700F0, 0x7C0F4
STORAGE_CHECK_VERIFY, STORAGE_CHECK_VERIFY2, STORAGE_GET_HOTPLUG_INFO = 0x2D4800, 0x2D0800, 0x2D0C14
STORAGE_GET_DEVICE_NUMBER, STORAGE_READ_CAPACITY = 0x2D1080, 0x2D5140
STORAGE_QUERY_PROPERTY, STORAGE_MANAGE_DATA_SET_ATTRIBUTES = 0x2D1400, 0x2D9404
STORAGE_RESET_DEVICE = 0x2D5004

# STORAGE_PROPERTY_ID
DEVICE, ADAPTER, DEVICE_ID, WRITE_CACHE, MINIPORT, ALIGNMENT = 0, 1, 2, 4, 5, 6
SEEK_PENALTY, TRIM, PROVISIONING, IO_CAPABILITY = 7, 8, 11, 48

# Win32 errors
OK, INVALID_FUNCTION, NOT_SUPPORTED, INVALID_PARAMETER, INSUFFICIENT_BUFFER = 0, 1, 50, 87, 122
WRITE_PROTECT, BAD_LENGTH, NOACCESS, REVISION_MISMATCH = 19, 24, 998, 1306

WHOLE_DISK, NOT_FS_ALLOCATED = 1, 0x80000000
DATA_OUT, DATA_IN, NO_DATA = 0, 1, 2
SENSE = 0x38  # where the tests put it and the data in a SCSI_PASS_THROUGH: 0x38 bytes, 32 of sense, the data
DATA = SENSE + 32


class Case(bed.Case):
    def disk(self, *options, mapping=()):
        """A disk of the scripted server; its requests are in self.log."""
        self.log = self.folder / "server-log"
        self.server = self.hostile("--size", "16M", "--log", self.log, *options)
        self.number = self.map("disk", self.server, *mapping)

    def ask(self, *requests):
        """Control requests as (code, input, room): for each the Win32 error and the bytes returned."""
        words = [f"{code:#x}:{data.hex()}:{room}" for code, data, room in requests]
        answers = []
        for line in self.disktool(self.number, "ioctl", *words).stdout.splitlines():
            error, count, *content = line.split()
            answers.append((int(error), bytes.fromhex(content[0]) if content else b""))
            if int(error) == OK:
                self.assertEqual(len(answers[-1][1]), int(count))
        self.assertEqual(len(answers), len(requests))
        return answers

    def one(self, code, data=b"", room=0):
        return self.ask((code, data, room))[0]

    def good(self, code, data=b"", room=0):
        error, content = self.one(code, data, room)
        self.assertEqual(error, OK)
        return content

    def property(self, number, room=1024, query=0):
        """A property's descriptor, whose Version and Size are checked where all of it was asked for."""
        content = self.good(STORAGE_QUERY_PROPERTY, struct.pack("<LLL", number, query, 0), room)
        if query == 0:
            version, size = struct.unpack_from("<LL", content)
            self.assertGreaterEqual(size, 8)
            if room > size:
                self.assertEqual(len(content), size)
        return content

    def requests(self, kind):
        """The server's requests of a kind, as (offset, length)."""
        return [(int(offset), int(length)) for offset, length in
                re.findall(rf"^\d+ {kind} offset (\d+) length (\d+)$", self.log.read_text(), re.MULTILINE)]

    def trim(self, *ranges, flags=NOT_FS_ALLOCATED, action=1, size=0x1C):
        """DEVICE_MANAGE_DATA_SET_ATTRIBUTES, 0x1C bytes, padded to 0x20, and its DEVICE_DATA_SET_RANGEs."""
        body = b"".join(struct.pack("<qQ", *extent) for extent in ranges)
        header = struct.pack("<7L", size, action, flags, 0, 0, 0x20 if ranges else 0, len(body))
        return self.one(STORAGE_MANAGE_DATA_SET_ATTRIBUTES, header + bytes(4) + body)[0]

    @staticmethod
    def command(cdb, direction=NO_DATA, data=b"", length=None, **changes):
        """SCSI_PASS_THROUGH with sense and data behind it."""
        fields = {"size": 0x38, "cdb_length": len(cdb), "sense_length": 32, "timeout": 60, "offset": DATA,
                  "sense_offset": SENSE, **changes}
        length = len(data) if length is None else length
        head = struct.pack("<HBBBBBBBxxxLLxxxxQL16s", fields["size"], 0, 0, 0, 0, fields["cdb_length"],
                           fields["sense_length"], direction, length, fields["timeout"], fields["offset"],
                           fields["sense_offset"], cdb)
        assert len(head) == 0x34
        return head + bytes(4 + 32) + data

    def scsi(self, cdb, direction=NO_DATA, data=b"", length=None):
        """A pass-through command that the port driver accepts: SCSI status, sense, data."""
        call = self.command(cdb, direction, data, length)
        content = self.good(SCSI_PASS_THROUGH, call, DATA + (length or len(data)))
        status, sense_length = content[2], content[7]
        moved, = struct.unpack_from("<L", content, 12)
        sense = content[SENSE:SENSE + sense_length] if status else b""
        return status, sense, content[DATA:DATA + moved] if direction == DATA_IN else moved


class Full(Case):
    """A server with flush, FUA and trim."""

    def setUp(self):
        super().setUp()
        self.disk()

    def test_device_and_adapter(self):
        # STORAGE_DEVICE_DESCRIPTOR
        content = self.property(DEVICE)
        version, _, kind, modifier, removable, queueing, vendor, product, revision, serial, bus, raw = \
            struct.unpack_from("<LLBBBBLLLLLL", content)
        self.assertEqual((version, kind, modifier, removable, queueing), (0x28, 0, 0, 0, 1))
        self.assertEqual(bus, 0xE)  # BusTypeVirtual
        text = [content[offset:content.index(b"\0", offset)] for offset in (vendor, product, revision, serial)]
        self.assertEqual([part.strip() for part in text[:2]], [b"WNBD", b"WNBD_DISK"])
        self.assertEqual(text[3], b"disk")
        self.assertEqual(content[0x24:0x24 + raw][8:16], b"WNBD    ")  # the INQUIRY data
        # STORAGE_ADAPTER_DESCRIPTOR
        content = self.property(ADAPTER)
        self.assertEqual(len(content), 0x20)
        _, _, transfer, pages, mask, _, _, queueing, _, bus = struct.unpack_from("<LLLLLBBBBB", content)
        self.assertGreaterEqual(transfer, 2 * MIB)
        self.assertGreater(pages, 512)
        self.assertEqual((mask, queueing, bus), (0, 1, 0xE))
        # STORAGE_DEVICE_IO_CAPABILITY_DESCRIPTOR
        _, _, unit, adapter = struct.unpack("<LLLL", self.property(IO_CAPABILITY))
        self.assertGreater(unit, 1)
        self.assertGreaterEqual(adapter, unit)

    def test_device_id(self):
        # STORAGE_DEVICE_ID_DESCRIPTOR, STORAGE_IDENTIFIER
        content = self.property(DEVICE_ID)
        version, size, count = struct.unpack_from("<LLL", content)
        self.assertEqual((version, size, count), (0x10, len(content), 1))
        code_set, kind, length, following, association = struct.unpack_from("<LLHHL", content, 12)
        # StorageIdCodeSetAscii, StorageIdTypeVendorId, StorageIdAssocDevice
        self.assertEqual((code_set, kind, association), (2, 1, 0))
        self.assertEqual(content[28:28 + length], b"WNBD    disk")
        self.assertEqual(12 + following, size)

    def test_write_cache(self):
        # STORAGE_WRITE_CACHE_PROPERTY: write-back, enabled, not changeable, write-through by FUA, can be flushed
        content = self.property(WRITE_CACHE)
        self.assertEqual(struct.unpack("<LLLLLLBBBx", content), (0x1C, 0x1C, 2, 2, 1, 2, 1, 0, 0))
        self.assertEqual(len(self.requests("flush")), 1)  # it is tried, as classpnp does

    def test_alignment_seek_penalty_trim(self):
        # STORAGE_ACCESS_ALIGNMENT_DESCRIPTOR: 512 byte blocks in the 4096 that NBD servers prefer unless they say else
        self.assertEqual(struct.unpack("<7L", self.property(ALIGNMENT)), (0x1C, 0x1C, 0, 0, 512, 4096, 0))
        # DEVICE_SEEK_PENALTY_DESCRIPTOR, DEVICE_TRIM_DESCRIPTOR
        self.assertEqual(struct.unpack("<LLBxxx", self.property(SEEK_PENALTY)), (12, 12, 0))
        self.assertEqual(struct.unpack("<LLBxxx", self.property(TRIM)), (12, 12, 1))

    def test_provisioning(self):
        # DEVICE_LB_PROVISIONING_DESCRIPTOR: thin; what is read after a trim isn't promised; units of 4096
        content = self.property(PROVISIONING)
        self.assertEqual(struct.unpack("<LLB7xQQLL", content), (0x28, 0x28, 1, 4096, 0, 0xFFFFFFFF, 256))
        self.assertEqual(struct.unpack("<LLB7xQQ", self.property(PROVISIONING, room=0x27)), (0x20, 0x20, 1, 4096, 0))

    def test_miniport_resets(self):
        # STORAGE_MINIPORT_DESCRIPTOR
        self.assertEqual(struct.unpack("<LLLBBH", self.property(MINIPORT))[2:5], (1, 1, 1))

    def test_property_buffers_and_query_types(self):
        # IOCTL_STORAGE_QUERY_PROPERTY: a header tells the size; PropertyExistsQuery returns nothing
        everything = (DEVICE, ADAPTER, DEVICE_ID, WRITE_CACHE, MINIPORT, ALIGNMENT, SEEK_PENALTY, TRIM, PROVISIONING,
                      IO_CAPABILITY)
        queries = [struct.pack("<LLL", number, 0, 0) for number in everything]
        whole = self.ask(*[(STORAGE_QUERY_PROPERTY, query, 1024) for query in queries])
        head = self.ask(*[(STORAGE_QUERY_PROPERTY, query, 8) for query in queries])
        for number, (_, content), (error, header) in zip(everything, whole, head):
            with self.subTest(property=number):
                self.assertEqual((error, header), (OK, content[:8]))
        exists = self.ask(*[(STORAGE_QUERY_PROPERTY, struct.pack("<LLL", number, 1, 0), 0) for number in everything])
        self.assertEqual(exists, [(OK, b"")] * len(everything))
        for query, room, error in ((struct.pack("<LLL", ALIGNMENT, 2, 0), 64, NOT_SUPPORTED),
                                   (struct.pack("<LLL", ALIGNMENT, 0, 0), 7, INSUFFICIENT_BUFFER),
                                   (struct.pack("<LLL", WRITE_CACHE, 0, 0), 7, BAD_LENGTH),
                                   (struct.pack("<LLL", 999, 0, 0), 64, NOT_SUPPORTED),
                                   (struct.pack("<LLL", 999, 1, 0), 0, NOT_SUPPORTED),
                                   (struct.pack("<L", ALIGNMENT), 64, BAD_LENGTH)):
            self.assertEqual(self.one(STORAGE_QUERY_PROPERTY, query, room)[0], error, query.hex())

    def test_sizes_and_numbers(self):
        answers = self.ask((DISK_GET_LENGTH_INFO, b"", 8), (DISK_GET_DRIVE_GEOMETRY, b"", 24),
                           (DISK_GET_DRIVE_GEOMETRY_EX, b"", 40), (STORAGE_READ_CAPACITY, b"", 32),
                           (STORAGE_READ_CAPACITY, b"", 8), (STORAGE_GET_DEVICE_NUMBER, b"", 12),
                           (SCSI_GET_ADDRESS, b"", 8), (STORAGE_GET_HOTPLUG_INFO, b"", 8),
                           (STORAGE_CHECK_VERIFY, b"", 0), (STORAGE_CHECK_VERIFY2, b"", 4),
                           (DISK_UPDATE_PROPERTIES, b"", 0), (DISK_IS_WRITABLE, b"", 0))
        self.assertEqual([error for error, _ in answers], [OK] * len(answers))
        length, geometry, geometry_ex, capacity, capacity_head, number, address, hotplug, _, verify, _, _ = \
            [content for _, content in answers]
        self.assertEqual(struct.unpack("<q", length), (16 * MIB,))
        # DISK_GEOMETRY: FixedMedia; DISK_GEOMETRY_EX adds the size
        self.assertEqual(struct.unpack("<qLLLL", geometry), (16 * MIB // 512 // (255 * 63), 12, 255, 63, 512))
        self.assertEqual(geometry_ex[:24], geometry)
        self.assertEqual(struct.unpack_from("<q", geometry_ex, 24), (16 * MIB,))
        # STORAGE_READ_CAPACITY
        self.assertEqual(struct.unpack("<LLLxxxxqq", capacity), (32, 32, 512, 16 * MIB // 512, 16 * MIB))
        self.assertEqual(capacity_head, capacity[:8])
        # STORAGE_DEVICE_NUMBER: FILE_DEVICE_DISK, the whole disk
        self.assertEqual(struct.unpack("<LLL", number), (7, self.number, 0))
        # SCSI_ADDRESS: one disk per target, unit 0
        self.assertEqual((struct.unpack_from("<L", address)[0], address[5], address[7]), (8, 0, 0))
        # STORAGE_HOTPLUG_INFO: a fixed medium in a device that may go without notice
        self.assertEqual(struct.unpack("<LBBBB", hotplug), (8, 0, 0, 1, 0))
        self.assertEqual(struct.unpack("<L", verify), (0,))
        self.assertEqual(self.one(STORAGE_RESET_DEVICE)[0], INVALID_FUNCTION)
        for code, room in ((DISK_GET_LENGTH_INFO, 7), (DISK_GET_DRIVE_GEOMETRY, 23), (STORAGE_GET_DEVICE_NUMBER, 11),
                           (STORAGE_GET_HOTPLUG_INFO, 7), (STORAGE_READ_CAPACITY, 7), (SCSI_GET_ADDRESS, 7)):
            self.assertEqual(self.one(code, b"", room)[0], INSUFFICIENT_BUFFER, hex(code))

    def test_trim(self):
        # IOCTL_STORAGE_MANAGE_DATA_SET_ATTRIBUTES: the ranges arrive as they are
        self.write(self.number, 0, b"\xAA" * MIB)
        self.assertEqual(self.trim((0, 4096), (8192, 512), (MIB, 3 * MIB)), OK)
        self.assertEqual(sorted(self.requests("trim")), [(0, 4096), (8192, 512), (MIB, 3 * MIB)])
        expected = bytes(4096) + b"\xAA" * 4096 + bytes(512) + b"\xAA" * (MIB - 8704)
        self.assertEqual(self.digest(self.number, 0, MIB), sha256(expected))

    def test_trim_of_the_whole_disk(self):
        self.assertEqual(self.trim(flags=NOT_FS_ALLOCATED | WHOLE_DISK), OK)
        self.assertEqual(self.requests("trim"), [(0, 16 * MIB)])
        self.assertEqual(self.trim((0, 4096), flags=NOT_FS_ALLOCATED | WHOLE_DISK), INVALID_PARAMETER)
        self.assertEqual(len(self.requests("trim")), 1)

    def test_trim_with_more_ranges_than_one_command_takes(self):
        ranges = [(index * 8192, 4096) for index in range(300)]  # page B0h allows 256
        self.assertEqual(self.trim(*ranges), OK)
        self.assertEqual(sorted(self.requests("trim")), ranges)

    def test_refused_trims(self):
        # Windows rounds nothing: each range is whole blocks inside the disk, and not empty
        for extent in ((1, 512), (0, 511), (256, 1024), (0, 0), (16 * MIB, 512), (16 * MIB - 512, 1024), (-512, 512)):
            self.assertEqual(self.trim((0, 512), extent), INVALID_PARAMETER, extent)
        self.assertEqual(self.trim(), INVALID_PARAMETER)
        self.assertEqual(self.one(STORAGE_MANAGE_DATA_SET_ATTRIBUTES, bytes(8))[0], BAD_LENGTH)
        # FSCTL_FILE_LEVEL_TRIM comes without NOT_FS_ALLOCATED; it needs a disk that reads zeros afterwards
        self.assertNotEqual(self.trim((0, 4096), flags=0), OK)
        self.assertNotEqual(self.trim((0, 4096), action=99), OK)
        self.assertEqual(self.requests("trim"), [])

    def test_attributes(self):
        # GET_DISK_ATTRIBUTES, SET_DISK_ATTRIBUTES; nothing of it reaches the device
        def change(attributes, mask, persist=0, version=40):
            return self.one(DISK_SET_DISK_ATTRIBUTES,
                            struct.pack("<LBxxxQQ16x", version, persist, attributes, mask))[0]

        def attributes():
            version, _, value = struct.unpack("<LLQ", self.good(DISK_GET_DISK_ATTRIBUTES, b"", 16))
            self.assertEqual(version, 16)
            return value

        def again():
            self.unmap("disk")
            self.number = self.map("disk", self.server)

        self.assertEqual(attributes(), 0)
        self.assertEqual(change(4, 4), INVALID_PARAMETER)
        self.assertEqual(change(2, 2, version=39), INVALID_PARAMETER)
        self.assertEqual(change(3, 2), OK)
        self.assertEqual(attributes(), 2)  # read-only, not offline: the mask counts
        self.assertEqual(self.one(DISK_IS_WRITABLE)[0], WRITE_PROTECT)
        refused = self.disktool(self.number, "zero", 0, 512, status=1)
        self.assertIn(f"error {WRITE_PROTECT}", refused.stderr)
        self.assertEqual(self.trim((0, 4096)), WRITE_PROTECT)
        again()
        self.assertEqual(attributes(), 0)
        self.assertEqual(change(1, 3, persist=1), OK)
        again()
        self.assertEqual(attributes(), 1)  # the disk was recognised by its identity
        self.assertEqual(change(0, 3, persist=1), OK)
        self.assertEqual((self.requests("write"), self.requests("trim")), ([], []))
        self.disktool(self.number, "zero", 0, 512)


class PassThrough(Case):
    """SCSI_PASS_THROUGH, SCSI_PASS_THROUGH_DIRECT."""

    def setUp(self):
        super().setUp()
        self.disk()

    def test_commands(self):
        status, _, inquiry = self.scsi(bytes.fromhex("120000006000"), DATA_IN, length=96)
        self.assertEqual((status, len(inquiry), inquiry[8:32]), (0, 96, b"WNBD    WNBD_DISK       "))
        status, _, answer = self.scsi(bytes.fromhex("120000006000"), DATA_IN, length=4096)
        self.assertEqual((status, len(answer)), (0, 96))  # an underrun says what was moved
        status, _, answer = self.scsi(bytes.fromhex("25000000000000000000"), DATA_IN, length=8)
        self.assertEqual((status, struct.unpack(">LL", answer)), (0, (16 * MIB // 512 - 1, 512)))
        block = bytes(range(256)) * 2
        self.assertEqual(self.scsi(bytes.fromhex("2a000000000700000100"), DATA_OUT, block)[0], 0)
        self.assertEqual(self.scsi(bytes.fromhex("28000000000700000100"), DATA_IN, length=512), (0, b"", block))
        self.assertEqual(self.read(self.number, 7 * 512, 512), block)
        self.assertEqual(self.scsi(bytes.fromhex("000000000000")), (0, b"", 0))
        self.assertEqual(self.scsi(bytes.fromhex("35000000000000000000")), (0, b"", 0))
        self.assertEqual(len(self.requests("flush")), 1)

    def test_sense(self):
        for cdb, length, key, asc in (("28007fffffff00000100", 512, 5, 0x21),  # beyond the end
                                      ("ff0000000000", 0, 5, 0x20),            # no such command
                                      ("120163000000", 0, 5, 0x24),            # no such page
                                      ("28000000000000000200", 512, 5, 0x24),  # two blocks into room for one
                                      ("2800000000000000", 0, 5, 0x24)):       # a CDB of 8 bytes
            status, sense, _ = self.scsi(bytes.fromhex(cdb), DATA_IN if length else NO_DATA, length=length)
            self.assertEqual((status, sense[0], sense[2], sense[12]), (2, 0x70, key, asc), cdb)

    def test_refused_by_the_port_driver(self):
        inquiry = bytes.fromhex("120000006000")
        for code in (SCSI_PASS_THROUGH, SCSI_PASS_THROUGH_DIRECT):
            for call, error in ((self.command(inquiry)[:0x30], INVALID_PARAMETER),
                                (self.command(inquiry, size=0x30), REVISION_MISMATCH),
                                (self.command(inquiry, cdb_length=0), INVALID_PARAMETER),
                                (self.command(inquiry, cdb_length=17), INVALID_PARAMETER),
                                (self.command(inquiry, direction=3), INVALID_PARAMETER),
                                (self.command(inquiry, sense_offset=0x10), INVALID_PARAMETER),
                                (self.command(inquiry, sense_offset=0xFFFFFFF0), INVALID_PARAMETER),
                                (self.command(inquiry, DATA_IN, length=64 * MIB), INVALID_PARAMETER)):
                self.assertEqual(self.one(code, call, len(call))[0], error, (hex(code), call.hex()))
        for offset in (0, 8, DATA + 1, 1 << 40, (1 << 64) - 8):
            call = self.command(inquiry, DATA_IN, bytes(96), offset=offset)
            self.assertEqual(self.one(SCSI_PASS_THROUGH, call, len(call))[0], INVALID_PARAMETER, hex(offset))
        for direction, cdb in ((DATA_IN, inquiry), (DATA_OUT, bytes.fromhex("2a000000000000000100"))):
            call = self.command(cdb, direction, length=512, offset=0x10)  # nobody's memory
            self.assertEqual(self.one(SCSI_PASS_THROUGH_DIRECT, call, len(call))[0], NOACCESS)
        self.assertEqual(self.requests("write"), [])

    def test_direct(self):
        block = self.file("block", b"\x5A" * 1024)
        self.disktool(self.number, "scsi", "2a 00 00 00 00 10 00 00 02 00", "out", self.windows(block))
        self.assertEqual(self.read(self.number, 16 * 512, 1024), b"\x5A" * 1024)
        done = self.disktool(self.number, "scsi", "28 00 00 00 00 10 00 00 02 00", "in", 1024)
        self.assertEqual(done.stdout.count("5a 5a"), 1024 // 2)

    def test_timeout(self):
        # TimeOutValue ends the command, by resets, and not the disk.
        self.server.signal(10)  # SIGUSR1: answers nothing
        call = self.command(bytes.fromhex("28000000000000000100"), DATA_IN, bytes(512), timeout=1)
        self.assertNotEqual(self.one(SCSI_PASS_THROUGH, call, len(call))[0], OK)
        self.server.signal(10)
        self.assertEqual(self.scsi(bytes.fromhex("28000000000000000100"), DATA_IN, length=512)[0], 0)


class Lesser(Case):
    """Servers that offer less."""

    def test_without_flush_fua_trim(self):
        self.disk("--without", "flush", "--without", "fua", "--without", "trim")
        # nothing is cached: off, no write-through to ask for; SYNCHRONIZE CACHE has nothing to do and succeeds
        self.assertEqual(struct.unpack("<LLLLLLBBBx", self.property(WRITE_CACHE)), (0x1C, 0x1C, 0, 1, 1, 1, 1, 0, 0))
        self.assertEqual(struct.unpack("<LLBxxx", self.property(TRIM)), (12, 12, 0))
        self.assertEqual(struct.unpack("<LLB7xQQLL", self.property(PROVISIONING)), (0x28, 0x28, 0, 0, 0, 0, 0))
        self.assertEqual(self.trim((0, 4096)), NOT_SUPPORTED)
        status, sense, _ = self.scsi(bytes.fromhex("42000000000000001800"), DATA_OUT, bytes(24))
        self.assertEqual((status, sense[2], sense[12]), (2, 5, 0x20))
        self.assertEqual((self.requests("flush"), self.requests("trim")), ([], []))

    def test_flush_without_fua(self):
        self.disk("--without", "fua")
        # write and then flush is write-through
        self.assertEqual(struct.unpack("<LLLLLLBBBx", self.property(WRITE_CACHE)), (0x1C, 0x1C, 2, 2, 1, 2, 1, 0, 0))
        flushes = len(self.requests("flush"))
        self.assertEqual(self.scsi(bytes.fromhex("2a080000000000000100"), DATA_OUT, bytes(512))[0], 0)
        self.assertEqual(len(self.requests("flush")), flushes + 1)

    def test_read_only(self):
        self.disk("--read-only")
        self.assertEqual(self.one(DISK_IS_WRITABLE)[0], WRITE_PROTECT)
        self.assertEqual(struct.unpack("<LLBxxx", self.property(TRIM)), (12, 12, 0))
        self.assertEqual(self.trim((0, 4096)), NOT_SUPPORTED)
        status, sense, _ = self.scsi(bytes.fromhex("2a000000000000000100"), DATA_OUT, bytes(512))
        self.assertEqual((status, sense[2], sense[12]), (2, 7, 0x27))
        self.assertEqual((self.requests("write"), self.requests("trim")), ([], []))

    def test_blocks_of_4096(self):
        self.disk("--min-block", "4096", mapping=("--block-size", "4096"))
        self.assertEqual(struct.unpack("<7L", self.property(ALIGNMENT))[4:6], (4096, 4096))
        self.assertEqual(struct.unpack("<LLLxxxxqq", self.good(STORAGE_READ_CAPACITY, b"", 32))[2:],
                         (4096, 4096, 16 * MIB))
        self.assertEqual(self.trim((4096, 8192)), OK)
        self.assertEqual(self.trim((512, 4096)), INVALID_PARAMETER)
        self.assertEqual(self.requests("trim"), [(4096, 8192)])

    def test_large_preferred_blocks(self):
        # Programs refuse physical sectors of more than 4096 bytes ("Troubleshoot errors related to system disk sector
        # size greater than 4 KB").
        for preferred in ("65536", "1M"):
            self.disk("--preferred-block", preferred)
            self.assertEqual(struct.unpack("<7L", self.property(ALIGNMENT))[4:6], (512, 4096), preferred)
            self.unmap("disk")

    def test_long_names(self):
        # The class driver reads 255 bytes of page 83h: the identifier must be whole in them, and another one's differ.
        identifiers = set()
        for end in "ab":
            name = "x" * 200 + end * 50
            number = self.map(name, self.hostile("--size", "1M"))
            self.number = number
            content = self.property(DEVICE_ID)
            count, = struct.unpack_from("<L", content, 8)
            self.assertEqual(count, 1)
            identifiers.add(content[28:])
        self.assertEqual(len(identifiers), 2)

    def test_rotating(self):
        self.disk("--rotational")
        self.assertEqual(struct.unpack("<LLBxxx", self.property(SEEK_PENALTY)), (12, 12, 1))


if __name__ == "__main__":
    bed.main()
