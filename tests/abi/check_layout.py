#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Compares the layout that a compiler gave the public structures with the tables.

check_layout.py OBJECT [LLVM-DWARFDUMP] reads the debug information of abi_layout.c's object: what
the compiler says about every member, bit-fields included, without running anything. The comparison
goes both ways: a member that the tables don't list is an error too.
"""
import re
import subprocess
import sys

from abi_tables import rows

LINE = re.compile(r'^0x([0-9a-f]+):( +)(DW_TAG_\w+|NULL)')
ATTRIBUTE = re.compile(r'^ +(DW_AT_\w+)\s*\((.*)\)$')


class Entry:
    def __init__(self, tag):
        self.tag, self.attributes, self.children = tag, {}, []

    def number(self, name, default=0):
        return int(self.attributes[name], 0) if name in self.attributes else default

    def name(self):
        return self.attributes.get('DW_AT_name', '').strip('"')

    def type(self, entries):
        match = re.match(r'0x([0-9a-f]+)', self.attributes.get('DW_AT_type', ''))
        return entries[int(match[1], 16)] if match else None


def parse(text):
    """All entries by offset, linked to their children by indentation."""
    entries, stack, current = {}, [], None
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            depth = len(match[2])
            while stack and stack[-1][0] >= depth:
                stack.pop()
            if match[3] == 'NULL':
                current = None
                continue
            current = entries[int(match[1], 16)] = Entry(match[3])
            if stack:
                stack[-1][1].children.append(current)
            stack.append((depth, current))
            continue
        match = ATTRIBUTE.match(line)
        if match and current:
            current.attributes[match[1]] = match[2]
    return entries


def resolve(entry, entries):
    while entry is not None and entry.tag in ('DW_TAG_typedef', 'DW_TAG_const_type'):
        entry = entry.type(entries)
    return entry


def members(entry, entries, prefix, base, found):
    """Adds field: (first bit, bits or 0) of entry and of the unnamed aggregates inside it."""
    for child in entry.children:
        if child.tag != 'DW_TAG_member':
            continue
        field = prefix + child.name()
        at = base + child.number('DW_AT_data_member_location')
        width = child.number('DW_AT_bit_size')
        found[field] = (at * 8 + child.number('DW_AT_data_bit_offset'), width)
        inner = child.type(entries)
        if inner.tag in ('DW_TAG_structure_type', 'DW_TAG_union_type') and not is_named(inner):
            members(inner, entries, field + '.', at, found)


def is_named(entry):
    """Whether the type has a tag; compilers make up names for unnamed types."""
    return entry.name() != '' and not re.search(r'unnamed|anonymous|<', entry.name())


def structures(entries):
    """name: (size, {field: place}) of the objects that abi_layout.c declares."""
    result = {}
    for entry in entries.values():
        if entry.tag == 'DW_TAG_variable' and entry.name().startswith('Object'):
            aggregate = resolve(entry.type(entries), entries)
            found = {}
            members(aggregate, entries, '', 0, found)
            result[entry.name()[len('Object'):]] = (aggregate.number('DW_AT_byte_size'), found)
    return result


def compare(compiled):
    """The differences, as lines, and the number of rows compared."""
    problems, listed, count = [], {}, 0
    for row in rows():
        count += 1
        size, found = compiled.get(row.struct, (None, {}))
        if not row.field:
            listed[row.struct] = set()
            if size != row.size:
                problems.append(f'{row.struct}: size {size}, table says {row.size}')
            continue
        listed[row.struct].add(row.field)
        want = (row.offset * 8 + row.bit, row.width)
        if found.get(row.field) != want:
            problems.append(f'{row.struct}.{row.field}: (bit, width) {found.get(row.field)}, table says {want}')
    for struct, (_, found) in compiled.items():
        problems += [f'{struct}.{field}: not in the table' for field in found if field not in listed[struct]]
    return problems, count


def main():
    dwarfdump = sys.argv[2] if len(sys.argv) > 2 else 'llvm-dwarfdump-19'
    dump = subprocess.run([dwarfdump, '--debug-info', sys.argv[1]], check=True, capture_output=True, text=True)
    problems, count = compare(structures(parse(dump.stdout)))
    for problem in problems:
        print('FAIL', problem)
    print(f'{sys.argv[1]}: {count} rows compared, {len(problems)} differences')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
