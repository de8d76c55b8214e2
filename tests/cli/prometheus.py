# SPDX-License-Identifier: LGPL-2.1-only
"""A strict reader of Prometheus' text exposition format, version 0.0.4: what it takes, the collectors take."""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{([^\n]*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}


class Wrong(Exception):
    """What breaks the format."""


def labels_of(text):
    """{name: value} of what stands between the braces."""
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        if not found or found[1] in labels:
            raise Wrong(f"labels: {text}")
        labels[found[1]] = re.sub(r"\\(.)", lambda escape: {"n": "\n"}.get(escape[1], escape[1]), found[2])
        at = found.end()
        if at < len(text):
            if text[at] != "," or at + 1 == len(text):
                raise Wrong(f"labels: {text}")
            at += 1
    return labels


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type = name, help_text, None
        self.samples = {}  # (name, labels in order): value

    def value(self, suffix="", **labels):
        return self.samples[self.name + suffix, tuple(sorted(labels.items()))]

    def histograms(self):
        """{labels without le: ([(bound, count)...], sum, count)}."""
        found = {}
        for (name, labels), value in self.samples.items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            buckets = found.setdefault(rest, ([], {}))[0]
            if name.endswith("_bucket"):
                buckets.append((float(dict(labels)["le"].replace("+Inf", "inf")), value))
            else:
                found[rest][1][name.removeprefix(self.name)] = value
        return {labels: (buckets, totals["_sum"], totals["_count"]) for labels, (buckets, totals) in found.items()}


def check_histogram(family):
    for labels, (buckets, total, count) in family.histograms().items():
        bounds, counts = zip(*buckets)
        if list(bounds) != sorted(set(bounds)) or bounds[-1] != float("inf"):
            raise Wrong(f"bounds of {family.name} {labels}")
        if list(counts) != sorted(counts) or counts[-1] != count or total < 0:
            raise Wrong(f"counts of {family.name} {labels}")


def read(data):
    """{name: Family} of the format's bytes."""
    text = data.decode("utf-8")
    if not text.endswith("\n") or "\r" in text or "\n\n" in text or text.startswith("\ufeff"):
        raise Wrong("lines")
    families, current = {}, None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name, _, help_text = line[7:].partition(" ")
            if not re.fullmatch(NAME, name) or name in families or not help_text:
                raise Wrong(line)
            current = families[name] = Family(name, help_text)
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            if current is None or name != current.name or current.type or current.samples or kind not in SUFFIXES:
                raise Wrong(line)
            current.type = kind
        else:
            add_sample(current, line)
    for family in families.values():
        if family.type is None or (family.type == "counter") != family.name.endswith("_total"):
            raise Wrong(f"type of {family.name}")
        if family.type == "histogram":
            check_histogram(family)
    return families


def add_sample(family, line):
    found = SAMPLE.fullmatch(line)
    if not found or family is None or found[1] not in [family.name + end for end in SUFFIXES.get(family.type, ())]:
        raise Wrong(line)
    key = found[1], tuple(sorted(labels_of(found[2] or "").items()))
    if key in family.samples or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", found[3]):
        raise Wrong(line)
    if (found[1] == family.name + "_bucket") != ("le" in dict(key[1])):
        raise Wrong(line)
    family.samples[key] = float(found[3])
