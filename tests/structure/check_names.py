#!/usr/bin/env python3
"""Checks that unnamed namespaces of a room share no name: presets that join sources (asan, tsan,
tidy) compile a room as one.

usage: check_names.py REPOSITORY
"""
import collections
import pathlib
import re
import sys

BLOCK = re.compile(r"^namespace \{\n(.*?)^\}  // namespace\n", re.M | re.S)
DECLARED = re.compile(
    r"^(?:(?:struct|class|enum class|enum) (\w+)|(?:using|namespace) (\w+) =|using [\w:]+::(\w+);|"
    r"(?!using |return |namespace |template )"
    r"[A-Za-z_][\w:<>,&*\s\[\]]*?[\s&*](\w+)(?:\(|\[\w*\]\s*=|\s*=|\{|;))", re.M)
# Compiled with options of their own, hence never joined.
ALONE = re.compile(r"_(avx512|avx2|portable)\.cc$")


def room_of(path):
    return "/".join(path.parts[:2]) if path.parts[0] == "core" else str(path.parent)


def main():
    repository = pathlib.Path(sys.argv[1]).resolve()
    places = collections.defaultdict(set)
    for top in ("core", "server", "client"):
        for path in sorted((repository / top).rglob("*.cc")):
            path = path.relative_to(repository)
            if ALONE.search(path.name):
                continue
            for block in BLOCK.findall((repository / path).read_text(encoding="utf-8")):
                for names in DECLARED.findall(block):
                    places[room_of(path), "".join(names)].add(path.name)
    shared = {key: files for key, files in places.items() if len(files) > 1}
    for (room, name), files in sorted(shared.items()):
        print(f"{room}: {name} stands in the unnamed namespaces of {', '.join(sorted(files))}; "
              "give each a name that says more")
    return 1 if shared or not places else 0


if __name__ == "__main__":
    sys.exit(main())
