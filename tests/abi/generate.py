#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Writes the sources that compare the public headers with the tables.

generate.py DIRECTORY makes, each valid as C11 and as C++17:
  abi_layout.c     offsets, sizes and types of every field; one object of every structure, so that
                   the debug information describes them all (see check_layout.py)
  abi_functions.c  every function is assigned to a pointer of the table's type
  abi_names.c      every constant, enumerator, alias and callback
  abi_run.c        what only a running program shows: bit-fields by setting them, texts, the GUID
"""
import re
import sys
from pathlib import Path

from abi_tables import functions, names, rows

HEADER = '/* Generated from tests/abi. */\n#include <stddef.h>\n#include <string.h>\n#include <stdio.h>\n' \
         '#include <wnbd.h>\n\n' \
         '#ifdef __cplusplus\n#define CHECK static_assert\n#else\n#define CHECK _Static_assert\n#endif\n\n'


def declare(type_text, name):
    """A pointer called name to an object of the table's type: 'CHAR [256]' gives 'CHAR (*name)[256]'."""
    match = re.fullmatch(r'(.*?)((?:\s*\[\d+\])*)', type_text)
    array = match[2].strip()
    return f'{match[1]} (*{name}){array}' if array else f'{match[1]} *{name}'


def layout():
    out = []
    for row in rows():
        if not row.field:
            out.append(f'extern {row.struct} Object{row.struct};\n{row.struct} Object{row.struct};')
            out.append(f'CHECK(sizeof({row.struct}) == {row.size}, "sizeof {row.struct}");')
            out.append(f'WNBD_ASSERT_SZ_EQ({row.struct}, {row.size});')
            if row.struct != 'WNBD_CONNECTION_INFO_FLAGS':  # its P-name is the structure; see names.csv
                out.append(f'extern P{row.struct} PointerTo{row.struct};')
                out.append(f'P{row.struct} PointerTo{row.struct} = &Object{row.struct};')
            continue
        if row.width:
            continue
        out.append(f'CHECK(offsetof({row.struct}, {row.field}) == {row.offset}, "{row.struct}.{row.field}");')
        out.append(f'CHECK(sizeof((({row.struct} *)0)->{row.field}) == {row.size}, "{row.struct}.{row.field}");')
        if not row.is_aggregate:
            flat = row.field.replace('.', '_')
            out.append(f'void Type_{row.struct}_{flat}({row.struct} *S);\n'
                       f'void Type_{row.struct}_{flat}({row.struct} *S)\n'
                       f'{{ {declare(row.type, "Field")} = &S->{row.field}; (void)Field; }}')
    return out


def prototypes():
    out = []
    for f in functions():
        parameters = ', '.join(f.parameters) or 'void'
        out.append(f'extern {f.returns} (*Pointer{f.name})({parameters});\n'
                   f'{f.returns} (*Pointer{f.name})({parameters}) = {f.name};')
    return out


def identifiers():
    out = []
    for number, n in enumerate(names()):
        kind, _, detail = n.kind.partition(' ')
        variable = f'Name{number}'
        if kind == 'integer':
            out.append(f'CHECK({n.name} == {n.value}, "{n.name}");')
        elif kind == 'enum':
            out.append(f'CHECK({n.name} == {n.value}, "{n.name}");\nCHECK(sizeof({detail}) == 4, "{detail}");')
            out.append(f'extern {detail} {variable};\n{detail} {variable} = {n.name};')
        elif kind == 'text':
            out.append(f'CHECK(sizeof({n.name}) == sizeof("{n.value}"), "{n.name}");')
            out.append(f'extern const char {variable}[];\nconst char {variable}[] = {n.name};')
        elif kind == 'same':
            out.append(f'extern {n.value} *{variable};\n{n.value} *{variable} = ({n.name} *)0;')
        elif kind == 'callback':
            parameters = ', '.join(p.strip() for p in n.value.split(';'))
            declared = f'VOID (**{variable})({parameters})'
            out.append(f'extern {declared};\n{declared} = ({n.name} *)0;')
        elif kind not in ('guid', 'string'):
            sys.exit(f'names.csv: unknown kind {n.kind}')
    return out


def bit_check(row):
    """Sets one bit-field of a zeroed structure to ones: exactly its own bits of the memory may change."""
    first = row.offset * 8 + row.bit
    value = (1 << row.width) - 1
    return (f'    {{ {row.struct} S; memset(&S, 0, sizeof(S)); S.{row.field} = {value}u;\n'
            f'      Expect(BitsAre(&S, sizeof(S), {first}, {row.width}), "{row.struct}.{row.field}"); }}')


def run():
    out = ['static int Failed, Done;',
           'static void Expect(int Good, const char *Name)\n'
           '{ Done++; if (!Good) { Failed++; printf("FAIL %s\\n", Name); } }',
           'static int BitsAre(const void *Memory, size_t Size, size_t First, size_t Count)\n{\n'
           '    const unsigned char *Bytes = (const unsigned char *)Memory;\n'
           '    for (size_t I = 0; I < Size * 8; I++)\n'
           '        if (((Bytes[I / 8] >> (I % 8)) & 1) != (I >= First && I < First + Count)) return 0;\n'
           '    return 1;\n}', 'int main(void)\n{']
    out += [bit_check(row) for row in rows() if row.width]
    for n in names():
        kind, _, detail = n.kind.partition(' ')
        if kind == 'text':
            out.append(f'    Expect(strcmp({n.name}, "{n.value}") == 0, "{n.name}");')
        elif kind == 'string':
            out.append(f'    Expect(strcmp({detail}({n.name}), "{n.value}") == 0, "{detail}({n.name})");')
        elif kind == 'guid':
            a, b, c, d, e = n.value.split('-')
            tail = ', '.join('0x' + (d + e)[i:i + 2] for i in range(0, 16, 2))
            out.append(f'    {{ static const unsigned char Tail[8] = {{{tail}}};\n'
                       f'      Expect({n.name}.Data1 == 0x{a} && {n.name}.Data2 == 0x{b} &&\n'
                       f'             {n.name}.Data3 == 0x{c} && memcmp({n.name}.Data4, Tail, 8) == 0, "{n.name}"); }}')
    out.append('    printf("%d checks, %d failed\\n", Done, Failed);\n    return Failed != 0;\n}')
    return out


def main():
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    for name, lines in (('abi_layout', layout()), ('abi_functions', prototypes()), ('abi_names', identifiers()),
                        ('abi_run', run())):
        (target / f'{name}.c').write_text(HEADER + '\n'.join(lines) + '\n', encoding='utf-8')


if __name__ == '__main__':
    main()
