"""slack_sdk against the Slack simulator."""

import json
from urllib.parse import parse_qs

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.signature import SignatureVerifier
from slack_sdk.webhook import WebhookClient

from harness import SIMULATORS, Receiver, check, control

HERE = SIMULATORS["slack"]
VERIFIER = SignatureVerifier(HERE["signing_secret"])


def client(token=HERE["bot_token"]):
    return WebClient(token=token, base_url=HERE["api_url"])


def error_of(call):
    """Slack's own word for what went wrong."""
    try:
        call()
    except SlackApiError as error:
        return error.response
    return None


def app(method, path, body):
    """A receiver that answers url_verification and takes everything else."""
    if path == "/events" and json.loads(body).get("type") == "url_verification":
        return 200, json.loads(body)["challenge"].encode()
    return 200, b""


def web_api():
    bot = client()
    me = bot.auth_test()
    check("auth.test", me["user_id"] == HERE["bot_user_id"] and me["bot_id"], me)
    check("wrong token is invalid_auth", error_of(client("xoxb-no").auth_test)["error"] == "invalid_auth")
    check("no token is not_authed", error_of(client(None).auth_test)["error"] == "not_authed")
    missing = error_of(lambda: bot.chat_postMessage(channel="C0NOTHERE", text="x"))
    check("unknown channel is channel_not_found", missing["error"] == "channel_not_found", missing)

    control("slack", "say", {"user": "U0ADA", "text": "hi"})
    channel = bot.conversations_open(users="U0ADA")["channel"]["id"]
    metadata = {"event_type": "zaki_delivery", "event_payload": {"id": "d-1"}}
    sent = bot.chat_postMessage(channel=channel, text="hällo 😀", metadata=metadata)
    check("chat.postMessage", sent["message"]["text"] == "hällo 😀", sent)
    updated = bot.chat_update(channel=channel, ts=sent["ts"], text="other")
    check("chat.update", updated["text"] == "other", updated)
    bot.reactions_add(channel=channel, timestamp=sent["ts"], name="eyes")
    again = error_of(lambda: bot.reactions_add(channel=channel, timestamp=sent["ts"], name="eyes"))
    check("reactions.add twice is already_reacted", again["error"] == "already_reacted", again)

    history = bot.conversations_history(channel=channel, include_all_metadata=True)
    found = [m for m in history["messages"] if m.get("metadata") == metadata]
    check("metadata can be read back", len(found) == 1 and found[0]["ts"] == sent["ts"], history)
    plain = bot.conversations_history(channel=channel)
    check("metadata only when asked for", all("metadata" not in m for m in plain["messages"]))

    replies = []
    for number in range(3):
        mark = {"event_type": "zaki_delivery", "event_payload": {"id": f"r-{number}"}}
        reply = bot.chat_postMessage(channel=channel, thread_ts=sent["ts"], text="re", metadata=mark)
        replies.append(reply["ts"])
    thread = bot.conversations_replies(channel=channel, ts=sent["ts"], limit=2, include_all_metadata=True)
    pages = [[m["ts"] for m in page["messages"]] for page in thread]
    check("a thread is paged, its root first", pages == [[sent["ts"], replies[0]], replies[1:]], pages)
    whole = bot.conversations_history(channel=channel)
    check("replies are not in the history", all(m["ts"] not in replies for m in whole["messages"]))
    lost = error_of(lambda: bot.conversations_replies(channel=channel, ts="1.2"))
    check("an unknown thread is thread_not_found", lost["error"] == "thread_not_found", lost)
    pages = list(bot.conversations_history(channel=channel, limit=1))
    check("the history is paged", len(pages) == len(whole["messages"]) > 1, pages)

    long = bot.chat_postMessage(channel=channel, text="x" * 40_001)
    check(
        "40,001 characters are cut, with a warning",
        len(long["message"]["text"]) == 40_000 and "message_truncated" in long["warning"],
        long.get("warning"),
    )
    check("chat.delete", bot.chat_delete(channel=channel, ts=sent["ts"])["ok"])
    check("users.info", bot.users_info(user="U0ADA")["user"]["id"] == "U0ADA")


def rate_limit():
    limit = {"kind": "rate_limited", "after_ms": 1000}
    control("slack", "fail", {"method": "users.info", "fault": limit})
    limited = error_of(lambda: client().users_info(user="U0ADA"))
    check(
        "429 is ratelimited with Retry-After",
        limited.status_code == 429
        and limited["error"] == "ratelimited"
        and limited.headers["retry-after"] == "1",
        limited,
    )
    control("slack", "fail", {"method": "users.info", "fault": limit})
    patient = client()
    patient.retry_handlers.append(RateLimitErrorRetryHandler(max_retry_count=1))
    check("slack_sdk's own retry gets through", patient.users_info(user="U0ADA")["ok"])


def deliveries():
    receiver = Receiver(app)
    control("slack", "webhook", {"url": f"{receiver.url}/events"})
    _, _, headers, body = receiver.next()
    check("url_verification is signed", VERIFIER.is_valid_request(body, headers), headers)

    said = {"user": "U0ADA", "channel": "C0ROOM", "text": "hällo <you> & 😀", "mention": True}
    control("slack", "say", said)
    events = []
    for _ in range(2):
        _, _, headers, body = receiver.next()
        check("event is signed", VERIFIER.is_valid_request(body, headers), headers)
        check("not when changed", not VERIFIER.is_valid_request(body + b" ", headers))
        events.append(json.loads(body))
    kinds = sorted(e["event"]["type"] for e in events)
    check("a mention is a message and an app_mention", kinds == ["app_mention", "message"], kinds)
    check("of one ts", len({e["event"]["ts"] for e in events}) == 1, events)
    check("and two event ids", len({e["event_id"] for e in events}) == 2, events)
    wanted = f"<@{HERE['bot_user_id']}> hällo &lt;you&gt; &amp; 😀"
    check("text is escaped as Slack does", events[0]["event"]["text"] == wanted, events[0])

    command = {"user": "U0ADA", "command": "/zaki", "text": "häl & lo", "url": f"{receiver.url}/commands"}
    control("slack", "command", command)
    _, _, headers, body = receiver.next()
    check("slash command is signed", VERIFIER.is_valid_request(body, headers), headers)
    form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
    check("slash command is a form", form["command"] == "/zaki" and form["text"] == "häl & lo", form)
    respond = WebhookClient(form["response_url"])
    statuses = [respond.send(text=f"answer {n}").status_code for n in range(6)]
    check("response_url takes 5 answers", statuses == [200] * 5 + [404], statuses)


web_api()
rate_limit()
deliveries()
