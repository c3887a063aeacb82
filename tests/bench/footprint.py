"""What many versions cost: memory over requests and load cycles, time to SERVING with 10,000 of them,
Encode's tail while versions load, warm and swap."""
import os
import pathlib
import statistics
import subprocess
import time

import harness
from rig import counters, ratio
from verdict import Part, judge
from versions import LARGE_VERSIONS, Cycle, State, Swapper, side

MODELS, VERSIONS = 100, 100  # each model's newest is its production


def state_of(rig):
    return rig.keep("versions", lambda: State(rig.folder / "versions"))


def beside_loading(rig, table):
    """Encode while versions load, warm and swap, against quiet."""
    seconds = 1 if rig.quick else 2
    with state_of(rig).server() as server:
        def quiet(in_flight):
            return rig.call(side(server), "large", in_flight, seconds=seconds)

        def busy(in_flight):
            with Swapper(server, pause=0.1) as swapper:
                reading = quiet(in_flight)
            swaps.append(swapper.swaps)
            return reading

        quiet(4)
        swaps, loads = [], counters(server, "latent_cache_loads_total")[0]
        parts, notes = [], []
        for calls in (1, 4):
            readings = rig.in_turn(quiet=lambda: quiet(calls), busy=lambda: busy(calls))
            p99, p50 = (ratio([getattr(r, name) for r in readings["busy"]],
                              [getattr(r, name) for r in readings["quiet"]])
                        for name in ("p99", "p50"))
            parts.append(Part(p99, "≤", 1.5, 1.2, "{:.2f}×", f"at {calls}"))
            notes.append(f"p50 {p50:.2f}×")
        loads = counters(server, "latent_cache_loads_total")[0] - loads
        assert loads > 0, "no version was loaded meanwhile"
        server.stop()
    judge(table, "Encode p99 while a version loads, warms and swaps, 1 and 4 in flight", *parts,
          note=f"{' · '.join(notes)}; {sum(swaps)} swaps, {loads:.0f} loads")


def resident_mib(server):
    for line in pathlib.Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("no VmRSS")


def memory(rig, table):
    """Resident memory over load and unload cycles and requests."""
    loads, calls = (100, 20_000) if rig.quick else (1000, 1_000_000)
    with state_of(rig).server() as server, Cycle(server) as cycle:
        empty = resident_mib(server)
        cycle.turn(LARGE_VERSIONS)
        rig.call(side(server), "large", 64)
        before = counters(server, "latent_cache_loads_total", "latent_cache_evictions_total")
        marks, answered = [resident_mib(server)], 0
        for quarter in range(1, 5):
            cycle.turn(loads // 4)
            while answered < calls * quarter / 4:
                answered += rig.call(side(server), "large", 64,
                                     seconds=1 if rig.quick else 4).answered
            marks.append(resident_mib(server))
        loaded, evicted = (after - b for after, b in zip(
            counters(server, "latent_cache_loads_total", "latent_cache_evictions_total"), before))
        held, count = counters(server, "latent_cache_bytes", "latent_cache_versions")
        server.stop()
    judge(table, f"resident memory after {answered / 1e6:.2g}e6 requests and {loaded:.0f} load/unload "
          "cycles, against the first quarter",
          Part(100 * (marks[-1] / marks[1] - 1), "≤", 5, 2, "{:+.1f} %"),
          note=f"{empty:.0f} MiB at the start, {' → '.join(f'{m:.1f}' for m in marks)} at the "
          f"quarters; {evicted:.0f} evictions, {held / count / 2**20:.2f} MiB a version")


def seconds_to_serving(folder):
    """From fork to the port file, which is written when health says SERVING."""
    ports = folder / "ports"
    ports.unlink(missing_ok=True)
    begin = time.monotonic()
    with open(folder / "server.log", "ab") as log:
        process = subprocess.Popen(
            [harness.BUILD / "server/latentd", "--state-dir", folder / "state", "--listen",
             "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--port-file", ports],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        while not ports.exists():
            assert process.poll() is None and time.monotonic() < begin + 60, \
                f"see {folder / 'server.log'}"
            time.sleep(0.001)
        return time.monotonic() - begin
    finally:
        process.terminate()
        process.wait(timeout=60)


def ready(rig, table):
    """Start-up with many versions against start-up with few."""
    state = state_of(rig)
    few = statistics.median(seconds_to_serving(state.folder) for _ in range(5))
    per_model = 10 if rig.quick else VERSIONS
    for m in range(MODELS):
        state.copy("tiny", f"copy-{m}", range(1, per_model + 1), per_model, os.link)
    seconds_to_serving(state.folder)
    took = [seconds_to_serving(state.folder) for _ in range(5 if rig.quick else 9)]
    judge(table, f"ready time with {MODELS * per_model:,} registered versions of {MODELS} models, "
          "each with `production`", Part(statistics.median(took), "≤", 1, 0.3, "{:.2f} s"),
          note=f"{len(took)} starts, most {max(took):.2f} s; {few:.2f} s with "
          f"{LARGE_VERSIONS + 1} versions")


LINES = (beside_loading, memory, ready)
