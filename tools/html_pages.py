#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-only
"""Makes a web page of each document of the tree, with cmark-gfm; README.md becomes index.html.

  html_pages.py FOLDER      the folder to write to
"""
import html
import os
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ max-width: 60em; margin: 2em auto; padding: 0 1em; font-family: sans-serif; line-height: 1.4 }}
table {{ border-collapse: collapse }} td, th {{ border: 1px solid #bbb; padding: .2em .5em; vertical-align: top }}
pre {{ background: #f4f4f4; padding: .5em; overflow: auto }} img {{ max-width: 100% }}
</style></head><body><p><a href="{home}">WNBD</a></p>
{body}</body></html>
"""


def page_of(document):
    return "index.html" if document == "README.md" else document.removesuffix(".md") + ".html"


def anchor(heading):
    """The name of a heading, as links give it: what is no word or hyphen falls out, blanks become hyphens."""
    return re.sub(r"[^\w\- ]", "", html.unescape(re.sub(r"<[^>]*>", "", heading)).lower()).replace(" ", "-")


def convert(document, documents, images, out):
    def target(match):
        link, hash_sign, part = match.group(2).partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(document), link)) if link else document
        if re.match(r"\w+:", link):
            return match.group(0)
        if path in documents:
            there = out / page_of(path)
        else:
            there = out / path if path in images else ROOT / path
        return f'{match.group(1)}"{os.path.relpath(there, page.parent)}{hash_sign}{part}"'

    page = out / page_of(document)
    text = (ROOT / document).read_text(encoding="utf-8")
    body = subprocess.run(["cmark-gfm", "--unsafe", "-e", "table", "-e", "autolink", "--to", "html"], input=text,
                          check=True, capture_output=True, text=True).stdout
    body = re.sub(r'((?:href|src)=)"([^"]*)"', target, body)
    body = re.sub(r"<(h\d)>(.*?)</\1>", lambda m: f'<{m[1]} id="{anchor(m[2])}">{m[2]}</{m[1]}>', body)
    title = re.search(r"(?m)^# (.*)$", text)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(PAGE.format(title=html.escape(title.group(1) if title else document), body=body,
                                home=os.path.relpath(out / "index.html", page.parent)), encoding="utf-8")


def tracked(pattern):
    listed = subprocess.run(["git", "ls-files", "-z", pattern], cwd=ROOT, check=True, capture_output=True, text=True)
    return listed.stdout.split("\0")[:-1]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1]).resolve()
    documents, images = tracked("*.md"), tracked("docs/*.svg")
    for document in documents:
        convert(document, documents, images, out)
    for image in images:
        (out / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / image, out / image)


main()
