# SPDX-License-Identifier: LGPL-2.1-only
"""The resources by which Windows knows a provider's events: WEVT_TEMPLATE and the message table.

Formats: the message table, "MESSAGE_RESOURCE_DATA" of Windows' documentation; WEVT_TEMPLATE, which Microsoft doesn't
document, "Windows Event manifest binary format" of the libfwevt project; the binary XML in it, [MS-EVEN6] section
2.2.12. All numbers are little-endian, offsets count from the beginning of the resource.
"""
import struct
import uuid

# Identifier of the channel that Windows itself has, and the keyword of a provider's first channel.
CHANNEL_SYSTEM = 8
KEYWORD_CHANNEL = 0x8000000000000000
LEVELS = {"win:Error": (2, "Error"), "win:Warning": (3, "Warning"), "win:Informational": (4, "Information"),
          "win:Verbose": (5, "Verbose")}
# inType: type of the value.
IN_TYPES = {"win:UnicodeString": 1, "win:UInt32": 8, "win:Int64": 9, "win:UInt64": 10, "win:HexInt32": 20}
# Kinds of a provider's lists.
LIST_LEVELS, LIST_TASKS, LIST_OPCODES, LIST_KEYWORDS, LIST_EVENTS, LIST_CHANNELS, LIST_TEMPLATES = 0, 1, 2, 3, 4, 5, 7
NO_MESSAGE = 0xFFFFFFFF
# Where the message compiler numbers from; only what the lists refer to matters.
MESSAGE_LEVEL, MESSAGE_PROVIDER, MESSAGE_EVENT = 0x50000000, 0x90000001, 0xB0000000


def level(event):
    return LEVELS[event.level][0]


def message_id(event):
    return MESSAGE_EVENT | event.version << 16 | event.id


def used_levels(manifest):
    """(value, name, text), in order."""
    return sorted({(LEVELS[event.level][0], event.level, LEVELS[event.level][1]) for event in manifest.events})


# ---- the message table ----

def messages(manifest):
    """{identifier: text}; each text ends a line, as the message compiler's do."""
    table = {message_id(event): event.message for event in manifest.events}
    table.update({MESSAGE_LEVEL | value: text for value, _, text in used_levels(manifest)})
    table[MESSAGE_PROVIDER] = manifest.message
    return {key: text + "\r\n" for key, text in table.items()}


def runs(keys):
    """The numbers in order, as (first, last) of those that follow each other."""
    found = []
    for key in sorted(keys):
        if found and found[-1][1] + 1 == key:
            found[-1][1] = key
        else:
            found.append([key, key])
    return found


def message_table(manifest):
    table = messages(manifest)
    blocks = runs(table)
    head = struct.pack("<I", len(blocks))
    entries = b""
    begin = 4 + 12 * len(blocks)
    for first, last in blocks:
        head += struct.pack("<III", first, last, begin + len(entries))
        for key in range(first, last + 1):
            text = table[key].encode("utf-16-le") + b"\0\0"
            text += b"\0" * (-len(text) % 4)
            entries += struct.pack("<HH", 4 + len(text), 1) + text  # 1: Unicode
    return head + entries


# ---- the manifest ----

def name_entry(text):
    """A string with its length, in a multiple of 4 bytes."""
    data = text.encode("utf-16-le") + b"\0\0"
    data += b"\0" * (-(len(data) + 4) % 4)
    return struct.pack("<I", 4 + len(data)) + data


def xml_name(text):
    value = 0
    for character in text:
        value = (value * 65599 + ord(character)) & 0xFFFFFFFF
    return struct.pack("<HH", value & 0xFFFF, len(text)) + text.encode("utf-16-le") + b"\0\0"


def xml_element(name, attributes, content):
    """Attributes: (name, text). Nothing here depends on a value that may be absent: 0xFFFF."""
    listed = b""
    for index, (key, text) in enumerate(attributes):
        more = 0x40 if index + 1 < len(attributes) else 0
        listed += bytes([0x06 | more]) + xml_name(key)
        listed += b"\x05\x01" + struct.pack("<H", len(text)) + text.encode("utf-16-le")
    body = xml_name(name)
    if attributes:
        body += struct.pack("<I", len(listed)) + listed
    body += b"\x02" + content + b"\x04"
    return bytes([0x41 if attributes else 0x01]) + struct.pack("<HI", 0xFFFF, len(body)) + body


def template_xml(event_name, fields):
    content = b""
    for index, (name, kind) in enumerate(fields):
        value = struct.pack("<BHB", 0x0D, index, IN_TYPES[kind])
        content += xml_element("Data", [("Name", name)], value)
    return b"\x0F\x01\x01\x00" + xml_element("EventData", [("Name", event_name)], content) + b"\x00"


