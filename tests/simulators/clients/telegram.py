"""aiogram against the Telegram simulator."""

import asyncio
import logging

from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import Message, ReplyParameters

from harness import SIMULATORS, WAIT, check, control

HERE = SIMULATORS["telegram"]


def bot(token=HERE["token"]):
    api = TelegramAPIServer.from_base(HERE["url"])
    return Bot(token, session=AiohttpSession(api=api))


async def refused(kind, call):
    """The exception of this kind, or what happened instead."""
    try:
        return False, await call
    except kind as error:
        return error, None
    except Exception as error:  # noqa: BLE001 - it is shown and fails the check
        return False, error


async def first_polled(client):
    """The first message that aiogram's own polling hands to a handler."""
    arrived = asyncio.get_running_loop().create_future()
    dispatcher = Dispatcher()

    @dispatcher.message()
    async def handle(message: Message):
        if not arrived.done():
            arrived.set_result(message)

    polling = asyncio.create_task(
        dispatcher.start_polling(client, handle_signals=False, close_bot_session=False)
    )
    # The poller waits first, so that the update has to wake it.
    await asyncio.sleep(0.5)
    control("telegram", "say", {"user": "7", "name": "Ada", "text": "/start hällo 😀"})
    message = await asyncio.wait_for(arrived, WAIT)
    await dispatcher.stop_polling()
    await polling
    return message


async def main():
    client = bot()
    me = await client.get_me()
    check("getMe", me.id == HERE["bot_id"] and me.username == HERE["username"], me)
    error, seen = await refused(TelegramUnauthorizedError, bot("1:AAAAAAAAAAAAAAAAAAAA").get_me())
    check("wrong token is TelegramUnauthorizedError", error, seen)
    error, seen = await refused(TelegramBadRequest, client.send_message(999, "hi"))
    check("unknown chat is TelegramBadRequest", error and "chat not found" in str(error), seen)

    message = await first_polled(client)
    check("polling wakes for an update", message.text == "/start hällo 😀", message)
    entity = message.entities[0]
    check("command entity", entity.extract_from(message.text) == "/start", message.entities)

    sent = await client.send_message(
        7, "hello 😀", reply_parameters=ReplyParameters(message_id=message.message_id)
    )
    check("sendMessage as a reply", sent.reply_to_message.message_id == message.message_id, sent)
    edited = await client.edit_message_text("other", chat_id=7, message_id=sent.message_id)
    check("editMessageText", edited.text == "other" and edited.edit_date, edited)
    same = client.edit_message_text("other", chat_id=7, message_id=sent.message_id)
    error, seen = await refused(TelegramBadRequest, same)
    check("same text again is 'not modified'", error and "is not modified" in str(error), seen)

    full = await client.send_message(7, "😀" * 2048)
    check("4096 UTF-16 units are taken", len(full.text) == 2048, full)
    error, seen = await refused(TelegramBadRequest, client.send_message(7, "😀" * 2048 + "x"))
    check("4097 are 'too long'", error and "message is too long" in str(error), seen)
    error, seen = await refused(TelegramBadRequest, client.send_message(7, "  "))
    check("blank text is 'empty'", error and "text is empty" in str(error), seen)

    bold = await client.send_message(7, "a <b>bold</b> &lt;word&gt;", parse_mode="HTML")
    check(
        "HTML becomes entities",
        bold.text == "a bold <word>" and bold.entities[0].extract_from(bold.text) == "bold",
        bold,
    )
    error, seen = await refused(
        TelegramBadRequest, client.send_message(7, "<b>open", parse_mode="HTML")
    )
    check("broken HTML is refused", error and "can't parse entities" in str(error), seen)

    check("sendChatAction", await client.send_chat_action(7, "typing"))
    check("deleteMessage", await client.delete_message(7, sent.message_id))

    control("telegram", "fail", {"fault": {"kind": "rate_limited", "after_ms": 3000}})
    error, seen = await refused(TelegramRetryAfter, client.send_message(7, "later"))
    check("429 is TelegramRetryAfter", error and error.retry_after == 3, seen)

    check("setWebhook", await client.set_webhook("http://127.0.0.1:9/hook", secret_token="s-1"))
    error, seen = await refused(TelegramConflictError, client.get_updates())
    check("polling beside a webhook is TelegramConflictError", error, seen)
    info = await client.get_webhook_info()
    check("getWebhookInfo", info.url == "http://127.0.0.1:9/hook", info)
    check("deleteWebhook", await client.delete_webhook())

    acts = [sent["act"] for sent in control("telegram", "sent")]
    wanted = ["post", "edit", "post", "post", "typing", "retract"]
    check("the simulator recorded it all, in order", acts == wanted, acts)


logging.disable(logging.CRITICAL)
asyncio.run(main())
