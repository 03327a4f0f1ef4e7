# Español. Se tutea.

## Times

ago-moment = ahora mismo
ago-minutes = { $count ->
    [one] hace { $count } minuto
   *[other] hace { $count } minutos
}
ago-hours = { $count ->
    [one] hace { $count } hora
   *[other] hace { $count } horas
}
ago-days = { $count ->
    [one] hace { $count } día
   *[other] hace { $count } días
}
in-moment = en menos de un minuto
in-minutes = { $count ->
    [one] dentro de { $count } minuto
   *[other] dentro de { $count } minutos
}
in-hours = { $count ->
    [one] dentro de { $count } hora
   *[other] dentro de { $count } horas
}
in-days = { $count ->
    [one] dentro de { $count } día
   *[other] dentro de { $count } días
}
reset-soon = { $when }, a las { $time } UTC
reset-later = el { $date } a las { $time } UTC
date = { $month ->
    [1] { $day } de enero de { $year }
    [2] { $day } de febrero de { $year }
    [3] { $day } de marzo de { $year }
    [4] { $day } de abril de { $year }
    [5] { $day } de mayo de { $year }
    [6] { $day } de junio de { $year }
    [7] { $day } de julio de { $year }
    [8] { $day } de agosto de { $year }
    [9] { $day } de septiembre de { $year }
    [10] { $day } de octubre de { $year }
    [11] { $day } de noviembre de { $year }
   *[12] { $day } de diciembre de { $year }
}
money = { $amount } US$
place = { $channel } ({ $label })

## Turns

turn-failed-sandbox = Tu asistente no ha podido arrancar ahora mismo. Vuelve a enviar tu mensaje dentro de un minuto, por favor.
turn-failed-agent = Tu asistente no ha podido responder: el modelo que usa ha dado un error. Inténtalo de nuevo, por favor.
turn-failed-timeout = Esto ha tardado más de lo permitido, así que se ha detenido. Inténtalo de nuevo o pide menos de una vez.
turn-failed-model = El modelo que elegiste ya no se ofrece, así que esto se ha quedado sin respuesta. `/model` muestra los que hay.
turn-failed-budget = Esto gastaría más de lo que te queda, así que se ha quedado sin respuesta. `/usage` muestra lo que queda y cuándo vuelve a cero.
turn-failed-retired = Este asistente descansa desde que tus dos asistentes se unieron, así que esto se ha quedado sin respuesta. Vuelve a enviar tu mensaje, por favor.
turn-failed-erased = Ahora mismo se está borrando todo lo que hay sobre ti, así que esto se ha quedado sin respuesta. Para empezar de nuevo, escribe otra vez dentro de unos minutos.
turn-failed-internal = Algo ha fallado por nuestra parte y este mensaje se ha quedado sin respuesta. Vuelve a enviarlo, por favor.
turn-nothing = (Tu asistente no tenía nada que decir sobre esto.)
turn-idle = No hay nada que detener: tu asistente te está esperando.
turn-interrupted = (Interrumpido por tu siguiente mensaje.)
turn-halted = (Tu asistente se detuvo antes de haber terminado.)
turn-stopped = (Detenido.)
turn-stopped-cleared = { $count ->
    [one] (Detenido. También se ha apartado un mensaje tuyo que estaba esperando.)
   *[other] (Detenido. También se han apartado { $count } mensajes tuyos que estaban esperando.)
}
turn-full = Ya hay demasiados mensajes tuyos esperando, así que este no se ha aceptado, ni se aceptarán los siguientes hasta que algunos tengan respuesta. Vuelve a enviarlo entonces, por favor.
turn-waking = Tu asistente se está despertando; tarda unos segundos. Tu respuesta llegará sola.
turn-next = Ahora mismo hay mucho movimiento. Eres la siguiente persona: tu respuesta llegará en cuanto haya sitio.
turn-queued = { $ahead ->
    [one] Ahora mismo hay mucho movimiento. Tienes { $ahead } persona delante; tu respuesta llegará sola.
   *[other] Ahora mismo hay mucho movimiento. Tienes { $ahead } personas delante; tu respuesta llegará sola.
}
turn-own = Ya tienes en marcha tantas conversaciones a la vez como puedes tener, así que esta espera. Su respuesta llegará sola en cuanto termine una de las otras.
turn-host = El asistente que responde aquí ya atiende tantas conversaciones a la vez como puede, así que esta espera. Su respuesta llegará sola.

