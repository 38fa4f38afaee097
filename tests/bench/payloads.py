"""The bodies of the workloads, and files of signed requests made of them.

A body holds SERIAL where its number goes, so that every request of a file carries ids of its own."""
import hmac
import json
import os
import pathlib
import xml.etree.ElementTree as ET
from urllib.parse import urlencode

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
SECRET = b"bench app secret"
PATH = "/api/webhook/whatsapp"
SERIAL = b"@@@@@@@@"
NAMESPACE = "http://schemas.datacontract.org/2004/07/NEOWAY.Model.WhatsAppNotification"


class Workload:
    def __init__(self, name, title, statuses, body, content_type="application/json", connections=64):
        self.name, self.title, self.statuses, self.connections = name, title, statuses, connections
        self.body, self.content_type = body, content_type

    def is_json(self):
        return self.content_type == "application/json"


def status(number):
    """A "delivered" as the Cloud API sends it."""
    return {
        "id": "wamid.HBgLMTIwMjU1NTAxMjMVAgARGBI%04d%sAA==" % (number, SERIAL.decode()),
        "status": "delivered", "timestamp": "1771000100", "recipient_id": "12025550123",
        "conversation": {"id": "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "origin": {"type": "marketing"}},
        "pricing": {"billable": True, "pricing_model": "PMP", "category": "marketing", "type": "regular"}}


def webhook(count):
    value = {"messaging_product": "whatsapp",
             "metadata": {"display_phone_number": "12025550100", "phone_number_id": "800700600500401"},
             "statuses": [status(n) for n in range(count)]}
    payload = {"object": "whatsapp_business_account",
               "entry": [{"id": "900100200300401", "changes": [{"value": value, "field": "messages"}]}]}
    return json.dumps(payload, separators=(",", ":")).encode()


def sample():
    """The API page's eight statuses, which are equal there, each with an id of its own."""
    payload = json.loads((DATA / "json/json-sample.json").read_bytes())
    statuses = (s for entry in payload["entry"] for change in entry["changes"] for s in change["value"]["statuses"])
    for number, s in enumerate(statuses):
        s["id"] = "sample %d %s" % (number, SERIAL.decode())
    return payload


def sample_xml():
    ET.register_namespace("", NAMESPACE)
    root = ET.parse(DATA / "xml/xml-sample.xml").getroot()
    ET.indent(root)
    return ET.tostring(root)


def flatten(value, name=""):
    """The leaves of a payload under their form names: entry[0][changes][0][field]."""
    if not isinstance(value, (dict, list)):
        return [(name, value)]
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return [leaf for key, inner in pairs for leaf in flatten(inner, "%s[%s]" % (name, key) if name else key)]


def sample_form():
    return urlencode(flatten(sample()), safe="[]@").encode()


def workloads():
    indented = json.dumps(sample(), indent=2).encode()
    return [Workload("one", "1 status", 1, webhook(1)),
            Workload("sample", "sample, 8 statuses", 8, indented),
            Workload("hundred", "100 statuses", 100, webhook(100)),
            # with 64 connections a slow peer would spend the round on requests that it does not finish
            Workload("thousand", "1,000 statuses", 1000, webhook(1000), connections=8),
            Workload("xml", "sample as XML", 8, sample_xml(), "application/xml"),
            Workload("form", "sample as form", 8, sample_form(), "application/x-www-form-urlencoded")]


def numbered(workload, number):
    return workload.body.replace(SERIAL, b"%08d" % number)


def http_request(body, content_type):
    head = ("POST %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: facebookexternalua\r\nAccept: */*\r\n"
            "Content-Type: %s\r\nContent-Length: %d\r\nX-Hub-Signature-256: sha256=%s\r\n\r\n")
    return (head % (PATH, content_type, len(body), hmac.digest(SECRET, body, "sha256").hex())).encode() + body


def write_requests(file, workload, count):
    """Count requests, all of the size that is returned."""
    with open(file, "wb") as out:
        for number in range(count):
            size = out.write(http_request(numbered(workload, number), workload.content_type))
        os.fsync(out.fileno())  # or the disk is written to while something is measured
    return size


def write_get(file, path):
    request = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode()
    file.write_bytes(request)
    return len(request)


def expected_entries(body):
    """What a JSON body must leave in the stream, without the clock and the request id."""
    payload = json.loads(body)
    for entry in payload["entry"]:
        for change in entry["changes"]:
            value = change["value"]
            for s in value["statuses"]:
                named = {k: s.pop(k, "") for k in ("id", "status", "timestamp", "recipient_id")}
                errors = s.pop("errors", [])
                yield {**named, "phone_number_id": value["metadata"]["phone_number_id"],
                       "display_phone_number": value["metadata"]["display_phone_number"],
                       "entry_id": entry["id"], "field": change["field"],
                       "messaging_product": value["messaging_product"], "object": payload["object"],
                       "errors": errors, "extra": s}
