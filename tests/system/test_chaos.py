"""A short run of chaos.py; `make chaos` is the long one."""
import os
import random
import sys

import pytest

import chaos


@pytest.mark.release_only
def test_ledger_is_the_stream(folder):
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**6))
    print("seed %s" % seed)
    assert chaos.run(folder, seconds=10, seed=seed, rate=800, rounds=1, out=sys.stdout) == []