media-too-large = Tu archivo no ha llegado a tu asistente: supera los { $megabytes } MB, lo máximo que pasa.
media-unavailable = Tu archivo no ha llegado a tu asistente: no se ha podido obtener desde aquí. Envíalo de nuevo, por favor.
media-not-sent = (Tu asistente ha creado un archivo que no se puede enviar aquí: { $name })

## What agents say by themselves

unasked-elsewhere = (Lo pediste en { $channel }, pero ahora mismo no puedo escribirte allí.)
unasked-unknown = (No sé dónde lo pediste, así que llega aquí, donde me escribiste por última vez.)
unasked-failed = Tenía que hacer esto por ti ahora y no ha funcionado:

## Answers that were lost

loss-unknown = { $count ->
    [one] Puede que una respuesta mía no te haya llegado, o no entera: la conexión se cortó mientras se enviaba. Si echas algo en falta, vuelve a preguntar.
   *[other] Puede que { $count } respuestas mías no te hayan llegado: la conexión se cortó mientras se enviaban. Si echas algo en falta, vuelve a preguntar.
}
loss-unknown-when = { $count ->
    [one] Puede que una respuesta mía ({ $when }) no te haya llegado, o no entera: la conexión se cortó mientras se enviaba. Si echas algo en falta, vuelve a preguntar.
   *[other] Puede que { $count } respuestas mías (la primera, { $when }) no te hayan llegado: la conexión se cortó mientras se enviaban. Si echas algo en falta, vuelve a preguntar.
}
loss-dead = { $count ->
    [one] Una respuesta mía no se ha podido entregar, o no entera. Si todavía la necesitas, vuelve a preguntar.
   *[other] { $count } respuestas mías no se han podido entregar. Si todavía las necesitas, vuelve a preguntar.
}
loss-dead-when = { $count ->
    [one] Una respuesta mía ({ $when }) no se ha podido entregar, o no entera. Si todavía la necesitas, vuelve a preguntar.
   *[other] { $count } respuestas mías (la primera, { $when }) no se han podido entregar. Si todavía las necesitas, vuelve a preguntar.
}

## /mode

mode-now = Ahora: { $meaning }
mode-set = A partir de ahora: { $meaning }
mode-choose = Puedes elegir:
mode-choice = `/mode { $mode }`: { $meaning }
mode-queue = lo que escribes mientras tu asistente está ocupado espera a que termine.
mode-steer = lo que escribes mientras tu asistente está ocupado le llega al momento, y lo responde todo junto.
mode-interrupt = lo que escribes mientras tu asistente está ocupado lo interrumpe.

group-off = no digo nada en este grupo.
group-mention = respondo en este grupo cuando se dirigen a mí.
group-always = respondo a todos los mensajes de este grupo.
group-changers-operators = Solo pueden cambiarlo los responsables de este bot.
group-changers-owners = Solo pueden cambiarlo los propietarios de este bot.
group-changers-anyone = Puede cambiarlo cualquiera de este grupo.
group-only-direct = Esto solo funciona en un chat privado conmigo. Escríbemelo allí, por favor.
group-only-group = Esto solo funciona en un grupo.
group-not-listed = No puedo responderte en este grupo. Los responsables de este bot pueden cambiarlo.
group-known-only = Aquí solo respondo a quienes ya conozco. Escríbeme antes en privado, por favor.
group-silent = Estoy desactivado en este grupo.

## /help

