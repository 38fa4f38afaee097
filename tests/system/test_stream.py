"""What consumers read: fields and their order, the forms of a body, batches, dedupe, quarantine and events."""
import json
import re
import time

import pytest

from bodies import payload, result, status
from stack import STREAM, TOP, run_cases

SAMPLES = TOP / "tests/data"
KINDS = {"json": "application/json", "xml": "application/xml", "form": "application/x-www-form-urlencoded"}
OURS = {"received_at", "request_id"}


def sample(name):
    return (SAMPLES / name).read_bytes()


@pytest.fixture(params=["24h", "0"], ids=["dedupe", "no dedupe"])
def stack(request, make_stack):
    """Both ways to the stream: the script, and XADD in a transaction."""
    return make_stack(dedupe_window=request.param)


@pytest.mark.core
def test_fields_and_their_order(stack):
    began = time.time()
    answer = stack.post(payload(status("wamid.1", conversation={"id": "c"}, errors=[{"code": 131026}])))
    assert stack.entries() == [{
        "id": "wamid.1", "status": "delivered", "timestamp": "1700000000", "recipient_id": "12025550123",
        "phone_number_id": "800700600500401", "display_phone_number": "12025550100", "entry_id": "900100200300401",
        "field": "messages", "messaging_product": "whatsapp", "object": "whatsapp_business_account",
        "errors": '[{"code": 131026}]', "extra": '{"conversation":{"id": "c"}}',
        "received_at": stack.entries()[0]["received_at"], "request_id": answer.header("X-Request-Id")}]
    assert list(stack.entries()[0]) == run_cases.ENTRY
    assert began - 1 < int(stack.entries()[0]["received_at"]) / 1000 < time.time() + 1


def test_sample_is_eight_entries(stack):
    """The sample of the API that is replaced: eight equal statuses, and each of them counts."""
    for n, (form, name) in enumerate((("json", "json/json-sample.json"), ("xml", "xml/xml-sample.xml")), 1):
        stack.redis("FLUSHALL")
        answer = stack.post(sample(name), kind=KINDS[form], headers={"Accept": "application/json"})
        assert answer.document() == result(accepted=8)
        assert len(stack.entries()) == 8
    again = stack.post(sample("json/json-sample.json")).document()
    assert again in (result(duplicates=8), result(accepted=8))


def test_three_forms_are_one(stack):
    found = []
    for form, kind in KINDS.items():
        stack.redis("FLUSHALL")
        assert stack.post(sample("%s/same-%s.%s" % (form, form, form)), kind=kind).status == 200
        found.append([{k: v for k, v in entry.items() if k not in OURS} for entry in stack.entries()])
    assert found[0] and found[0] == found[1] == found[2]


def test_form_is_a_duplicate_of_another_form(make_stack):
    stack = make_stack()
    results = [stack.post(sample("%s/same-%s.%s" % (form, form, form)), kind=kind,
                          headers={"Accept": "application/json"}).document() for form, kind in KINDS.items()]
    count = results[0]["accepted"]
    assert count and [r["duplicates"] for r in results] == [0, count, count]


def test_bad_one_of_a_thousand(stack):
    statuses = [status() for _ in range(1000)]
    statuses[500] = "no object"
    assert stack.post(payload(*statuses)).document() == result(accepted=999, quarantined=1)
    assert [e["id"] for e in stack.entries()] == [s["id"] for s in statuses if isinstance(s, dict)]
    [kept] = stack.quarantine()
    assert list(kept) == run_cases.QUARANTINE
    assert (kept["pointer"], kept["raw"]) == ("/entry/0/changes/0/value/statuses/500", '"no object"')


def test_quarantine_knows_whose_it_is(make_stack):
    """The same bad status of another number, field or account is another one; in another place of its list it is not."""
    stack = make_stack()
    bad = {"status": "delivered", "timestamp": "1700000000"}
    assert stack.post(payload(bad)).document() == result(quarantined=1)
    assert stack.post(payload(status(), bad)).document() == result(accepted=1, duplicates=1)
    assert stack.post(payload(bad, metadata={"phone_number_id": "9"})).document() == result(quarantined=1)
    assert stack.post(payload(bad, field="other")).document() == result(quarantined=1)
    assert [(e["entry_id"], e["field"], e["phone_number_id"]) for e in stack.quarantine()] == [
        ("900100200300401", "messages", "800700600500401"), ("900100200300401", "messages", "9"),
        ("900100200300401", "other", "800700600500401")]


