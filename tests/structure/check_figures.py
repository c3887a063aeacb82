#!/usr/bin/env python3
"""Checks that the table of docs/figures.md is that of core/eval/metric_table.cc.

usage: check_figures.py REPOSITORY [--write]
"""
import pathlib
import re
import sys

ROW = re.compile(r'\{"(\w+)",\s*"([^"]*)",\s*Better::k(\w+),\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\}')
BEGIN = "| figure | unit | better | what it is |\n|---|---|---|---|\n"


def table(source):
    lines = []
    for name, unit, better, texts in ROW.findall(source):
        meaning = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', texts))
        meaning = meaning.replace('\\"', '"').replace("|", "\\|")
        better = {"Lower": "lower", "Higher": "higher", "Neither": ""}[better]
        lines.append(f"| `{name}` | {unit if unit != '1' else ''} | {better} | {meaning} |\n")
    return "".join(lines)


def main():
    repository = pathlib.Path(sys.argv[1])
    source = (repository / "core/eval/metric_table.cc").read_text(encoding="utf-8")
    page = repository / "docs/figures.md"
    text = page.read_text(encoding="utf-8")
    names = len(re.findall(r"Better::k\w+,", source))
    expected = table(source)
    if expected.count("\n") != names:
        print(f"read {expected.count(chr(10))} rows of the {names} in core/eval/metric_table.cc")
        return 1
    head, found, rest = text.partition(BEGIN)
    if not found:
        print("docs/figures.md has no table of figures")
        return 1
    wanted = head + BEGIN + expected
    if "--write" in sys.argv:
        page.write_text(wanted, encoding="utf-8")
        return 0
    if text != wanted:
        print("docs/figures.md differs from core/eval/metric_table.cc; "
              "run tests/structure/check_figures.py . --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