help-direct = Simplemente escribe: tu asistente responde. Y estos comandos te ayudan:
help-group = En este grupo te ayudan estos comandos. Todos los demás funcionan en un chat privado conmigo:
help-owner = Como propietario, también puedes usar:
help-help = `/help`: ver esta lista
help-new = `/new`: empezar una conversación nueva
help-stop = `/stop`: detener lo que está haciendo tu asistente
help-status = `/status`: ver cómo está todo
help-session = `/session`: volver a una conversación anterior o traer una aquí
help-link = `/link`: usar el mismo asistente en otro canal
help-links = `/links`: ver desde dónde llegas a tu asistente
help-unlink = `/unlink`: quitar uno de esos accesos
help-model = `/model`: elegir el modelo con el que piensa tu asistente
help-usage = `/usage`: ver lo que has usado y lo que queda
help-mode = `/mode`: elegir qué pasa cuando escribes mientras tu asistente está ocupado
help-mode-group = `/mode`: elegir cuándo respondo en este grupo
help-approve = `/approve`: permitir lo que pide tu asistente
help-deny = `/deny`: rechazar lo que pide tu asistente
help-approve-owner = `/approve …`: dejar entrar a quien tenga este código
help-deny-owner = `/deny …`: rechazar a quien tenga este código
help-lang = `/lang`: elegir el idioma en el que te hablo
help-export = `/export`: recibir lo que se guarda sobre ti
help-erase = `/erase`: borrar todo lo que se guarda sobre ti
help-feedback = `/feedback …`: dar tu opinión al equipo de este bot
help-misused = No lo he entendido del todo.
help-usages = Puedes escribir:

## /new and /session

session-new = Empieza una conversación nueva. Las anteriores se conservan: `/session` las muestra.
session-new-named = Empieza una conversación nueva: { $name }. Las anteriores se conservan: `/session` las muestra.
session-intro = Tus conversaciones:
session-unnamed = conversación { $number }
session-line = `/session { $number }`: { $name }, usada por última vez { $when }
session-line-current = `/session { $number }`: { $name }, usada por última vez { $when } (es la actual)
session-outro = `/new` empieza otra. `/session here` trae la actual a este chat y `/session name …` le pone un nombre.
session-switched = Estamos de nuevo en esta conversación: { $name }.
session-named = Esta conversación se llama ahora { $name }.
session-here = Seguimos aquí.
session-last = Lo habíamos dejado aquí:
session-said-you = Tú: { $text }
session-said-me = Asistente: { $text }
session-unknown = Esa conversación no existe. `/session` las muestra todas.

## /status

status-ready = Tu asistente está listo.
status-working = Tu asistente está preparando una respuesta.
status-ready-here = El asistente de aquí está listo.
status-working-here = El asistente de aquí está preparando una respuesta.
status-silent = El modelo que usa no responde en este momento.
status-waiting = { $count ->
    [one] { $count } mensaje tuyo está esperando.
   *[other] { $count } mensajes tuyos están esperando.
}
status-session = Estamos en: { $name }
status-model = Modelo: `{ $model }`
status-mode = Mientras está ocupado, `{ $mode }`: { $meaning }
status-links = { $count ->
    [one] Llegas a él desde { $count } sitio: `/links`
   *[other] Llegas a él desde { $count } sitios: `/links`
}

## /link

link-code = Envíame este código por otro canal y tendrás allí el mismo asistente, con la misma conversación:
link-code-terms = El código sirve una sola vez y caduca { $when }. Guárdalo para ti: quien lo tenga puede llegar a tu asistente.
link-way-open = { $channel }: abre este enlace y toca Iniciar o Enviar.
link-way-write = { $channel }: escríbeme esto allí.
link-too-many-codes = Ya has pedido muchos códigos. Inténtalo de nuevo { $when }, por favor.
link-joined = ¡Vinculado! Ahora tienes aquí el mismo asistente que en { $channel }, con la misma conversación.
link-joined-elsewhere = Ahora también se puede llegar a tu asistente desde aquí: { $place }. Si no has sido tú, quítalo enseguida con `/unlink`.
link-already = Ya está vinculado: tienes el mismo asistente aquí y allí.
link-refused = Este código no sirve. Puede estar mal escrito, ya usado o caducado. Revísalo o pide uno nuevo.
link-spilt-void = En tu mensaje había un código. Lo he quitado y ya no sirve. Pide uno nuevo, por favor, y envíalo como te diga entonces.
link-spilt = En tu mensaje había un código y lo he quitado. Para usarlo, envíamelo solo, sin nada más, por favor.
link-too-many = Han sido demasiados códigos que no sirven. Inténtalo de nuevo { $when }, por favor.
link-confirm-stays =
    Alguien que ya tiene un asistente en { $channel } ha usado allí tu código. Si ambas partes están de acuerdo, ocurrirá esto:
    - Tu asistente sigue como está y responde también allí.
    - Del otro asistente se hace una copia; se detiene y se guarda 30 días. Hasta entonces, los responsables pueden recuperarlo.
    - Nada se mezcla: lo que sabe el otro asistente no pasa al tuyo.
