"""Encode of many rows at once: several a request, messages of a stream, requests joined by the loop."""
import statistics
import subprocess

from rig import BENCH, DEEP, SHALLOW, counters, ratio
from verdict import Part, judge, not_shown

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


def stream(rig, table):
    """Messages of StreamEncode against unary calls."""
    figure = "`StreamEncode` against unary, 784→32, 64 in flight, messages/s"
    help_text = subprocess.run([BENCH / "call_load", "--help"], capture_output=True, text=True)
    if "--stream" not in help_text.stdout:
        not_shown(table, figure, "≥ 1.70×", "≥ 2.20×", "call_load has no --stream")
        return
    rig.served(SHALLOW)
    readings = rig.in_turn(
        unary=lambda: rig.call(rig.latentd, SHALLOW, 64),
        stream=lambda: rig.call(rig.latentd, SHALLOW, 64, flags=("--stream",)))
    unary, streamed = ([r.qps for r in readings[name]] for name in ("unary", "stream"))
    judge(table, figure, Part(ratio(streamed, unary), "≥", 1.7, 2.2, "{:.2f}×"),
          note=f"{statistics.median(streamed):.0f} against {statistics.median(unary):.0f}")


def batching(rig, table):
    """Rows of 64 concurrent callers share forward passes."""
    rig.served(DEEP)
    names = ("latent_batch_rows_sum", "latent_batch_rows_count")
    before = counters(rig.server, *names)
    rig.call(rig.latentd, DEEP, 64, seconds=5 * rig.seconds)
    rows, passes = (b - a for a, b in zip(before, counters(rig.server, *names)))
    judge(table, "64 callers of 784-512-256-32: rows a forward pass",
          Part(rows / passes, "≥", 2, 2, "{:.1f}"))


LINES = (many_rows, stream, batching)
