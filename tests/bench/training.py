"""How fast training is: by the library, against PyTorch as it is installed, tuned, and of today; and by the
service against the library. Same rows, loss, batches of 128 and Adam; 784-512-256-32 and back, and a VAE
of 784-400-20."""
import json
import os
import statistics
import time

import numpy

import lab
import peers
from python_server import SCRIPTS
from rig import BENCH, CoProcess, ratio
from verdict import Part, judge, not_shown

ROWS, QUICK_ROWS = 12800, 2560
SYSTEM_PYTHON = "/usr/bin/python3"
# What makes Debian's PyTorch faster: one pool of threads instead of two that fight for the cores, and
# memory that is kept instead of being mapped anew in every step.
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "4000000000"}
ONE_POOL = {"LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu/openblas-openmp"}
EQUAL_STEPS = 20


def rows_file(rig):
    path = rig.folder / "training.npy"
    if not path.exists():
        rows = QUICK_ROWS if rig.quick else ROWS
        numpy.save(path, lab.images("train")[:rows].astype(numpy.float32))
    return path


class Trainers:
    """The library and its peers, each a process that trains when asked."""

    def __init__(self, rig):
        self.rows, self.folder = rows_file(rig), rig.folder
        self.epochs = 2 if rig.quick else 4
        self.started = {"library": CoProcess([BENCH / "train_bench", self.rows])}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.started.values():
            process.stop()

    @property
    def library(self):
        return self.started["library"]

    def start_peers(self):
        """Those that can be had, by name: what they are and with how many threads they are fastest."""
        environments = {"stock": (SYSTEM_PYTHON, {}),
                        "tuned": (SYSTEM_PYTHON, KEPT_MEMORY | ONE_POOL),
                        "newest": (peers.python("torch", "numpy"), KEPT_MEMORY)}
        for name, (python, variables) in environments.items():
            if python is None:
                continue
            process = CoProcess([python, SCRIPTS / "train_torch.py", self.rows],
                                env={**os.environ, **variables})
            try:
                process.ask("train vae 2 1")
                self.started[name] = process
            except (AssertionError, OSError):  # no PyTorch there
                process.stop()
        return [name for name in environments if name in self.started]

    def rate(self, name, model, threads=2, more=""):
        asked = f"train {model} {self.epochs} {threads} {more}"
        return self.started[name].ask(asked)["rows_per_second"]

    def difference(self, name, model):
        """The greatest of the relative differences of losses from the same first weights."""
        path = self.folder / f"first-{model}.safetensors"
        self.library.ask(f"first {model} {EQUAL_STEPS} {path}")
        ours = self.library.ask(f"losses {model} {EQUAL_STEPS}")["losses"]
        theirs = self.started[name].ask(f"losses {model} {EQUAL_STEPS} {path}")["losses"]
        return max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True))


def against_peers(rig, table, model, figure, floors, goals):
    with Trainers(rig) as trainers:
        names = trainers.start_peers()
        if not {"stock", "tuned"} <= set(names):
            not_shown(table, figure, " · ".join(f"≥ {bound}×" for bound in floors),
                      " · ".join(f"≥ {bound}×" for bound in goals), "no PyTorch for Debian's Python")
            return
        # As it is installed it may be faster on one thread.
        best = {name: max((1, 2), key=lambda threads, n=name: trainers.rate(n, model, threads))
                for name in names}
        rates = rig.in_turn(library=lambda: trainers.rate("library", model), **{
            name: lambda n=name: trainers.rate(n, model, best[n]) for name in names})
        apart = max(trainers.difference(name, model) for name in names)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    fastest = max(names, key=medians.get)
    parts = [Part(ratio(rates["library"], rates[name]), "≥", floor, goal, "{:.1f}×", name)
             for name, floor, goal in zip(("tuned", "stock"), floors, goals)]
    judge(table, figure, *parts, note="{}; against the fastest, {}, {:.2f}×; {} losses within {:.0e}"
          .format(", ".join(f"{name} {median:.0f}/s" for name, median in medians.items()), fastest,
                  ratio(rates["library"], rates[fastest]), EQUAL_STEPS, apart))


