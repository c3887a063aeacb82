#!/usr/bin/env python3
"""Reports and their pictures, recommendation and labels that are texts, from the command line."""
import csv
import json
import random

import harness
import table_test


def test_a_report_has_its_pictures_as_files_too(folder):
    with harness.Server(folder).start() as server:
        server.latent("datasets", "upload", "digits", "--train", harness.DIGITS, "--label-column",
                      "-1", "--value-scale", "0.0625", "--row-shape", "8x8x1")
        for model, preset in (("variational", "vae"), ("few", "topk")):
            server.latent("train", model, "--dataset", "digits", "--preset", preset,
                          "--latent-dim", "8", "--epochs", "10", "--watch")
            server.latent("models", "report", model, "--output", folder / f"{model}.html",
                          "--pictures", folder / model)
        always = {"codes", "manifold", "rate-and-distortion", "reconstructions", "samples",
                  "training", "traversals"}
        for model, names in (("variational", always), ("few", always | {"strongest-inputs"})):
            files = {path.stem for path in (folder / model).glob("*.png")}
            assert files == names, (model, files ^ names)
            page = (folder / f"{model}.html").read_text()
            assert page.count("data:image/png;base64,") == len(names), model
            assert "Other figures" not in page, model


def test_a_report_reads_files_as_its_model_does(folder):
    with harness.Server(folder).start() as server:
        server.latent("datasets", "upload", "digits", "--train", harness.DIGITS, "--label-column",
                      "-1", "--value-scale", "0.0625", "--row-shape", "8x8x1")
        server.latent("train", "conditional", "--dataset", "digits", "--preset", "cvae",
                      "--latent-dim", "8", "--epochs", "2", "--watch")
        table_test.train(server, folder)
        rows = table_test.make_rows(100, seed=3)
        table_test.write(folder / "holes.csv", table_test.with_holes(rows, 0.2, seed=4))
        for model, *source in (("conditional", harness.DIGITS, "--label-column", "-1",
                                "--value-scale", "0.0625"), ("people", folder / "holes.csv")):
            server.latent("models", "report", model, "--output", folder / f"{model}.html",
                          "--pictures", folder / model, "--input", *source)
            files = {path.stem for path in (folder / model).glob("*.png")}
            assert {"codes", "reconstructions", "rate-and-distortion"} <= files, (model, files)


def make_pairs(path):
    draw = random.Random(3)
    lines = [f"u{user};film {(user % 4) * 10 + draw.randrange(10)}"
             for user in range(80) for _ in range(12)]
    path.write_text("user;item\n" + "\n".join(lines) + "\n")
    return path


def test_recommends_to_newcomers_and_gives_embeddings(folder):
    with harness.Server(folder).start() as server:
        server.latent("datasets", "upload", "films", "--train", make_pairs(folder / "films.csv"),
                      "--format", "pairs")
        for preset in ("ease", "mult-dae"):
            server.latent("train", preset, "--dataset", "films", "--preset", preset, "--watch")
            answer = server.latent("recommend", "--model", preset, "--items", "", "-k", "3",
                                   "--output-format", "csv")
            lines = list(csv.DictReader(answer.stdout.splitlines()))
            assert [line["by"] for line in lines] == ["popularity"] * 3, answer.stdout
        liked = server.latent("recommend", "--model", "ease", "--items", "film 1,film 2,film 3",
                              "-k", "5", "--output-format", "csv")
        for line in csv.DictReader(liked.stdout.splitlines()):
            assert line["item"] in {f"film {i}" for i in range(10)}, liked.stdout
        server.latent("recommend", "--model", "mult-dae", "--items", "film 1", "-k", "4",
                      "--embeddings-output", folder / "items.csv")
        items = list(csv.DictReader(open(folder / "items.csv", newline="")))
        assert len(items) == 4 and all(item["item"].startswith("film ") for item in items), items
        assert "code_0" in items[0], items
        refused = server.latent("recommend", "--model", "ease", "--items", "film 1",
                                "--embeddings-output", folder / "none.csv", check=False)
        assert "NO_LATENT" in refused.stderr, refused.stderr


def test_gives_the_names_of_a_recommenders_columns(folder):
    with harness.Server(folder).start() as server:
        pairs = make_pairs(folder / "films.csv")
        server.latent("datasets", "upload", "films", "--train", pairs, "--format", "pairs")
        server.latent("train", "ease", "--dataset", "films", "--preset", "ease", "--watch")
        server.latent("models", "artifact", "ease", "vocabulary.json",
                      "--output", folder / "vocabulary.json")
        films = {line.split(";")[1] for line in pairs.read_text().splitlines()[1:]}
        assert json.loads((folder / "vocabulary.json").read_bytes()) == sorted(films)


def test_reads_labels_that_are_texts(folder):
    draw = random.Random(4)
    rows = [("x", "y", "kind")] + [(f"{draw.gauss(c, 1):.3f}", f"{draw.gauss(-c, 1):.3f}", name)
                                   for c, name in ((0, "normal"), (6, "anomaly"))
                                   for _ in range(90 if name == "normal" else 10)]
    with open(folder / "rows.csv", "w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    with harness.Server(folder).start() as server:
        server.latent("datasets", "upload", "rows", "--train", folder / "rows.csv",
                      "--label-column", "kind")
        server.latent("train", "m", "--dataset", "rows", "--preset", "pca", "--latent-dim", "1",
                      "--watch")
        scores = server.latent("score", "--model", "m", "--input", folder / "rows.csv",
                               "--label-column", "kind", "--output-format", "csv")
        assert len(scores.stdout.splitlines()) == 101, scores.stdout[:300]


if __name__ == "__main__":
    harness.main(test_a_report_has_its_pictures_as_files_too,
                 test_a_report_reads_files_as_its_model_does,
                 test_recommends_to_newcomers_and_gives_embeddings,
                 test_gives_the_names_of_a_recommenders_columns,
                 test_reads_labels_that_are_texts)
