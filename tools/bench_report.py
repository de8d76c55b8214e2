# SPDX-License-Identifier: LGPL-2.1-only
"""What tools/bench has measured: medians, ratios, targets, tables, a picture."""
import statistics

PEERS = ("libnbd", "wire")
# Of each program and row; the driver has further ones.
FIELDS = ("iops", "mib_per_s", "p50_us", "p99_us", "p999_us", "cpu_us_per_io", "transfers_per_io", "calls_per_io")
USER_FIELDS = (*FIELDS[:6], "ioctls_per_io")
DRIVER_FIELDS = ("map_ms", "ready_ms", "unmap_ms", "disk_bytes", "slot_bytes")
BEGIN, END = "<!-- measured -->\n", "<!-- end of measured -->\n"


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def ratio(results, own, peer, field):
    """One program's value to the other's, round by round: both ran within a few seconds of each other."""
    return spread([mine[field] / theirs[field] for mine, theirs in zip(results[own], results[peer])])


def medians(runs, fields):
    return {field: spread([run[field] for run in runs]) for field in fields}


def summarise_user(measured, counted):
    """The rows of the process that serves a disk; threads are the keys of measured that are numbers."""
    rows = []
    for (operation, block, depth, _), results in measured.items():
        for threads in (key for key in results if isinstance(key, int)):
            row = {"operation": operation, "block": block, "depth": depth, "threads": threads}
            rows.append({**row, **medians(results[threads], USER_FIELDS),
                         "iops_to_nbd": ratio(results, threads, "driver", "iops"),
                         "counted": next((each for each in counted if row.items() <= each.items()), None)})
    return rows


def summarise(measured, counted, user_counted):
    """
    measured: {(operation, block, depth, disks): {program, or threads of the process: [results]}}; counted and
    user_counted: callgrind.shares, with the row.
    """
    rows = []
    for (operation, block, depth, disks), results in measured.items():
        programs = {name: medians(results[name], FIELDS) for name in ("driver", *PEERS)}
        rows.append({"operation": operation, "block": block, "depth": depth, "disks": disks, "programs": programs,
                     "ratios": {peer: {field: ratio(results, "driver", peer, field)
                                       for field in ("iops", "cpu_us_per_io")} for peer in PEERS}})
    runs = [result for results in measured.values() for result in results["driver"]]
    report = {"rows": rows, "instructions": counted, "user": summarise_user(measured, user_counted),
              "disk": {field: statistics.median(run[field] for run in runs) for field in DRIVER_FIELDS}}
    report["targets"] = targets(report)
    return report


def find(rows, *key):
    names = ("operation", "block", "depth", "disks")
    return next((row for row in rows if tuple(row[name] for name in names) == key), None)


def targets(report):
    """What the project wants of itself, as (what, measured, limit, whether it is met); only of rows that there are."""
    found = []

    def want(what, value, limit, most):
        met = value <= limit if most else value >= limit
        found.append({"what": what, "value": round(value, 3), "limit": limit, "most": most, "met": met})

    for operation in ("randread", "randwrite"):
        row = find(report["rows"], operation, 4096, 64, 1)
        if row:
            ratios, own = row["ratios"]["libnbd"], row["programs"]["driver"]
            want(f"{operation} 4 KiB, depth 64: IOPS to libnbd's", ratios["iops"]["median"], 1.4, False)
            want(f"{operation} 4 KiB, depth 64: CPU to libnbd's", ratios["cpu_us_per_io"]["median"], 0.5, True)
            want(f"{operation} 4 KiB, depth 64: network calls", own["calls_per_io"]["median"], 0.3, True)
    for key, name in ((("randread", 4096, 1, 1), "randread 4 KiB, depth 1"), (("read", 1048576, 8, 1), "read 1 MiB"),
                      (("write", 1048576, 8, 1), "write 1 MiB")):
        row = find(report["rows"], *key)
        if row:
            want(f"{name}: IOPS to libnbd's", row["ratios"]["libnbd"]["iops"]["median"], 1.0, False)
    counted = report["instructions"]
    for key in (("randread", 4096, 64, 1), ("randwrite", 4096, 64, 1)):
        row = find(counted, *key)
        if row:
            want(f"{key[0]} 4 KiB, depth 64: instructions", row["product"], 600, True)
    first = find(counted, "randread", 4096, 16, 1)
    for key, name in ((("randread", 4096, 16, 64), "from 1 to 64 disks"),
                      (("randread", 4096, 255, 1), "from depth 16 to 255")):
        row = find(counted, *key)
        if first and row:
            want(f"randread 4 KiB, {name}: instructions", row["product"] / first["product"], 1.05, True)
    return found


