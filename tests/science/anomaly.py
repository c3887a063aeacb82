"""Anomalies found without labels: sets of ADBench (github.com/Minqi824/ADBench), beside pyod's
AutoEncoder on the same rows. Half of the normal rows train; all others are scored. The preset and its
settings are the same for all sets. The data may not be passed on."""
import os
import subprocess

import numpy

import harness
import peers
from lab import DATA, missing

SEEDS = range(5)
# thyroid is left out: it has rows of annthyroid.
LEFT_OUT = {"38_thyroid"}
PRESET = "denoising"


def auroc(scores, anomalous):
    """The chance that an anomaly scores above another row; ties count half."""
    values, group, counts = numpy.unique(scores, return_inverse=True, return_counts=True)
    ranks = (numpy.cumsum(counts) - (counts - 1) / 2)[group]
    high = int(anomalous.sum())
    low = len(scores) - high
    return (ranks[anomalous].sum() - high * (high + 1) / 2) / (high * low)


def split(path, seed):
    """(training rows, scored rows, whether each of these is an anomaly)."""
    file = numpy.load(path)
    rows, anomalous = file["X"].astype(numpy.float32), file["y"].astype(bool)
    normal = numpy.random.default_rng(seed).permutation(numpy.flatnonzero(~anomalous))
    trained = normal[:len(normal) // 2]
    scored = numpy.setdiff1d(numpy.arange(len(rows)), trained)
    return rows[trained], rows[scored], anomalous[scored]


def ours(lab, name, train, test):
    files = {"train": train, "test": test}
    for part, rows in files.items():
        files[part] = lab.folder / f"{part}.npy"
        numpy.save(files[part], rows)
    lab.server.latent("datasets", "upload", name, "--train", files["train"], "--test-fraction", "0")
    lab.train(name, name, PRESET)
    answer = lab.folder / "scores.csv"
    lab.server.latent("score", "--model", name, "--input", files["test"], "--output", answer)
    lab.server.latent("models", "delete", name)
    lab.server.latent("datasets", "delete", name)
    return numpy.loadtxt(answer, delimiter=",", skiprows=1, usecols=0)


class Theirs:
    """pyod in an interpreter of its own; a context manager that ends it."""

    def __init__(self, interpreter, folder):
        self.folder = folder
        with open(folder / "peer.log", "ab") as log:
            self.process = subprocess.Popen(
                [interpreter, harness.SOURCE / "tests/science/peer_anomaly.py"], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"})  # networks too small to share

    def scores(self, seed):
        paths = [self.folder / name for name in ("train.npy", "test.npy", "peer.npy")]
        self.process.stdin.write(f"{paths[0]} {paths[1]} {seed} {paths[2]}\n")
        self.process.stdin.flush()
        # Whatever else it prints ends before this line.
        while (line := self.process.stdout.readline()) != "done\n":
            assert line, "pyod ended: " + (self.folder / "peer.log").read_text()[-2000:]
        return numpy.load(paths[2])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def anomaly(lab, table):
    if missing("adbench"):
        return
    interpreter = peers.python("pyod", "torch", "tqdm")
    if interpreter is None:
        return
    won, lines = 0, []
    paths = [path for path in sorted((DATA / "adbench").glob("*.npz")) if path.stem not in LEFT_OUT]
    with Theirs(interpreter, lab.folder) as peer:
        for path in paths:
            areas = []
            for seed in SEEDS:
                train, test, anomalous = split(path, seed)
                name = f"{path.stem.lower().replace('.', '-')}-{seed}"
                areas.append((auroc(ours(lab, name, train, test), anomalous),
                              auroc(peer.scores(seed), anomalous)))
            own, other = numpy.median(areas, axis=0)
            won += own >= other
            lines.append(f"{path.stem.split('_', 1)[1]} {own:.3f} · {other:.3f}")
            print(f"  {lines[-1]}", flush=True)
    table.add(f"anomalies in {len(paths)} ADBench sets, `{PRESET}`, median AUROC of 5 seeds: at least "
              "pyod AutoEncoder's (ours · pyod's)", "on 10 sets",
              f"{won} sets: {', '.join(lines)}", won >= 10)


FIGURES = (anomaly,)
