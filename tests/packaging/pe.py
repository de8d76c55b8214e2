# SPDX-License-Identifier: LGPL-2.1-only
"""Reads PE32+ images: headers, sections, imports, exports, the version resource. Source: the PE format's document."""
import struct

IMPORT_DIRECTORY, EXPORT_DIRECTORY, RESOURCE_DIRECTORY, IAT_DIRECTORY = 1, 0, 2, 12
EXCEPTION_DIRECTORY, LOAD_CONFIG_DIRECTORY = 3, 10
EXECUTE, WRITE = 0x20000000, 0x80000000
FILE_DLL = 0x2000
HIGH_ENTROPY_VA, DYNAMIC_BASE, NX_COMPAT, WDM_DRIVER, GUARD_CF = 0x20, 0x40, 0x100, 0x2000, 0x4000
GUARD_CF_INSTRUMENTED = 0x100
RT_VERSION = 16


def frame_bytes(unwind):
    """What a function's prolog takes of the stack, by its UNWIND_INFO (x64 exception handling)."""
    codes, at, total = unwind[4:4 + 2 * unwind[2]], 0, 0
    while at < len(codes):
        operation, info = codes[at + 1] & 15, codes[at + 1] >> 4
        slots = {1: 3 if info else 2, 4: 2, 5: 3, 8: 2, 9: 3}.get(operation, 1)
        if operation == 0:  # UWOP_PUSH_NONVOL
            total += 8
        elif operation == 1:  # UWOP_ALLOC_LARGE
            number = int.from_bytes(codes[at + 2:at + 2 * slots], "little")
            total += number if info else 8 * number
        elif operation == 2:  # UWOP_ALLOC_SMALL
            total += 8 * info + 8
        at += 2 * slots
    return total


class Section:
    def __init__(self, raw):
        name, self.size, self.address, self.file_size, self.file_offset = struct.unpack_from("<8s4I", raw)
        self.name = name.rstrip(b"\0").decode()
        self.flags = struct.unpack_from("<I", raw, 36)[0]


