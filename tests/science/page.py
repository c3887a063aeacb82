"""docs/benchmarks.md: sections that are measured by different programs, each of which writes its own and
leaves the rest of the page as it is. A table's lines that are not measured anew are kept."""
import os
import platform
import re
import time

import harness

PATH = harness.SOURCE / "docs/benchmarks.md"


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.machine())
    return f"{cpu}, {os.cpu_count()} cores"


def parts(section):
    """The page before a section, the section, and the page after it."""
    begin, end = marks(section)
    before, found, rest = (PATH.read_text() if PATH.exists() else "").partition(begin)
    text, _, after = rest.partition(end)
    return (before, text, after) if found else (before, "", "")


def marks(section):
    return f"<!-- {section} -->\n", f"<!-- end of {section} -->\n"


def write(section, text):
    """Puts the text where the page has that section, or at its end."""
    begin, end = marks(section)
    before, _, after = parts(section)
    PATH.write_text(before + begin + text.strip() + "\n" + end + after)


class Table:
    """A section's table: lines measured now, and of other groups those that the page has."""

    def __init__(self, section, tool, groups):
        self.tool, self.groups = tool, groups
        self.kept = [line for line in parts(section)[1].splitlines()
                     if re.search(r"`\w+` \| [-0-9]+ \|$", line)]
        self.measured = {}  # lines by group
        self.missed = 0
        self.group = ""  # of the figures that come next

    def add(self, figure, floor, measured, reached, goal=""):
        """`reached`: whether the floor is, or in words what is."""
        words = reached if isinstance(reached, str) else "yes" if reached else "**no**"
        cells = (figure, floor, goal, measured, words, f"`{self.group}`", time.strftime("%Y-%m-%d"))
        self.measured.setdefault(self.group, []).append("| " + " | ".join(cells) + " |")
        missed = words == "**no**"
        self.missed += missed
        print(f"{'MISS' if missed else 'ok  '} {figure}: {measured} (floor: {floor}"
              f"{', goal: ' + goal if goal else ''})", flush=True)

    def markdown(self):
        lines = [f"| figure | floor | goal | measured | reached | `{self.tool}` | on |",
                 "|---|---|---|---|---|---|---|"]
        for name in self.groups:
            lines += self.measured.get(name) or [line for line in self.kept
                                                 if f"| `{name}` |" in line]
        return "\n".join(lines)
