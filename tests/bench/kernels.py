"""What this machine can do, and how near to it the kernels come: figures of kernel_bench and
library_bench, on one thread."""
import json
import statistics
import subprocess

import numpy

from plots import LEVELS
from rig import BENCH, DEEP
from verdict import Part, judge, not_shown

WIDTHS = (784, 512, 256, 32, 256, 512, 784)
ROWS = (1, 8, 64, 256)
# KiB of a warm buffer: within the second-level cache, the last level and memory.
BUFFERS = {"L2": 256, "L3": 4096, "memory": 262144}
# What kernel_bench calls all layers in turn, each layer again and again, and the encoder by weights.
FORWARD, WARM = "Forward/bias_relu/{}", "ForwardWarm/{}"
ENCODE = {"f32": ("Encode/float32/1", "Encode/1"), "fp16": ("Encode/float16/1",)}
ENCODE_INT8 = "Encode/int8/1"


def peaks(rig):
    """Operations a second of one core by level, the best of some, and which level is in use."""
    def measure():
        answers = [rig.library.ask("peak") for _ in range(3 if rig.quick else 15)]
        best = {name: max(answer[name] for answer in answers) for name in LEVELS}
        return best, answers[0]["isa"]
    return rig.keep("peaks", measure)


def calibration(rig, table):
    """The limits: multiply-adds and bytes."""
    best, level = peaks(rig)
    table.add("calibration: peak of multiply-adds, one core", "",
              ", ".join(f"{LEVELS[name]} {best[name] / 1e9:.0f}" for name in LEVELS if best[name]) +
              f" GFLOP/s; the level in use is {LEVELS.get(level, level)}", "measured")
    reads = {name: max(rig.library.ask(f"read {kib} {rig.seconds / 4}")["bytes_per_second"]
                       for _ in range(3)) for name, kib in BUFFERS.items()}
    table.add("calibration: reading, one core", "", ", ".join(
        f"{name} {value / 1e9:.0f}" for name, value in reads.items()) + " GB/s", "measured")
    rig.data["peaks"], rig.data["level"], rig.data["reads"] = best, level, reads


def measured(rig):
    """Medians of kernel_bench by name: time in µs, operations a second, share of the peak; of the
    runs in which the core gave at least 95 % of the best peak, since it may be shared."""
    def run():
        runs = {}
        # The library's own repetitions want as many iterations each; ours are as many as a turn takes.
        for _ in range(3 if rig.quick else 9):
            done = subprocess.run(
                [BENCH / "kernel_bench", "--benchmark_format=json",
                 "--benchmark_filter=^(Forward/bias_relu|ForwardWarm|Encode).*/(1|8|64|256)$",
                 f"--benchmark_min_time={0.02 if rig.quick else 0.1}"],
                capture_output=True, text=True, check=True)
            for one in json.loads(done.stdout)["benchmarks"]:
                runs.setdefault(one["run_name"], []).append(one)
        best = max(one["peak"] for some in runs.values() for one in some)
        medians = {}
        for name, some in runs.items():
            quiet = [one for one in some if one["peak"] >= 0.95 * best] or some
            medians[name] = {key: statistics.median(one[key] for one in quiet)
                             for key in ("us", "flops", "share_of_peak")}
            medians[name]["runs"] = f"{len(quiet)} of {len(some)}"
        return medians
    return rig.keep("kernels", run)


def flops_and_bytes(rows):
    """Of the six layers, forward: operations, and bytes of weights, inputs and outputs."""
    pairs = list(zip(WIDTHS, WIDTHS[1:]))
    return (2 * rows * sum(k * n for k, n in pairs),
            4 * sum(k * n + n + rows * (k + n) for k, n in pairs))


def gemm(rig, table):
    """The share of the multiply-adds that registers alone allow."""
    figures = measured(rig)
    figure = "GEMM forward, 784-512-256-32-256-512-784, 8 and 64 rows: share of FMA peak, one thread"
    if FORWARD.format(8) not in figures:
        not_shown(table, figure, "≥ 80 %", "≥ 92 %", f"kernel_bench has no {FORWARD.format(8)}")
        return

    def shares(form):
        return [100 * figures[form.format(rows)]["share_of_peak"] for rows in (8, 64)]

    warm = WARM.format(8) in figures
    judge(table, figure, *(Part(share, "≥", 80, 92, "{:.0f} %", f"at {rows}")
                           for share, rows in zip(shares(WARM if warm else FORWARD), (8, 64))),
          note=("operands warm in cache; all layers in turn {:.0f} · {:.0f} %".format(
              *shares(FORWARD)) if warm else "all layers in turn") +
          ", bias and ReLU included; {} · {} runs on an unshared core".format(
              *(figures[(WARM if warm else FORWARD).format(rows)]["runs"] for rows in (8, 64))))
    rig.data["forward"] = [
        {"rows": rows, "flops": figures[FORWARD.format(rows)]["flops"],
         "intensity": numpy.divide(*flops_and_bytes(rows))}
        for rows in ROWS if FORWARD.format(rows) in figures]


def batch_one(rig, table):
    """One row through the encoder, warm."""
    figures = measured(rig)
    found = {kind: next((figures[name]["us"] for name in names if name in figures), None)
             for kind, names in ENCODE.items()}
    bounds = {"f32": (40, 30), "fp16": (28, 20)}
    parts = [Part(found[kind], "≤", *bounds[kind], "{:.0f} µs", kind)
             for kind in bounds if found[kind] is not None]
    rig.served(DEEP)
    whole = statistics.median(
        rig.library.ask(f"encode {rig.version_directory(DEEP)} 1 {rig.seconds / 2}")["p50_us"]
        for _ in range(3))
    figure = "batch-1 encode in process, 784-512-256-32, warm, one thread"
    if parts:
        judge(table, f"{figure}, {' · '.join(part.name for part in parts)} weights", *parts,
              note=f"the kernels; a served version's whole pass {whole:.0f} µs" + (
                  f", int8 {figures[ENCODE_INT8]['us']:.0f} µs" if ENCODE_INT8 in figures else ""))
    for kind in bounds:
        if found[kind] is None:
            not_shown(table, f"{figure}, {kind} weights", *(f"≤ {b} µs" for b in bounds[kind]),
                      f"kernel_bench has none of {', '.join(ENCODE[kind])}")


LINES = (calibration, gemm, batch_one)
