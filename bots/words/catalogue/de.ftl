# Deutsch. Anrede: du.

## Times

ago-moment = gerade eben
ago-minutes = { $count ->
    [one] vor { $count } Minute
   *[other] vor { $count } Minuten
}
ago-hours = { $count ->
    [one] vor { $count } Stunde
   *[other] vor { $count } Stunden
}
ago-days = { $count ->
    [one] vor { $count } Tag
   *[other] vor { $count } Tagen
}
in-moment = in weniger als einer Minute
in-minutes = { $count ->
    [one] in { $count } Minute
   *[other] in { $count } Minuten
}
in-hours = { $count ->
    [one] in { $count } Stunde
   *[other] in { $count } Stunden
}
in-days = { $count ->
    [one] in { $count } Tag
   *[other] in { $count } Tagen
}
reset-soon = { $when }, um { $time } UTC
reset-later = am { $date } um { $time } UTC
date = { $month ->
    [1] { $day }. Januar { $year }
    [2] { $day }. Februar { $year }
    [3] { $day }. März { $year }
    [4] { $day }. April { $year }
    [5] { $day }. Mai { $year }
    [6] { $day }. Juni { $year }
    [7] { $day }. Juli { $year }
    [8] { $day }. August { $year }
    [9] { $day }. September { $year }
    [10] { $day }. Oktober { $year }
    [11] { $day }. November { $year }
   *[12] { $day }. Dezember { $year }
}
money = { $amount } $
place = { $channel } ({ $label })

## Turns

turn-failed-sandbox = Dein Assistent konnte gerade nicht gestartet werden. Bitte schick deine Nachricht in einer Minute noch einmal.
turn-failed-agent = Dein Assistent konnte das nicht beantworten: Sein Modell hat einen Fehler gemeldet. Bitte versuch es noch einmal.
turn-failed-timeout = Das hat länger gedauert als erlaubt und wurde deshalb abgebrochen. Bitte versuch es noch einmal, oder frag nach weniger auf einmal.
turn-failed-model = Das Modell, das du gewählt hast, gibt es nicht mehr, deshalb blieb das ohne Antwort. `/model` zeigt, welche es gibt.
turn-failed-budget = Das würde mehr verbrauchen, als dir bleibt, deshalb blieb es ohne Antwort. `/usage` zeigt, was übrig ist und wann neu gezählt wird.
turn-failed-retired = Dieser Assistent ruht, seit aus deinen zweien einer wurde, deshalb blieb das ohne Antwort. Bitte schick deine Nachricht noch einmal.
turn-failed-erased = Gerade wird alles über dich gelöscht, deshalb blieb das ohne Antwort. Für einen neuen Anfang schreib bitte in ein paar Minuten wieder.
turn-failed-internal = Bei uns ist etwas schiefgegangen, und diese Nachricht wurde nicht beantwortet. Bitte schick sie noch einmal.
turn-nothing = (Dein Assistent hatte dazu nichts zu sagen.)
turn-idle = Es gibt nichts zu stoppen: Dein Assistent wartet auf dich.
turn-interrupted = (Unterbrochen durch deine nächste Nachricht.)
turn-halted = (Dein Assistent wurde gestoppt, bevor er fertig war.)
turn-stopped = (Gestoppt.)
turn-stopped-cleared = { $count ->
    [one] (Gestoppt. Auch eine Nachricht von dir, die noch wartete, wurde beiseitegelegt.)
   *[other] (Gestoppt. Auch { $count } Nachrichten von dir, die noch warteten, wurden beiseitegelegt.)
}
turn-full = Es warten schon zu viele Nachrichten von dir, deshalb wurde diese nicht angenommen, und auch die nächsten nicht, bis einige beantwortet sind. Bitte schick sie dann noch einmal.
turn-waking = Dein Assistent wacht gerade auf; das dauert ein paar Sekunden. Deine Antwort kommt ganz von selbst.
turn-next = Hier ist gerade viel los. Du bist als Nächstes dran: Deine Antwort kommt, sobald Platz ist.
turn-queued = { $ahead ->
    [one] Hier ist gerade viel los. Eine Person ist noch vor dir; deine Antwort kommt ganz von selbst.
   *[other] Hier ist gerade viel los. { $ahead } Personen sind noch vor dir; deine Antwort kommt ganz von selbst.
}
turn-own = Bei dir laufen schon so viele Gespräche gleichzeitig, wie du haben darfst, deshalb wartet dieses. Die Antwort kommt ganz von selbst, sobald eines der anderen zu Ende ist.
turn-host = Der Assistent, der hier antwortet, ist schon in so vielen Gesprächen gleichzeitig beschäftigt, wie er darf, deshalb wartet dieses. Die Antwort kommt ganz von selbst.