class Image:
    def __init__(self, data):
        self.data = bytes(data)
        pe = struct.unpack_from("<I", data, 0x3C)[0]
        if data[:2] != b"MZ" or data[pe:pe + 4] != b"PE\0\0":
            raise ValueError("not a PE image")
        self.machine, count, self.time_stamp = struct.unpack_from("<HHI", data, pe + 4)
        optional_size, self.characteristics = struct.unpack_from("<HH", data, pe + 20)
        self.optional = pe + 24
        if struct.unpack_from("<H", data, self.optional)[0] != 0x20B:
            raise ValueError("not PE32+")
        self.base, self.section_alignment = struct.unpack_from("<QI", data, self.optional + 24)
        self.checksum, self.subsystem, self.dll_characteristics = struct.unpack_from("<IHH", data, self.optional + 64)
        self.table = table = self.optional + optional_size
        self.sections = [Section(data[table + 40 * i:table + 40 * i + 40]) for i in range(count)]

    def directory(self, index):
        return struct.unpack_from("<II", self.data, self.optional + 112 + 8 * index)

    def section_at(self, address):
        for section in self.sections:
            if section.address <= address < section.address + max(section.size, section.file_size):
                return section
        raise ValueError(f"no section at {address:#x}")

    def offset(self, address):
        section = self.section_at(address)
        return address - section.address + section.file_offset

    def text(self, address):
        start = self.offset(address)
        return self.data[start:self.data.index(b"\0", start)].decode("ascii")

    def imports(self):
        """{library in lower case: [names]}"""
        found = {}
        address, size = self.directory(IMPORT_DIRECTORY)
        while size:
            lookup, _, _, name, thunk = struct.unpack_from("<5I", self.data, self.offset(address))
            if not name:
                break
            names = found.setdefault(self.text(name).lower(), [])
            entry = self.offset(lookup or thunk)
            while value := struct.unpack_from("<Q", self.data, entry)[0]:
                names.append(f"#{value & 0xFFFF}" if value >> 63 else self.text(value + 2))
                entry += 8
            address += 20
        return found

    def exports(self):
        address, size = self.directory(EXPORT_DIRECTORY)
        if not size:
            return []
        count, _, names = struct.unpack_from("<III", self.data, self.offset(address) + 24)
        table = self.offset(names)
        return [self.text(struct.unpack_from("<I", self.data, table + 4 * i)[0]) for i in range(count)]

    def functions(self):
        """The functions that have unwind data: (begin, end, bytes of the frame), addresses relative to the image."""
        address, size = self.directory(EXCEPTION_DIRECTORY)
        for entry in range(size // 12):
            begin, end, unwind = struct.unpack_from("<3I", self.data, self.offset(address) + 12 * entry)
            start = self.offset(unwind)
            yield begin, end, frame_bytes(self.data[start:start + 4 + 2 * self.data[start + 2]])

    def guards_control_flow(self):
        """Whether the load configuration says that the code checks indirect calls, and has the table to check with."""
        address, size = self.directory(LOAD_CONFIG_DIRECTORY)
        if size < 0x94:
            return False
        table, count, flags = struct.unpack_from("<QQI", self.data, self.offset(address) + 0x80)
        return bool(table and count and flags & GUARD_CF_INSTRUMENTED)

    def computed_checksum(self):
        """As CheckSumMappedFile does: 16-bit sums with carry, the field itself as zero, plus the file's length."""
        data = bytearray(self.data)
        struct.pack_into("<I", data, self.optional + 64, 0)
        if len(data) % 2:
            data.append(0)
        total = sum(struct.unpack(f"<{len(data) // 2}H", data))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return total + len(self.data)

    def resource(self, kind):
        """The first resource of a type."""
        base_address, size = self.directory(RESOURCE_DIRECTORY)
        if not size:
            return None
        base = self.offset(base_address)
        offset, wanted = base, kind
        for _ in range(3):  # type, name, language
            named, numbered = struct.unpack_from("<HH", self.data, offset + 12)
            entries = [struct.unpack_from("<II", self.data, offset + 16 + 8 * i) for i in range(named + numbered)]
            match = [target for name, target in entries if wanted is None or name == wanted]
            if not match:
                return None
            offset, wanted = base + (match[0] & 0x7FFFFFFF), None
        address, length = struct.unpack_from("<II", self.data, offset)
        start = self.offset(address)
        return self.data[start:start + length]

    def resource_named(self, kind):
        """The first resource of a type that has a name in place of a number."""
        base = self.offset(self.directory(RESOURCE_DIRECTORY)[0])
        for index in range(struct.unpack_from("<H", self.data, base + 12)[0]):
            name, = struct.unpack_from("<I", self.data, base + 16 + 8 * index)
            at = base + (name & 0x7FFFFFFF)
            length, = struct.unpack_from("<H", self.data, at)
            if self.data[at + 2:at + 2 + 2 * length].decode("utf-16-le") == kind:
                return self.resource(name)
        return None

    def version(self):
        """The version resource's strings, and "numbers": the file's and the product's version as tuples."""
        data = self.resource(RT_VERSION)
        if data is None:
            return {}
        found = {}
        self._version_block(data, 0, found)
        return found

    def _version_block(self, data, start, found):
        length, value_length, is_text = struct.unpack_from("<HHH", data, start)
        end = start + length
        key_end = start + 6
        while data[key_end:key_end + 2] != b"\0\0":
            key_end += 2
        key = data[start + 6:key_end].decode("utf-16-le")
        at = (key_end + 2 + 3) & ~3
        if key == "VS_VERSION_INFO":
            words = struct.unpack_from("<13I", data, at)
            found["numbers"] = [(high >> 16, high & 0xFFFF, low >> 16, low & 0xFFFF)
                                for high, low in (words[2:4], words[4:6])]
            found["type"] = words[9]
            at += value_length
        elif is_text and value_length:
            found[key] = data[at:at + 2 * value_length].decode("utf-16-le").rstrip("\0")
            return
        elif key == "Translation":
            return
        at = (at + 3) & ~3
        while at < end:
            self._version_block(data, at, found)
            at = (at + struct.unpack_from("<H", data, at)[0] + 3) & ~3
