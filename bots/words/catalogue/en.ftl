# English. The first of the languages: what a key means is what it says here.
# Names, places and times come in finished; $count, $ahead and $left are numbers with plurals,
# $used and $limit are numbers without. What stands between backticks is typed by people.

## Times

ago-moment = just now
ago-minutes = { $count ->
    [one] { $count } minute ago
   *[other] { $count } minutes ago
}
ago-hours = { $count ->
    [one] { $count } hour ago
   *[other] { $count } hours ago
}
ago-days = { $count ->
    [one] { $count } day ago
   *[other] { $count } days ago
}
in-moment = in less than a minute
in-minutes = { $count ->
    [one] in { $count } minute
   *[other] in { $count } minutes
}
in-hours = { $count ->
    [one] in { $count } hour
   *[other] in { $count } hours
}
in-days = { $count ->
    [one] in { $count } day
   *[other] in { $count } days
}
reset-soon = { $when }, at { $time } UTC
reset-later = on { $date }, at { $time } UTC
date = { $month ->
    [1] { $day } January { $year }
    [2] { $day } February { $year }
    [3] { $day } March { $year }
    [4] { $day } April { $year }
    [5] { $day } May { $year }
    [6] { $day } June { $year }
    [7] { $day } July { $year }
    [8] { $day } August { $year }
    [9] { $day } September { $year }
    [10] { $day } October { $year }
    [11] { $day } November { $year }
   *[12] { $day } December { $year }
}
money = ${ $amount }
place = { $channel } ({ $label })

## Turns

turn-failed-sandbox = Your assistant could not be started just now. Please send your message again in a minute.
turn-failed-agent = Your assistant could not answer this: the model it uses reported a failure. Please try again.
turn-failed-timeout = This took longer than allowed, so it was stopped. Please try again, or ask for less at once.
turn-failed-model = The model you chose is not offered any more, so this was not answered. `/model` shows which there are.
turn-failed-budget = This would take more than is left to you, so it was not answered. `/usage` shows what is left and when it starts over.
turn-failed-retired = This assistant was put to rest when your two became one, so this was not answered. Please send your message again.
turn-failed-erased = Everything about you is just being erased, so this was not answered. To begin anew, please write again in a few minutes.
turn-failed-internal = Something went wrong on our side and this message was not answered. Please send it again.
turn-nothing = (Your assistant had nothing to say to this.)
turn-idle = There is nothing to stop: your assistant is waiting for you.
turn-interrupted = (Interrupted by your next message.)
turn-halted = (Your assistant was stopped before it had finished.)
turn-stopped = (Stopped.)
turn-stopped-cleared = { $count ->
    [one] (Stopped. A message of yours that was waiting was set aside, too.)
   *[other] (Stopped. { $count } messages of yours that were waiting were set aside, too.)
}
turn-full = Too many of your messages are waiting already, so this one was not taken, nor will those that follow it be until some have been answered. Please send it again then.
turn-waking = Your assistant is waking up; that takes a few seconds. Your answer comes all by itself.
turn-next = A lot is going on here just now. You are next: your answer comes as soon as there is room.
turn-queued = { $ahead ->
    [one] A lot is going on here just now. { $ahead } person is ahead of you; your answer comes all by itself.
   *[other] A lot is going on here just now. { $ahead } people are ahead of you; your answer comes all by itself.
}
turn-own = You have as many conversations going at once as you may, so this one waits. Its answer comes all by itself as soon as one of the others has ended.
turn-host = The assistant that answers here is at work in as many conversations at once as it may be, so this one waits. Its answer comes all by itself.

media-too-large = Your file did not reach your assistant: it is larger than { $megabytes } MB, the most that goes through.
media-unavailable = Your file did not reach your assistant: it could not be fetched from here. Please send it again.
media-not-sent = (Your assistant made a file that cannot be sent here: { $name })

## What agents say by themselves

