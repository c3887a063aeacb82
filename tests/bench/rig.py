"""What the lines of the speed table are measured with: latentd, an echo that computes nothing and other
people's servers, all on loopback, and calls that one load generator makes of them. One machine's speed
changes by the minute, so two sides are always measured in turn, and what counts is the median of the
pairs' ratios."""
import dataclasses
import functools
import json
import os
import pathlib
import signal
import statistics
import subprocess
import time
import urllib.request

import numpy

import harness
import lab

BENCH = harness.BUILD / "tests/bench"
# Single-layer and three-layer encoders of 784 cells to 32 code entries.
SHALLOW, DEEP = "shallow", "deep"
HIDDEN = {SHALLOW: [], DEEP: [512, 256]}


@dataclasses.dataclass
class Side:
    """A server that is called: what to call it by, and whose CPU it uses."""
    address: str
    pid: int
    metrics: object = None  # the latentd, where it is one


@dataclasses.dataclass
class Reading:
    qps: float
    p50: float  # microseconds, as p99
    p99: float
    server_us: float  # CPU of the server a call
    compute_us: float  # of that, what latentd spent in forward passes (wall time)
    faults: float  # page faults of the server a call
    answered: int


class Process:
    """A server of ours or others' that writes its port to a file once it listens."""

    def __init__(self, folder, name, command, seconds=60, **options):
        port_file = pathlib.Path(folder) / f"{name}.port"
        port_file.unlink(missing_ok=True)
        with open(port_file.with_suffix(".log"), "ab") as log:
            self.process = subprocess.Popen([*map(str, command), "--port-file", str(port_file)],
                                            stdout=log, stderr=log, **options)
        deadline = time.monotonic() + seconds
        while not (port_file.exists() and port_file.read_text().endswith("\n")):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"{name} did not start: see {log.name}\n" +
                                     pathlib.Path(log.name).read_text()[-2000:])
            time.sleep(0.01)
        self.side = Side(f"127.0.0.1:{port_file.read_text().strip()}", self.process.pid)

    def stop(self):
        self.process.kill()
        self.process.wait()


def cpu_seconds(pid):
    """CPU time of all threads of another process, to the nanosecond (see clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


def page_faults(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[7])  # minflt; the kernel counts those of ended threads too


def counters(server, *names):
    """What a latentd's /metrics says now, each summed over its labels."""
    text = urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10).read()
    return [sum(float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines()
                if line.split("{")[0].split(" ")[0] == name) for name in names]


def threads(pid):
    """The names of a process's threads."""
    names = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except FileNotFoundError:
            pass  # it ended meanwhile
    return names


def polling_threads(pid):
    """How many threads gRPC's callback API has there: each takes part in the loops' polling, which
    doubles the CPU of a call. gRPC calls them so."""
    return threads(pid).count("nexting_thread")


def pin(pid, cores):
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            os.sched_setaffinity(int(task), cores)
        except ProcessLookupError:
            pass  # it ended meanwhile


