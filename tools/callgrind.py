# SPDX-License-Identifier: LGPL-2.1-only
"""Reads callgrind's files: whose instructions they were, by file and function."""
import collections
import pathlib

OPTIONS = ["--compress-strings=no", "--compress-pos=no"]
# Whose a function is: the folder of the file that defines it. What is inlined counts where it went.
PARTS = {"core": ("core",), "driver": ("driver",), "testbed": ("testbed", "bench")}


def read(path):
    """{(file, function): instructions}, without those of the functions that it calls."""
    costs = collections.Counter()
    file = place = None
    callee = False
    for line in pathlib.Path(path).read_text(errors="replace").splitlines():
        if line.startswith("fl="):
            file = line[3:]
        elif line.startswith("fn="):
            place = (file, line[3:])
        elif line.startswith("calls="):
            callee = True  # the next line is the cost of what was called
        elif line[:1].isdigit():
            if not callee:
                costs[place] += int(line.split()[1])
            callee = False
    return costs


def part_of(file, root):
    path = pathlib.PurePath(file)
    if not path.is_relative_to(root):
        return "system"
    first = path.relative_to(root).parts[0]
    return next((part for part, folders in PARTS.items() if first in folders), "system")


def shares(costs, root, requests):
    """Instructions per request of each part; "system" is the C library. And the dearest functions of the product."""
    sums = collections.Counter({part: 0 for part in (*PARTS, "system")})
    functions = collections.Counter()
    for (file, function), cost in costs.items():
        part = part_of(file, root)
        sums[part] += cost
        if part in ("core", "driver"):
            functions[function] += cost
    return {"requests": requests, "product": round((sums["core"] + sums["driver"]) / requests, 1),
            **{part: round(cost / requests, 1) for part, cost in sums.items()},
            "functions": {name: round(cost / requests, 1) for name, cost in functions.most_common(24)}}
