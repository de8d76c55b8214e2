# SPDX-License-Identifier: LGPL-2.1-only
"""Reads WEVT_TEMPLATE and message table resources, as the descriptions of their formats have them.

Written from "Windows Event manifest binary format" (libfwevt), [MS-EVEN6] 2.2.12 (binary XML) and
MESSAGE_RESOURCE_DATA's page; what a description says of a field is checked, so that a resource that a reader of
Windows' would stumble over raises an error here.
"""
import struct
import uuid

KINDS = {0: b"LEVL", 1: b"TASK", 2: b"OPCO", 3: b"KEYW", 4: b"EVNT", 5: b"CHAN", 6: b"MAPS", 7: b"TTBL"}


class Malformed(Exception):
    pass


def need(condition, words):
    if not condition:
        raise Malformed(words)


class Reader:
    def __init__(self, data):
        self.data = data

    def unpack(self, layout, at):
        need(0 <= at and at + struct.calcsize(layout) <= len(self.data), f"offset {at} is outside")
        return struct.unpack_from(layout, self.data, at)

    def name(self, at):
        """Its length, which counts itself, then UTF-16 with a terminator, in a multiple of 4 bytes."""
        size, = self.unpack("<I", at)
        need(size % 4 == 0 and 8 <= size <= len(self.data) - at, f"the name at {at} has {size} bytes")
        text, end, rest = self.data[at + 4:at + size].decode("utf-16-le").partition("\0")
        need(end and not rest.strip("\0"), f"the name at {at} is not terminated")
        return text

    def block(self, at, magic):
        """Signature, size, number of entries."""
        found, size, count = self.unpack("<4sII", at)
        need(found == magic, f"{found!r} at {at}, not {magic!r}")
        need(at + size <= len(self.data), f"{magic!r} is longer than the resource")
        need((size == 0) == (count == 0), f"{magic!r} has {size} bytes and {count} entries")
        return size, count


class BinaryXml:
    """A fragment; a value that is filled in later appears as (its number, its type)."""

    def __init__(self, data, at, end):
        self.data, self.at, self.end = data, at, end
        need(self.take("<4B") == (0x0F, 1, 1, 0), "no fragment header")
        self.root = self.element()
        need(self.take("<B") == (0,), "no end of the fragment")

    def take(self, layout):
        size = struct.calcsize(layout)
        need(self.at + size <= self.end, "the fragment is cut off")
        values = struct.unpack_from(layout, self.data, self.at)
        self.at += size
        return values

    def text(self, count):
        need(self.at + 2 * count <= self.end, "a text is cut off")
        text = self.data[self.at:self.at + 2 * count].decode("utf-16-le")
        self.at += 2 * count
        return text

    def name(self):
        value, count = self.take("<HH")
        text = self.text(count)
        need(self.text(1) == "\0", f"{text} is not terminated")
        total = 0
        for unit in struct.unpack(f"<{count}H", text.encode("utf-16-le")):
            total = (total * 65599 + unit) % 2**32
        need(value == total % 2**16, f"the hash of {text} is 0x{value:04x}")
        return text

    def attributes(self):
        size, = self.take("<I")
        stop, found, more = self.at + size, {}, True
        while more:
            token, = self.take("<B")
            need(token in (0x06, 0x46), f"token 0x{token:02x} in place of an attribute")
            more = token == 0x46
            key = self.name()
            kind, string, count = self.take("<BBH")
            need((kind, string) == (0x05, 0x01), f"the value of {key} is no text")
            found[key] = self.text(count)
        need(self.at == stop, "attributes of another length")
        return found

    def element(self):
        token, dependency, size = self.take("<BHI")
        need(token in (0x01, 0x41) and dependency == 0xFFFF, f"token 0x{token:02x} in place of an element")
        stop = self.at + size
        name = self.name()
        found = self.attributes() if token == 0x41 else {}
        need(self.take("<B") == (0x02,), f"the start of {name} does not end")
        content = []
        while self.data[self.at] != 0x04:
            if self.data[self.at] in (0x0D, 0x0E):
                content.append(self.take("<BHB")[1:])
            else:
                content.append(self.element())
        self.at += 1
        need(self.at == stop, f"{name} has another length")
        return name, found, content


