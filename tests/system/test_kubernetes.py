"""The objects of handler/package/kubernetes: each field is one that is known, and what they say of each other, of nginx's
files and of the program's settings is true."""
import copy
import os
import re
import subprocess

import pytest
import yaml

import kubernetes_types
from commands import PASSWORD
from stack import BINARY, STREAM, TOP, WRAP, RedisServer, clean_environment, wait_for

FOLDER = TOP / "handler/package/kubernetes"
APPLIED = sorted(FOLDER.glob("*.yaml"))         # what `kubectl apply -f` takes, in its order
FILES = APPLIED + sorted(FOLDER.glob("optional/*.yaml"))
OBJECTS = [(path.name, thing) for path in FILES for thing in yaml.safe_load_all(path.read_text())]
TITLES = ["%s %s %s" % (name, thing["kind"], thing["metadata"]["name"]) for name, thing in OBJECTS]
BY_HAND = (FOLDER / "00-namespace.yaml").read_text()    # how ConfigMap and Secrets are made that have no file


def find(kind, name=None):
    """The only one, or all by their names."""
    found = {thing["metadata"]["name"]: thing for _, thing in OBJECTS if thing["kind"] == kind}
    return found[name] if name else found


WORKLOADS = {**find("Deployment"), **find("StatefulSet")}
PODS = {name: thing["spec"]["template"] for name, thing in WORKLOADS.items()}
SECRETS = {name: set(re.findall(r"--from-(?:file|literal)=([\w.]+)=", rest)) for name, rest in re.findall(
    r"create secret generic (\S+) ((?:.*\\\n)*.*)", BY_HAND)}
CONFIG_MAPS = {**{name: set(thing["data"]) for name, thing in find("ConfigMap").items()},
               "nginx": {path.name for path in (TOP / "nginx").iterdir() if path.is_file()}}


def containers(pod):
    return pod["spec"].get("initContainers", []) + pod["spec"]["containers"]


def below(value, key):
    """All that is called so, anywhere in value."""
    if isinstance(value, list):
        return [found for v in value for found in below(v, key)]
    if not isinstance(value, dict):
        return []
    return [v for k, v in value.items() if k == key] + [found for v in value.values() for found in below(v, key)]


def selected(labels):
    return [pod for pod in PODS.values() if labels.items() <= pod["metadata"]["labels"].items()]


def ports(pod):
    return {port["name"] for container in containers(pod) for port in container.get("ports", [])}


# Fields -----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("thing", [thing for _, thing in OBJECTS], ids=TITLES)
def test_every_field_is_known(thing):
    assert kubernetes_types.mistakes_of_object(thing) == []


def put(*path, value):
    """Changes one place of an object; None takes it away."""
    def change(thing):
        for key in path[:-1]:
            thing = thing[key]
        thing[path[-1]] = value
        if value is None:
            del thing[path[-1]]
    return change


