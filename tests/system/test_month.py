"""Days at equal bytes, by month.py; `make month` is the long one."""
import sys

import pytest

import month


@pytest.mark.release_only
@pytest.mark.parametrize("name, days", [("acknowledged", 1.4), ("dead", 0.6), ("flood", 0.6), ("held", 0.4)])
def test_it_carries_what_size_says(folder, name, days):
    assert month.run(folder, name, days, out=sys.stdout) == []