def train_ae(rig, table):
    """The plain autoencoder."""
    against_peers(rig, table, "ae", "training 784-512-256-32 and back, Adam, 2 threads: rows/s against "
                  "PyTorch 1.13 tuned · as installed", (1.5, 2.5), (2, 3.5))


def train_vae(rig, table):
    """The variational one."""
    against_peers(rig, table, "vae", "training a VAE 784-400-20, Adam, 2 threads: rows/s against "
                  "PyTorch 1.13 tuned · as installed", (1.6, 3.5), (2.1, 4.8))


def train_peak(rig, table):
    """Of the multiply-adds that the cores can do, how many training does."""
    with Trainers(rig) as trainers:
        answers = [trainers.library.ask(f"train ae {trainers.epochs} 2") for _ in range(rig.pairs)]
    judge(table, "training 784-512-256-32 and back, 2 threads: share of the cores' peak",
          Part(100 * statistics.median(a["share_of_peak"] for a in answers), "≥", 55, 70, "{:.0f} %"),
          note="{:.0f} rows/s at {}; peak {:.0f} GFLOP/s".format(
              statistics.median(a["rows_per_second"] for a in answers), answers[0]["isa"],
              1e-9 * statistics.median(a["peak"] for a in answers)))


def train_steps(rig, table):
    """What steps take of the system once they are warm."""
    with Trainers(rig) as trainers:
        used = [trainers.library.ask(f"steps {model}") for model in ("ae", "vae")]
    judge(table, "a training step, both models: allocations · page faults",
          *(Part(max(answer[name] for answer in used), "≤", 0, 0, "{:g}")
            for name in ("allocations", "faults")))


JOB = {"preset": "plain", "publish": {"policy": "PUBLISH_POLICY_NEVER"},
       "architecture": {"likelihood": {"bernoulli": {}}, "encoder": {"layers": [
           {"dense": {"units": 512}}, {"dense": {"units": 256}}]}},
       "training": {"seed": 1, "threads": 2, "solver": {"gradient": {
           "batch_size": 128, "early_stopping": {"enabled": False},
           "optimizer": {"adam": {"weight_decay": 0}},
           "schedule": {"constant": {}, "learning_rate": 0.001, "warm_up_fraction": 0}}}}}


def service_rate(rig, epochs):
    """Rows a second of a job that trains on the same rows, from its last report."""
    if rig.server.latent("datasets", "show", "training", check=False).returncode != 0:
        rig.server.latent("datasets", "upload", "training", "--train", rows_file(rig),
                          "--validation-fraction", 0, "--test-fraction", 0)
    config = rig.folder / "training.json"
    config.write_text(json.dumps(JOB))
    job = rig.server.json("train", "trained", "--dataset", "training", "--config", config,
                          "--latent-dim", 32, "--epochs", epochs)["id"]
    while True:
        shown = rig.server.json("jobs", "show", job)
        if shown["state"] not in ("JOB_STATE_QUEUED", "JOB_STATE_RUNNING"):
            break
        time.sleep(0.25)
    if shown["state"] != "JOB_STATE_SUCCEEDED":
        raise AssertionError(f"the job ended as {shown}")
    return shown["progress"]["samplesPerSecond"]


def train_service(rig, table):
    """A job of the service beside the same training by the library, on threads of the same class."""
    with Trainers(rig) as trainers:
        trainers.epochs = 3 if rig.quick else 10
        rates = rig.in_turn(
            library=lambda: trainers.rate("library", "ae", more="background"),
            service=lambda: service_rate(rig, trainers.epochs))
    judge(table, "the same job by the service: speed against the library's",
          Part(100 * ratio(rates["service"], rates["library"]), "≥", 95, 95, "{:.1f} %"),
          note="{:.0f} rows/s".format(statistics.median(rates["service"])))


LINES = (train_ae, train_vae, train_peak, train_steps, train_service)
