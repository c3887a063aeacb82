#!/usr/bin/python3
"""How figures become lines of docs/benchmarks.md: judged by floor and goal, others' lines kept."""
import pathlib
import tempfile
import unittest

import page
import verdict


class TableTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.addCleanup(setattr, page, "PATH", page.PATH)
        page.PATH = pathlib.Path(folder.name) / "page.md"
        self.table = page.Table("speed", "tool", ["first", "second"])
        self.table.group = "first"

    def cells(self, table=None):
        return [line.split(" | ") for line in (table or self.table).markdown().splitlines()[2:]]

    def test_says_how_far_each_part_reaches(self):
        for values, reached, missed in (((0.95, 2.0), "goal", 0), ((0.95, 2.1), "floor", 0),
                                        ((0.84, 2.0), "**no**", 1)):
            with self.subTest(values):
                self.setUp()
                verdict.judge(self.table, "f", verdict.Part(values[0], "≥", 0.85, 0.95, "{:.2f}×"),
                              verdict.Part(values[1], "≤", 5, 2, "{:.1f} µs", "cpu"), note="n")
                figure, floor, goal, measured, word, *_ = self.cells()[0]
                self.assertEqual((floor, goal), ("≥ 0.85× · ≤ 5.0 µs", "≥ 0.95× · ≤ 2.0 µs"))
                self.assertEqual(measured, f"{values[0]:.2f}× · {values[1]:.1f} µs cpu (n)")
                self.assertEqual((word, self.table.missed), (reached, missed))

    def test_says_equal_bounds_once(self):
        verdict.judge(self.table, "f", *(verdict.Part(1, "≤", 2, 1, "{:.0f}", n) for n in "ab"))
        self.assertEqual(self.cells()[0][1:4], ["≤ 2", "≤ 1", "1 a · 1 b"])

    def test_what_was_not_shown_is_no_miss(self):
        verdict.not_shown(self.table, "f", "≥ 1", "≥ 2", "no peer")
        self.assertEqual(self.cells()[0][3:5], ["no peer", "not shown"])
        self.assertEqual(self.table.missed, 0)

    def test_keeps_lines_of_what_is_not_measured_anew(self):
        for name in ("first", "second"):
            self.table.group = name
            self.table.add(f"old {name}", "≥ 1", "1", True)
        page.write("science", "before")
        page.write("speed", self.table.markdown())
        page.write("after", "behind")
        again = page.Table("speed", "tool", ["first", "second"])
        again.group = "second"
        again.add("new", "≥ 1", "0", False)
        page.write("speed", again.markdown())
        self.assertEqual([line[0] for line in self.cells(again)], ["| old first", "| new"])
        self.assertEqual(again.missed, 1)
        self.assertEqual([page.parts(name)[1].strip() for name in ("science", "after")],
                         ["before", "behind"])


if __name__ == "__main__":
    unittest.main()
