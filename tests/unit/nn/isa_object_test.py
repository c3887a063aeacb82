#!/usr/bin/env python3
"""Holds the objects compiled for a newer CPU to their rules, by nm and objdump.

No weak symbol: the linker would merge an inline function that an object for every CPU also holds,
and either may win. No static initialiser: it would run before the CPU is asked. Every tile of the
products has a loop of multiply-adds, and none that stores to the stack: sums stay in registers.

usage: isa_object_test.py liblatent_core.a
"""
import re
import subprocess
import sys
import tempfile

# Shapes of tiles: rows by panels, over rows and over windows, for each format of cells.
LEAST_TILES = {"avx2": 45, "avx512": 200}


def members(archive):
    names = subprocess.run(["ar", "t", archive], capture_output=True, text=True, check=True).stdout
    return [name for name in names.split() if name.endswith(("_avx2.cc.o", "_avx512.cc.o"))]


def extract(archive, member):
    return subprocess.run(["ar", "p", archive, member], capture_output=True, check=True).stdout


def run_on(data, *command):
    with tempfile.NamedTemporaryFile(suffix=".o") as file:
        file.write(data)
        file.flush()
        return subprocess.run([*command, file.name], capture_output=True, text=True,
                              check=True).stdout


def weak_symbols(data):
    lines = [line.split() for line in run_on(data, "nm", "-C").splitlines()]
    return [" ".join(line) for line in lines
            if any(field in ("W", "w", "V", "v", "u") for field in line[:2])]


def has_initialiser(data):
    return ".init_array" in run_on(data, "objdump", "-h")


def functions(data):
    """Name and instructions, as (address, text), of each function."""
    name, code = None, []
    for line in run_on(data, "objdump", "-d", "-C", "--no-show-raw-insn").splitlines():
        header = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        instruction = re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line)
        if header:
            if name:
                yield name, code
            name, code = header.group(1), []
        elif instruction:
            code.append((int(instruction.group(1), 16), instruction.group(2)))
    if name:
        yield name, code


def product_loops(code):
    """Bodies of the innermost loops that hold multiply-adds."""
    index = {address: i for i, (address, _) in enumerate(code)}
    for i, (address, text) in enumerate(code):
        jump = re.match(r"j\w+\s+([0-9a-f]+)", text)
        target = int(jump.group(1), 16) if jump else address + 1
        if target > address or target not in index:
            continue
        body = [t for _, t in code[index[target]:i]]
        innermost = not any(re.match(r"(j|ret|call)", t) for t in body)
        if innermost and any("vfmadd" in t for t in body):
            yield body


def check_tiles(data):
    """What is wrong with the loops, and how many tiles there are."""
    problems, tiles = [], 0
    for name, code in functions(data):
        loops = list(product_loops(code))
        for body in loops:
            stores = [t for t in body if re.match(r"v?mov\w+\s+%\w+,.*\((%rsp|%rbp)", t)]
            problems += [f"{name}: its loop stores to the stack: {t}" for t in stores]
        if re.search(r"(^|::)(Window)?Tile<", name):
            tiles += 1
            if not loops:
                problems.append(f"{name}: expected a loop of multiply-adds, found none")
    return problems, tiles


def main():
    problems, tiles = [], {"avx2": 0, "avx512": 0}
    for member in members(sys.argv[1]):
        data = extract(sys.argv[1], member)
        found = [f"weak symbol {symbol}" for symbol in weak_symbols(data)]
        if has_initialiser(data):
            found.append("has a static initialiser")
        bad, count = check_tiles(data)
        problems += [f"{member}: {text}" for text in found + bad]
        tiles["avx512" if "avx512" in member else "avx2"] += count
    for level, least in LEAST_TILES.items():
        if tiles[level] < least:
            problems.append(f"{level}: expected at least {least} shapes of tiles, found {tiles[level]}")
    print("\n".join(problems) or f"tiles {tiles}, no weak symbol, no initialiser, no spill")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
