"""Encode of many rows at once: several a request, and requests joined by the loop."""
import statistics

from rig import DEEP, counters, ratio
from verdict import Part, judge

ROWS = 64


def many_rows(rig, table):
    """Rows of large requests against the same forward passes without a server."""
    rig.served(DEEP)
    directory = rig.version_directory(DEEP)
    readings = rig.in_turn(
        ours=lambda: rig.call(rig.latentd, DEEP, 8, flags=("--rows", ROWS)),
        library=lambda: rig.library.ask(f"encode {directory} {ROWS} {rig.seconds}"))
    ours = [ROWS * reading.qps for reading in readings["ours"]]
    library = [answer["rows_per_second"] for answer in readings["library"]]
    judge(table, f"{ROWS} rows a request, 784-512-256-32, 8 in flight: rows/s against in-process "
          "encode on one thread", Part(ratio(ours, library), "≥", 0.7, 0.85, "{:.2f}×"),
          note=f"{statistics.median(ours):.0f} against {statistics.median(library):.0f} rows/s; "
          "server CPU {:.0f} µs a request of which {:.0f} compute".format(
              *(statistics.median(getattr(r, name) for r in readings["ours"])
                for name in ("server_us", "compute_us"))))


def batching(rig, table):
    """Rows of 64 concurrent callers share forward passes."""
    rig.served(DEEP)
    names = ("latent_batch_rows_sum", "latent_batch_rows_count")
    before = counters(rig.server, *names)
    rig.call(rig.latentd, DEEP, 64, seconds=5 * rig.seconds)
    rows, passes = (b - a for a, b in zip(before, counters(rig.server, *names)))
    judge(table, "64 callers of 784-512-256-32: rows a forward pass",
          Part(rows / passes, "≥", 2, 2, "{:.1f}"))


LINES = (many_rows, batching)
