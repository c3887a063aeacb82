"""What serving costs above gRPC and compute, against an echo and a Python server."""
import statistics

import python_server
from rig import DEEP, SHALLOW, ratio
from verdict import Part, judge, not_shown

MANY_ROWS = 64


def both(readings, *names):
    """The readings of two cases side by side."""
    return zip(*(readings[name] for name in names))


def echo_ceiling(rig, table):
    """What gRPC alone reaches here: without health, with it on the loop, with gRPC's own."""
    rig.served(SHALLOW)
    for calls in (8, 64):
        readings = rig.in_turn(
            bare=lambda: rig.call(rig.echo, SHALLOW, calls),
            health=lambda: rig.call(rig.echo_with_health, SHALLOW, calls),
            default=lambda: rig.call(rig.echo_with_default_health, SHALLOW, calls))
        bare, health, default = ([reading.qps for reading in readings[name]] for name in readings)
        table.add(f"calibration: bare echo of 784→32, {calls} in flight", "",
                  f"{statistics.median(bare):.0f} calls/s, {ratio(health, bare):.2f}× with health on "
                  f"its loop, {ratio(default, bare):.2f}× with gRPC's own health service; server CPU "
                  f"{statistics.median(r.server_us for r in readings['bare']):.1f} µs", "measured")


def qps(rig, table):
    """Calls of a model that computes almost nothing, against an echo."""
    rig.served(SHALLOW)
    for pinned in (False, True):
        parts, notes = [], []
        for calls in (8, 64):
            readings = rig.in_turn(
                ours=lambda: rig.call(rig.latentd, SHALLOW, calls, pinned),
                echo=lambda: rig.call(rig.echo, SHALLOW, calls, pinned))
            ours, echo = ([reading.qps for reading in readings[name]] for name in ("ours", "echo"))
            parts.append(Part(ratio(ours, echo), "≥", 0.85, 0.95, "{:.2f}×", f"at {calls}"))
            notes.append(f"{statistics.median(ours):.0f}")
        judge(table, f"`Encode` 784→32, 8 and 64 in flight, {'pinned' if pinned else 'free'}: "
              "QPS against the bare echo", *parts, note=f"{' · '.join(notes)} calls/s")


def with_narrow_weights(rig, measure):
    """What `measure` gives of a server with weights of two bytes."""
    rig.restart("--serving-weights", "float16")
    try:
        return measure()
    finally:
        rig.restart()


def cpu(rig, table):
    """Server CPU of a call above what gRPC and the forward pass take."""
    rig.served(DEEP)

    def extra(calls, pinned):
        readings = rig.in_turn(ours=lambda: rig.call(rig.latentd, DEEP, calls, pinned),
                               echo=lambda: rig.call(rig.echo, DEEP, calls, pinned))
        return readings, statistics.median(ours.server_us - ours.compute_us - echo.server_us
                                           for ours, echo in both(readings, "ours", "echo"))

    narrow = with_narrow_weights(rig, lambda: {
        pinned: [extra(calls, pinned)[1] for calls in (8, 64)] for pinned in (True, False)})
    for pinned in (True, False):
        parts, notes = [], []
        for calls in (8, 64):
            readings, above = extra(calls, pinned)
            parts.append(Part(above, "≤", 5, 2, "{:.1f} µs", f"at {calls}"))
            medians = [statistics.median(values) for values in (
                [r.server_us for r in readings["ours"]], [r.compute_us for r in readings["ours"]],
                [r.server_us for r in readings["echo"]])]
            notes.append("{:.1f} of which {:.1f} compute, echo {:.1f}".format(*medians))
        notes.append("with weights of float16 {:.1f} · {:.1f} µs".format(*narrow[pinned]))
        judge(table, "`Encode` 784-512-256-32, 8 and 64 in flight, "
              f"{'pinned' if pinned else 'free'}: server CPU per request above echo + compute",
              *parts, note="; ".join(notes))


def one_caller(rig, table):
    """Latency of a single caller above echo and compute; and beside an echo whose caches the weights
    run through as they do through ours."""
    rig.served(DEEP)

    def readings_of(pinned):
        return rig.in_turn(ours=lambda: rig.call(rig.latentd, DEEP, 1, pinned),
                           echo=lambda: rig.call(rig.echo, DEEP, 1, pinned),
                           reading=lambda: rig.call(rig.reading_echo, DEEP, 1, pinned))

    def above(readings):
        return statistics.median(ours.p50 - ours.compute_us - echo.p50
                                 for ours, echo in both(readings, "ours", "echo"))

    parts, notes = [], []
    for pinned, floor, goal in ((True, 15, 5), (False, 30, 15)):
        readings = readings_of(pinned)
        name = "pinned" if pinned else "free"
        parts.append(Part(above(readings), "≤", floor, goal, "{:.0f} µs", name))
        notes.append("{}: {:.0f} µs, compute {:.0f}, echo {:.0f}, an echo that reads as many bytes "
                     "{:.0f}".format(name, *(statistics.median(values) for values in (
                         [r.p50 for r in readings["ours"]],
                         [r.compute_us for r in readings["ours"]],
                         [r.p50 for r in readings["echo"]],
                         [r.p50 for r in readings["reading"]]))))
    narrow = with_narrow_weights(rig, lambda: [above(readings_of(pinned)) for pinned in (True, False)])
    notes.append("with weights of float16 {:.0f} · {:.0f} µs".format(*narrow))
    judge(table, "one caller, 784-512-256-32: p50 above echo + compute, pinned · free", *parts,
          note="; ".join(notes))


def against_python(rig, table):
    """The same model behind a Python server."""
    figure = ("against a Python gRPC + PyTorch server, free, 784-512-256-32: QPS at 64 in flight · "
              "p50 at 1")
    peer = python_server.start(rig)
    if peer is None:
        not_shown(table, figure, "≥ 7× · ≤ 0.6×", "≥ 12× · ≤ 0.4×", "no PyTorch or gRPC for Python")
        return
    rig.served(DEEP)
    many = rig.in_turn(ours=lambda: rig.call(rig.latentd, DEEP, 64),
                       peer=lambda: rig.call(peer, DEEP, 64))
    one = rig.in_turn(ours=lambda: rig.call(rig.latentd, DEEP, 1),
                      peer=lambda: rig.call(peer, DEEP, 1))
    judge(table, figure,
          Part(ratio([r.qps for r in many["ours"]], [r.qps for r in many["peer"]]), "≥", 7, 12,
               "{:.1f}×"),
          Part(ratio([r.p50 for r in one["ours"]], [r.p50 for r in one["peer"]]), "≤", 0.6, 0.4,
               "{:.2f}×"),
          note="Python: {:.0f} calls/s · {:.0f} µs".format(
              statistics.median(r.qps for r in many["peer"]),
              statistics.median(r.p50 for r in one["peer"])))


def stream(rig, table):
    """Messages of one stream against calls."""
    rig.served(SHALLOW)
    readings = rig.in_turn(
        stream=lambda: rig.call(rig.latentd, SHALLOW, 64, flags=("--stream",)),
        unary=lambda: rig.call(rig.latentd, SHALLOW, 64))
    streamed, unary = ([reading.qps for reading in readings[name]] for name in ("stream", "unary"))
    judge(table, "`StreamEncode` against unary, 784→32, 64 in flight: messages/s",
          Part(ratio(streamed, unary), "≥", 1.7, 2.2, "{:.2f}×"),
          note=f"{statistics.median(streamed):.0f} and {statistics.median(unary):.0f} a second")


LINES = (echo_ceiling, qps, cpu, one_caller, stream, against_python)