# ---- tables ----

def size(count):
    return f"{count // 1048576} MiB" if count >= 1048576 else f"{count // 1024} KiB"


def label(row):
    disks = "1 disk" if row["disks"] == 1 else f"{row['disks']} disks"
    return f"{size(row['block'])} {row['operation']}, {row['depth']}, {disks}"


def times(value):
    """A ratio with its spread."""
    return f"{value['median']:.2f} ({value['low']:.2f} to {value['high']:.2f})"


def table(head, lines):
    """Markdown whose columns stand under each other."""
    cells = [head, *lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    rows = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in cells]
    return "\n".join([rows[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *rows[1:]]) + "\n"


def driver_table(report):
    lines = []
    for row in report["rows"]:
        own = {field: value["median"] for field, value in row["programs"]["driver"].items()}
        lines.append([label(row), f"{own['iops']:.0f}", f"{own['mib_per_s']:.0f}", f"{own['p50_us']:.0f}",
                      f"{own['p99_us']:.0f}", f"{own['p999_us']:.0f}", f"{own['cpu_us_per_io']:.1f}",
                      f"{own['calls_per_io']:.2f}"])
    return table(["workload, depth", "IOPS", "MiB/s", "p50 us", "p99 us", "p99.9 us", "CPU us", "calls"], lines)


def ratio_table(report):
    lines = [[label(row)] + [times(row["ratios"][peer][field]) for peer in PEERS for field in ("iops", "cpu_us_per_io")]
             for row in report["rows"]]
    return table(["workload, depth", "IOPS to libnbd", "CPU to libnbd", "IOPS to the wire client",
                  "CPU to the wire client"], lines)


def peer_table(report):
    lines = []
    for row in report["rows"]:
        line = [label(row)]
        for peer in PEERS:
            values = row["programs"][peer]
            line += [f"{values[field]['median']:.{digits}f}" for field, digits in
                     (("iops", 0), ("p50_us", 0), ("p99_us", 0), ("cpu_us_per_io", 1), ("calls_per_io", 2))]
        lines.append(line)
    names = ("IOPS", "p50 us", "p99 us", "CPU us", "calls")
    return table(["workload, depth"] + [f"{peer} {name}" for peer in PEERS for name in names], lines)


def instruction_table(report):
    parts = ("product", "core", "driver", "testbed", "system")
    return table(["workload, depth", "core and driver", "core", "driver", "test bed", "C library"],
                 [[label(row)] + [f"{row[part]:.0f}" for part in parts] for row in report["instructions"]])


def target_table(report):
    return table(["target", "measured", "wanted", ""],
                 [[target["what"], f"{target['value']:g}",
                   f"{'at most' if target['most'] else 'at least'} {target['limit']:g}",
                   "met" if target["met"] else "**missed**"] for target in report["targets"]])


def user_label(row):
    threads = "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"
    return f"{size(row['block'])} {row['operation']}, {row['depth']}, {threads}"


def user_table(report):
    lines = []
    for row in report["user"]:
        counted = row["counted"]
        lines.append([user_label(row)] + [f"{row[field]['median']:.{digits}f}" for field, digits in
                                          zip(USER_FIELDS, (0, 0, 0, 0, 0, 1, 2))] + [times(row["iops_to_nbd"])] +
                     ([f"{counted['copies']:.2f}", f"{counted['core']:.0f}", f"{counted['driver']:.0f}"] if counted
                      else ["-"] * 3))
    return table(["workload, depth", "IOPS", "MiB/s", "p50 us", "p99 us", "p99.9 us", "CPU us", "ioctls",
                  "IOPS to NBD", "copies", "core", "driver"], lines)


def disk_line(report):
    disk = report["disk"]
    return (f"An idle disk takes {disk['disk_bytes'] / 1024:.0f} KiB of pool, of which {disk['slot_bytes']:.0f} bytes "
            f"are each slot's. Mapping takes {disk['map_ms']:.1f} ms, {disk['ready_ms']:.1f} ms until Windows has the "
            f"disk, unmapping {disk['unmap_ms']:.1f} ms.\n")


def text(report):
    parts = [driver_table(report), ratio_table(report), peer_table(report)]
    if report["instructions"]:
        parts.append(instruction_table(report))
    return "\n".join([*parts, target_table(report), disk_line(report),
                      "A disk that a process serves:\n", user_table(report)])


def document(report, path):
    """Replaces what stands between the marks in a page."""
    before, rest = path.read_text().split(BEGIN)
    after = rest.split(END)[1]
    machine = report["machine"]
    where = (f"{report['version']}, {machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}, load "
             f"{machine['load']} at the end; {report['rounds']} rounds of {report['seconds']:g} s.\n")
    path.write_text(f"{before}{BEGIN}\n{where}\n{text(report)}\n{END}{after}")


# ---- the picture ----

BAR, GAP, LEFT, UNIT = 9, 12, 250, 150
COLOURS = {"driver": "#2a6fb0", "wire": "#b0b0b0"}


def bars(row, top):
    libnbd = row["programs"]["libnbd"]["iops"]["median"]
    yield f'<text x="{LEFT - 8}" y="{top + BAR + 3}" text-anchor="end">{label(row)}</text>'
    for index, (name, colour) in enumerate(COLOURS.items()):
        value = row["programs"][name]["iops"]["median"] / libnbd
        width, y = min(value, 4) * UNIT, top + index * BAR
        yield f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR - 1}" fill="{colour}"/>'
        yield f'<text x="{LEFT + width + 4:.1f}" y="{y + BAR - 1}">{value:.2f}</text>'


