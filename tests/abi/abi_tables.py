# SPDX-License-Identifier: LGPL-2.1-only
"""The tables that describe the public interface, as Python objects.

structs.csv, functions.csv  the published interface, as measured from it
additions-*.csv             what this project adds, in the same form
names.csv                   constants, enumerators, aliases and callbacks that callers spell out
"""
import csv
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass
class Row:
    struct: str
    field: str  # '' for the structure itself, 'Cmd.Read.BlockCount' for nested members
    type: str
    offset: int  # bytes; of a bit-field, the byte that holds its first bit
    bit: int  # inside that byte
    width: int  # bits, 0 if it is no bit-field
    size: int  # bytes; of a bit-field, its declared type's

    @property
    def is_aggregate(self):
        return self.type in ('struct', 'union')


@dataclass
class Function:
    returns: str
    name: str
    parameters: list  # types only


@dataclass
class Name:
    kind: str
    name: str
    value: str


def read(name):
    with open(HERE / name, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def rows():
    return [Row(r['struct'], r['field'], r['type'], int(r['byte_offset']), int(r['bit_offset'] or 0),
                int(r['bit_width'] or 0), int(r['byte_size']))
            for table in ('structs.csv', 'additions-structs.csv') for r in read(table)]


def parameter_type(parameter):
    """'PWNBD_DISK* PDisk' is of type 'PWNBD_DISK*'."""
    return re.sub(r'\s*\w+$', '', parameter.strip())


def functions():
    result = []
    for table in ('functions.csv', 'additions-functions.csv'):
        for r in read(table):
            parameters = [parameter_type(p) for p in r['parameters'].split(';') if p.strip()]
            result.append(Function(r['returns'], r['function'], parameters))
    return result


def names():
    return [Name(r['kind'], r['name'], r['value']) for r in read('names.csv')]