unasked-elsewhere = (You asked for this on { $channel }, but I cannot write to you there just now.)
unasked-unknown = (I cannot tell where you asked for this, so it comes here, where you last wrote to me.)
unasked-failed = I was to do this for you now, and it did not work:

## Answers that were lost

loss-unknown = { $count ->
    [one] An answer of mine may not have reached you, or not all of it: the connection broke while it was being sent. If you miss something, please ask again.
   *[other] { $count } of my answers may not have reached you: the connection broke while they were being sent. If you miss something, please ask again.
}
loss-unknown-when = { $count ->
    [one] An answer of mine from { $when } may not have reached you, or not all of it: the connection broke while it was being sent. If you miss something, please ask again.
   *[other] { $count } of my answers, the first from { $when }, may not have reached you: the connection broke while they were being sent. If you miss something, please ask again.
}
loss-dead = { $count ->
    [one] An answer of mine could not be delivered, or not all of it. Please ask again if you still need it.
   *[other] { $count } of my answers could not be delivered. Please ask again if you still need them.
}
loss-dead-when = { $count ->
    [one] An answer of mine from { $when } could not be delivered, or not all of it. Please ask again if you still need it.
   *[other] { $count } of my answers, the first from { $when }, could not be delivered. Please ask again if you still need them.
}

## /mode

mode-now = Now: { $meaning }
mode-set = From now on: { $meaning }
mode-choose = You can choose:
mode-choice = `/mode { $mode }`: { $meaning }
mode-queue = what you write while your assistant is busy waits until it has finished.
mode-steer = what you write while your assistant is busy reaches it at once, and it answers everything together.
mode-interrupt = what you write while your assistant is busy interrupts it.

group-off = I stay silent in this group.
group-mention = I answer in this group when I am addressed.
group-always = I answer every message in this group.
group-changers-operators = Only the operators of this bot can change this.
group-changers-owners = Only the owners of this bot can change this.
group-changers-anyone = Everybody in this group can change this.
group-only-direct = This works only in a private chat with me. Please write it to me there.
group-only-group = This works only in a group.
group-not-listed = I may not answer you in this group. An operator of this bot can change that.
group-known-only = I answer here only people I know already. Please write to me in private first.
group-silent = I am switched off in this group.

## /help

help-direct = Just write: your assistant answers. And these commands help along:
help-group = In this group, these commands help along. All others work in a private chat with me:
help-owner = As an owner you can also use:
help-help = `/help`: show this list
help-new = `/new`: begin a fresh conversation
help-stop = `/stop`: stop what your assistant is doing
help-status = `/status`: see how things stand
help-session = `/session`: go back to an earlier conversation, or bring one here
help-link = `/link`: use the same assistant on another channel
help-links = `/links`: see from where you reach your assistant
help-unlink = `/unlink`: remove one of these ways
help-model = `/model`: choose the model your assistant thinks with
help-usage = `/usage`: see what you have used and what is left
help-mode = `/mode`: choose what happens when you write while your assistant is busy
help-mode-group = `/mode`: choose when I answer in this group
help-approve = `/approve`: allow what your assistant asks for
help-deny = `/deny`: refuse what your assistant asks for
help-approve-owner = `/approve …`: let somebody in who has this code
help-deny-owner = `/deny …`: turn away somebody who has this code
help-lang = `/lang`: choose the language I speak with you
help-export = `/export`: get what is kept about you
help-erase = `/erase`: erase everything that is kept about you
help-feedback = `/feedback …`: tell the people behind this bot what you think
help-misused = I did not quite understand that.
help-usages = You can write:

## /new and /session