media-too-large = Deine Datei ist nicht bei deinem Assistenten angekommen: Sie ist größer als { $megabytes } MB, und mehr geht nicht durch.
media-unavailable = Deine Datei ist nicht bei deinem Assistenten angekommen: Sie konnte von hier nicht abgeholt werden. Bitte schicke sie noch einmal.
media-not-sent = (Dein Assistent hat eine Datei erstellt, die hier nicht gesendet werden kann: { $name })

## What agents say by themselves

unasked-elsewhere = (Darum hast du auf { $channel } gebeten, aber dort kann ich dir gerade nicht schreiben.)
unasked-unknown = (Ich weiß nicht, wo du darum gebeten hast; deshalb kommt es hier, wo du mir zuletzt geschrieben hast.)
unasked-failed = Das sollte ich jetzt für dich tun, und es hat nicht geklappt:

## Answers that were lost

loss-unknown = { $count ->
    [one] Eine Antwort von mir hat dich vielleicht nicht oder nicht ganz erreicht: Beim Senden brach die Verbindung ab. Wenn dir etwas fehlt, frag bitte noch einmal.
   *[other] { $count } Antworten von mir haben dich vielleicht nicht erreicht: Beim Senden brach die Verbindung ab. Wenn dir etwas fehlt, frag bitte noch einmal.
}
loss-unknown-when = { $count ->
    [one] Eine Antwort von mir ({ $when }) hat dich vielleicht nicht oder nicht ganz erreicht: Beim Senden brach die Verbindung ab. Wenn dir etwas fehlt, frag bitte noch einmal.
   *[other] { $count } Antworten von mir (die erste { $when }) haben dich vielleicht nicht erreicht: Beim Senden brach die Verbindung ab. Wenn dir etwas fehlt, frag bitte noch einmal.
}
loss-dead = { $count ->
    [one] Eine Antwort von mir konnte nicht oder nicht ganz zugestellt werden. Bitte frag noch einmal, wenn du sie noch brauchst.
   *[other] { $count } Antworten von mir konnten nicht zugestellt werden. Bitte frag noch einmal, wenn du sie noch brauchst.
}
loss-dead-when = { $count ->
    [one] Eine Antwort von mir ({ $when }) konnte nicht oder nicht ganz zugestellt werden. Bitte frag noch einmal, wenn du sie noch brauchst.
   *[other] { $count } Antworten von mir (die erste { $when }) konnten nicht zugestellt werden. Bitte frag noch einmal, wenn du sie noch brauchst.
}

## /mode

mode-now = Zurzeit gilt: { $meaning }
mode-set = Ab jetzt gilt: { $meaning }
mode-choose = Du kannst wählen:
mode-choice = `/mode { $mode }`: { $meaning }
mode-queue = Was du schreibst, während dein Assistent beschäftigt ist, wartet, bis er fertig ist.
mode-steer = Was du schreibst, während dein Assistent beschäftigt ist, erreicht ihn sofort, und er beantwortet alles zusammen.
mode-interrupt = Was du schreibst, während dein Assistent beschäftigt ist, unterbricht ihn.

