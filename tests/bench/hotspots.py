"""Where latentd's time goes under load, by perf and strace: what is in the way of the goals."""
import json
import re
import shutil
import subprocess
import time

from rig import BENCH, DEEP, SHALLOW
from verdict import not_shown

IN_FLIGHT = 64
# Whose a shared object is; the first that fits.
OWNERS = (("kernel", r"^\[(?!vdso)"), ("latentd", "^latentd$"), ("gRPC", "libgrpc|libgpr|libaddress"),
          ("protobuf", "libprotobuf"), ("Abseil", "libabsl"), ("Prometheus", "libprometheus"),
          ("libc", r"libc\.|libstdc|ld-linux|\[vdso\]|libm\."), ("other", ""))


class Load:
    """Keeps calls in flight while something looks on; `answer` says afterwards what call_load did."""

    def __init__(self, rig, model, seconds):
        self.process = subprocess.Popen(
            [BENCH / "call_load", "--server", rig.server.address, "--model", model, "--in-flight",
             str(IN_FLIGHT), "--warm-up-seconds", "0", "--seconds", str(seconds + 1)],
            stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.answer = json.loads(self.process.communicate()[0])


def samples(data, *options):
    """Pairs of share and name, the greatest first."""
    report = subprocess.run(["perf", "report", "-i", data, "--no-children", "--stdio", *options],
                            capture_output=True, text=True, check=True)
    found = re.findall(r"^\s*([0-9.]+)%\s+(.*?)(?:\s+-\s+-)?\s*$", report.stdout, re.MULTILINE)
    return [(float(share), name) for share, name in found]


def short(symbol):
    """A C++ name without its mark, arguments and the namespaces that all have."""
    symbol = re.sub(r"^\[.\] ", "", symbol).split("(anonymous namespace)::")[-1]
    return re.split("[<(]", re.sub(r"latent::(v1::|f32::|kernels::)*", "", symbol))[0]


def profile(rig, table):
    """The processor's time by owner."""
    for model, what in ((SHALLOW, "784→32"), (DEEP, "784-512-256-32")):
        figure = f"profile: latentd under `Encode` {what}, {IN_FLIGHT} in flight, processor time"
        rig.served(model)
        data = rig.folder / "perf.data"
        seconds = 2 if rig.quick else 6
        with Load(rig, model, seconds):
            done = subprocess.run(
                ["perf", "record", "-q", "-F", "999", "-e", "cpu-clock", "-p",
                 str(rig.server.process.pid), "-o", data, "--", "sleep", str(seconds)],
                capture_output=True, text=True) if shutil.which("perf") else None
        if done is None or done.returncode != 0:
            not_shown(table, figure, "", "", "perf is not there or may not look")
            continue
        owners = {}
        for share, name in samples(data, "--sort", "dso"):
            owner = next(owner for owner, form in OWNERS if re.search(form, name))
            owners[owner] = owners.get(owner, 0) + share
        ours = samples(data, "--sort", "symbol", "--dsos", "latentd")[:5]
        table.add(figure, "", ", ".join(
            f"{owner} {share:.0f} %" for owner, share in sorted(owners.items(), key=lambda o: -o[1])
            if share >= 0.5) + "; of latentd's: " + ", ".join(
                f"`{short(name)}` {share:.1f} %" for share, name in ours), "measured")


def system_calls(rig, table):
    """How often the kernel is asked."""
    figure = f"system calls of latentd a request, `Encode` 784→32, {IN_FLIGHT} in flight"
    rig.served(SHALLOW)
    counts = rig.folder / "strace.txt"
    with Load(rig, SHALLOW, 2) as load:
        tracer = subprocess.Popen(["strace", "-c", "-f", "-o", counts, "-p",
                                   str(rig.server.process.pid)], stderr=subprocess.DEVNULL)
        time.sleep(2)
        tracer.terminate()
        tracer.wait()
    found = {name: int(calls) for calls, name in re.findall(
        r"^\s*[0-9.]+\s+[0-9.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", counts.read_text(),
        re.MULTILINE)} if counts.exists() else {}
    if not found.get("sendmsg"):
        not_shown(table, figure, "", "", "strace is not there or may not look")
        return
    # Each reply is one sendmsg at least, so that this is a bound from below.
    table.add(figure, "", ", ".join(f"{name} {found.get(name, 0) / found['sendmsg']:.3f}"
                                    for name in ("recvmsg", "epoll_wait", "futex")) +
              f" for each sendmsg; {found['sendmsg']} of those, while {load.answer['answered']} calls "
              "were answered in all", "measured")


LINES = (profile, system_calls)
