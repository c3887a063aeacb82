#!/usr/bin/env python3
"""A table with categories and missing cells: upload, train, impute from the command line."""
import csv
import math
import random

import harness

NUMBERS = ("height", "weight")
CATEGORIES = ("size", "sex")
COLUMNS = ("id", *NUMBERS, *CATEGORIES)


def make_rows(count, seed):
    """Weight follows height, size follows both, sex shifts height."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        sex = draw.choice(("f", "m"))
        height = draw.gauss(165 if sex == "f" else 180, 5)
        weight = 0.9 * (height - 172) + 70 + draw.gauss(0, 2)
        size = "small" if weight < 64 else "large" if weight > 76 else "middle"
        rows.append({"id": f"r{seed}-{i}", "height": f"{height:.1f}", "weight": f"{weight:.1f}",
                     "size": size, "sex": sex})
    return rows


def with_holes(rows, share, seed):
    draw = random.Random(seed)
    return [{name: "" if name != "id" and draw.random() < share else cell
             for name, cell in row.items()} for row in rows]


def write(path, rows, columns=COLUMNS):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def train(server, folder):
    known = make_rows(1500, seed=1)
    write(folder / "train.csv", with_holes(known, 0.1, seed=2))
    server.latent("datasets", "upload", "people", "--train", folder / "train.csv",
                  "--missing", "allow", "--column", "id=id")
    server.latent("train", "people", "--dataset", "people", "--preset", "table", "--epochs", "40",
                  "--watch")
    return known


def mean_and_mode(rows):
    guess = {name: str(sum(float(row[name]) for row in rows) / len(rows)) for name in NUMBERS}
    for name in CATEGORIES:
        cells = [row[name] for row in rows]
        guess[name] = max(set(cells), key=cells.count)
    return guess


def judge(truth, holes, guess):
    """Root mean squared error of the numbers that are missing, and share of right categories."""
    squares, right = [], []
    for row, holed, told in zip(truth, holes, guess):
        squares += [(float(row[name]) - float(told[name])) ** 2
                    for name in NUMBERS if holed[name] == ""]
        right += [row[name] == told[name] for name in CATEGORIES if holed[name] == ""]
    return math.sqrt(sum(squares) / len(squares)), sum(right) / len(right)


def test_imputes_what_a_table_lacks(folder):
    with harness.Server(folder).start() as server:
        known = train(server, folder)
        truth = make_rows(200, seed=3)
        holes = with_holes(truth, 0.2, seed=4)
        write(folder / "holes.csv", holes)
        server.latent("denoise", "--model", "people", "--input", folder / "holes.csv",
                      "--output", folder / "whole.csv")
        whole = read(folder / "whole.csv")
        assert [row["id"] for row in whole] == [row["id"] for row in truth]
        for holed, row in zip(holes, whole):
            for name, cell in holed.items():
                kept = row[name] == cell or (name in NUMBERS and float(row[name]) == float(cell)) \
                    if cell != "" else row[name] != ""
                assert kept, (name, holed, row)
        error, right = judge(truth, holes, whole)
        mean_error, mode_right = judge(truth, holes, [mean_and_mode(known)] * len(truth))
        print(f"error {error:.2f} against the mean's {mean_error:.2f}, "
              f"{right:.2f} right against the mode's {mode_right:.2f}")
        assert error < 0.8 * mean_error, (error, mean_error)
        assert right > mode_right + 0.15, (right, mode_right)


def test_reports_imputation_beside_mean_and_mode(folder):
    with harness.Server(folder).start() as server:
        train(server, folder)
        shown = server.json("models", "show", "people")
        figures = {}
        find_metrics(shown, figures)
        assert figures["imputation_rmse"] < 0.8 * figures["mean_imputation_rmse"], figures
        assert figures["imputation_accuracy"] > figures["mode_imputation_accuracy"], figures


def find_metrics(node, figures):
    if isinstance(node, dict):
        if "name" in node and "value" in node:
            figures[node["name"]] = float(node["value"])
        for child in node.values():
            find_metrics(child, figures)
    elif isinstance(node, list):
        for child in node:
            find_metrics(child, figures)


def test_reads_columns_by_name_and_refuses_what_it_does_not_know(folder):
    with harness.Server(folder).start() as server:
        train(server, folder)
        rows = make_rows(5, seed=5)
        model = ("--model", "people", "--output-format", "csv")
        write(folder / "a.csv", rows)
        write(folder / "b.csv", rows, ("sex", "size", "weight", "height"))
        for verb in ("encode", "score"):
            one = server.latent(verb, *model, "--input", folder / "a.csv").stdout
            other = server.latent(verb, *model, "--input", folder / "b.csv").stdout
            assert one == other, (verb, one, other)
        rebuilt = server.latent("reconstruct", *model, "--input", folder / "b.csv").stdout
        assert rebuilt.splitlines()[0] == ",".join(COLUMNS[1:]), rebuilt
        rows[2]["sex"] = "x"
        refused = server.latent("encode", *model, "--input", write(folder / "c.csv", rows),
                                check=False)
        assert refused.returncode != 0
        assert "row 3, column 5" in refused.stderr and '"f", "m"' in refused.stderr, refused.stderr
        lacking = server.latent("encode", *model, "--input",
                                write(folder / "d.csv", rows, ("sex", "weight")), check=False)
        assert lacking.returncode != 0 and 'lacks column "height"' in lacking.stderr, lacking.stderr


def test_reads_labels_where_the_file_has_them(folder):
    with harness.Server(folder).start() as server:
        columns = (*NUMBERS, "sex", "size")
        write(folder / "train.csv", make_rows(600, seed=6), columns)
        server.latent("datasets", "upload", "sizes", "--train", folder / "train.csv",
                      "--label-column", "size")
        server.latent("train", "sizes", "--dataset", "sizes", "--preset", "cvae", "--epochs", "3",
                      "--watch")
        # Neither the file's first label nor its number of labels is the dataset's.
        rows = [row for row in make_rows(40, seed=7) if row["size"] != "large"]
        own = write(folder / "own.csv", rows, columns)
        model = ("--model", "sizes", "--output-format", "csv")
        with open(folder / "labels.csv", "w") as file:
            file.writelines(f"{['large', 'middle', 'small'].index(row['size'])}\n" for row in rows)
        told = server.latent("encode", *model, "--input", own,
                             "--labels", folder / "labels.csv").stdout
        assert len(told.splitlines()) == len(rows) + 1, told
        for extra in ((), ("--label-column", "size"), ("--label-column", "-1")):
            assert server.latent("encode", *model, "--input", own, *extra).stdout == told, extra
        one = server.latent("encode", *model, "--input", own, "--label", "middle").stdout
        assert one != told
        named = [{**row, "group": row["size"]} for row in rows]
        other = write(folder / "other.csv", named, (*NUMBERS, "sex", "group"))
        assert server.latent("encode", *model, "--input", other,
                             "--label-column", "group").stdout == told
        items = server.latent("recommend", *model, "--k", "1", "--include-seen", "--input",
                              own).stdout
        assert len(items.splitlines()) == len(rows) + 1, items
        assert items == server.latent("recommend", *model, "--k", "1", "--include-seen", "--input",
                                      own, "--labels", folder / "labels.csv").stdout
        lacking = server.latent("encode", *model, "--input",
                                write(folder / "lacking.csv", rows, columns[:3]), check=False)
        assert lacking.returncode != 0 and "label" in lacking.stderr, lacking.stderr
        rows[1]["size"] = "huge"
        refused = server.latent("encode", *model, "--input",
                                write(folder / "huge.csv", rows, columns), check=False)
        assert refused.returncode != 0
        assert "row 2, column 4" in refused.stderr and '"huge"' in refused.stderr, refused.stderr


def test_knows_the_label_column_of_plain_files_by_its_name(folder):
    with harness.Server(folder).start() as server:
        rows = [{name: row[name] for name in NUMBERS} for row in make_rows(200, seed=8)]
        for i, row in enumerate(rows):
            row["label"] = i % 3
        plain = write(folder / "plain.csv", rows, (*NUMBERS, "label"))
        server.latent("datasets", "upload", "plain", "--train", plain)
        assert server.json("datasets", "show", "plain")["columns"] == len(NUMBERS)
        server.latent("train", "plain", "--dataset", "plain", "--preset", "cvae", "--epochs", "2",
                      "--watch")
        model = ("--model", "plain", "--output-format", "csv", "--count", "4")
        told = server.latent("encode", *model, "--input", plain, "--label-column", "label").stdout
        assert server.latent("encode", *model, "--input", plain).stdout == told
        alone = write(folder / "alone.csv", rows, NUMBERS)
        lacking = server.latent("encode", *model, "--input", alone, check=False)
        assert lacking.returncode != 0 and "label" in lacking.stderr, lacking.stderr


if __name__ == "__main__":
    harness.main(test_imputes_what_a_table_lacks,
                 test_reports_imputation_beside_mean_and_mode,
                 test_reads_columns_by_name_and_refuses_what_it_does_not_know,
                 test_reads_labels_where_the_file_has_them,
                 test_knows_the_label_column_of_plain_files_by_its_name)