session-new = A fresh conversation begins. The earlier ones are kept: `/session` shows them.
session-new-named = A fresh conversation begins: { $name }. The earlier ones are kept: `/session` shows them.
session-intro = Your conversations:
session-unnamed = conversation { $number }
session-line = `/session { $number }`: { $name }, last used { $when }
session-line-current = `/session { $number }`: { $name }, last used { $when } (the one we are in)
session-outro = `/new` begins another one. `/session here` brings the one we are in to this chat, and `/session name …` gives it a name.
session-switched = We are in this conversation again: { $name }.
session-named = This conversation is called { $name } now.
session-here = We go on here.
session-last = This is where we left off:
session-said-you = You: { $text }
session-said-me = Assistant: { $text }
session-unknown = There is no such conversation. `/session` shows them all.

## /status

status-ready = Your assistant is ready.
status-working = Your assistant is working on an answer.
status-ready-here = The assistant here is ready.
status-working-here = The assistant here is working on an answer.
status-silent = The model it uses does not answer just now.
status-waiting = { $count ->
    [one] { $count } message of yours is waiting.
   *[other] { $count } messages of yours are waiting.
}
status-session = We are in: { $name }
status-model = Model: `{ $model }`
status-mode = While it is busy, `{ $mode }`: { $meaning }
status-links = { $count ->
    [one] You reach it from { $count } place: `/links`
   *[other] You reach it from { $count } places: `/links`
}

## /link

link-code = Send me this code on another channel, and you have the same assistant there, with the same conversation:
link-code-terms = The code works once and expires { $when }. Keep it to yourself: whoever has it can reach your assistant.
link-way-open = { $channel }: open this link, then tap Start or Send.
link-way-write = { $channel }: write this to me there.
link-too-many-codes = You have asked for many codes already. Please try again { $when }.
link-joined = Linked! You have the same assistant here as on { $channel } now, with the same conversation.
link-joined-elsewhere = Your assistant can now be reached here, too: { $place }. If that was not you, please remove it at once with `/unlink`.
link-already = You are linked already: you have the same assistant here and there.
link-refused = This code does not work. It may be mistyped, used already or expired. Please check it, or get a new one.
link-spilt-void = There was a code in your message. I have taken it out, and it does not work any more. Please ask for a new one, and send it as I tell you then.
link-spilt = There was a code in your message, and I have taken it out. To use it, please send it to me alone, with nothing else.
link-too-many = That was too many codes that do not work. Please try again { $when }.
link-confirm-stays =
    Your link code was used on { $channel } by somebody who already has an assistant there. If both sides agree, this is what happens:
    - Your assistant stays as it is, and answers there, too.
    - The other assistant is backed up, stopped, and kept for 30 days, in which an operator can bring it back.
    - Nothing is mixed: what the other assistant knows does not come to yours.
link-confirm-goes =
    You already have an assistant here, and this code leads to another one, on { $channel }. If both sides agree, this is what happens:
    - The assistant from { $channel } answers here from then on.
    - The assistant you have here is backed up, stopped, and kept for 30 days, in which an operator can bring it back.
    - Nothing is mixed: what it knows does not come along.
link-confirm-answer = If you want this, and both are yours: `/link yes`. If not: `/link no`. Without an answer everything stays as it is, and the offer expires { $when }.
link-waiting = Thank you. Now please say yes on { $channel }, too: I have asked there as well.
link-merged-stays = Done: your assistant answers on { $channel }, too. The other assistant is stopped and kept until { $date }.
link-merged-goes = Done: the assistant from { $channel } answers here now. The one you had here is stopped and kept until { $date }; until then an operator can bring it back.
link-declined = All right, everything stays as it is.
link-declined-there = The answer on { $channel } was no, so everything stays as it is.
link-nothing = There is nothing to confirm. The offer may have expired: `/link` gives you a new code.
link-invited = This leads to the assistant of { $who }. If you say yes, you share it: what you write here becomes part of one conversation, and both of you can read all of it.
link-invited-unnamed = This leads to an assistant that somebody else uses already. If you say yes, you share it: what you write here becomes part of one conversation, and both of you can read all of it.
link-invited-answer = If the link or code is your own, or you want this: `/link yes`. If not: `/link no`. Without an answer nothing happens, and the offer expires { $when }.