group-off = Ich schweige in dieser Gruppe.
group-mention = Ich antworte in dieser Gruppe, wenn ich angesprochen werde.
group-always = Ich antworte in dieser Gruppe auf jede Nachricht.
group-changers-operators = Ändern können das nur die Betreiber dieses Bots.
group-changers-owners = Ändern können das nur die Besitzer dieses Bots.
group-changers-anyone = Ändern können das alle in dieser Gruppe.
group-only-direct = Das geht nur im privaten Chat mit mir. Bitte schreib es mir dort.
group-only-group = Das geht nur in einer Gruppe.
group-not-listed = Ich darf dir in dieser Gruppe nicht antworten. Die Betreiber dieses Bots können das ändern.
group-known-only = Ich antworte hier nur Leuten, die ich schon kenne. Bitte schreib mir zuerst privat.
group-silent = Ich bin in dieser Gruppe ausgeschaltet.

## /help

help-direct = Schreib einfach los: Dein Assistent antwortet. Und diese Befehle helfen dabei:
help-group = In dieser Gruppe helfen diese Befehle. Alle anderen gehen im privaten Chat mit mir:
help-owner = Als Besitzer kannst du außerdem:
help-help = `/help`: diese Liste zeigen
help-new = `/new`: eine neue Unterhaltung beginnen
help-stop = `/stop`: stoppen, was dein Assistent gerade tut
help-status = `/status`: sehen, wie es steht
help-session = `/session`: zu einer früheren Unterhaltung zurückkehren oder eine hierher holen
help-link = `/link`: denselben Assistenten auf einem anderen Kanal nutzen
help-links = `/links`: sehen, von wo du deinen Assistenten erreichst
help-unlink = `/unlink`: einen dieser Wege entfernen
help-model = `/model`: das Modell wählen, mit dem dein Assistent denkt
help-usage = `/usage`: sehen, was du verbraucht hast und was übrig ist
help-mode = `/mode`: wählen, was geschieht, wenn du schreibst, während dein Assistent beschäftigt ist
help-mode-group = `/mode`: wählen, wann ich in dieser Gruppe antworte
help-approve = `/approve`: erlauben, worum dein Assistent bittet
help-deny = `/deny`: ablehnen, worum dein Assistent bittet
help-approve-owner = `/approve …`: jemanden mit diesem Code hereinlassen
help-deny-owner = `/deny …`: jemanden mit diesem Code abweisen
help-lang = `/lang`: die Sprache wählen, in der ich mit dir spreche
help-export = `/export`: bekommen, was über dich gespeichert ist
help-erase = `/erase`: alles löschen, was über dich gespeichert ist
help-feedback = `/feedback …`: den Leuten hinter diesem Bot deine Meinung sagen
help-misused = Das habe ich nicht ganz verstanden.
help-usages = Du kannst schreiben:

## /new and /session

session-new = Eine neue Unterhaltung beginnt. Die früheren bleiben erhalten: `/session` zeigt sie.
session-new-named = Eine neue Unterhaltung beginnt: { $name }. Die früheren bleiben erhalten: `/session` zeigt sie.
session-intro = Deine Unterhaltungen:
session-unnamed = Unterhaltung { $number }
session-line = `/session { $number }`: { $name }, zuletzt benutzt { $when }
session-line-current = `/session { $number }`: { $name }, zuletzt benutzt { $when } (in dieser sind wir gerade)
session-outro = `/new` beginnt eine weitere. `/session here` holt die, in der wir gerade sind, in diesen Chat, und `/session name …` gibt ihr einen Namen.
session-switched = Wir sind wieder in dieser Unterhaltung: { $name }.
session-named = Diese Unterhaltung heißt jetzt { $name }.
session-here = Wir machen hier weiter.
session-last = Hier waren wir stehen geblieben:
session-said-you = Du: { $text }
session-said-me = Assistent: { $text }
session-unknown = Diese Unterhaltung gibt es nicht. `/session` zeigt alle.

## /status

