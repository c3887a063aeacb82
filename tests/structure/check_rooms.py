#!/usr/bin/env python3
"""Checks the structure of the sources.

* A room includes only what its row of ALLOWED names, and nothing includes in a circle.
* Every test file is listed by a CMakeLists.txt.
* The core library refers to no gRPC or Prometheus symbol.

usage: check_rooms.py REPOSITORY CORE_LIBRARY
"""
import pathlib
import re
import subprocess
import sys

# Room -> rooms that it may include, besides itself.
ALLOWED = {
    "core/base": set(),
    "core/picture": {"core/base"},
    "core/nn": {"core/base"},
    "core/data": {"core/base", "core/nn", "core/picture", "proto"},
    "core/model": {"core/base", "core/nn", "proto"},
    "core/eval": {"core/base", "core/nn", "core/data", "core/model", "proto"},
    "core/train": {"core/base", "core/nn", "core/data", "core/model", "core/eval", "proto"},
    "core/store": {"core/base", "core/nn", "core/data", "core/model", "core/eval", "proto"},
    "core/jobs": {"core/base", "core/nn", "core/data", "core/model", "core/eval", "core/train",
                  "core/store", "proto"},
    "core/serve": {"core/base", "core/nn", "core/data", "core/model", "core/eval", "core/train",
                   "core/store", "proto"},
    "server": {"core/base", "core/nn", "core/data", "core/model", "core/eval", "core/train",
               "core/store", "core/jobs", "core/serve", "proto", "wire"},
    "client": {"core/base", "core/data", "core/nn", "core/picture", "proto", "wire"},
}
# core/data shows its rows as core/nn's matrix views, and the command line reads files by core/data;
# of core/nn it may see that header alone.
ONLY = {("client", "core/nn"): {"core/nn/matrix.h"}}
INCLUDE = re.compile(r'^\s*#include\s+["<]([^">]+)[">]', re.MULTILINE)


def room_of(path):
    parts = path.split("/")
    if parts[0] == "core":
        return "/".join(parts[:2])
    if parts[0] in ("server", "client"):
        return parts[0]
    if path == "latent/v1/spec.pb.h":
        return "proto"
    if path.startswith(("latent/v1/", "google/rpc/", "grpc/", "grpcpp/", "prometheus/")):
        return "wire"
    return None


def sources(repository):
    for top in ("core", "server", "client"):
        for path in sorted((repository / top).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path


def check_includes(repository):
    faults, graph = [], {}
    for path in sources(repository):
        name = path.relative_to(repository).as_posix()
        room = room_of(name)
        includes = INCLUDE.findall(path.read_text(encoding="utf-8"))
        graph[name] = [i for i in includes if (repository / i).exists()]
        for include in includes:
            target = room_of(include)
            if target is None or target == room:
                continue
            if room not in ALLOWED:
                faults.append(f"{name}: {room} is no room of the design")
            elif target not in ALLOWED[room]:
                faults.append(f"{name}: {room} may not include {include}")
            elif include not in ONLY.get((room, target), {include}):
                faults.append(f"{name}: {room} may not include {include}")
    return faults + circles(graph)


def circles(graph):
    faults, state = [], {}

    def visit(node, trail):
        if state.get(node) == "done":
            return
        if state.get(node) == "open":
            faults.append("circle: " + " -> ".join(trail[trail.index(node):] + [node]))
            return
        state[node] = "open"
        for target in graph.get(node, []):
            visit(target, trail + [node])
        state[node] = "done"

    for node in graph:
        visit(node, [])
    return faults


def check_tests_are_listed(repository):
    faults = []
    for path in sorted((repository / "tests").rglob("*")):
        if not re.search(r"(_test|_fuzz)\.(cc|py)$", path.name):
            continue
        lists = [parent / "CMakeLists.txt" for parent in path.parents
                 if repository in parent.parents]
        stem = re.sub(r"_fuzz$", "", path.stem)
        if not any(f.exists() and re.search(rf"\b{re.escape(stem)}", f.read_text(encoding="utf-8"))
                   for f in lists):
            faults.append(f"{path.relative_to(repository)}: no CMakeLists.txt lists it")
    return faults


def check_core_links_no_wire(library):
    symbols = subprocess.run(["nm", "-C", "--undefined-only", library], check=True,
                             capture_output=True, text=True).stdout
    bad = sorted({s for s in re.findall(r"\b(?:grpc(?:_impl)?|prometheus)::\S+", symbols)})
    return [f"the core library refers to {symbol}" for symbol in bad[:10]]


def main():
    repository, library = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    faults = (check_includes(repository) + check_tests_are_listed(repository) +
              check_core_links_no_wire(library))
    for fault in faults:
        print(fault)
    if not faults:
        print("rooms, tests and links are as they should be")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