## /links and /unlink

links-intro = { $count ->
    [one] You reach your assistant from { $count } place:
   *[other] You reach your assistant from { $count } places:
}
links-line = { $place }, since { $date }, last seen { $when }
links-line-here = { $place }, since { $date }: this is here
links-outro = `/link` adds another one, `/unlink` removes one.
unlink-intro = Which of these should not reach your assistant any more?
unlink-choice = `/unlink { $number }`: { $line }
unlink-done = Removed: { $place }. What is written there does not reach your assistant any more.
unlink-done-here = This chat does not reach the assistant it was linked to any more.
unlink-last = This is the only way to your assistant, so it stays. To leave for good, there is `/erase`.
unlink-unknown = There is no such number. `/unlink` shows the list.

## /model

model-now = Your assistant thinks with `{ $model }`.
model-now-default = Your assistant thinks with the usual model.
model-choose = You can choose:
model-choice = `/model { $model }`
model-choice-default = `/model default`: the usual one
model-set = From your next message on, your assistant thinks with `{ $model }`.
model-set-default = From your next message on, your assistant thinks with the usual model again.
model-unknown = There is no model here with this name: { $name }.
model-fixed = The model cannot be chosen here.

## /usage and limits

usage-day = Today, starting over { $when }:
usage-month = This month, starting over { $when }:
usage-messages = Messages: { $used }
usage-messages-of = Messages: { $used } of { $limit }
usage-tokens = Tokens: { $used }
usage-tokens-of = Tokens: { $used } of { $limit }
usage-cost = Cost: { $used }
usage-cost-of = Cost: { $used } of { $limit }

near-messages-minute = You are writing rather fast. After a break of a minute it starts over, and all of it gets answered.
near-messages-day = { $left ->
    [one] You have { $left } message left today. It starts over { $when }.
   *[other] You have { $left } messages left today. It starts over { $when }.
}
near-tokens-day = Today’s tokens are nearly used up: { $left } left. It starts over { $when }.
near-tokens-month = This month’s tokens are nearly used up: { $left } left. It starts over { $when }.
near-cost-day = Today’s budget is nearly used up: { $left } left. It starts over { $when }.
near-cost-month = This month’s budget is nearly used up: { $left } left. It starts over { $when }.
over-messages-minute = That was a lot at once, so this message was not taken. You can continue { $when }.
over-commands-minute = That was a lot of commands at once, so this one was not carried out. You can continue { $when }. `/stop` always works.
over-messages-day = You have sent as many messages today as you can, so this one was not taken. You can continue { $when }.
over-tokens-day = Today’s tokens are used up, so this message was not taken. You can continue { $when }.
over-tokens-month = This month’s tokens are used up, so this message was not taken. You can continue { $when }.
over-cost-day = Today’s budget is used up, so this message was not taken. You can continue { $when }.
over-cost-month = This month’s budget is used up, so this message was not taken. You can continue { $when }.
over-host = The assistant that answers here has used up what it may for now, so this message was not taken. It goes on { $when }.

## Who may use the bot

access-closed = Thank you for writing. This bot is private and takes nobody new.
access-not-listed = Thank you for writing. This bot is only for certain people, and you are not among them yet. Please ask whoever runs it.
access-invite = Nice to meet you! To begin, you need an invitation. If you have a code, just send it to me.
access-pairing = Nice to meet you! Before we begin, the people who run this bot have to let you in. Please give them this code:
access-pairing-terms = The code expires { $when }.
access-crowded = Nice to meet you! The people who run this bot have to let you in, and many are waiting for that already. Please try again later.
access-approved = You are in, welcome! From now on you have your own assistant here. What you wrote before did not reach it, so please write again. `/help` shows what else there is.
access-blocked = You cannot use this bot any more. Please ask whoever runs it.
access-welcome = Welcome! From now on you have your own assistant here: just write. `/help` shows what else there is.
access-invited = Your invitation is valid, welcome! From now on you have your own assistant here: just write. `/help` shows what else there is.