status-ready = Dein Assistent ist bereit.
status-working = Dein Assistent arbeitet an einer Antwort.
status-ready-here = Der Assistent hier ist bereit.
status-working-here = Der Assistent hier arbeitet an einer Antwort.
status-silent = Sein Modell antwortet gerade nicht.
status-waiting = { $count ->
    [one] { $count } Nachricht von dir wartet.
   *[other] { $count } Nachrichten von dir warten.
}
status-session = Wir sind in: { $name }
status-model = Modell: `{ $model }`
status-mode = Solange er beschäftigt ist, `{ $mode }`: { $meaning }
status-links = { $count ->
    [one] Du erreichst ihn von { $count } Ort aus: `/links`
   *[other] Du erreichst ihn von { $count } Orten aus: `/links`
}

## /link

link-code = Schick mir diesen Code auf einem anderen Kanal, dann hast du dort denselben Assistenten und dieselbe Unterhaltung:
link-code-terms = Der Code gilt einmal und verfällt { $when }. Behalte ihn für dich: Wer ihn hat, kann deinen Assistenten erreichen.
link-way-open = { $channel }: Öffne diesen Link und tippe dann auf Starten oder Senden.
link-way-write = { $channel }: Schreib mir dort dies.
link-too-many-codes = Du hast schon viele Codes angefordert. Bitte versuch es { $when } noch einmal.
link-joined = Verbunden! Du hast hier jetzt denselben Assistenten wie auf { $channel }, mit derselben Unterhaltung.
link-joined-elsewhere = Dein Assistent ist jetzt auch hier erreichbar: { $place }. Wenn du das nicht warst, entferne es bitte sofort mit `/unlink`.
link-already = Das ist schon verbunden: Du hast hier und dort denselben Assistenten.
link-refused = Dieser Code gilt nicht. Vielleicht ist er vertippt, schon benutzt oder abgelaufen. Bitte prüf ihn, oder hol dir einen neuen.
link-spilt-void = In deiner Nachricht stand ein Code. Ich habe ihn herausgenommen, und er gilt nicht mehr. Bitte lass dir einen neuen geben und schicke ihn so, wie ich es dann sage.
link-spilt = In deiner Nachricht stand ein Code, und ich habe ihn herausgenommen. Um ihn zu benutzen, schick ihn mir bitte allein, ohne etwas dazu.
link-too-many = Das waren zu viele Codes, die nicht gelten. Bitte versuch es { $when } noch einmal.
link-confirm-stays =
    Dein Code wurde auf { $channel } von jemandem benutzt, der dort schon einen Assistenten hat. Wenn beide Seiten zustimmen, geschieht Folgendes:
    - Dein Assistent bleibt, wie er ist, und antwortet auch dort.
    - Der andere Assistent wird gesichert, gestoppt und 30 Tage aufbewahrt. So lange können die Betreiber ihn zurückholen.
    - Nichts wird vermischt: Was der andere Assistent weiß, kommt nicht zu deinem.
link-confirm-goes =
    Du hast hier schon einen Assistenten, und dieser Code führt zu einem anderen, auf { $channel }. Wenn beide Seiten zustimmen, geschieht Folgendes:
    - Der Assistent von { $channel } antwortet von da an hier.
    - Der Assistent, den du hier hast, wird gesichert, gestoppt und 30 Tage aufbewahrt. So lange können die Betreiber ihn zurückholen.
    - Nichts wird vermischt: Was er weiß, kommt nicht mit.