def user_bar(row, top):
    value = row["iops_to_nbd"]["median"]
    width = min(value, 4) * UNIT
    return [f'<text x="{LEFT - 8}" y="{top + BAR - 1}" text-anchor="end">{user_label(row)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR - 1}" fill="{COLOURS["driver"]}"/>',
            f'<text x="{LEFT + width + 4:.1f}" y="{top + BAR - 1}">{value:.2f}</text>']


def picture(report):
    """IOPS of the driver and of the wire client, in units of libnbd's; then a process's, in units of NBD's."""
    step, user_step = 2 * BAR + GAP, BAR + GAP
    split = 32 + step * len(report["rows"])
    height = split + 26 + user_step * len(report["user"])
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + 4 * UNIT + 60}" height="{height}" '
             'font-family="sans-serif" font-size="10">', '<rect width="100%" height="100%" fill="white"/>',
             f'<text x="{LEFT}" y="16">IOPS, where libnbd has 1</text>']
    for index, (name, colour) in enumerate(COLOURS.items()):
        lines.append(f'<text x="{LEFT + 200 + 90 * index}" y="16" fill="{colour}">{name}</text>')
    for index, row in enumerate(report["rows"]):
        lines += bars(row, 32 + index * step)
    lines.append(f'<text x="{LEFT}" y="{split + 8}">IOPS of a process, where the driver with NBD has 1</text>')
    for index, row in enumerate(report["user"]):
        lines += user_bar(row, split + 18 + index * user_step)
    lines.append(f'<line x1="{LEFT + UNIT}" y1="24" x2="{LEFT + UNIT}" y2="{height - 8}" stroke="#c03030"/>')
    return "\n".join([*lines, "</svg>"]) + "\n"
