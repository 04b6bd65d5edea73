"""The ledger against the plainest model of a cache: for each sequence, a dictionary of position to cell."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from magno.runtime.cells import CellLedger

SEQUENCES = st.integers(0, 2)


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = CellLedger(10_000)
        self.truth: dict[int, dict[int, int]] = {0: {}, 1: {}, 2: {}}
        self.next_cell = 0

    @rule(sequence=SEQUENCES, count=st.integers(1, 9))
    def append(self, sequence: int, count: int) -> None:
        start = max(self.truth[sequence], default=-1) + 1
        self.ledger.add(sequence, start, start + count)
        for position in range(start, start + count):
            self.truth[sequence][position] = self.next_cell
            self.next_cell += 1

    @rule(parent=SEQUENCES, child=SEQUENCES)
    def fork(self, parent: int, child: int) -> None:
        if parent == child:
            return
        self.ledger.remove(child, 0, self.ledger.end(child))
        self.ledger.fork(parent, child)
        self.truth[child] = dict(self.truth[parent])

    @rule(sequence=SEQUENCES, start=st.integers(0, 40), count=st.integers(0, 20))
    def evict(self, sequence: int, start: int, count: int) -> None:
        self.ledger.remove(sequence, start, start + count)
        for position in range(start, start + count):
            self.truth[sequence].pop(position, None)

    @precondition(lambda self: any(self.truth.values()))
    @rule(sequence=SEQUENCES, start=st.integers(1, 40), delta=st.integers(-20, -1))
    def shift(self, sequence: int, start: int, delta: int) -> None:
        held = self.truth[sequence]
        in_the_way = any(position in held for position in range(start + delta, start))
        assert self.ledger.holds(sequence, start + delta, start) == in_the_way
        if start + delta < 0 or in_the_way or self.ledger.shares(sequence, start):
            return
        self.ledger.shift(sequence, start, delta)
        self.truth[sequence] = {p + delta if p >= start else p: cell for p, cell in held.items()}

    @invariant()
    def ledger_agrees(self) -> None:
        cells = [set(held.values()) for held in self.truth.values()]
        assert self.ledger.used == len(set.union(*cells))
        assert self.ledger.free == 10_000 - self.ledger.used
        for sequence, held in self.truth.items():
            assert self.ledger.tokens(sequence) == len(held)
            assert self.ledger.end(sequence) == max(held, default=-1) + 1
            others = set.union(*(cells[other] for other in range(3) if other != sequence))
            assert self.ledger.shares(sequence, 5) == any(p >= 5 and c in others for p, c in held.items())


TestLedger = LedgerMachine.TestCase