class Template:
    def __init__(self, reader, at):
        magic, self.size, count, properties, place, flags = reader.unpack("<4sIIIII", at)
        need(magic == b"TEMP" and count == properties and flags == 1, f"no template at {at}")
        end = at + self.size
        self.guid = uuid.UUID(bytes_le=reader.data[at + 24:at + 40])
        xml = BinaryXml(reader.data, at + 40, place)
        name, attributes, content = xml.root
        need(name == "EventData", f"the template is {name}")
        need(place - xml.at < 8 and not any(reader.data[xml.at:place]), "something lies behind the binary XML")
        self.name = attributes["Name"]
        self.fields = []
        for index in range(count):
            flags, kind, *rest, name_at = reader.unpack("<IBBHIHHI", place + 20 * index)
            need(flags == 0 and rest == [0, 0, 0, 1, 0] and at < name_at < end, f"field {index} is another kind")
            self.fields.append((reader.name(name_at), kind))
        shown = [("Data", {"Name": field}, [(index, kind)]) for index, (field, kind) in enumerate(self.fields)]
        need(content == shown, f"the XML of {self.name} shows {content}, not {shown}")


class Provider:
    def __init__(self, reader, at, guid):
        magic, size, self.message, lists = reader.unpack("<4sIII", at)
        need(magic == b"WEVT" and at + size == len(reader.data), "the provider is not all of the resource")
        self.reader, self.guid, self.places = reader, guid, {}
        for index in range(lists):
            kind, place = reader.unpack("<II", at + 16 + 8 * index)
            need(kind in KINDS and kind not in self.places, f"the list {kind} is there twice, or unknown")
            self.places[kind] = place
        self.levels = self.entries(0, "<III", lambda value, message, name: (value, message, reader.name(name)))
        self.channels = self.entries(5, "<IIII", lambda flags, name, value, message:
                                     (flags, reader.name(name), value, message))
        self.keywords = self.entries(3, "<QII", lambda mask, message, name: (mask, message, reader.name(name)))
        need(not self.entries(1, "<I", int) and not self.entries(2, "<I", int), "there are tasks or opcodes")
        self.templates = self.read_templates()
        self.events = [self.event(place) for place in self.event_places()]

    def content(self):
        """All that it says, to be compared."""
        events = [{**event, "template": vars(event["template"])} for event in self.events]
        return (self.guid, self.message, self.places, self.levels, self.channels, self.keywords, events)

    def entries(self, kind, layout, make):
        """{place: entry}"""
        at = self.places[kind]
        _, count = self.reader.block(at, KINDS[kind])
        size = struct.calcsize(layout)
        return {at + 12 + size * index: make(*self.reader.unpack(layout, at + 12 + size * index))
                for index in range(count)}

    def read_templates(self):
        start = at = self.places[7]
        size, count = self.reader.block(at, b"TTBL")
        found = {}
        at += 12
        for _ in range(count):
            found[at] = Template(self.reader, at)
            at += found[at].size
        need(at == start + size, "the templates have another length")
        return found

    def event_places(self):
        at = self.places[4]
        need(at % 8 == 0, "the events are not aligned")
        size, count = self.reader.block(at, b"EVNT")
        need(at + size == len(self.reader.data), "the events are not the last list")
        return [at + 16 + 48 * index for index in range(count)]

    def event(self, at):
        (number, version, channel, level, opcode, task, keyword, message, template, opcode_at, level_at, task_at,
         keywords, keyword_at, channel_at) = self.reader.unpack("<HBBBBHQ8I", at)
        need((opcode, task, opcode_at, task_at) == (0, 0, 0, 0), f"event {number} has a task or opcode")
        need(self.levels[level_at][0] == level, f"event {number} has another level than its entry")
        need((channel == 0) == (channel_at == 0) == (keywords == 0), f"event {number} is half in a channel")
        if channel_at:
            need(self.channels[channel_at][2] == channel, f"event {number} has another channel than its entry")
            mask = self.keywords[self.reader.unpack("<I", keyword_at)[0]][0]
            need(keywords == 1 and keyword == mask, f"event {number} has another keyword than its entry")
        return {"id": number, "version": version, "level": level, "channel": channel, "keyword": keyword,
                "message": message, "template": self.templates[template]}


def manifest(data):
    """The one provider of a WEVT_TEMPLATE resource."""
    reader = Reader(data)
    magic, size, major, minor, count = reader.unpack("<4sIHHI", 0)
    need((magic, major, minor, count) == (b"CRIM", 3, 1, 1) and size == len(data), "another header")
    return Provider(reader, *reader.unpack("<I", 32), uuid.UUID(bytes_le=data[16:32]))


def messages(data):
    """{identifier: text} of a message table."""
    reader = Reader(data)
    found, last = {}, -1
    for index in range(reader.unpack("<I", 0)[0]):
        low, high, at = reader.unpack("<III", 4 + 12 * index)
        need(last < low <= high, "the blocks are not in order")
        last = high
        for key in range(low, high + 1):
            length, flags = reader.unpack("<HH", at)
            need(flags == 1 and length % 4 == 0 and at + length <= len(data), f"message 0x{key:08x} is malformed")
            text, end, _ = data[at + 4:at + length].decode("utf-16-le").partition("\0")
            need(end, f"message 0x{key:08x} is not terminated")
            found[key] = text
            at += length
    return found
