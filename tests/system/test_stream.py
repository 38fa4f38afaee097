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


# Statuses that are not where they are looked for, as senders and relays have really sent them.
ELSEWHERE = {
    "JSON as a form": (payload(), KINDS["form"]),
    "indented JSON as a form": (json.dumps(json.loads(payload()), indent=2).encode(), KINDS["form"]),
    "XML as a form": (sample("xml/xml-sample.xml"), KINDS["form"]),
    "statuses at the root": (json.dumps({"statuses": [status()]}).encode(), KINDS["json"]),
    "beside a null entry": (json.dumps({"entry": None, "statuses": [status()]}).encode(), KINDS["json"]),
    "another name": (b'{"object":"o","entries":[{}]}', KINDS["json"]),
    "inside another object": (b'{"payload":' + payload() + b"}", KINDS["json"]),
    "a form with another prefix": (b"payload[entry][0][id]=1", KINDS["form"]),
    "lower-case XML": (sample("xml/xml-lower-case.xml"), KINDS["xml"]),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_nothing_passes_without_a_trace(make_stack, name):
    body, kind = ELSEWHERE[name]
    stack = make_stack()
    answer = stack.post(body, kind=kind, headers={"Accept": "application/json"})
    assert answer.document() == result(quarantined=1)
    [kept] = stack.quarantine()
    assert (kept["reason"], kept["pointer"], kept["raw"], kept["entry_id"]) == ("not_a_payload", "", body.decode(), "")
    assert stack.program.has_logged(r"quarantined 1: not_a_payload \(request %s\)" % answer.header("X-Request-Id"))
    assert stack.post(body, kind=kind, headers={"Accept": "application/json"}).document() == result(duplicates=1)


def test_unsigned_without_a_trace(make_stack):
    stack = make_stack(app_secret=None, allow_unsigned="true", start=False)
    stack.program.expects(r"ALLOW_UNSIGNED: .*")
    answer = stack.start().post(payload(), kind=KINDS["form"], sign=False)
    assert answer.status == 400 and "WebhookPayload" in answer.document()["detail"]
    assert stack.program.has_logged(r"webhook: answered 400: nothing in the body is part of a WebhookPayload")
    assert stack.entries() == stack.quarantine() == []
    assert stack.post(b'{"object":"o","entry":[]}', sign=False).document() == result()


STATUS = "entry[0][changes][0][value][statuses][0]"
PARTICIPANTS = {
    "json": lambda n: payload(status("wamid.group", recipient_participant_id=n)),
    "xml": lambda n: sample("xml/xml-one-status.xml").replace(
        b"</StatusUpdate>", b"<recipient_participant_id>%s</recipient_participant_id></StatusUpdate>" % n.encode()),
    "form": lambda n: "{0}[id]=wamid.group&{0}[status]=read&{0}[recipient_participant_id]={1}".format(STATUS, n).encode(),
}


@pytest.mark.parametrize("form", KINDS)
def test_participants_are_two(make_stack, form):
    """Two statuses that differ in a member that nobody here knows are two."""
    stack = make_stack()
    for participant, want in ("111", result(accepted=1)), ("222", result(accepted=1)), ("111", result(duplicates=1)):
        answer = stack.post(PARTICIPANTS[form](participant), kind=KINDS[form], headers={"Accept": "application/json"})
        assert answer.document() == want
    assert [json.loads(e["extra"]) for e in stack.entries()] == [
        {"recipient_participant_id": "111"}, {"recipient_participant_id": "222"}]


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


def test_messages_as_forms(make_stack):
    """Each message is an event of its own, with its text."""
    stack = make_stack(events_stream="{whatsapp:statuses}:events")
    for text in "hello", "the order is wrong, cancel it":
        body = ("entry[0][changes][0][field]=messages&entry[0][changes][0][value][messages][0][text][body]="
                + text.replace(" ", "+")).encode()
        assert stack.post(body, kind=KINDS["form"]).document() == result(ignored=1)
    events = stack.entries("{whatsapp:statuses}:events")
    assert [json.loads(e["raw"])["value"]["messages"][0]["text"]["body"] for e in events] == [
        "hello", "the order is wrong, cancel it"]


def test_what_stands_beside_statuses(make_stack):
    """Messages in the change of a status are an event too, and not ignored; so is an entry without changes."""
    stack = make_stack(events_stream="{whatsapp:statuses}:events")
    assert stack.post(payload(messages=[{"id": "wamid.in"}])).document() == result(accepted=1)
    assert stack.post(payload(contacts=[{"wa_id": "1"}], messages=[])).document() == result(accepted=1)
    ping = {"object": "page", "entry": [{"id": "7", "time": 1, "messaging": [{"message": {"text": "hi"}}]}]}
    assert stack.post(json.dumps(ping).encode()).document() == result(ignored=1)
    beside, entry = stack.entries("{whatsapp:statuses}:events")
    assert json.loads(beside["raw"])["value"]["messages"] == [{"id": "wamid.in"}] and beside["field"] == "messages"
    assert (entry["field"], entry["entry_id"], json.loads(entry["raw"])) == ("other", "7", ping["entry"][0])
    assert stack.metric('tickstream_ignored_total{field="other"}') == 1
    assert stack.metric('tickstream_ignored_total{field="messages"}') == 0


def test_more_members_than_are_kept(make_stack):
    stack = make_stack()
    stack.program.expects(r"webhook: 39744 unknown members were dropped: .*")
    body = "&".join(["%s[id]=a" % STATUS, "%s[status]=s" % STATUS] + ["%s[x%d]=1" % (STATUS, n) for n in range(40000)])
    assert stack.post(body.encode(), kind=KINDS["form"]).document() == result(accepted=1)
    assert json.loads(stack.entries()[0]["extra"]) == {"x%d" % n: "1" for n in range(256)}
    assert stack.metric("tickstream_dropped_members_total") == 39744


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


@pytest.mark.release_only
def test_largest_bodies(make_stack):
    """What MAX_BODY may be at most passes, whatever it is: one status, in UTF-16 too, and what nobody can read."""
    most = 12 << 20
    stack = make_stack(start=False, max_body=str(most), redis_timeout="30s")
    stack.nginx.edit("tickstream-pass.conf", "client_max_body_size 3m;", "client_max_body_size 12m;")
    stack.nginx.edit("tickstream-pass.conf", "fastcgi_read_timeout 8s;", "fastcgi_read_timeout 60s;")
    stack.start()
    head, tail = payload(status(biz_opaque_callback_data="@")).split(b"@")
    whole = head + b"x" * (most - len(head) - len(tail)) + tail
    wide = (head + b"x" * (most // 2 - 1 - len(head) - len(tail)) + tail).decode().encode("utf-16")
    assert len(whole) == len(wide) == most
    for body in whole, wide:
        assert stack.post(body).document() == result(accepted=1)
    for body, kind in (b"[" * most, "application/json"), (b"<a>" * (most // 3), "application/xml"):
        assert stack.post(body, kind=kind).status == 200
    assert len(stack.quarantine()) == 2