link-confirm-goes =
    Aquí ya tienes un asistente, y este código lleva a otro, en { $channel }. Si ambas partes están de acuerdo, ocurrirá esto:
    - El asistente de { $channel } responderá aquí a partir de entonces.
    - Del asistente que tienes aquí se hace una copia; se detiene y se guarda 30 días. Hasta entonces, los responsables pueden recuperarlo.
    - Nada se mezcla: lo que sabe no se viene con él.
link-confirm-answer = Si lo quieres y los dos son tuyos: `/link yes`. Si no: `/link no`. Sin respuesta, todo sigue como está y la oferta caduca { $when }.
link-waiting = Gracias. Ahora di que sí también en { $channel }, por favor: allí he preguntado lo mismo.
link-merged-stays = Hecho: tu asistente responde también en { $channel }. El otro asistente está detenido y se guarda hasta el { $date }.
link-merged-goes = Hecho: el asistente de { $channel } responde ahora aquí. El que tenías aquí está detenido y se guarda hasta el { $date }; hasta entonces, los responsables pueden recuperarlo.
link-declined = De acuerdo, todo sigue como está.
link-declined-there = La respuesta en { $channel } ha sido que no, así que todo sigue como está.
link-nothing = No hay nada que confirmar. Puede que la oferta haya caducado: `/link` te da un código nuevo.
link-invited = Esto lleva al asistente de { $who }. Si dices que sí, lo compartís: lo que escribas aquí formará parte de una misma conversación, y ambas partes podréis leerla entera.
link-invited-unnamed = Esto lleva a un asistente que ya usa otra persona. Si dices que sí, lo compartís: lo que escribas aquí formará parte de una misma conversación, y ambas partes podréis leerla entera.
link-invited-answer = Si el enlace o el código es tuyo, o lo quieres así: `/link yes`. Si no: `/link no`. Sin respuesta no pasa nada, y la oferta caduca { $when }.

## /links and /unlink

links-intro = { $count ->
    [one] Llegas a tu asistente desde { $count } sitio:
   *[other] Llegas a tu asistente desde { $count } sitios:
}
links-line = { $place }, desde el { $date }, visto { $when }
links-line-here = { $place }, desde el { $date }: es este
links-outro = `/link` añade otro, `/unlink` quita uno.
unlink-intro = ¿Cuál de ellos no debe llegar más a tu asistente?
unlink-choice = `/unlink { $number }`: { $line }
unlink-done = Quitado: { $place }. Lo que se escriba allí ya no llega a tu asistente.
unlink-done-here = Este chat ya no llega al asistente con el que estaba vinculado.
unlink-last = Es el único acceso a tu asistente, así que se queda. Para irte del todo, está `/erase`.
unlink-unknown = Ese número no existe. `/unlink` muestra la lista.

## /model

model-now = Tu asistente piensa con `{ $model }`.
model-now-default = Tu asistente piensa con el modelo habitual.
model-choose = Puedes elegir:
model-choice = `/model { $model }`
model-choice-default = `/model default`: el habitual
model-set = A partir de tu próximo mensaje, tu asistente piensa con `{ $model }`.
model-set-default = A partir de tu próximo mensaje, tu asistente vuelve a pensar con el modelo habitual.
model-unknown = Aquí no hay ningún modelo con este nombre: { $name }.
model-fixed = Aquí no se puede elegir el modelo.

## /usage and limits