class Rig:
    """The servers, each started when it is first needed and stopped at the end."""

    def __init__(self, folder, quick):
        self.folder, self.quick = pathlib.Path(folder), quick
        self.pairs = 2 if quick else 7
        self.seconds = 0.4 if quick else 1.0
        self.processes, self.kept = [], {}
        self.data = {}  # what pictures are drawn from, by line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stop()
        if "server" in self.__dict__:
            self.server.__exit__()

    def keep(self, name, make):
        """What `make` gives, made once."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]

    @functools.cached_property
    def server(self):
        return harness.Server(self.folder).start()

    @functools.cached_property
    def lab(self):
        return lab.Lab(self.server, self.folder)

    def restart(self, *flags):
        """Another latentd on the same state."""
        self.server.stop()
        self.server.flags = flags
        self.server.start()

    @property
    def latentd(self):
        return Side(self.server.address, self.server.process.pid, self.server)

    def check_threads(self):
        """No figure counts if gRPC's callback API polls beside the loops."""
        if "server" not in self.__dict__ or self.server.process is None:
            return
        found = polling_threads(self.server.process.pid)
        assert found == 0, f"{found} threads of gRPC's callback API poll in latentd: " \
            f"{sorted(threads(self.server.process.pid))}"

    def process(self, name, command, **options):
        started = Process(self.folder, name, command, **options)
        self.processes.append(started)
        return started.side

    @functools.cached_property
    def library(self):
        """The library by itself, on one thread: see library_bench.cc."""
        self.processes.append(CoProcess([BENCH / "library_bench"]))
        return self.processes[-1]

    def version_directory(self, model):
        """Where the server keeps version 1."""
        return self.folder / "state/models/default" / model / "1"

    @functools.cached_property
    def echo(self):
        return self.process("echo", [BENCH / "echo_server"])

    @functools.cached_property
    def reading_echo(self):
        """One that reads as many bytes a call as DEEP's encoder has in its weights."""
        widths = [784, *HIDDEN[DEEP], 32]
        weights = sum(4 * a * b for a, b in zip(widths, widths[1:]))
        return self.process("echo_reading", [BENCH / "echo_server", "--read-bytes", weights])

    @functools.cached_property
    def echo_with_health(self):
        return self.process("echo_health", [BENCH / "echo_server", "--health"])

    @functools.cached_property
    def echo_with_default_health(self):
        """As it must not be: gRPC's own health service is one of the callback API."""
        return self.process("echo_default", [BENCH / "echo_server", "--default-health"])

    def rows(self, name, make):
        """A dataset of the rows that `make` gives."""
        if self.server.latent("datasets", "show", name, check=False).returncode != 0:
            path = self.folder / f"{name}.npy"
            numpy.save(path, make().astype(numpy.float32))
            self.server.latent("datasets", "upload", name, "--train", path)
        return name

    def few_images(self):
        """A dataset that trains in a moment: what a model learnt does not change how fast it is."""
        return self.rows("few", lambda: lab.images("train")[:2000])

    def served(self, model, dataset=None):
        """The name of a served model, one of HIDDEN; or, of another dataset, one without hidden
        layers."""
        layers = {"layers": [{"dense": {"units": units}} for units in HIDDEN.get(model, [])]}
        self.lab.train(model, dataset or self.few_images(), "plain", {
            "architecture": {"encoder": layers, "decoder": {"layers": layers["layers"][::-1]}}},
            "--latent-dim", 32, "--epochs", 1, "--sampler", "gaussian")
        return model

    def call(self, side, model, in_flight, pinned=False, seconds=None, flags=()):
        """Loads one side for a while. Pinned: the server on core 0, the caller on core 1."""
        names = ("latent_compute_seconds_sum",)
        seconds = seconds or self.seconds
        cores = set(range(os.cpu_count()))
        pin(side.pid, {0} if pinned else cores)
        computed = counters(side.metrics, *names)[0] if side.metrics else 0
        cpu, faults = cpu_seconds(side.pid), page_faults(side.pid)
        done = subprocess.run(
            [*(["taskset", "-c", "1"] if pinned else []), BENCH / "call_load", "--server",
             side.address, "--model", model, "--in-flight", str(in_flight), "--seconds",
             str(seconds), "--warm-up-seconds", "0.2", *map(str, flags)],
            capture_output=True, text=True, timeout=seconds + 120)
        cpu, faults = cpu_seconds(side.pid) - cpu, page_faults(side.pid) - faults
        computed = counters(side.metrics, *names)[0] - computed if side.metrics else 0
        answer = json.loads(done.stdout) if done.stdout else {"errors": 1}
        if answer["errors"] == 0 and answer["calls"] == 0 and seconds < 8:
            # Others keep the cores, and no call fell into so short a time whole.
            return self.call(side, model, in_flight, pinned, 3 * seconds, flags)
        if done.returncode != 0 or answer["errors"]:
            raise AssertionError(f"call_load: {done.stdout}{done.stderr}")
        calls = answer["answered"]
        return Reading(answer["calls_per_second"], answer["p50_us"], answer["p99_us"],
                       cpu / calls * 1e6, computed / calls * 1e6, faults / calls, calls)

    def in_turn(self, **cases):
        """Measures the cases in turn, each as often as there are pairs; lists by name."""
        readings = {name: [] for name in cases}
        for i in range(self.pairs):
            for name in (list(cases) if i % 2 == 0 else reversed(cases)):
                readings[name].append(cases[name]())
        return readings


def ratio(ours, theirs):
    """The median of the pairs' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


class CoProcess:
    """A program that reads a line, measures, and answers with a line of JSON."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, **options)

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(f"{self.process.args} ended with {self.process.wait()}")
        return json.loads(answer)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
