"""The consumers that the README shows, run as they stand there."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from bodies import payload, result, status

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
COMMANDS = {"python": ["/usr/bin/python3", "-"], "js": ["/usr/bin/node", "-"], "sh": ["sh", "-s"]}


def example(language):
    """The first block of this language that reads from the demo's Redis."""
    blocks = re.findall(r"```%s\n(.*?)```" % language, README.read_text(), re.S)
    return next(block for block in blocks if "XREADGROUP" in block.upper().replace("_", ""))


@pytest.mark.release_only
@pytest.mark.parametrize("language", COMMANDS)
def test_a_consumer_of_the_readme_reads_what_was_stored(stack, language):
    if not shutil.which(COMMANDS[language][0]):
        pytest.skip("%s is not installed" % COMMANDS[language][0])
    assert stack.post(payload(status("wamid.readme"))).document() == result(accepted=1)
    source = example(language).replace("build/run/redis.sock", str(stack.redis.path))
    done = subprocess.run(COMMANDS[language], input=source, capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})
    assert done.returncode == 0, done.stderr
    assert "wamid.readme" in done.stdout
