"""Throughput and latency over concurrency, rows a request and width of a row, for the pictures."""
import statistics

import numpy

import kernels
import plots
from rig import DEEP, SHALLOW

CONCURRENCY = (1, 2, 4, 8, 16, 32, 64, 128)
ROWS = (1, 4, 16, 64, 256)
WIDTHS = (16, 128, 784, 4096, 16384)


def medians(rig, **cases):
    """Of each case: rates, latencies and the server's CPU."""
    rounds = 1 if rig.quick else 3
    readings = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            readings[name].append(case())
    return {name: {field: statistics.median(getattr(r, field) for r in some)
                   for field in ("qps", "p50", "p99", "server_us")}
            for name, some in readings.items()}


def curves(rig, table):
    """Draws two pictures."""
    seconds = 0.2 if rig.quick else 0.6
    for model in (SHALLOW, DEEP):
        rig.served(model)

    def call(side, model, calls=8, **flags):
        words = [word for name, value in flags.items() for word in (f"--{name}", value)]
        return lambda: rig.call(side, model, calls, seconds=seconds, flags=words)

    rig.data["concurrency"] = {calls: medians(
        rig, echo=call(rig.echo, SHALLOW, calls), shallow=call(rig.latentd, SHALLOW, calls),
        deep=call(rig.latentd, DEEP, calls)) for calls in CONCURRENCY}
    rig.data["rows"] = {rows: medians(
        rig, echo=call(rig.echo, SHALLOW, rows=rows),
        shallow=call(rig.latentd, SHALLOW, rows=rows), deep=call(rig.latentd, DEEP, rows=rows))
        for rows in ROWS}
    rig.data["width"] = {}
    for width in WIDTHS:
        generator = numpy.random.default_rng(width)
        data = rig.rows(f"width-{width}", lambda: generator.random((200, width)))
        model = rig.served(f"wide-{width}", data)
        rig.data["width"][width] = medians(
            rig, echo=call(rig.echo, model, columns=width),
            shallow=call(rig.latentd, model, columns=width))
    best = {name: max(CONCURRENCY, key=lambda calls: rig.data["concurrency"][calls][name]["qps"])
            for name in ("echo", "shallow", "deep")}
    table.add("most calls/s over 1 to 128 in flight: echo · 784→32 · 784-512-256-32", "", " · ".join(
        f"{rig.data['concurrency'][calls][name]['qps']:.0f} at {calls}"
        for name, calls in best.items()), "measured")
    plots.throughput(rig.data)
    plots.latency(rig.data)


def roofline(rig, table):
    """Draws one; what it shows has been measured by then, or is now."""
    for line in (kernels.calibration, kernels.gemm):
        if not {"reads", "forward"} <= set(rig.data):
            table.group = line.__name__
            line(rig, table)
    if "forward" in rig.data:
        plots.roofline(rig.data)


LINES = (curves, roofline)