link-confirm-answer = Wenn du das willst und beide dir gehören: `/link yes`. Wenn nicht: `/link no`. Ohne Antwort bleibt alles, wie es ist, und das Angebot verfällt { $when }.
link-waiting = Danke. Sag jetzt bitte auch auf { $channel } Ja: Ich habe dort ebenfalls gefragt.
link-merged-stays = Fertig: Dein Assistent antwortet auch auf { $channel }. Der andere Assistent ist gestoppt und wird bis zum { $date } aufbewahrt.
link-merged-goes = Fertig: Der Assistent von { $channel } antwortet jetzt hier. Der, den du hier hattest, ist gestoppt und wird bis zum { $date } aufbewahrt; so lange können die Betreiber ihn zurückholen.
link-declined = Gut, alles bleibt, wie es ist.
link-declined-there = Die Antwort auf { $channel } war Nein, also bleibt alles, wie es ist.
link-nothing = Es gibt nichts zu bestätigen. Vielleicht ist das Angebot verfallen: `/link` gibt dir einen neuen Code.
link-invited = Das führt zum Assistenten von { $who }. Wenn du Ja sagst, teilt ihr ihn euch: Was du hier schreibst, wird Teil eines gemeinsamen Gesprächs, und ihr könnt beide alles darin lesen.
link-invited-unnamed = Das führt zu einem Assistenten, den schon jemand anders benutzt. Wenn du Ja sagst, teilt ihr ihn euch: Was du hier schreibst, wird Teil eines gemeinsamen Gesprächs, und ihr könnt beide alles darin lesen.
link-invited-answer = Wenn der Link oder Code von dir selbst ist oder du das willst: `/link yes`. Wenn nicht: `/link no`. Ohne Antwort passiert nichts, und das Angebot verfällt { $when }.

## /links and /unlink

links-intro = { $count ->
    [one] Du erreichst deinen Assistenten von { $count } Ort aus:
   *[other] Du erreichst deinen Assistenten von { $count } Orten aus:
}
links-line = { $place }, seit dem { $date }, zuletzt gesehen { $when }
links-line-here = { $place }, seit dem { $date }: das ist hier
links-outro = `/link` fügt einen hinzu, `/unlink` entfernt einen.
unlink-intro = Welcher davon soll deinen Assistenten nicht mehr erreichen?
unlink-choice = `/unlink { $number }`: { $line }
unlink-done = Entfernt: { $place }. Was dort geschrieben wird, erreicht deinen Assistenten nicht mehr.
unlink-done-here = Dieser Chat erreicht den Assistenten, mit dem er verbunden war, nicht mehr.
unlink-last = Das ist der einzige Weg zu deinem Assistenten, deshalb bleibt er. Wenn du ganz gehen willst, gibt es `/erase`.
unlink-unknown = Diese Nummer gibt es nicht. `/unlink` zeigt die Liste.

## /model

model-now = Dein Assistent denkt mit `{ $model }`.
model-now-default = Dein Assistent denkt mit dem üblichen Modell.
model-choose = Du kannst wählen:
model-choice = `/model { $model }`
model-choice-default = `/model default`: das übliche
model-set = Ab deiner nächsten Nachricht denkt dein Assistent mit `{ $model }`.
model-set-default = Ab deiner nächsten Nachricht denkt dein Assistent wieder mit dem üblichen Modell.
model-unknown = Ein Modell mit diesem Namen gibt es hier nicht: { $name }.
model-fixed = Das Modell lässt sich hier nicht wählen.

## /usage and limits

usage-day = Heute; neu gezählt wird { $when }:
usage-month = Diesen Monat; neu gezählt wird { $when }:
usage-messages = Nachrichten: { $used }
usage-messages-of = Nachrichten: { $used } von { $limit }
usage-tokens = Tokens: { $used }
usage-tokens-of = Tokens: { $used } von { $limit }
usage-cost = Kosten: { $used }
usage-cost-of = Kosten: { $used } von { $limit }

