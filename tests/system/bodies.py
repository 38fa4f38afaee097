"""Bodies of webhooks."""
import itertools
import json

_numbers = itertools.count(1)


def new_id():
    """A message id that this run has not had."""
    return "wamid.%d" % next(_numbers)


def status(name=None, **members):
    return {"id": name or new_id(), "status": "delivered", "timestamp": "1700000000", "recipient_id": "12025550123",
            **members}


def payload(*statuses, field="messages", **value):
    """A body of one change; without statuses it holds one new status."""
    value = {"messaging_product": "whatsapp", "statuses": list(statuses or [status()]),
             "metadata": {"display_phone_number": "12025550100", "phone_number_id": "800700600500401"}, **value}
    return json.dumps({"object": "whatsapp_business_account",
                       "entry": [{"id": "900100200300401", "changes": [{"field": field, "value": value}]}]}).encode()


def result(accepted=0, duplicates=0, quarantined=0, ignored=0):
    return {"accepted": accepted, "duplicates": duplicates, "quarantined": quarantined, "ignored": ignored}
