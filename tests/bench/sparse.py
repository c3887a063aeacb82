"""What training on sparse rows costs, against the same as dense products and against PyTorch."""
import pathlib
import statistics

import numpy

import lab
import peers
import recommendation
from rig import BENCH, CoProcess, ratio
from verdict import Part, judge, not_shown

LAYER = (20000, 512, 128, 100)  # items, hidden units, rows a batch, items a row
PEER = pathlib.Path(__file__).parent / "peers/train_mult_vae.py"
EPOCHS, BATCH = 60, 32


def bench(rig):
    if not hasattr(rig, "sparse_bench"):
        rig.sparse_bench = CoProcess([BENCH / "sparse_bench"])
        rig.processes.append(rig.sparse_bench)
    return rig.sparse_bench


def layer(rig, table):
    """A first layer over a hundred of 20,000 items."""
    side = bench(rig)
    for law in ("uniform", "zipf"):
        runs = [side.ask("layer " + " ".join(map(str, LAYER)) + f" {law}") for _ in range(rig.pairs)]
        median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        step = [run["dense_forward"] + run["dense_gradient"] for run in runs]
        judge(table, f"sparse first layer (100 of 20,000, {law}, 512 units, one thread) against dense: "
              "forward · forward and gradient",
              Part(ratio([run["dense_forward"] for run in runs], [run["forward"] for run in runs]),
                   "≥", 10, 18, "{:.1f}×"),
              Part(ratio(step, [run["forward"] + run["gradient"] for run in runs]), "≥", 10, 18,
                   "{:.1f}×"),
              note="µs a row: {forward:.1f} and {gradient:.1f}, dense {dense_forward:.0f} and "
                   "{dense_gradient:.0f}; served {served:.1f}".format(**median))


def users():
    """Histories of TRAIN and VALIDATION by the split of the science figures; where MovieLens is absent,
    ones of the same size drawn by Zipf's law."""
    if not lab.missing("movielens_100k"):
        parts = recommendation.split(
            recommendation.histories(lab.DATA / "movielens_100k/u.data"), 0)
        return "MovieLens-100K", [[[item - 1 for item in row] for row in parts[part]]
                                  for part in ("train", "validation")]
    draw = numpy.random.default_rng(0)
    chance = 1 / numpy.arange(10, 1360)
    rows = [sorted(draw.choice(1350, draw.integers(10, 110), False, chance / chance.sum()).tolist())
            for _ in range(838)]
    return "1,350 items by Zipf's law", [rows[:738], rows[738:]]


def mult_vae(rig, table):
    """Users a second of mult-vae, ours and PyTorch's, update by update the same."""
    name, parts = users()
    figure = f"`mult-vae` on {name}, 2 threads: users/s against PyTorch, to the same loss"
    interpreter = peers.python("torch", "numpy")
    if interpreter is None:
        not_shown(table, figure, "≥ 3×", "≥ 8×", "no PyTorch")
        return
    files = []
    for part, rows in zip(("train", "validation"), parts):
        files.append(rig.folder / f"users-{part}.txt")
        files[-1].write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    ours, peer = bench(rig), CoProcess([interpreter, PEER])
    rig.processes.append(peer)
    epochs = 4 if rig.quick else EPOCHS
    ask = f"train {files[0]} {files[1]} {epochs} {BATCH}"
    shape = ours.ask(f"{ask} 2")
    layers = f"{shape['hidden']} {shape['latent']}"
    # PyTorch with as many threads as suit it.
    threads = max((1, 2), key=lambda n: peer.ask(f"{ask} {n} {layers}")["users_per_second"])
    readings = rig.in_turn(ours=lambda: ours.ask(f"{ask} 2"),
                           peer=lambda: peer.ask(f"{ask} {threads} {layers}"))
    speed = {side: [r["users_per_second"] for r in runs] for side, runs in readings.items()}
    loss = {side: statistics.median(r["objective"] for r in runs) for side, runs in readings.items()}
    same = loss["ours"] <= 1.01 * loss["peer"]
    judge(table, figure, Part(ratio(speed["ours"], speed["peer"]) if same else 0, "≥", 3, 8, "{:.1f}×"),
          note=f"{statistics.median(speed['ours']):.0f} users/s to {loss['ours']:.1f} nats, PyTorch's "
               f"{threads} thread(s) {statistics.median(speed['peer']):.0f} to {loss['peer']:.1f}, after "
               f"{epochs} epochs, batch {BATCH}")


LINES = (layer, mult_vae)
