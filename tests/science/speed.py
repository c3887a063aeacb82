"""Figures of a server under load: batching, and calls beside a job that trains."""
import json
import subprocess
import time
import urllib.request

import numpy

import harness


def load(server, *flags):
    done = subprocess.run([harness.BUILD / "tests/bench/call_load", "--server", server.address,
                           *map(str, flags)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def counters(server, *names):
    text = urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=10).read()
    return [sum(float(line.rsplit(" ", 1)[1]) for line in text.decode().splitlines()
                if line.split("{")[0].split(" ")[0] == name) for name in names]


def batching(lab, table):
    """Rows of 64 concurrent callers share forward passes."""
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    names = ("latent_batch_rows_sum", "latent_batch_rows_count")
    before = counters(lab.server, *names)
    answer = load(lab.server, "--model", "plain", "--in-flight", 64, "--seconds", 10)
    rows, batches = (b - a for a, b in zip(before, counters(lab.server, *names)))
    table.add("64 concurrent callers, 784-512-256-32: rows a forward pass", "> 2",
              f"{rows / batches:.2f} ({answer['calls_per_second']:.0f} calls/s, "
              f"p50 {answer['p50_us'] / 1000:.2f} ms)", rows / batches > 2)


def background(lab, model, epochs=10000):
    """Starts a job that trains until it is cancelled."""
    config = lab.folder / f"{model}.json"
    config.write_text(json.dumps({"preset": "plain", "publish": {"policy": "PUBLISH_POLICY_NEVER"},
                                  "training": {"solver": {"gradient": {
                                      "epochs": epochs, "earlyStopping": {"enabled": False}}}}}))
    job = lab.server.json("train", model, "--dataset", lab.dataset("fashion"),
                          "--config", config)["id"]
    while int(step(lab, job)) == 0:
        time.sleep(0.2)
    return job


def step(lab, job):
    return lab.server.json("jobs", "show", job).get("progress", {}).get("step", 0)


def stop(lab, job):
    lab.server.latent("jobs", "cancel", job)
    while lab.server.json("jobs", "show", job)["state"] in ("JOB_STATE_RUNNING",
                                                            "JOB_STATE_CANCELLING"):
        time.sleep(0.1)


def isolation(lab, table):
    """Encode beside training: pairs of rounds with and without a job, interleaved."""
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    ratios = {1: [], 4: []}
    for _ in range(5):
        quiet = {n: load(lab.server, "--model", "plain", "--in-flight", n, "--seconds", 3)
                 for n in ratios}
        job = background(lab, "noise")
        for n in ratios:
            busy = load(lab.server, "--model", "plain", "--in-flight", n, "--seconds", 3)
            ratios[n].append((busy["p50_us"] / quiet[n]["p50_us"],
                              busy["p99_us"] / quiet[n]["p99_us"]))
        stop(lab, job)
    for n, pairs in ratios.items():
        p50, p99 = (float(numpy.median([pair[i] for pair in pairs])) for i in (0, 1))
        table.add(f"Encode beside training, {n} in flight: p50, p99 against none",
                  "≤ 1.3×, ≤ 2.5×", f"{p50:.2f}×, {p99:.2f}× (medians of {len(pairs)} pairs)",
                  p50 <= 1.3 and p99 <= 2.5)


def saturation(lab, table):
    """Both cores saturated by Encode for 60 s while a job trains."""
    lab.train("plain", "fashion", "plain", {}, "--latent-dim", 32)
    job = background(lab, "noise-2")
    before = int(step(lab, job))
    encode = subprocess.Popen(
        [harness.BUILD / "tests/bench/call_load", "--server", lab.server.address, "--model", "plain",
         "--in-flight", "64", "--seconds", "60"], stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    get = load(lab.server, "--method", "get-job", "--job", job, "--seconds", 25,
               "--calls-per-second", 20)
    submit = load(lab.server, "--method", "submit-job", "--model", "noise-3", "--dataset", "fashion",
                  "--seconds", 25, "--calls-per-second", 5)
    answer = json.loads(encode.communicate()[0])
    after = int(step(lab, job))
    stop(lab, job)
    table.add("60 s of saturating Encode (64 in flight): training advances", "yes",
              f"{after - before} updates, {answer['calls_per_second']:.0f} calls/s", after > before)
    table.add("the same: GetTrainJob p99 · CreateTrainJob p99", "≤ 50 ms each",
              f"{get['p99_us'] / 1000:.1f} ms · {submit['p99_us'] / 1000:.1f} ms",
              get["p99_us"] <= 50000 and submit["p99_us"] <= 50000 and
              get["errors"] == submit["errors"] == 0)


FIGURES = (batching, isolation, saturation)