near-messages-minute = Du schreibst ziemlich schnell. Nach einer Minute Pause wird neu gezählt, und alles wird beantwortet.
near-messages-day = { $left ->
    [one] Du hast heute noch { $left } Nachricht übrig. Neu gezählt wird { $when }.
   *[other] Du hast heute noch { $left } Nachrichten übrig. Neu gezählt wird { $when }.
}
near-tokens-day = Die Tokens für heute sind fast aufgebraucht: noch { $left }. Neu gezählt wird { $when }.
near-tokens-month = Die Tokens für diesen Monat sind fast aufgebraucht: noch { $left }. Neu gezählt wird { $when }.
near-cost-day = Das Budget für heute ist fast aufgebraucht: noch { $left }. Neu gezählt wird { $when }.
near-cost-month = Das Budget für diesen Monat ist fast aufgebraucht: noch { $left }. Neu gezählt wird { $when }.
over-messages-minute = Das war viel auf einmal, deshalb wurde diese Nachricht nicht angenommen. Weiter geht es { $when }.
over-commands-minute = Das waren viele Befehle auf einmal, deshalb wurde dieser nicht ausgeführt. Weiter geht es { $when }. `/stop` geht immer.
over-messages-day = Du hast heute so viele Nachrichten geschickt, wie möglich sind, deshalb wurde diese nicht angenommen. Weiter geht es { $when }.
over-tokens-day = Die Tokens für heute sind aufgebraucht, deshalb wurde diese Nachricht nicht angenommen. Weiter geht es { $when }.
over-tokens-month = Die Tokens für diesen Monat sind aufgebraucht, deshalb wurde diese Nachricht nicht angenommen. Weiter geht es { $when }.
over-cost-day = Das Budget für heute ist aufgebraucht, deshalb wurde diese Nachricht nicht angenommen. Weiter geht es { $when }.
over-cost-month = Das Budget für diesen Monat ist aufgebraucht, deshalb wurde diese Nachricht nicht angenommen. Weiter geht es { $when }.
over-host = Der Assistent, der hier antwortet, hat fürs Erste verbraucht, was er darf, deshalb wurde diese Nachricht nicht angenommen. Weiter geht es { $when }.

## Who may use the bot

access-closed = Danke, dass du schreibst. Dieser Bot ist privat und nimmt niemanden neu auf.
access-not-listed = Danke, dass du schreibst. Dieser Bot ist nur für bestimmte Leute, und du gehörst noch nicht dazu. Bitte frag die Betreiber.
access-invite = Schön, dass du da bist! Zum Loslegen brauchst du eine Einladung. Wenn du einen Code hast, schick ihn mir einfach.
access-pairing = Schön, dass du da bist! Bevor wir loslegen, müssen dich die Betreiber dieses Bots hereinlassen. Bitte gib ihnen diesen Code:
access-pairing-terms = Der Code verfällt { $when }.
access-crowded = Schön, dass du da bist! Die Betreiber dieses Bots müssen dich hereinlassen, und darauf warten schon viele. Bitte versuch es später noch einmal.
access-approved = Du bist drin, willkommen! Ab jetzt hast du hier deinen eigenen Assistenten. Was du vorher geschrieben hast, hat ihn nicht erreicht: Bitte schreib noch einmal. `/help` zeigt, was es sonst noch gibt.
access-blocked = Du kannst diesen Bot nicht mehr nutzen. Bitte frag die Betreiber.
access-welcome = Willkommen! Ab jetzt hast du hier deinen eigenen Assistenten: Schreib einfach los. `/help` zeigt, was es sonst noch gibt.
access-invited = Deine Einladung gilt, willkommen! Ab jetzt hast du hier deinen eigenen Assistenten: Schreib einfach los. `/help` zeigt, was es sonst noch gibt.

## /approve and /deny

approval-asked = Dein Assistent möchte das hier ausführen und fragt dich vorher:
approval-answer = `/approve { $id }` erlaubt es, `/deny { $id }` nicht.
approval-answer-always = `/approve { $id }` erlaubt es dieses Mal, `/approve { $id } always` von jetzt an immer, `/deny { $id }` gar nicht.
approval-choose = Das hier wartet auf deine Antwort:
approval-approved = Erlaubt: Dein Assistent macht weiter.
approval-denied = Abgelehnt: Dein Assistent lässt es.
approval-gone = Das ist schon erledigt.
approval-nothing = Es gibt nichts zu erlauben.
pairing-asked = { $who } möchte hereingelassen werden, auf { $channel }.
pairing-answer = `/approve { $code }` lässt die Person herein, `/deny { $code }` weist sie ab.
pairing-several = { $count ->
    [one] { $count } Person möchte hereingelassen werden:
   *[other] { $count } Personen möchten hereingelassen werden:
}
pairing-line = `/approve { $code }`: { $who }, auf { $channel }
pairing-more = { $count ->
    [one] Und noch { $count } weitere Person: `/approve` zeigt, wer wartet.
   *[other] Und noch { $count } weitere: `/approve` zeigt, wer wartet.
}
pairing-several-answer = `/deny …` mit demselben Code weist jemanden ab.
pairing-approved = { $who } ist jetzt dabei, auf { $channel }.
pairing-denied = { $who } wurde nicht hereingelassen, auf { $channel }.
pairing-unknown = Diese Anfrage gibt es nicht. Vielleicht ist sie schon erledigt oder abgelaufen.

