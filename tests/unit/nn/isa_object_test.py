#!/usr/bin/env python3
"""Holds the objects compiled for a newer CPU to their rules, by nm and objdump.

No weak symbol: the linker would merge an inline function that an object for every CPU also holds,
and either may win. No static initialiser: it would run before the CPU is asked. No store to the
stack inside a loop of multiply-adds: the sums must stay in registers.

usage: isa_object_test.py liblatent_core.a
"""
import re
import subprocess
import sys


def members(archive):
    names = subprocess.run(["ar", "t", archive], capture_output=True, text=True, check=True).stdout
    return [name for name in names.split() if name.endswith("_avx2.cc.o")]


def extract(archive, member):
    return subprocess.run(["ar", "p", archive, member], capture_output=True, check=True).stdout


def run_on(data, *command):
    with open("isa_object.o", "wb") as file:
        file.write(data)
    return subprocess.run([*command, "isa_object.o"], capture_output=True, text=True,
                          check=True).stdout


def weak_symbols(data):
    lines = [line.split() for line in run_on(data, "nm", "-C").splitlines()]
    return [" ".join(line) for line in lines
            if any(field in ("W", "w", "V", "v", "u") for field in line[:2])]


def has_initialiser(data):
    return ".init_array" in run_on(data, "objdump", "-h")


def spilling_loops(data):
    """Innermost loops with multiply-adds that store a vector to the stack, and how many are clean."""
    bad, clean = [], 0
    code = []
    for line in run_on(data, "objdump", "-d", "--no-show-raw-insn").splitlines():
        match = re.match(r"\s*([0-9a-f]+):\s+(\S.*)", line)
        if match:
            code.append((int(match.group(1), 16), match.group(2)))
    index = {address: i for i, (address, _) in enumerate(code)}
    for i, (address, text) in enumerate(code):
        jump = re.match(r"j\w+\s+([0-9a-f]+)", text)
        if not jump or int(jump.group(1), 16) not in index or int(jump.group(1), 16) > address:
            continue
        body = [t for _, t in code[index[int(jump.group(1), 16)]:i]]
        if any(re.match(r"(j|ret|call)", t) for t in body):
            continue  # not innermost
        if not any("vfmadd" in t for t in body):
            continue
        stores = [t for t in body if re.match(r"vmov\w+\s+%[xy]mm\d+,.*\((%rsp|%rbp)", t)]
        bad += [f"loop at {jump.group(1)}: {t}" for t in stores]
        clean += not stores
    return bad, clean


def main():
    archive = sys.argv[1]
    problems, loops = [], 0
    for member in members(archive):
        data = extract(archive, member)
        problems += [f"{member}: weak symbol {symbol}" for symbol in weak_symbols(data)]
        if has_initialiser(data):
            problems.append(f"{member}: has a static initialiser")
        bad, clean = spilling_loops(data)
        problems += [f"{member}: {text}" for text in bad]
        loops += clean
    if loops < 9:
        problems.append(f"expected a loop for each of 9 tile shapes, found {loops} clean ones")
    print("\n".join(problems) or f"{loops} loops, no weak symbol, no initialiser, no spill")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
