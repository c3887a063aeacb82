"""How a measured line stands against its floor and its goal."""
import dataclasses


@dataclasses.dataclass
class Part:
    """One number of a line. `form` writes it and its bounds, e.g. "{:.2f}×"."""
    value: float
    sense: str  # "≥" or "≤"
    floor: float
    goal: float
    form: str = "{:.2f}"
    name: str = ""  # where the line has several

    def reaches(self, bound):
        return self.value >= bound if self.sense == "≥" else self.value <= bound

    def bound(self, bound):
        return f"{self.sense} {self.form.format(bound)}"


def joined(words):
    """Words for each part; said once where all are the same."""
    return words[0] if len(set(words)) == 1 else " · ".join(words)


def judge(table, figure, *parts, note=""):
    if all(part.reaches(part.goal) for part in parts):
        reached = "goal"
    elif all(part.reaches(part.floor) for part in parts):
        reached = "floor"
    else:
        reached = "**no**"
    measured = " · ".join(part.form.format(part.value) + (f" {part.name}" if part.name else "")
                          for part in parts)
    table.add(figure, joined([part.bound(part.floor) for part in parts]),
              measured + (f" ({note})" if note else ""), reached,
              joined([part.bound(part.goal) for part in parts]))


def not_shown(table, figure, floor, goal, why):
    table.add(figure, floor, why, "not shown", goal)
