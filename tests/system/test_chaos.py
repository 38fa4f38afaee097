"""A short run of chaos.py; `make chaos` is the long one."""
import os
import random
import sys

import pytest

import chaos


@pytest.mark.release_only
@pytest.mark.parametrize("window", [chaos.WINDOW, 86400, 0])
def test_ledger_is_the_stream(folder, window):
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print("seed %s" % seed)
    assert chaos.run(folder, seconds=10, seed=seed, rate=800, rounds=1, window=window, out=sys.stdout) == []
