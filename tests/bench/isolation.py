"""Encode beside a job that trains, and training beside Encode."""
import json
import statistics
import subprocess
import time

from rig import BENCH, DEEP, ratio
from verdict import Part, judge, not_shown


class Job:
    """A job that trains for as long as it is wanted."""

    def __init__(self, rig):
        self.rig = rig
        self.server, self.dataset = rig.server, rig.lab.dataset("fashion")
        self.config = rig.folder / "endless.json"
        self.config.write_text(json.dumps({
            "preset": "plain", "publish": {"policy": "PUBLISH_POLICY_NEVER"},
            "training": {"solver": {"gradient": {"epochs": 10000,
                                                 "earlyStopping": {"enabled": False}}}}}))

    def show(self):
        return self.server.json("jobs", "show", self.id)

    def step(self):
        """Updates so far; the job must be training."""
        job = self.show()
        assert (job["state"], job.get("phase")) == ("JOB_STATE_RUNNING", "JOB_PHASE_TRAINING"), job
        return int(job.get("progress", {}).get("step", 0))

    def __enter__(self):
        self.id = self.server.json("train", "endless", "--dataset", self.dataset, "--config",
                                   self.config)["id"]
        while not self.trains():
            time.sleep(0.05)
        return self

    def trains(self):
        """Whether it has begun; where others keep the cores, its first update may take minutes."""
        job = self.show()
        return (job.get("phase") == "JOB_PHASE_TRAINING" if self.rig.quick else
                int(job.get("progress", {}).get("step", 0)) > 0)

    def __exit__(self, *_):
        self.server.latent("jobs", "cancel", self.id)
        while self.show()["state"] in ("JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"):
            time.sleep(0.02)


def beside_training(rig, table):
    """Pairs of rounds with and without a job."""
    rig.served(DEEP)
    seconds = 0.7 if rig.quick else 2
    quiet, busy, steps = {1: [], 4: []}, {1: [], 4: []}, []
    for _ in range(rig.pairs):
        for calls in quiet:
            quiet[calls].append(rig.call(rig.latentd, DEEP, calls, seconds=seconds))
        with Job(rig) as job:
            for calls in busy:
                before = job.step()
                busy[calls].append(rig.call(rig.latentd, DEEP, calls, seconds=seconds))
                steps.append(job.step() - before)
    moved = sum(step > 0 for step in steps)
    for calls in quiet:
        figure = f"while a job trains, {calls} in flight: p50 · QPS · p99 against none"
        if moved < 0.9 * len(steps) and not rig.quick:
            not_shown(table, figure, "≤ 1.15× · ≥ 0.75× · ≤ 2.50×", "p99 ≤ 1.50×",
                      f"the job made updates in {moved} of {len(steps)} samples only: something else "
                      "keeps the cores")
            continue
        p50, qps, p99 = (ratio([getattr(r, name) for r in busy[calls]],
                               [getattr(r, name) for r in quiet[calls]])
                         for name in ("p50", "qps", "p99"))
        judge(table, figure,
              Part(p50, "≤", 1.15, 1.15, "{:.2f}×"), Part(qps, "≥", 0.75, 0.75, "{:.2f}×"),
              Part(p99, "≤", 2.5, 1.5, "{:.2f}×"),
              note=f"{len(steps)} samples beside a job in TRAINING, which made updates in {moved}")


def load(server, *flags):
    return [BENCH / "call_load", "--server", server.address, *map(str, flags)]


def answer_of(command):
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def saturation(rig, table):
    """Both cores saturated by Encode for a minute while a job trains."""
    rig.served(DEEP)
    seconds = 6 if rig.quick else 60
    with Job(rig) as job:
        before = job.step()
        encode = subprocess.Popen(load(rig.server, "--model", DEEP, "--in-flight", 64, "--seconds",
                                       seconds), stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        get = answer_of(load(rig.server, "--method", "get-job", "--job", job.id, "--seconds",
                             0.4 * seconds, "--calls-per-second", 20))
        submit = answer_of(load(rig.server, "--method", "submit-job", "--model", "other",
                                "--dataset", "fashion", "--seconds", 0.4 * seconds,
                                "--calls-per-second", 5))
        answer = json.loads(encode.communicate()[0])
        updates = job.step() - before
    table.add(f"{seconds} s of saturating Encode (64 in flight): training advances", "yes",
              f"{updates} updates, {answer['calls_per_second']:.0f} calls/s", updates > 0)
    assert get["errors"] == submit["errors"] == 0, (get, submit)
    judge(table, "the same: p99 of GetTrainJob · CreateTrainJob",
          *(Part(one["p99_us"] / 1000, "≤", 50, 50, "{:.1f} ms") for one in (get, submit)))


def priority(rig, table):
    """What --train-priority does where calls take both cores."""
    rig.served(DEEP)
    seconds = 2 if rig.quick else 5
    words = []
    for flags in ((), ("--train-priority", "normal")):
        rig.restart(*flags)
        readings = []
        for _ in range(1 if rig.quick else 3):
            alone = rig.call(rig.latentd, DEEP, 64, seconds=seconds)
            with Job(rig) as job:
                before, start = job.step(), time.monotonic()
                beside = rig.call(rig.latentd, DEEP, 64, seconds=seconds)
                updates = (job.step() - before) / (time.monotonic() - start)
            readings.append((updates, beside.qps / alone.qps, beside.p99 / alone.p99))
        words.append("{:.1f} updates/s, {:.2f}× calls/s, {:.1f}× p99".format(
            *map(statistics.median, zip(*readings))))
    rig.restart()
    table.add("`--train-priority` background · normal under saturating Encode (64 in flight), calls "
              "against none", "", " · ".join(words), "measured")


LINES = (beside_training, saturation, priority)
