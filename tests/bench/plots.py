"""The pictures of the speed section, as PNG in docs/ by Matplotlib."""
import math

import harness

DOCS = harness.SOURCE / "docs"
NAMES = {"echo": "echo, computes nothing", "shallow": "784→32", "deep": "784-512-256-32"}
COLOURS = {"echo": "#888888", "shallow": "#1f77b4", "deep": "#d95f02"}
LEVELS = {"portable": "16 bytes", "avx2": "AVX2", "avx512": "AVX-512"}
PICTURES = {"speed-throughput.png": "Throughput against concurrency, rows a request and width",
            "speed-latency.png": "Latency against concurrency",
            "speed-roofline.png": "Roofline of the forward pass"}
folder = DOCS  # where pictures go


def figure(panels, width):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    pyplot.rcParams.update({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3,
                            "axes.spines.top": False, "axes.spines.right": False})
    return pyplot.subplots(1, panels, figsize=(width, 3.6), constrained_layout=True, squeeze=False)


def save(drawing, name):
    from matplotlib import pyplot
    # Without its version and date the same numbers give the same bytes.
    drawing.savefig(folder / name, dpi=110, metadata={"Software": None})
    pyplot.close(drawing)


def series(axes, points, name, value, scale=1.0, **style):
    """One line over the keys of `points` that have it."""
    xs = [float(x) for x in points if name in points[x]]
    axes.plot(xs, [scale * value(float(x), points[x][name]) for x in points if name in points[x]],
              marker="o", markersize=3.5, color=COLOURS[name], **{"label": NAMES[name], **style})


def plain(axis, subs=None):
    """Numbers as they are, in place of powers, and no ticks between; `subs`: ticks at these times each
    power of ten."""
    from matplotlib import ticker
    if subs:
        axis.set_major_locator(ticker.LogLocator(subs=subs))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(ticker.NullLocator())


def over(axes, points, title, x, y):
    axes.set_title(title, fontsize=9)
    axes.set_xscale("log", base=2)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_xticks([float(point) for point in points])
    plain(axes.xaxis)


def throughput(data):
    drawing, axes = figure(3, 12)
    concurrency, rows, width = axes[0]
    for name in NAMES:
        series(concurrency, data["concurrency"], name, lambda _, r: r["qps"], 1e-3)
        series(rows, data["rows"], name, lambda x, r: x * r["qps"], 1e-3)
    for name in ("echo", "shallow"):
        series(width, data["width"], name, lambda _, r: r["qps"], 1e-3,
               label={"echo": NAMES["echo"], "shallow": "width→32"}[name])
    over(concurrency, data["concurrency"], "one row a call", "calls in flight", "thousand calls/s")
    over(rows, data["rows"], "784 cells a row, 8 calls in flight", "rows a request", "thousand rows/s")
    rows.set_yscale("log", base=4)
    plain(rows.yaxis)
    over(width, data["width"], "one row a call, 8 in flight", "cells a row", "thousand calls/s")
    for one in axes[0]:
        if one is not rows:
            one.set_ylim(bottom=0)
        one.legend(frameon=False)
    save(drawing, "speed-throughput.png")


def latency(data):
    drawing, axes = figure(2, 9)
    for one, field in zip(axes[0], ("p50", "p99")):
        for name in NAMES:
            series(one, data["concurrency"], name, lambda _, r, field=field: r[field], 1e-3)
        over(one, data["concurrency"],
             f"{'median' if field == 'p50' else '99th percentile'}, one row a call",
             "calls in flight", "ms")
        one.set_yscale("log")
        plain(one.yaxis, subs=(1, 2, 5))
        one.legend(frameon=False)
    save(drawing, "speed-latency.png")


def roofline(data):
    drawing, axes = figure(1, 6)
    one = axes[0][0]
    level = data["peaks"].get(data["level"]) or max(data["peaks"].values())
    ends = (0.125, 128)
    for name, rate in data["reads"].items():
        knee = level / rate
        one.plot([ends[0], knee], [ends[0] * rate / 1e9, level / 1e9], color="#888888", linewidth=1)
        one.text(ends[0] * 1.05, ends[0] * 1.1 * rate / 1e9, f"{name}, {rate / 1e9:.0f} GB/s",
                 fontsize=7, rotation=math.degrees(math.atan(rate / 1e9)), rotation_mode="anchor",
                 transform_rotates_text=True, va="bottom")
    for name, peak in data["peaks"].items():
        if peak:
            one.axhline(peak / 1e9, color="#888888", linewidth=1, linestyle="--")
            one.annotate(f"multiply-adds, {LEVELS[name]}: {peak / 1e9:.0f}", (ends[1], peak / 1e9),
                         fontsize=8, ha="right", va="bottom")
    for point in data["forward"]:
        at = (point["intensity"], point["flops"] / 1e9)
        one.plot(*at, marker="o", color=COLOURS["deep"], markersize=5)
        one.annotate(f"{point['rows']} row{'s' if point['rows'] > 1 else ''}", at, fontsize=8,
                     xytext=(5, -10), textcoords="offset points")
    one.set_xscale("log", base=2)
    one.set_yscale("log", base=2)
    plain(one.xaxis)
    plain(one.yaxis)
    one.set_xlim(*ends)
    one.set_xlabel("operations a byte of weights, inputs and outputs")
    one.set_ylabel("GFLOP/s, one thread")
    one.set_title("784-512-256-32-256-512-784 forward, bias and ReLU included", fontsize=9)
    save(drawing, "speed-roofline.png")
