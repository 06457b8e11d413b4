"""One row of the scoreboard: a corpus, how many of its cases come out right, and which do not."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORPORA = ROOT.parent / "shared" / "corpora"


@dataclass(frozen=True, slots=True)
class Row:
    """`floor` is the least share of right cases (0 to 1) with which the row passes; `wrong` names each case that is not right."""

    name: str
    cases: int
    wrong: tuple[str, ...]
    floor: float

    @property
    def right(self) -> int:
        return self.cases - len(self.wrong)

    @property
    def share(self) -> float:
        return self.right / self.cases if self.cases else 0.0

    @property
    def passes(self) -> bool:
        return self.cases > 0 and self.share >= self.floor


ROWS: list[Callable[[Path], Iterable[Row]]] = []


def rows(read: Callable[[Path], Iterable[Row]]) -> Callable[[Path], Iterable[Row]]:
    """Put a function on the scoreboard. It gets the corpora's folder and yields rows."""
    ROWS.append(read)
    return read