class Image:
    """The resource as it grows; places that are known later are filled in later."""

    def __init__(self):
        self.data = bytearray()

    def add(self, data):
        at = len(self.data)
        self.data += data
        return at

    def align(self, size):
        self.data += b"\0" * (-len(self.data) % size)

    def put(self, at, layout, *values):
        struct.pack_into(layout, self.data, at, *values)


def add_list(image, magic, entries, size):
    """A list of entries of one size, each (layout, values with a name in place of the offset of that name)."""
    image.align(4)
    start = image.add(magic + struct.pack("<II", 0, len(entries)))
    image.add(b"\0" * size * len(entries))
    places = []
    for index, (layout, values) in enumerate(entries):
        at = start + 12 + index * size
        places.append(at)
        filled = [image.add(name_entry(value)) if isinstance(value, str) else value for value in values]
        image.put(at, layout, *filled)
    image.put(start + 4, "<I", len(image.data) - start if entries else 0)
    return start, places


def add_template(image, name, fields, provider):
    fragment = template_xml(name, fields)
    guid = uuid.uuid5(uuid.UUID(provider), name + repr(fields))
    start = image.add(b"TEMP" + b"\0" * 36 + fragment)
    image.align(4)
    properties = image.add(b"\0" * 20 * len(fields))
    for index, (field, kind) in enumerate(fields):
        at = image.add(name_entry(field))
        image.put(properties + 20 * index, "<IBBHIHHI", 0, IN_TYPES[kind], 0, 0, 0, 1, 0, at)
    image.put(start + 4, "<IIIII16s", len(image.data) - start, len(fields), len(fields), properties, 1, guid.bytes_le)
    return start


def add_templates(image, manifest):
    image.align(4)
    start = image.add(b"TTBL" + struct.pack("<II", 0, len(manifest.templates)))
    places = {name: add_template(image, name, fields, manifest.guid) for name, fields in manifest.templates.items()}
    image.put(start + 4, "<I", len(image.data) - start)
    return start, places


def add_events(image, manifest, templates, levels, keyword, channel):
    image.align(8)
    start = image.add(b"EVNT" + struct.pack("<III", 0, len(manifest.events), 0))
    image.add(b"\0" * 48 * len(manifest.events))
    keywords = image.add(struct.pack("<I", keyword))
    for index, event in enumerate(manifest.events):
        logged = event.channel is not None
        image.put(start + 16 + 48 * index, "<HBBBBHQ8I", event.id, event.version, CHANNEL_SYSTEM if logged else 0,
                  level(event), 0, 0, KEYWORD_CHANNEL if logged else 0, message_id(event), templates[event.template],
                  0, levels[level(event)], 0, 1 if logged else 0, keywords if logged else 0, channel if logged else 0)
    image.put(start + 4, "<I", len(image.data) - start)
    return start


def wevt_template(manifest):
    kinds = 8
    image = Image()
    image.add(b"CRIM" + struct.pack("<IHHI", 0, 3, 1, 1) + uuid.UUID(manifest.guid).bytes_le + struct.pack("<I", 36))
    provider = image.add(b"WEVT" + b"\0" * (12 + 8 * kinds))
    lists = {}
    lists[LIST_CHANNELS], channels = add_list(
        image, b"CHAN", [("<IIII", (1, "System", CHANNEL_SYSTEM, NO_MESSAGE))], 16)  # 1: another's
    lists[LIST_TEMPLATES], templates = add_templates(image, manifest)
    lists[LIST_OPCODES], _ = add_list(image, b"OPCO", [], 12)
    used = used_levels(manifest)
    lists[LIST_LEVELS], levels = add_list(
        image, b"LEVL", [("<III", (value, MESSAGE_LEVEL | value, name)) for value, name, _ in used], 12)
    lists[LIST_TASKS], _ = add_list(image, b"TASK", [], 28)
    lists[LIST_KEYWORDS], keywords = add_list(
        image, b"KEYW", [("<QII", (KEYWORD_CHANNEL, NO_MESSAGE, "System"))], 16)
    lists[LIST_EVENTS] = add_events(image, manifest, templates, dict(zip([value for value, _, _ in used], levels)),
                                    keywords[0], channels[0])
    image.put(provider + 4, "<III", len(image.data) - provider, MESSAGE_PROVIDER, len(lists))
    for index, (kind, at) in enumerate(lists.items()):
        image.put(provider + 16 + 8 * index, "<II", kind, at)
    image.put(4, "<I", len(image.data))
    return bytes(image.data)
