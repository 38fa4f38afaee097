"""What Kubernetes and KEDA know of their objects: each field, its type, and whether it must be there.

Kubernetes' are those of Debian's python3-kubernetes, which is made from the published OpenAPI document: of 1.22 in
Debian 12, of 1.30 in Debian 13.  What is newer than the first of them stands here.
"""
import re

from kubernetes.client import models

KINDS = {("v1", "ConfigMap"), ("v1", "Namespace"), ("v1", "Service"), ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"),
         ("policy/v1", "PodDisruptionBudget"), ("networking.k8s.io/v1", "NetworkPolicy"), ("networking.k8s.io/v1", "Ingress")}
NEWER = {"V1Container": {"restartPolicy": "str"}}       # sidecars: 1.28, and on by default since 1.29
PLAIN = {"str": str, "int": int, "bool": bool, "float": float, "object": object}

# The fields of KEDA 2.12 and later that are used here.  "!" = required; of a trigger's metadata all values are texts.
# Sources: config/crd/bases/keda.sh_scaledobjects.yaml and pkg/scalers/prometheus_scaler.go of github.com/kedacore/keda.
KEDA = {("keda.sh/v1alpha1", "ScaledObject"): {
    "apiVersion!": "str", "kind!": "str", "metadata!": "V1ObjectMeta", "spec!": {
        "scaleTargetRef!": {"apiVersion": "str", "kind": "str", "name!": "str", "envSourceContainerName": "str"},
        "pollingInterval": "int", "cooldownPeriod": "int", "initialCooldownPeriod": "int",
        "idleReplicaCount": "int", "minReplicaCount": "int", "maxReplicaCount": "int",
        "fallback": {"failureThreshold!": "int", "replicas!": "int", "behavior": "str"},
        "triggers!": [{"type!": "str", "name": "str", "metricType": "str", "useCachedMetrics": "bool", "metadata!": {
            "serverAddress!": "str", "query!": "str", "threshold!": "str", "activationThreshold": "str",
            "ignoreNullValues": "str", "unsafeSsl": "str", "timeout": "str"}}]}}}


def fields_of(model):
    """{name: (type, is it required)}"""
    names = model.attribute_map
    found = {names[k]: (type_, is_required(model, k)) for k, type_ in model.openapi_types.items()}
    return {**found, **{k: (t, False) for k, t in NEWER.get(model.__name__, {}).items()}}


def is_required(model, attribute):
    """The setters of those that are refuse None."""
    class Self:                 # what a setter looks at
        class local_vars_configuration:
            client_side_validation = True
    try:
        getattr(model, attribute).fset(Self(), None)
    except ValueError as e:
        return "must not be `None`" in str(e)
    except TypeError:           # a range or a pattern, which an absent value does not have to meet
        return False
    return False


def mistakes(value, type_, place):
    """What is wrong with a value, one line each, with where it stands."""
    if isinstance(type_, dict):
        fields = {name.rstrip("!"): (t, name.endswith("!")) for name, t in type_.items()}
        return mistakes_of_fields(value, fields, place)
    if isinstance(type_, list) or type_.startswith("list["):
        inner = type_[0] if isinstance(type_, list) else type_[5:-1]
        if not isinstance(value, list):
            return ["%s: no list" % place]
        return [m for n, v in enumerate(value) for m in mistakes(v, inner, "%s[%d]" % (place, n))]
    if found := re.fullmatch(r"dict\(str, (.*)\)", type_):
        if not isinstance(value, dict):
            return ["%s: no object" % place]
        return [m for k, v in value.items() for m in mistakes(v, found[1], "%s.%s" % (place, k))]
    if type_ in PLAIN:
        good = isinstance(value, PLAIN[type_]) and (type_ in ("bool", "object") or not isinstance(value, bool))
        return [] if good else ["%s: %r is no %s" % (place, value, type_)]
    return mistakes_of_fields(value, fields_of(getattr(models, type_)), place)


def mistakes_of_fields(value, fields, place):
    if not isinstance(value, dict):
        return ["%s: no object" % place]
    found = ["%s: %s is missing" % (place, k) for k, (_, required) in fields.items() if required and k not in value]
    for name, inner in value.items():
        where = "%s.%s" % (place, name)
        found += mistakes(inner, fields[name][0], where) if name in fields else ["%s: there is no such field" % where]
    return found


def mistakes_of_object(thing):
    kind = thing.get("apiVersion"), thing.get("kind")
    if kind in KEDA:
        return mistakes(thing, KEDA[kind], kind[1])
    return mistakes(thing, "V1" + kind[1], kind[1]) if kind in KINDS else ["%s %s: no such kind" % kind]