usage-day = Hoy; vuelve a cero { $when }:
usage-month = Este mes; vuelve a cero { $when }:
usage-messages = Mensajes: { $used }
usage-messages-of = Mensajes: { $used } de { $limit }
usage-tokens = Tokens: { $used }
usage-tokens-of = Tokens: { $used } de { $limit }
usage-cost = Coste: { $used }
usage-cost-of = Coste: { $used } de { $limit }

near-messages-minute = Escribes bastante rápido. Tras una pausa de un minuto vuelve a cero y todo tendrá respuesta.
near-messages-day = { $left ->
    [one] Hoy te queda { $left } mensaje. Vuelve a cero { $when }.
   *[other] Hoy te quedan { $left } mensajes. Vuelve a cero { $when }.
}
near-tokens-day = Los tokens de hoy casi se han agotado: quedan { $left }. Vuelve a cero { $when }.
near-tokens-month = Los tokens de este mes casi se han agotado: quedan { $left }. Vuelve a cero { $when }.
near-cost-day = El presupuesto de hoy casi se ha agotado: quedan { $left }. Vuelve a cero { $when }.
near-cost-month = El presupuesto de este mes casi se ha agotado: quedan { $left }. Vuelve a cero { $when }.
over-messages-minute = Ha sido mucho de golpe, así que este mensaje no se ha aceptado. Podrás seguir { $when }.
over-commands-minute = Han sido muchos comandos de golpe, así que este no se ha ejecutado. Podrás seguir { $when }. `/stop` funciona siempre.
over-messages-day = Hoy ya has enviado todos los mensajes posibles, así que este no se ha aceptado. Podrás seguir { $when }.
over-tokens-day = Los tokens de hoy se han agotado, así que este mensaje no se ha aceptado. Podrás seguir { $when }.
over-tokens-month = Los tokens de este mes se han agotado, así que este mensaje no se ha aceptado. Podrás seguir { $when }.
over-cost-day = El presupuesto de hoy se ha agotado, así que este mensaje no se ha aceptado. Podrás seguir { $when }.
over-cost-month = El presupuesto de este mes se ha agotado, así que este mensaje no se ha aceptado. Podrás seguir { $when }.
over-host = El asistente que responde aquí ha agotado lo que puede usar por ahora, así que este mensaje no se ha aceptado. Seguirá { $when }.

## Who may use the bot

access-closed = Gracias por escribir. Este bot es privado y no admite a nadie más.
access-not-listed = Gracias por escribir. Este bot es solo para ciertas personas y todavía no eres una de ellas. Pregunta a sus responsables, por favor.
access-invite = ¡Qué bien que estés aquí! Para empezar necesitas una invitación. Si tienes un código, envíamelo sin más.
access-pairing = ¡Qué bien que estés aquí! Antes de empezar, los responsables de este bot tienen que dejarte entrar. Dales este código, por favor:
access-pairing-terms = El código caduca { $when }.
access-crowded = ¡Qué bien que estés aquí! Los responsables de este bot tienen que dejarte entrar y ya hay mucha gente esperando. Inténtalo de nuevo más tarde, por favor.
access-approved = Ya estás dentro, ¡te damos la bienvenida! Desde ahora tienes aquí tu propio asistente. Lo que escribiste antes no le ha llegado: escríbelo otra vez, por favor. `/help` muestra qué más hay.
access-blocked = Ya no puedes usar este bot. Pregunta a sus responsables, por favor.
access-welcome = ¡Te damos la bienvenida! Desde ahora tienes aquí tu propio asistente: simplemente escribe. `/help` muestra qué más hay.
access-invited = Tu invitación es válida, ¡te damos la bienvenida! Desde ahora tienes aquí tu propio asistente: simplemente escribe. `/help` muestra qué más hay.

## /approve and /deny

