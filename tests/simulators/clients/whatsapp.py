"""pywa against the WhatsApp (Graph) simulator."""

import logging
import queue
from urllib.parse import parse_qs, urlsplit

import httpx
from pywa import WhatsApp, errors, utils
from pywa.handlers import MessageHandler, MessageStatusHandler

from harness import SIMULATORS, WAIT, Receiver, check, control

HERE = SIMULATORS["whatsapp"]
ADA, ADA_ID = "358401234567", "FI.13491208655302741918"


class ToSimulator(httpx.HTTPTransport):
    """pywa has graph.facebook.com built in: its requests go to the simulator instead."""

    def handle_request(self, request):
        here = httpx.URL(HERE["url"])
        request.url = request.url.copy_with(scheme="http", host=here.host, port=here.port)
        return super().handle_request(request)


def client(token=HERE["token"], **more):
    return WhatsApp(
        phone_id=HERE["phone_number_id"],
        token=token,
        session=httpx.Client(transport=ToSimulator()),
        app_secret=HERE["app_secret"],
        verify_token=HERE["verify_token"],
        **more,
    )


def refused(kind, call):
    """The exception of this kind, or what happened instead."""
    try:
        return False, call()
    except kind as error:
        return error, None
    except Exception as error:  # noqa: BLE001 - it is shown and fails the check
        return False, error


def inbound(bot):
    """What pywa's own parser makes of the simulator's POSTs."""
    updates = queue.Queue()
    for kind in (MessageHandler, MessageStatusHandler):
        bot.add_handlers(kind(lambda _, update: updates.put(update)))

    def answer(method, path, body):
        if method == "GET":
            query = {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
            text, status = bot.webhook_challenge_handler(query[utils.HUB_VT], query[utils.HUB_CH])
            return status, text.encode()
        return 200, b""

    receiver = Receiver(answer)
    control("whatsapp", "webhook", {"url": receiver.url})
    method, path, _, _ = receiver.next()
    check("challenge is answered by pywa", method == "GET" and utils.HUB_CH in path, path)

    def next_update():
        _, _, headers, body = receiver.next()
        signature = next(v for k, v in headers.items() if k.lower() == utils.HUB_SIG.lower())
        fits = [
            utils.webhook_updates_validator(HERE["app_secret"], seen, signature)
            for seen in (body, body + b" ")
        ]
        check("signature passes pywa's validator, not when changed", fits == [True, False], fits)
        bot.webhook_update_handler(body)
        return body, updates.get(timeout=WAIT)

    return next_update


def main():
    bot = client()
    next_update = inbound(bot)

    said = {"user": ADA, "user_id": ADA_ID, "name": "Ada", "text": "hällo / 😀"}
    wamid = control("whatsapp", "say", said)["wamid"]
    body, message = next_update()
    check("Meta's escapes are in the raw body", rb"h\u00e4llo \/ \ud83d\ude00" in body, body)
    check("pywa parses the message", message.text == "hällo / 😀" and message.id == wamid, message)
    user = message.from_user
    check("with both ids", user.wa_id == ADA and user.bsuid == ADA_ID, user)

    check("read and typing in one call", message.indicate_typing().success)
    sent = message.reply("sure 😀", quote=True, tracker="delivery-1")
    check("reply", sent.id.startswith("wamid."), sent)
    statuses = [next_update()[1] for _ in range(2)]
    kinds = sorted(status.status.value for status in statuses)
    check("sent and delivered statuses", kinds == ["delivered", "sent"], statuses)
    tracked = all(s.tracker == "delivery-1" and s.id == sent.id for s in statuses)
    check("which carry the tracker", tracked, statuses)
    record = control("whatsapp", "sent")
    acts = [entry["act"] for entry in record]
    check("the simulator recorded it all", acts == ["read", "typing", "post"], acts)
    check("and what it replied to", record[2]["reply_to"] == wamid, record[2])

    control("whatsapp", "say", {"user": "", "user_id": "US.42", "name": "Bob", "text": "no number"})
    _, message = next_update()
    check("a person without a number", message.from_user.bsuid == "US.42", message.from_user)
    check("is answered by business-scoped id", bot.send_message("US.42", "hello").id)
    for _ in range(2):
        next_update()

    full = bot.send_message(ADA, "x" * 4096)
    check("4096 characters are taken", full.id)
    for _ in range(2):
        next_update()
    error, seen = refused(errors.WhatsAppError, lambda: bot.send_message(ADA, "x" * 4097))
    check("4097 are refused with code 100", error and error.code == 100, seen)
    error, seen = refused(errors.ExpiredAccessToken, lambda: client("no").send_message(ADA, "x"))
    check("wrong token is code 190", error, seen)

    control("whatsapp", "fail", {"fault": {"kind": "rate_limited", "after_ms": 1000}})
    error, seen = refused(errors.RateLimitHit, lambda: bot.send_message(ADA, "later"))
    check("throttled is RateLimitHit (130429)", error, seen)

    bot.send_message("358409999999", "out of the blue")
    _, status = next_update()
    late = isinstance(status.error, errors.ReEngagementMessage)
    check("outside the window fails by status 131047", late, status)


logging.basicConfig(level=logging.ERROR)
main()
