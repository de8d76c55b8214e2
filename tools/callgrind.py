# SPDX-License-Identifier: LGPL-2.1-only
"""Reads the files of valgrind's tools: whose instructions and whose copies they were, by file and function."""
import collections
import json
import os
import pathlib
import re

OPTIONS = ["--tool=callgrind", "--compress-strings=no", "--compress-pos=no"]
COPY_OPTIONS = ["--tool=dhat", "--mode=copy", "--fullpath-after="]
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
    path = pathlib.PurePath(os.path.normpath(file))
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


def copied(path, root):
    """Bytes that the product has copied by calls of memcpy and its like, from a file of dhat."""
    report = json.loads(pathlib.Path(path).read_text())
    frames = [re.search(r"\((.*?)(?::\d+)?\)$", frame) for frame in report["ftbl"]]
    files = [frame.group(1) if frame else "" for frame in frames]
    # The first frame is the function that copies.
    callers = ((files[point["fs"][1]], point["tb"]) for point in report["pps"] if len(point["fs"]) > 1)
    return sum(size for file, size in callers if part_of(file, root) in ("core", "driver"))