approval-asked = Tu asistente quiere ejecutar esto y antes te lo pregunta:
approval-answer = `/approve { $id }` lo permite, `/deny { $id }` no.
approval-answer-always = `/approve { $id }` lo permite esta vez, `/approve { $id } always` siempre desde ahora, `/deny { $id }` no.
approval-choose = Esto espera tu respuesta:
approval-approved = Permitido: tu asistente sigue adelante.
approval-denied = Rechazado: tu asistente lo deja.
approval-gone = Esto ya está resuelto.
approval-nothing = No hay nada que permitir.
pairing-asked = { $who } quiere entrar, en { $channel }.
pairing-answer = `/approve { $code }` deja entrar a esta persona, `/deny { $code }` la rechaza.
pairing-several = { $count ->
    [one] { $count } persona quiere entrar:
   *[other] { $count } personas quieren entrar:
}
pairing-line = `/approve { $code }`: { $who }, en { $channel }
pairing-more = { $count ->
    [one] Y { $count } más: `/approve` muestra quién espera.
   *[other] Y { $count } más: `/approve` muestra quiénes esperan.
}
pairing-several-answer = `/deny …` con el mismo código rechaza a alguien.
pairing-approved = { $who } ya está dentro, en { $channel }.
pairing-denied = { $who } no ha podido entrar, en { $channel }.
pairing-unknown = Esa solicitud no existe. Puede que ya esté resuelta o haya caducado.

## Buttons, at most 20 characters

button-allow = Permitir
button-allow-always = Permitir siempre
button-deny = Rechazar
button-join = Sí, vincularlos
button-leave = No, dejarlo así
button-let-in = Dejar entrar
button-turn-away = No dejar entrar

## /lang

lang-now = Te hablo en español. Puedes elegir:
lang-set = A partir de ahora te hablo en español.
lang-unknown = Todavía no hablo ese idioma. Puedes elegir:
lang-choice = `/lang { $tag }`: { $name }
lang-note = Tu asistente, por su parte, responde en el idioma en que escribes.

## /export, /erase and /feedback

export-ready = Esto es lo que guardo sobre ti, en un archivo: quién eres para mí, tus ajustes, tus mensajes y sus respuestas, y lo que tu asistente ha anotado por su cuenta, su memoria y sus archivos. La descarga puede tardar un minuto.
export-terms = El enlace sirve una sola vez y caduca { $when }. Guárdalo para ti.
export-no-url = Aquí no puedo entregar archivos, pero los responsables de este bot pueden darte todo lo que se guarda sobre ti. Envíales esta línea, por favor: es lo que escriben para guardar tu copia en un fichero.
export-missing = Lo que tu asistente ha anotado por su cuenta debería estar aquí y no se pudo leer cuando se hizo esta copia. Pide otra más tarde, por favor.
export-used-up = Esta dirección ya se ha usado, o nunca lo fue. Pide una nueva en el chat, por favor.
export-you = tú
export-bot = el bot
export-program = el programa de alguien
erase-asked =
    Esto borra para siempre todo lo que se guarda sobre ti:
    - cómo llegas a tu asistente, y tus ajustes
    - tus mensajes y sus respuestas
    - tu propio asistente, con todo lo que sabe, sus archivos y sus copias

    Quedan dos cosas: constancia de que algo se borró, que no dice nada sobre ti, y, hasta que acabe el mes, cuánto has usado, bajo una marca en la que nadie puede leer quién eres. Si antes quieres una copia, está `/export`. Para borrarlo todo, escribe:
erase-terms = El código caduca { $when }. Si no haces nada, no pasa nada.
erase-wrong = Este código no sirve y no se ha borrado nada. `/erase` te da uno nuevo.
erase-cancelled = Bien: no se ha borrado nada.
erase-done = Se ha borrado todo lo que se guardaba sobre ti. Gracias por haber estado aquí. Si vuelves a escribir, empezamos de cero.
erase-under-way = Está borrado: aquí ya nadie eres tú, y no hay vuelta atrás. Tu asistente, con sus archivos y copias, se está eliminando ahora; eso sigue solo. Gracias por haber estado aquí. Si vuelves a escribir, empezamos de cero.
feedback-thanks = ¡Gracias! El equipo de este bot lo leerá.
feedback-empty = Escribe tu opinión justo detrás del comando: `/feedback …`

## When a command cannot be carried out

trouble-failed = No he podido hacerlo ahora mismo. Inténtalo de nuevo, por favor.
trouble-later = Esto tarda más de lo debido. Sigo intentándolo y te diré cómo ha ido.
trouble-not-allowed = No puedes hacer eso aquí.