## /approve and /deny

approval-asked = Your assistant wants to run this, and asks you first:
approval-answer = `/approve { $id }` allows it, `/deny { $id }` does not.
approval-answer-always = `/approve { $id }` allows it this time, `/approve { $id } always` from now on, `/deny { $id }` does not.
approval-choose = These are waiting for your answer:
approval-approved = Allowed: your assistant goes on.
approval-denied = Refused: your assistant leaves it.
approval-gone = This has been settled already.
approval-nothing = There is nothing to approve.
pairing-asked = { $who } would like to be let in, on { $channel }.
pairing-answer = `/approve { $code }` lets them in, `/deny { $code }` turns them away.
pairing-several = { $count ->
    [one] { $count } person would like to be let in:
   *[other] { $count } people would like to be let in:
}
pairing-line = `/approve { $code }`: { $who }, on { $channel }
pairing-more = { $count ->
    [one] And { $count } more: `/approve` shows who waits.
   *[other] And { $count } more: `/approve` shows who waits.
}
pairing-several-answer = `/deny …` with the same code turns somebody away.
pairing-approved = { $who } is in now, on { $channel }.
pairing-denied = { $who } was not let in, on { $channel }.
pairing-unknown = There is no such request. It may have been settled already, or expired.

## Buttons, at most 20 characters

button-allow = Allow
button-allow-always = Always allow
button-deny = Deny
button-join = Yes, link them
button-leave = No, leave it
button-let-in = Let in
button-turn-away = Turn away

## /lang

lang-now = I speak English with you. You can choose:
lang-set = From now on I speak English with you.
lang-unknown = I do not speak this language yet. You can choose:
lang-choice = `/lang { $tag }`: { $name }
lang-note = Your assistant itself answers in the language you write in.

## /export, /erase and /feedback

export-ready = This is what I keep about you, as one archive: who you are to me, your settings, your messages and the answers to them, and what your assistant has written down itself, its memory and its files. Loading it may take a minute.
export-terms = The link works once and expires { $when }. Keep it to yourself.
export-no-url = I cannot hand out files here, but whoever runs this bot can give you everything that is kept about you. Please send them this line: it is what they type to write your archive into a file.
export-missing = What your assistant itself has written down belongs here and could not be read when this archive was made. Please ask for another one later.
export-used-up = This address is used up, or it was never one. Please ask for a new one in the chat.
export-you = you
export-bot = the bot
export-program = somebody’s program
erase-asked =
    This erases everything that is kept about you, for good:
    - how you reach your assistant, and your settings
    - your messages and the answers to them
    - your assistant itself, with all it knows, its files and its backups

    Two things remain: a record that something was erased, which says nothing about you, and, until this month ends, how much you have used of it, under a mark from which nobody can read who you are. If you want a copy first, there is `/export`. To erase everything, write:
erase-terms = The code expires { $when }. If you do nothing, nothing happens.
erase-wrong = This code does not work, and nothing was erased. `/erase` gives you a new one.
erase-cancelled = Good: nothing was erased.
erase-done = Everything that was kept about you has been erased. Thank you for having been here. If you write again, we begin anew.
erase-under-way = You are erased: nobody is you here any more, and there is no way back. Your assistant with its files and backups is being removed now; that goes on by itself. Thank you for having been here. If you write again, we begin anew.
feedback-thanks = Thank you! The people behind this bot will read it.
feedback-empty = Please write what you think right behind the command: `/feedback …`

## When a command cannot be carried out

trouble-failed = I could not do that just now. Please try again.
trouble-later = This takes longer than it should. I keep trying, and you will hear from me.
trouble-not-allowed = You may not do that here.
