#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""wnbd.h declares exactly the functions of the tables, and libwnbd.def exports no others. Both headers assert
every size and offset of the tables, so that whoever compiles them against other types is told.

The other direction of abi_functions.c: a function that somebody adds to the header or the export
list without adding it to the tables is noticed.
"""
import re
import sys
from pathlib import Path

from abi_tables import functions, rows

ROOT = Path(__file__).resolve().parents[2]


def declared():
    text = re.sub(r'/\*.*?\*/', '', (ROOT / 'include/wnbd.h').read_text(encoding='utf-8'), flags=re.S)
    return set(re.findall(r'^(?:DWORD|VOID|void)\s+(Wnbd\w+)\(', text, flags=re.M))


def exported():
    lines = (ROOT / 'libwnbd/libwnbd.def').read_text(encoding='utf-8').splitlines()
    names = [line.split(';')[0].strip() for line in lines]
    return [n for n in names[names.index('EXPORTS') + 1:] if n]


def asserted():
    """What the headers assert: {(structure, ''): size} and {(structure, field): offset}."""
    text = ''.join(path.read_text(encoding='utf-8') for path in sorted((ROOT / 'include').glob('*.h')))
    found = {}
    for kind, arguments in re.findall(r'^WNBD_ASSERT_(SZ|OFFSET)\w*\(([^;]*)\);', text, flags=re.M):
        structure, *values = [word.strip() for word in arguments.split(',')]
        if kind == 'SZ':
            values.insert(0, '')
        found.update({(structure, field): int(value) for field, value in zip(values[::2], values[1::2])})
    return found


def unasserted():
    """Rows of which no assertion speaks. Where a structure or union begins its first member does: C says so."""
    found, offsets = asserted(), {(r.struct, r.field): r.offset for r in rows()}
    for row in rows():
        outer = row.field.rpartition('.')[0]
        begins = row.field and row.offset == offsets[row.struct, outer]
        if not row.width and not begins:
            want = row.offset if row.field else row.size
            if found.get((row.struct, row.field)) != want:
                yield f'the headers do not assert {row.struct} {row.field or "size"} == {want}'


def main():
    listed = {f.name for f in functions()}
    exports = exported()
    problems = [f'include/wnbd.h declares {n}, which is in no table' for n in sorted(declared() - listed)]
    problems += [f'include/wnbd.h does not declare {n}' for n in sorted(listed - declared())]
    problems += [f'libwnbd.def exports {n}, which is in no table' for n in exports if n not in listed]
    problems += [f'libwnbd.def exports {n} twice' for n in sorted(set(exports)) if exports.count(n) > 1]
    problems += unasserted()
    for problem in problems:
        print('FAIL', problem)
    print(f'{len(listed)} functions in the tables, {len(exports)} exported, {len(problems)} problems')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