SPEC = ("spec", "template", "spec")
WRONG = {
    "a field that is misspelt": ("Deployment", "handler", put(*SPEC, "container", value=[]),
                                 "Deployment.spec.template.spec.container: there is no such field"),
    "a required one": ("Deployment", "handler", put("spec", "selector", value=None), "Deployment.spec: selector is missing"),
    "a number as text": ("Deployment", "handler", put("spec", "replicas", value="2"),
                         "Deployment.spec.replicas: '2' is no int"),
    "a list as an object": ("Service", "redis", put("spec", "ports", value={}), "Service.spec.ports: no list"),
    "a setting that is no text": ("ConfigMap", "handler", put("data", "TICKSTREAM_WORKERS", value=1),
                                  "ConfigMap.data.TICKSTREAM_WORKERS: 1 is no str"),
    "another version": ("Deployment", "handler", put("apiVersion", value="apps/v1beta1"),
                        "apps/v1beta1 Deployment: no such kind"),
    "KEDA's": ("ScaledObject", "consumer", put("spec", "minReplicas", value=1),
               "ScaledObject.spec.minReplicas: there is no such field"),
    "KEDA's trigger": ("ScaledObject", "consumer", put("spec", "triggers", 0, "metadata", "query", value=None),
                       "ScaledObject.spec.triggers[0].metadata: query is missing"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_seen(name):
    kind, which, change, want = WRONG[name]
    thing = copy.deepcopy(find(kind, which))
    change(thing)
    assert kubernetes_types.mistakes_of_object(thing) == [want]


# What they say of each other --------------------------------------------------------------------------------------------

def test_all_are_in_the_namespace_that_comes_first():
    assert OBJECTS[0][1]["kind"] == "Namespace"
    [namespace] = find("Namespace")
    others = [thing["metadata"] for _, thing in OBJECTS if thing["kind"] != "Namespace"]
    assert {metadata["namespace"] for metadata in others} == {namespace}
    named = [(thing["kind"], thing["metadata"]["name"]) for _, thing in OBJECTS]
    assert len(set(named)) == len(named)


def test_selectors_find_pods():
    for name, workload in WORKLOADS.items():
        assert selected(workload["spec"]["selector"]["matchLabels"]) == [PODS[name]]
        assert below(PODS[name], "labelSelector") in ([], [workload["spec"]["selector"]] * 2, [workload["spec"]["selector"]])
    for service in find("Service").values():
        [pod] = selected(service["spec"]["selector"])
        assert {port["targetPort"] for port in service["spec"].get("ports", [])} <= ports(pod)
    for kind in "PodDisruptionBudget", "NetworkPolicy":
        for name, thing in find(kind).items():
            selector = thing["spec"].get("selector") or thing["spec"]["podSelector"]
            assert selected(selector.get("matchLabels", {})) == ([PODS[name]] if selector else list(PODS.values()))
    assert set(find("PodDisruptionBudget")) == set(WORKLOADS)


def test_policies_let_in_what_is_asked_for():
    into = find("NetworkPolicy", "redis")["spec"]["ingress"][0]
    assert {source["podSelector"]["matchLabels"]["app"] for source in into["from"]} == {"handler", "consumer"}
    for policy in find("NetworkPolicy").values():
        for rule in policy["spec"].get("ingress", []):
            [pod] = selected(policy["spec"]["podSelector"]["matchLabels"])
            assert {port["port"] for port in rule["ports"]} <= ports(pod)
        for rule in policy["spec"].get("egress", []):
            for peer in rule["to"]:
                if "podSelector" in peer:
                    [pod] = selected(peer["podSelector"]["matchLabels"])
                    assert {port["port"] for port in rule["ports"]} <= ports(pod)


def test_ports_of_probes_and_of_the_way_in():
    for pod in PODS.values():
        for container in containers(pod):
            probes = [probe for name, probe in container.items() if name.endswith("Probe")]
            assert {port for port in below(probes, "port")} <= {port["name"] for port in container.get("ports", [])}
    backend = below(find("Ingress", "webhook"), "service")[0]
    service = find("Service", backend["name"])
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    [scraped] = below(PODS["handler"]["spec"]["containers"], "containerPort")
    assert PODS["handler"]["metadata"]["annotations"]["prometheus.io/port"] == str(scraped)


def test_volumes_are_there():
    for name, pod in PODS.items():
        claims = WORKLOADS[name]["spec"].get("volumeClaimTemplates", [])
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", []) + [c["metadata"] for c in claims]}
        assert {mount["name"] for c in containers(pod) for mount in c["volumeMounts"]} == volumes


def test_config_maps_and_secrets_are_made():
    for pod in PODS.values():
        for reference in below(pod, "configMapRef") + below(pod, "configMap"):
            assert reference["name"] in CONFIG_MAPS
        for reference in below(pod, "secretKeyRef"):
            assert reference["key"] in SECRETS[reference["name"]]
        for secret in below(pod, "secret"):
            assert {item["key"] for item in secret["items"]} <= SECRETS[secret.get("secretName") or secret["name"]]
    assert "create configmap nginx --from-file=nginx\n" in BY_HAND


def test_pods_keep_what_the_namespace_demands():
    """Pod security "restricted", and the root of no container can be written to."""
    for pod in PODS.values():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            context = container["securityContext"]
            assert (context["allowPrivilegeEscalation"], context["capabilities"]) == (False, {"drop": ["ALL"]})
            assert context["readOnlyRootFilesystem"] and context.get("runAsUser", spec["securityContext"].get("runAsUser"))
            assert "memory" in container["resources"]["limits"]


# The handler and nginx --------------------------------------------------------------------------------------------------

def environment(container, files):
    """What a container gets: of its ConfigMaps, and its own, with files[path] in the place of a path."""
    maps = [find("ConfigMap", source["configMapRef"]["name"])["data"] for source in container.get("envFrom", [])]
    own = {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
    merged = {k: v for data in [*maps, own] for k, v in data.items()}
    return {k: files.get(v, v) for k, v in merged.items()}


def test_the_program_takes_its_settings(folder):
    [handler] = PODS["handler"]["spec"]["initContainers"]
    [mount] = [m["mountPath"] for m in handler["volumeMounts"] if m["name"] == "secrets"]
    files = {}
    for name, text in (("app_secret", "a secret of sixteen"), ("verify_token", "a token of sixteen"),
                       ("redis_url", "redis://:%s@redis:6379/0" % PASSWORD)):
        (folder / name).write_text(text + "\n")
        files["%s/%s" % (mount, name)] = str(folder / name)
    settings = environment(handler, files)
    assert set(files.values()) <= set(settings.values())
    done = subprocess.run([*WRAP, BINARY, "check-config"], env=clean_environment(settings), capture_output=True, text=True,
                          check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shown = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert shown["TICKSTREAM_REDIS_URL"] == "redis://***@redis:6379/0" and PASSWORD not in done.stdout
    assert "server %s " % shown["TICKSTREAM_LISTEN"] in (TOP / "nginx/upstream.conf").read_text()
    assert {path: m["name"] for c in containers(PODS["handler"]) for m in c["volumeMounts"]
            if (path := m["mountPath"]) == "/run/tickstream"} == {"/run/tickstream": "socket"}


def test_images_are_what_the_tree_builds():
    version = re.search(r"(?m)^VERSION := (.*)", (TOP / "Makefile").read_text())[1]
    assert PODS["handler"]["spec"]["initContainers"][0]["image"] == "tickstream:" + version
    assert PODS["consumer"]["spec"]["containers"][0]["image"] == "tickstream-consumer:" + version
    dockerfile = (TOP / "handler/package/Dockerfile").read_text()
    probes = below(PODS["handler"]["spec"]["initContainers"], "exec")
    assert {probe["command"][0] for probe in probes} == set(re.findall(r'(?m)^ENTRYPOINT \["(.*)"\]', dockerfile))
    assert {probe["command"][2] for probe in probes} == {"/livez", "/readyz"}


def test_a_pod_of_handlers_has_time_to_end():
    spec = PODS["handler"]["spec"]
    [sleep] = below(spec["containers"], "preStop")
    shutdown = re.search(r"worker_shutdown_timeout (\d+)s;", (TOP / "nginx/nginx.conf").read_text())[1]
    drain = find("ConfigMap", "handler")["data"]["TICKSTREAM_DRAIN_TIMEOUT"].rstrip("s")
    needed = int(sleep["exec"]["command"][1]) + int(shutdown) + int(drain)
    assert needed < spec["terminationGracePeriodSeconds"]
    assert spec["initContainers"][0]["restartPolicy"] == "Always", "it ends after nginx"


def test_nginx_files_fit_into_a_config_map():
    [nginx] = PODS["handler"]["spec"]["containers"]
    assert {m["mountPath"] for m in nginx["volumeMounts"] if m["name"] == "nginx"} == {"/etc/tickstream"}
    files = [TOP / "nginx" / name for name in CONFIG_MAPS["nginx"]]
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]+", path.name) for path in files)
    assert sum(path.stat().st_size for path in files) < 1 << 20
    assert CONFIG_MAPS["nginx"] >= set(re.findall(r"(?m)^ *include ([\w-]+\.conf);", "".join(p.read_text() for p in files)))


# Redis ------------------------------------------------------------------------------------------------------------------

class RedisOfTheConfigMap(RedisServer):
    """Started as the container starts it, with paths of the test's in place of its own."""

    def __init__(self, folder):
        super().__init__(folder)
        data = find("ConfigMap", "redis")["data"]
        (folder / "password.conf").write_text("requirepass %s\n" % PASSWORD)
        (folder / "redis.conf").write_text(self.here(data["redis.conf"]))
        (folder / "ready.sh").write_text(self.here(data["ready.sh"]).replace("redis-cli", "redis-cli -s %s" % self.path))
        self.options = ["--dir", folder]
        self.login = ":" + PASSWORD

    def here(self, text):
        return text.replace("/run/secrets/redis/", "%s/" % self.folder).replace("dir /data\n", "dir %s\n" % self.folder)

    def start(self):
        self.spawn(["redis-server", self.folder / "redis.conf", "--port", "0", "--unixsocket", self.path], env=os.environ)
        wait_for(self.is_ready, "Redis answers PING")


def test_redis_keeps_what_is_acknowledged(folder):
    redis = RedisOfTheConfigMap(folder)
    ready = ["/bin/sh", folder / "ready.sh"]
    assert subprocess.run(ready, capture_output=True, check=False).returncode != 0
    redis.start()
    try:
        for name, value in (("appendonly", b"yes"), ("appendfsync", b"always"), ("maxmemory-policy", b"noeviction")):
            assert redis("CONFIG", "GET", name)[1] == value
        assert subprocess.run(ready, capture_output=True, check=False).returncode == 0
    finally:
        redis.stop()


# Consumers --------------------------------------------------------------------------------------------------------------

def test_consumers_share_all_partitions():
    theirs, ours = (find("ConfigMap", name)["data"] for name in ("consumer", "handler"))
    assert (theirs["STREAM"], theirs["PARTITIONS"]) == (ours["TICKSTREAM_STREAM"], ours["TICKSTREAM_STREAM_PARTITIONS"])
    assert theirs["STREAM"] == STREAM and theirs["GROUP"] in ours["TICKSTREAM_TRIM_GROUPS"].split(",")
    assert int(theirs["CONSUMERS"]) == find("StatefulSet", "consumer")["spec"]["replicas"] <= int(theirs["PARTITIONS"])


def test_consumers_know_their_settings():
    source = TOP / "tests/consumers/consumer.py"
    if not source.exists():
        pytest.skip("there is no consumer")
    [container] = PODS["consumer"]["spec"]["containers"]
    known = set(re.findall(r'environ\.get\("(\w+)"', source.read_text()))
    assert set(environment(container, {})) <= known
    assert "COPY tests/consumers/consumer.py " in (FOLDER / "consumer.Dockerfile").read_text()
    assert "!tests/consumers" in (TOP / ".dockerignore").read_text().splitlines()


def test_all_consumers_or_none_by_lag_and_pending():
    spec = find("ScaledObject", "consumer")["spec"]
    target, consumers = spec["scaleTargetRef"], int(find("ConfigMap", "consumer")["data"]["CONSUMERS"])
    assert (target["kind"], target["name"]) == ("StatefulSet", "consumer")
    assert (spec["idleReplicaCount"], spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, consumers, consumers)
    assert spec["fallback"]["replicas"] == consumers
    queries = {trigger["name"]: trigger["metadata"]["query"] for trigger in spec["triggers"]}
    assert set(queries) == {"lag", "pending"} and all("tickstream_group_%s" % n in query for n, query in queries.items())
    metrics = (TOP / "common/stats/groups.c").read_text()
    for query in queries.values():
        assert all('"%s"' % name in metrics for name in re.findall(r"tickstream_\w+", query))
        assert set(re.findall(r'group="(\w+)"', query)) == {find("ConfigMap", "consumer")["data"]["GROUP"]}
