"""The consumers and the nginx block that the README shows, run as they stand there."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import stack  # noqa: F401  it sets the PATH
from bodies import payload, result, status

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
COMMANDS = {"python": ["/usr/bin/python3", "-"], "sh": ["sh", "-s"]}


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
    done = subprocess.run(COMMANDS[language], input=source, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "wamid.readme" in done.stdout


def test_the_nginx_block_fits_into_debians_configuration(folder):
    """Debian's paths and ports are below folder, where a user may write and listen; the rest is as it is."""
    section = README.read_text().partition("## Behind an nginx of your own")[2].partition("\n## ")[0]
    [commands] = re.findall(r"```sh\n(.*?)```", section, re.S)
    [block] = re.findall(r"```nginx\n(.*?)```", section, re.S)
    shutil.copytree("/etc/nginx", folder / "etc/nginx", ignore_dangling_symlinks=True)
    (folder / "modules").symlink_to("/usr/lib/nginx/modules")
    for name in "var/log/nginx", "run":
        (folder / name).mkdir(parents=True)

    def below(text):
        text = re.sub(r"(?<![\w/])/(?=(?:etc/nginx|var/log/nginx|run)/)", "%s/" % folder, text)
        return re.sub(r"(?m)^(\s*listen )(\d+|\[::\]:\d+)\b", r"\1unix:%s/\2" % folder, text)

    done = subprocess.run(["sh", "-e", "-c", 'sudo() { "$@"; }\n' + below(commands)], cwd=README.parent,
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    conf = folder / "etc/nginx/nginx.conf"
    text = conf.read_text()
    assert text.count("\nhttp {") == 1
    places = "".join("%s_temp_path %s/temp;\n" % (kind, folder)
                     for kind in ("client_body", "fastcgi", "proxy", "scgi", "uwsgi"))
    conf.write_text(text.replace("\nhttp {", "\nhttp {\n" + places + block))
    default = folder / "etc/nginx/sites-enabled/default"
    for file in [conf, *(folder / "etc/nginx").glob("[uprt]*.conf"), *[default] * default.exists()]:
        file.write_text(below(file.read_text()))
    done = subprocess.run(["nginx", "-t", "-p", folder, "-e", folder / "error.log", "-c", conf], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr


def names_of(pattern, path):
    return re.findall(pattern, (README.parent / path).read_text())


def section(title):
    return README.read_text().partition("\n%s\n" % title)[2].partition("\n#")[0]


def test_the_contract_is_what_is_stored():
    """Fields and their order, of each kind of entry; and the reasons of quarantine."""
    source = (README.parent / "common/stream/entry.c").read_text()
    shown = dict(re.findall(r"(?m)^\| (.*?) \| (.*) \|$", section("### What consumers may rely on")))
    for rows, stream in (("STATUS", "`whatsapp:statuses`, or `whatsapp:statuses:0` to `:N-1`"),
                         ("QUARANTINED", "`{whatsapp:statuses}:quarantine`"), ("EVENT", "`EVENTS_STREAM`")):
        [macro] = re.findall(r"#define %s_ROWS\(ROW\)((?:.*\\\n)+.*)" % rows, source)
        assert shown[stream] == " ".join("`%s`" % name for name in re.findall(r'ROW\("(\w+)"', macro)), stream
    words = names_of(r'\[REASON_\w+\] = STR_INIT\("(\w+)"\)', "common/payload/reason.c")
    table = section("## The stream").partition("| `reason` | |\n")[2].partition("\n\n")[0]
    assert re.findall(r"`([a-z_]+)`(?=[^|]* \|.*\|$)", table, re.M) == [w for w in words if w != "none"]


def test_the_image_has_the_programs_version():
    version, image = (re.search(r"(?m)^%s ?:?=(.*)" % name, (README.parent / file).read_text())[1].strip()
                      for name, file in (("VERSION", "Makefile"), ("IMAGE_VERSION", ".env")))
    assert image == version


def test_the_figures_are_those_of_the_last_benchmark():
    bench = README.parent / "tests" / "bench"
    text = README.read_text()
    sys.path.insert(0, str(bench))
    import report       # pylint: disable=import-outside-toplevel
    shown = text.partition(report.BEGIN)[2].partition(report.END)[0]
    assert shown.strip() == report.readme(json.loads((bench / "results.json").read_text())).strip()