## Buttons, at most 20 characters

button-allow = Erlauben
button-allow-always = Immer erlauben
button-deny = Ablehnen
button-join = Ja, verbinden
button-leave = Nein, so lassen
button-let-in = Hereinlassen
button-turn-away = Abweisen

## /lang

lang-now = Ich spreche Deutsch mit dir. Du kannst wählen:
lang-set = Ab jetzt spreche ich Deutsch mit dir.
lang-unknown = Diese Sprache spreche ich noch nicht. Du kannst wählen:
lang-choice = `/lang { $tag }`: { $name }
lang-note = Dein Assistent selbst antwortet in der Sprache, in der du schreibst.

## /export, /erase and /feedback

export-ready = Das ist, was ich über dich speichere, in einem Archiv: wer du für mich bist, deine Einstellungen, deine Nachrichten und die Antworten darauf, und was dein Assistent selbst aufgeschrieben hat, sein Gedächtnis und seine Dateien. Das Laden kann eine Minute dauern.
export-terms = Der Link gilt einmal und verfällt { $when }. Behalte ihn für dich.
export-no-url = Ich kann hier keine Dateien herausgeben, aber die Betreiber dieses Bots können dir alles geben, was über dich gespeichert ist. Bitte schick ihnen diese Zeile: Damit schreiben sie dein Archiv in eine Datei.
export-missing = Was dein Assistent selbst aufgeschrieben hat, gehört hierher und konnte nicht gelesen werden, als dieses Archiv gemacht wurde. Bitte fordere später ein neues an.
export-used-up = Diese Adresse ist verbraucht, oder sie war nie eine. Bitte lass dir im Chat eine neue geben.
export-you = du
export-bot = der Bot
export-program = ein Programm von jemandem
erase-asked =
    Das löscht alles, was über dich gespeichert ist, endgültig:
    - wie du deinen Assistenten erreichst, und deine Einstellungen
    - deine Nachrichten und die Antworten darauf
    - deinen Assistenten selbst, mit allem, was er weiß, seinen Dateien und Sicherungen

    Zweierlei bleibt: ein Vermerk, dass etwas gelöscht wurde, der über dich nichts sagt, und bis zum Ende des Monats, wie viel du verbraucht hast, unter einem Zeichen, aus dem niemand lesen kann, wer du bist. Wenn du vorher eine Kopie willst, gibt es `/export`. Um alles zu löschen, schreib:
erase-terms = Der Code verfällt { $when }. Wenn du nichts tust, geschieht nichts.
erase-wrong = Dieser Code gilt nicht, und nichts wurde gelöscht. `/erase` gibt dir einen neuen.
erase-cancelled = Gut: Nichts wurde gelöscht.
erase-done = Alles, was über dich gespeichert war, ist gelöscht. Danke, dass du da warst. Wenn du wieder schreibst, fangen wir neu an.
erase-under-way = Du bist gelöscht: Hier ist niemand mehr du, und es gibt kein Zurück. Dein Assistent mit seinen Dateien und Sicherungen wird gerade entfernt; das geht von selbst weiter. Danke, dass du da warst. Wenn du wieder schreibst, fangen wir neu an.
feedback-thanks = Danke! Die Leute hinter diesem Bot werden es lesen.
feedback-empty = Bitte schreib deine Meinung gleich hinter den Befehl: `/feedback …`

## When a command cannot be carried out

trouble-failed = Das ging gerade nicht. Bitte versuch es noch einmal.
trouble-later = Das dauert länger, als es sollte. Ich versuche es weiter, und du hörst von mir.
trouble-not-allowed = Das darfst du hier nicht.
