"""Figures of what is recommended: MovieLens-100K by the protocol of arXiv 1802.05814, on five splits of
its users that all models share. The data may not be passed on, so without it nothing is measured."""
import numpy

from lab import DATA, missing

SPLITS = range(5)
HELD_OUT_USERS = 100  # of VALIDATION and of TEST each

# Preset or comparison, what it differs in, and the mean that it reaches elsewhere.
MODELS = {
    "svd": ("pca", {"architecture": {"latent": {"dim": 20}}}, None),
    "ease": ("ease", {}, 0.470),
    "mult-dae": ("mult-dae", {"training": {"solver": {"gradient": {"epochs": 100}}}}, 0.463),
    "mult-vae": ("mult-vae", {"training": {"solver": {"gradient": {"epochs": 150}}}}, 0.441),
}


def histories(path):
    """Films that each user rated 4 or 5, of users with at least five of them."""
    users = {}
    for user, film, rating, _ in numpy.loadtxt(path, dtype=numpy.int64):
        if rating >= 4:
            users.setdefault(int(user), set()).add(int(film))
    return [sorted(films) for _, films in sorted(users.items()) if len(films) >= 5]


def split(rows, seed):
    """Rows of TRAIN, VALIDATION and TEST; items that TRAIN does not have are left out."""
    order = numpy.random.default_rng(seed).permutation(len(rows))
    parts = {"test": order[:HELD_OUT_USERS], "validation": order[HELD_OUT_USERS:2 * HELD_OUT_USERS],
             "train": order[2 * HELD_OUT_USERS:]}
    items = sorted({item for row in parts["train"] for item in rows[row]})
    number = {item: i + 1 for i, item in enumerate(items)}
    return {part: [[number[item] for item in rows[row] if item in number] for row in chosen]
            for part, chosen in parts.items()}


def upload(lab, rows, seed):
    name, files = f"films-{seed}", []
    for part, lines in split(rows, seed).items():
        path = lab.folder / f"{name}-{part}.svm"
        path.write_text("".join(" ".join(f"{item}:1" for item in line) + "\n" for line in lines))
        files += [f"--{part}", path]
    lab.server.latent("datasets", "upload", name, *files)
    return name


def recommendation(lab, table):
    if missing("movielens_100k"):
        return
    rows, ndcg = histories(DATA / "movielens_100k/u.data"), {}
    for seed in SPLITS:
        dataset = upload(lab, rows, seed)
        for model, (preset, spec, _) in MODELS.items():
            version = lab.train(f"{model}-{seed}", dataset, preset, spec)
            ndcg.setdefault(model, []).append(lab.metric(version, "ndcg_at_100"))
        ndcg.setdefault("popularity", []).append(lab.metric(version, "popularity_ndcg_at_100"))
    mean = {model: numpy.mean(values) for model, values in ndcg.items()}
    what = "MovieLens-100K NDCG@100, 5 splits"
    table.add(f"`ease` less SVD of rank 20, {what}", "≥ -0.02",
              f"{mean['ease'] - mean['svd']:+.4f} ({mean['ease']:.4f}, {mean['svd']:.4f})",
              mean["ease"] >= mean["svd"] - 0.02)
    for model, (_, _, elsewhere) in MODELS.items():
        if elsewhere is None:
            continue
        floor = max(mean["popularity"] + 0.12, elsewhere - 0.02)
        table.add(f"`{model}`, {what}",
                  f"≥ popularity + 0.12 and ≥ {elsewhere:.3f} - 0.02",
                  f"{mean[model]:.4f} (popularity {mean['popularity']:.4f})",
                  mean[model] >= floor)


FIGURES = (recommendation,)