def test_long_content_type(make_stack):
    """The header is kept with each element in quarantine: it must not multiply."""
    stack = make_stack()
    body = payload(*range(5000))
    kind = "application/json; x=" + "a" * 7000
    assert stack.post(body, kind=kind).document() == result(quarantined=5000)
    assert {e["content_type"] for e in stack.quarantine()} == {"application/json"}
    assert stack.redis("MEMORY", "USAGE", "{%s}:quarantine" % STREAM, "SAMPLES", 0) < 5000 * 500


def test_truncated_body(stack):
    body = payload(status(), status())[:-30]
    assert stack.post(body).document() == result(quarantined=1)
    [kept] = stack.quarantine()
    assert (kept["pointer"], kept["raw"], kept["content_type"]) == ("", body.decode(), "application/json")
    assert stack.entries() == []


def test_truncated_unsigned_body(make_stack):
    stack = make_stack(app_secret=None, allow_unsigned="true", start=False)
    stack.program.expects(r"ALLOW_UNSIGNED: .*")
    answer = stack.start().post(payload()[:-30], sign=False)
    assert answer.status == 400 and re.search(r"line 1, column \d+, byte \d+", answer.document()["detail"])
    assert stack.entries() == stack.quarantine() == []


def test_bodies_that_overlap(make_stack):
    """A status that was delivered before is not stored again, whatever else comes with it."""
    stack = make_stack()
    a, b, c = status(), status(), status()
    assert stack.post(payload(a, b)).document() == result(accepted=2)
    assert stack.post(payload(c, b, a)).document() == result(accepted=1, duplicates=2)
    assert stack.post(payload(a, {**a, "status": "read"}, a)).document() == result(accepted=2, duplicates=1)


def test_window_ends(make_stack):
    stack = make_stack(dedupe_window="90s")
    stack.post(payload(status("once")))
    [key] = stack.redis("KEYS", "{%s}:seen:*" % STREAM)
    assert 85 < stack.redis("TTL", key) <= 90
    stack.redis("DEL", key)
    assert stack.post(payload(status("once"))).document() == result(accepted=1)


def test_no_dedupe_sets_no_keys(make_stack):
    stack = make_stack(dedupe_window="0")
    body = payload(status(), status())
    assert [stack.post(body).document() for _ in range(2)] == [result(accepted=2)] * 2
    assert stack.redis("KEYS", "*seen*") == []


def test_other_stream(make_stack):
    stack = make_stack(stream="elsewhere")
    assert stack.post(payload(status(), "bad")).document() == result(accepted=1, quarantined=1)
    assert len(stack.entries("elsewhere")) == len(stack.entries("{elsewhere}:quarantine")) == 1
    assert stack.redis("EXISTS", STREAM) == 0


@pytest.mark.parametrize("window", ["24h", "0"])
def test_events(make_stack, window):
    stack = make_stack(events_stream="{whatsapp:statuses}:events", dedupe_window=window)
    message = {"id": "wamid.in", "from": "1", "type": "text", "text": {"body": "hi"}}
    body = json.loads(payload())
    body["entry"][0]["changes"].append({"field": "messages", "value": {
        "metadata": {"phone_number_id": "5"}, "messages": [message]}})
    body["entry"][0]["changes"].append({"field": "account_update", "value": {"event": "X"}})
    assert stack.post(json.dumps(body).encode()).document() == result(accepted=1, ignored=2)
    events = stack.entries("{whatsapp:statuses}:events")
    assert [(e["field"], e["phone_number_id"], e["entry_id"]) for e in events] == [
        ("messages", "5", "900100200300401"), ("account_update", "", "900100200300401")]
    assert "wamid.in" in events[0]["raw"] and json.loads(events[1]["raw"])


def test_events_are_only_counted_without_a_stream(make_stack):
    stack = make_stack()
    assert stack.post(payload(statuses=None)).document() == result(ignored=1)
    assert stack.redis("KEYS", "*events*") == []
    assert stack.metric('tickstream_ignored_total{field="messages"}') == 1


def test_names_are_stored_once_a_node(stack):
    """Equal fields in equal order: Redis then keeps a small entry for each status."""
    for _ in range(5):
        stack.post(payload(*(status() for _ in range(100))))
    assert stack.redis("MEMORY", "USAGE", STREAM, "SAMPLES", 0) / 500 < 330
