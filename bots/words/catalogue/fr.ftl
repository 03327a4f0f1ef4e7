# Français. On tutoie. Devant « : » une espace insécable, devant « ! », « ? » et « ; » une fine insécable.

## Times

ago-moment = à l’instant
ago-minutes = { $count ->
    [one] il y a { $count } minute
   *[other] il y a { $count } minutes
}
ago-hours = { $count ->
    [one] il y a { $count } heure
   *[other] il y a { $count } heures
}
ago-days = { $count ->
    [one] il y a { $count } jour
   *[other] il y a { $count } jours
}
in-moment = dans moins d’une minute
in-minutes = { $count ->
    [one] dans { $count } minute
   *[other] dans { $count } minutes
}
in-hours = { $count ->
    [one] dans { $count } heure
   *[other] dans { $count } heures
}
in-days = { $count ->
    [one] dans { $count } jour
   *[other] dans { $count } jours
}
reset-soon = { $when }, à { $time } UTC
reset-later = le { $date } à { $time } UTC
date = { $month ->
    [1] { $day } janvier { $year }
    [2] { $day } février { $year }
    [3] { $day } mars { $year }
    [4] { $day } avril { $year }
    [5] { $day } mai { $year }
    [6] { $day } juin { $year }
    [7] { $day } juillet { $year }
    [8] { $day } août { $year }
    [9] { $day } septembre { $year }
    [10] { $day } octobre { $year }
    [11] { $day } novembre { $year }
   *[12] { $day } décembre { $year }
}
money = { $amount } $
place = { $channel } ({ $label })

## Turns

turn-failed-sandbox = Ton assistant n’a pas pu démarrer. Renvoie ton message dans une minute, s’il te plaît.
turn-failed-agent = Ton assistant n’a pas pu répondre : le modèle qu’il utilise a signalé une erreur. Réessaie, s’il te plaît.
turn-failed-timeout = Cela a duré plus longtemps que permis, alors j’ai arrêté. Réessaie, ou demande moins à la fois.
turn-failed-model = Le modèle que tu as choisi n’est plus proposé, alors ceci est resté sans réponse. `/model` montre ceux qui existent.
turn-failed-budget = Cela prendrait plus que ce qui te reste, alors c’est resté sans réponse. `/usage` montre ce qui reste et quand le compteur repart de zéro.
turn-failed-retired = Cet assistant est au repos depuis que les deux tiens n’en font plus qu’un, alors ceci est resté sans réponse. Renvoie ton message, s’il te plaît.
turn-failed-erased = Tout ce qui te concerne est en train d’être effacé, alors ceci est resté sans réponse. Pour recommencer, écris de nouveau dans quelques minutes.
turn-failed-internal = Quelque chose s’est mal passé de notre côté et ce message est resté sans réponse. Renvoie-le, s’il te plaît.
turn-nothing = (Ton assistant n’avait rien à dire à ce sujet.)
turn-idle = Il n’y a rien à arrêter : ton assistant t’attend.
turn-interrupted = (Interrompu par ton message suivant.)
turn-halted = (Ton assistant a été arrêté avant d’avoir fini.)
turn-stopped = (Arrêté.)
turn-stopped-cleared = { $count ->
    [one] (Arrêté. Un message de toi qui attendait a aussi été mis de côté.)
   *[other] (Arrêté. { $count } messages de toi qui attendaient ont aussi été mis de côté.)
}
turn-full = Trop de tes messages attendent déjà : celui-ci n’a pas été pris, et les suivants ne le seront pas non plus avant que quelques-uns aient reçu une réponse. Renvoie-le à ce moment-là, s’il te plaît.
turn-waking = Ton assistant se réveille ; cela prend quelques secondes. Ta réponse viendra toute seule.
turn-next = Il y a beaucoup de monde en ce moment. C’est bientôt ton tour : ta réponse arrive dès qu’il y a de la place.
turn-queued = { $ahead ->
    [one] Il y a beaucoup de monde en ce moment. { $ahead } personne passe avant toi ; ta réponse viendra toute seule.
   *[other] Il y a beaucoup de monde en ce moment. { $ahead } personnes passent avant toi ; ta réponse viendra toute seule.
}
turn-own = Tu as déjà autant de conversations en cours que tu peux en avoir à la fois, alors celle-ci attend. Sa réponse viendra toute seule dès qu’une des autres sera terminée.
turn-host = L’assistant qui répond ici travaille déjà dans autant de conversations à la fois qu’il le peut, alors celle-ci attend. Sa réponse viendra toute seule.

media-too-large = Ton fichier n’est pas arrivé à ton assistant : il dépasse { $megabytes } Mo, le maximum qui passe.
media-unavailable = Ton fichier n’est pas arrivé à ton assistant : il n’a pas pu être récupéré d’ici. Renvoie-le, s’il te plaît.
media-not-sent = (Ton assistant a créé un fichier qui ne peut pas être envoyé ici : { $name })

## What agents say by themselves

unasked-elsewhere = (Tu l’avais demandé sur { $channel }, mais je ne peux pas t’y écrire pour l’instant.)
unasked-unknown = (Je ne sais pas où tu l’avais demandé ; cela arrive donc ici, là où tu m’as écrit en dernier.)
unasked-failed = Je devais faire ceci pour toi maintenant, et cela n’a pas marché :

## Answers that were lost

loss-unknown = { $count ->
    [one] Une de mes réponses ne t’est peut-être pas parvenue, ou pas en entier : la connexion s’est coupée pendant l’envoi. S’il te manque quelque chose, redemande-le-moi.
   *[other] { $count } de mes réponses ne te sont peut-être pas parvenues : la connexion s’est coupée pendant l’envoi. S’il te manque quelque chose, redemande-le-moi.
}
loss-unknown-when = { $count ->
    [one] Une de mes réponses ({ $when }) ne t’est peut-être pas parvenue, ou pas en entier : la connexion s’est coupée pendant l’envoi. S’il te manque quelque chose, redemande-le-moi.
   *[other] { $count } de mes réponses (la première { $when }) ne te sont peut-être pas parvenues : la connexion s’est coupée pendant l’envoi. S’il te manque quelque chose, redemande-le-moi.
}
loss-dead = { $count ->
    [one] Une de mes réponses n’a pas pu être remise, ou pas en entier. Redemande-la-moi si tu en as encore besoin.
   *[other] { $count } de mes réponses n’ont pas pu être remises. Redemande-les-moi si tu en as encore besoin.
}
loss-dead-when = { $count ->
    [one] Une de mes réponses ({ $when }) n’a pas pu être remise, ou pas en entier. Redemande-la-moi si tu en as encore besoin.
   *[other] { $count } de mes réponses (la première { $when }) n’ont pas pu être remises. Redemande-les-moi si tu en as encore besoin.
}

## /mode

mode-now = En ce moment : { $meaning }
mode-set = Désormais : { $meaning }
mode-choose = Tu peux choisir :
mode-choice = `/mode { $mode }` : { $meaning }
mode-queue = ce que tu écris pendant que ton assistant est occupé attend qu’il ait fini.
mode-steer = ce que tu écris pendant que ton assistant est occupé lui parvient aussitôt, et il répond à tout ensemble.
mode-interrupt = ce que tu écris pendant que ton assistant est occupé l’interrompt.

group-off = je me tais dans ce groupe.
group-mention = je réponds dans ce groupe quand on s’adresse à moi.
group-always = je réponds à chaque message de ce groupe.
group-changers-operators = Seuls les responsables de ce bot peuvent changer cela.
group-changers-owners = Seuls les propriétaires de ce bot peuvent changer cela.
group-changers-anyone = Tout le monde dans ce groupe peut changer cela.
group-only-direct = Cela ne marche qu’en privé avec moi. Écris-le-moi là-bas, s’il te plaît.
group-only-group = Cela ne marche que dans un groupe.
group-not-listed = Je n’ai pas le droit de te répondre dans ce groupe. Les responsables de ce bot peuvent changer cela.
group-known-only = Ici, je ne réponds qu’aux gens que je connais déjà. Écris-moi d’abord en privé, s’il te plaît.
group-silent = Je suis désactivé dans ce groupe.

## /help

help-direct = Écris, tout simplement : ton assistant répond. Et ces commandes peuvent t’aider :
help-group = Dans ce groupe, ces commandes peuvent t’aider. Toutes les autres marchent en privé avec moi :
help-owner = En tant que propriétaire, tu peux aussi utiliser :
help-help = `/help` : voir cette liste
help-new = `/new` : commencer une nouvelle conversation
help-stop = `/stop` : arrêter ce que fait ton assistant
help-status = `/status` : voir où en sont les choses
help-session = `/session` : revenir à une conversation précédente, ou en amener une ici
help-link = `/link` : utiliser le même assistant sur un autre canal
help-links = `/links` : voir d’où tu joins ton assistant
help-unlink = `/unlink` : retirer l’un de ces accès
help-model = `/model` : choisir le modèle avec lequel ton assistant réfléchit
help-usage = `/usage` : voir ce que tu as utilisé et ce qui reste
help-mode = `/mode` : choisir ce qui se passe quand tu écris pendant que ton assistant est occupé
help-mode-group = `/mode` : choisir quand je réponds dans ce groupe
help-approve = `/approve` : autoriser ce que ton assistant demande
help-deny = `/deny` : refuser ce que ton assistant demande
help-approve-owner = `/approve …` : laisser entrer la personne qui a ce code
help-deny-owner = `/deny …` : refuser la personne qui a ce code
help-lang = `/lang` : choisir la langue que je parle avec toi
help-export = `/export` : recevoir ce qui est conservé sur toi
help-erase = `/erase` : effacer tout ce qui est conservé sur toi
help-feedback = `/feedback …` : donner ton avis à l’équipe de ce bot
help-misused = Je n’ai pas tout à fait compris.
help-usages = Tu peux écrire :

## /new and /session

session-new = Une nouvelle conversation commence. Les précédentes sont conservées : `/session` les montre.
session-new-named = Une nouvelle conversation commence : { $name }. Les précédentes sont conservées : `/session` les montre.
session-intro = Tes conversations :
session-unnamed = conversation { $number }
session-line = `/session { $number }` : { $name }, dernière utilisation { $when }
session-line-current = `/session { $number }` : { $name }, dernière utilisation { $when } (c’est celle en cours)
session-outro = `/new` en commence une autre. `/session here` amène celle en cours dans cette discussion, et `/session name …` lui donne un nom.
session-switched = Nous revoilà dans cette conversation : { $name }.
session-named = Cette conversation s’appelle maintenant { $name }.
session-here = On continue ici.
session-last = Nous en étions là :
session-said-you = Toi : { $text }
session-said-me = Assistant : { $text }
session-unknown = Cette conversation n’existe pas. `/session` les montre toutes.

## /status

status-ready = Ton assistant est prêt.
status-working = Ton assistant prépare une réponse.
status-ready-here = L’assistant d’ici est prêt.
status-working-here = L’assistant d’ici prépare une réponse.
status-silent = Le modèle qu’il utilise ne répond pas en ce moment.
status-waiting = { $count ->
    [one] { $count } message de toi attend.
   *[other] { $count } messages de toi attendent.
}
status-session = En cours : { $name }
status-model = Modèle : `{ $model }`
status-mode = Quand il est occupé, `{ $mode }` : { $meaning }
status-links = { $count ->
    [one] Tu le joins depuis { $count } endroit : `/links`
   *[other] Tu le joins depuis { $count } endroits : `/links`
}

## /link

link-code = Envoie-moi ce code sur un autre canal, et tu y auras le même assistant, avec la même conversation :
link-code-terms = Le code marche une seule fois et expire { $when }. Garde-le pour toi : qui l’a peut joindre ton assistant.
link-way-open = { $channel } : ouvre ce lien, puis touche Démarrer ou Envoyer.
link-way-write = { $channel } : écris-moi ceci là-bas.
link-too-many-codes = Tu as déjà demandé beaucoup de codes. Réessaie { $when }, s’il te plaît.
link-joined = C’est lié ! Tu as maintenant ici le même assistant que sur { $channel }, avec la même conversation.
link-joined-elsewhere = On peut maintenant joindre ton assistant ici aussi : { $place }. Si ce n’était pas toi, retire cet accès tout de suite avec `/unlink`.
link-already = C’est déjà lié : tu as le même assistant ici et là-bas.
link-refused = Ce code ne marche pas. Il est peut-être mal tapé, déjà utilisé ou expiré. Vérifie-le, ou demandes-en un nouveau.
link-spilt-void = Il y avait un code dans ton message. Je l’ai retiré, et il ne marche plus. Demande-en un nouveau, s’il te plaît, et envoie-le comme je te le dirai alors.
link-spilt = Il y avait un code dans ton message, et je l’ai retiré. Pour t’en servir, envoie-le-moi seul, sans rien d’autre, s’il te plaît.
link-too-many = Cela fait trop de codes qui ne marchent pas. Réessaie { $when }, s’il te plaît.
link-confirm-stays =
    Ton code a été utilisé sur { $channel } par quelqu’un qui y a déjà un assistant. Si les deux côtés sont d’accord, voici ce qui se passe :
    - Ton assistant reste tel qu’il est, et répond là-bas aussi.
    - L’autre assistant est sauvegardé, arrêté et gardé 30 jours. Pendant ce temps, les responsables peuvent le rétablir.
    - Rien n’est mélangé : ce que sait l’autre assistant ne passe pas au tien.
link-confirm-goes =
    Tu as déjà un assistant ici, et ce code mène à un autre, sur { $channel }. Si les deux côtés sont d’accord, voici ce qui se passe :
    - L’assistant de { $channel } répond désormais ici.
    - L’assistant que tu as ici est sauvegardé, arrêté et gardé 30 jours. Pendant ce temps, les responsables peuvent le rétablir.
    - Rien n’est mélangé : ce qu’il sait ne le suit pas.
link-confirm-answer = Si tu le veux, et que les deux sont à toi : `/link yes`. Sinon : `/link no`. Sans réponse, tout reste comme avant, et l’offre expire { $when }.
link-waiting = Merci. Dis maintenant oui sur { $channel } aussi : j’y ai posé la même question.
link-merged-stays = C’est fait : ton assistant répond aussi sur { $channel }. L’autre assistant est arrêté et gardé jusqu’au { $date }.
link-merged-goes = C’est fait : l’assistant de { $channel } répond maintenant ici. Celui que tu avais ici est arrêté et gardé jusqu’au { $date } ; d’ici là, les responsables peuvent le rétablir.
link-declined = D’accord, tout reste comme avant.
link-declined-there = La réponse sur { $channel } était non, donc tout reste comme avant.
link-nothing = Il n’y a rien à confirmer. L’offre a peut-être expiré : `/link` te donne un nouveau code.
link-invited = Cela mène à l’assistant de { $who }. Si tu dis oui, vous le partagez : ce que tu écris ici fait partie d’une même conversation, et vous pouvez tous les deux la lire en entier.
link-invited-unnamed = Cela mène à un assistant que quelqu’un d’autre utilise déjà. Si tu dis oui, vous le partagez : ce que tu écris ici fait partie d’une même conversation, et vous pouvez tous les deux la lire en entier.
link-invited-answer = Si le lien ou le code vient de toi, ou si tu le veux : `/link yes`. Sinon : `/link no`. Sans réponse, il ne se passe rien, et l’offre expire { $when }.

## /links and /unlink

links-intro = { $count ->
    [one] Tu joins ton assistant depuis { $count } endroit :
   *[other] Tu joins ton assistant depuis { $count } endroits :
}
links-line = { $place }, depuis le { $date }, vu { $when }
links-line-here = { $place }, depuis le { $date } : c’est ici
links-outro = `/link` en ajoute un, `/unlink` en retire un.
unlink-intro = Lequel ne doit plus joindre ton assistant ?
unlink-choice = `/unlink { $number }` : { $line }
unlink-done = Retiré : { $place }. Ce qu’on y écrit ne parvient plus à ton assistant.
unlink-done-here = Cette discussion ne joint plus l’assistant auquel elle était liée.
unlink-last = C’est le seul accès à ton assistant, donc il reste. Pour partir pour de bon, il y a `/erase`.
unlink-unknown = Ce numéro n’existe pas. `/unlink` montre la liste.

## /model

model-now = Ton assistant réfléchit avec `{ $model }`.
model-now-default = Ton assistant réfléchit avec le modèle habituel.
model-choose = Tu peux choisir :
model-choice = `/model { $model }`
model-choice-default = `/model default` : le modèle habituel
model-set = À partir de ton prochain message, ton assistant réfléchit avec `{ $model }`.
model-set-default = À partir de ton prochain message, ton assistant réfléchit de nouveau avec le modèle habituel.
model-unknown = Aucun modèle ne porte ce nom ici : { $name }.
model-fixed = On ne peut pas choisir le modèle ici.

## /usage and limits

usage-day = Aujourd’hui, remise à zéro { $when } :
usage-month = Ce mois-ci, remise à zéro { $when } :
usage-messages = Messages : { $used }
usage-messages-of = Messages : { $used } sur { $limit }
usage-tokens = Jetons : { $used }
usage-tokens-of = Jetons : { $used } sur { $limit }
usage-cost = Coût : { $used }
usage-cost-of = Coût : { $used } sur { $limit }

near-messages-minute = Tu écris plutôt vite. Après une minute de pause, le compteur repart à zéro, et tout aura sa réponse.
near-messages-day = { $left ->
    [one] Il te reste { $left } message aujourd’hui. Remise à zéro { $when }.
   *[other] Il te reste { $left } messages aujourd’hui. Remise à zéro { $when }.
}
near-tokens-day = Les jetons du jour sont presque épuisés : il en reste { $left }. Remise à zéro { $when }.
near-tokens-month = Les jetons du mois sont presque épuisés : il en reste { $left }. Remise à zéro { $when }.
near-cost-day = Le budget du jour est presque épuisé : il reste { $left }. Remise à zéro { $when }.
near-cost-month = Le budget du mois est presque épuisé : il reste { $left }. Remise à zéro { $when }.
over-messages-minute = Cela fait beaucoup d’un coup, alors ce message n’a pas été pris. Tu pourras continuer { $when }.
over-commands-minute = Cela fait beaucoup de commandes d’un coup, alors celle-ci n’a pas été exécutée. Tu pourras continuer { $when }. `/stop` marche toujours.
over-messages-day = Tu as envoyé aujourd’hui autant de messages que possible, alors celui-ci n’a pas été pris. Tu pourras continuer { $when }.
over-tokens-day = Les jetons du jour sont épuisés, alors ce message n’a pas été pris. Tu pourras continuer { $when }.
over-tokens-month = Les jetons du mois sont épuisés, alors ce message n’a pas été pris. Tu pourras continuer { $when }.
over-cost-day = Le budget du jour est épuisé, alors ce message n’a pas été pris. Tu pourras continuer { $when }.
over-cost-month = Le budget du mois est épuisé, alors ce message n’a pas été pris. Tu pourras continuer { $when }.
over-host = L’assistant qui répond ici a épuisé ce qu’il peut utiliser pour l’instant, alors ce message n’a pas été pris. Il continuera { $when }.

## Who may use the bot

access-closed = Merci de m’écrire. Ce bot est privé et n’accueille personne de nouveau.
access-not-listed = Merci de m’écrire. Ce bot est réservé à certaines personnes, et tu n’en fais pas encore partie. Adresse-toi à ses responsables, s’il te plaît.
access-invite = Ravi de te rencontrer ! Pour commencer, il te faut une invitation. Si tu as un code, envoie-le-moi simplement.
access-pairing = Ravi de te rencontrer ! Avant de commencer, les responsables de ce bot doivent te laisser entrer. Donne-leur ce code, s’il te plaît :
access-pairing-terms = Le code expire { $when }.
access-crowded = Ravi de te rencontrer ! Les responsables de ce bot doivent te laisser entrer, et beaucoup de gens attendent déjà. Réessaie plus tard, s’il te plaît.
access-approved = C’est accepté, bienvenue ! Tu as maintenant ton propre assistant ici. Ce que tu as écrit avant ne lui est pas parvenu : écris encore une fois, s’il te plaît. `/help` montre ce qu’il y a d’autre.
access-blocked = Tu ne peux plus utiliser ce bot. Adresse-toi à ses responsables, s’il te plaît.
access-welcome = Bienvenue ! Tu as maintenant ton propre assistant ici : écris, tout simplement. `/help` montre ce qu’il y a d’autre.
access-invited = Ton invitation est valable, bienvenue ! Tu as maintenant ton propre assistant ici : écris, tout simplement. `/help` montre ce qu’il y a d’autre.

## /approve and /deny

approval-asked = Ton assistant veut exécuter ceci, et te le demande d’abord :
approval-answer = `/approve { $id }` l’autorise, `/deny { $id }` le refuse.
approval-answer-always = `/approve { $id }` l’autorise cette fois, `/approve { $id } always` désormais, `/deny { $id }` le refuse.
approval-choose = Ceci attend ta réponse :
approval-approved = Autorisé : ton assistant continue.
approval-denied = Refusé : ton assistant y renonce.
approval-gone = C’est déjà réglé.
approval-nothing = Il n’y a rien à autoriser.
pairing-asked = { $who } aimerait entrer, sur { $channel }.
pairing-answer = `/approve { $code }` laisse entrer cette personne, `/deny { $code }` la refuse.
pairing-several = { $count ->
    [one] { $count } personne aimerait entrer :
   *[other] { $count } personnes aimeraient entrer :
}
pairing-line = `/approve { $code }` : { $who }, sur { $channel }
pairing-more = { $count ->
    [one] Et { $count } autre personne : `/approve` montre qui attend.
   *[other] Et { $count } autres personnes : `/approve` montre qui attend.
}
pairing-several-answer = `/deny …` avec le même code refuse l’entrée à quelqu’un.
pairing-approved = { $who } peut maintenant entrer, sur { $channel }.
pairing-denied = { $who } n’a pas pu entrer, sur { $channel }.
pairing-unknown = Cette demande n’existe pas. Elle est peut-être déjà réglée, ou expirée.

## Buttons, at most 20 characters

button-allow = Autoriser
button-allow-always = Toujours autoriser
button-deny = Refuser
button-join = Oui, les relier
button-leave = Non, ne rien changer
button-let-in = Laisser entrer
button-turn-away = Ne pas admettre

## /lang

lang-now = Je parle français avec toi. Tu peux choisir :
lang-set = Désormais, je parle français avec toi.
lang-unknown = Je ne parle pas encore cette langue. Tu peux choisir :
lang-choice = `/lang { $tag }` : { $name }
lang-note = Ton assistant lui-même répond dans la langue où tu écris.

## /export, /erase and /feedback

export-ready = Voici ce que je conserve sur toi, en une archive : qui tu es pour moi, tes réglages, tes messages et leurs réponses, et ce que ton assistant a noté lui-même, sa mémoire et ses fichiers. Le téléchargement peut prendre une minute.
export-terms = Le lien marche une seule fois et expire { $when }. Garde-le pour toi.
export-no-url = Je ne peux pas remettre de fichiers ici, mais les responsables de ce bot peuvent te donner tout ce qui est conservé sur toi. Envoie-leur cette ligne, s’il te plaît : c’est ce qu’ils tapent pour écrire ton archive dans un fichier.
export-missing = Ce que ton assistant a noté lui-même devrait se trouver ici et n’a pas pu être lu quand cette archive a été faite. Demandes-en une autre plus tard, s’il te plaît.
export-used-up = Cette adresse a déjà servi, ou n’en a jamais été une. Demandes-en une nouvelle dans la conversation, s’il te plaît.
export-you = toi
export-bot = le bot
export-program = le programme de quelqu’un
erase-asked =
    Ceci efface pour de bon tout ce qui est conservé sur toi :
    - tes accès à ton assistant, et tes réglages
    - tes messages et leurs réponses
    - ton assistant lui-même, avec tout ce qu’il sait, ses fichiers et ses sauvegardes

    Il reste deux choses : une note disant que quelque chose a été effacé, qui ne dit rien de toi, et, jusqu’à la fin du mois, ce que tu en as utilisé, sous une marque où personne ne peut lire qui tu es. Si tu veux d’abord une copie, il y a `/export`. Pour tout effacer, écris :
erase-terms = Le code expire { $when }. Si tu ne fais rien, il ne se passe rien.
erase-wrong = Ce code ne marche pas, et rien n’a été effacé. `/erase` t’en donne un nouveau.
erase-cancelled = Bien : rien n’a été effacé.
erase-done = Tout ce qui était conservé sur toi est effacé. Merci d’avoir été là. Si tu écris de nouveau, nous repartons de zéro.
erase-under-way = C’est effacé : ici, plus personne n’est toi, et il n’y a pas de retour. Ton assistant, avec ses fichiers et ses sauvegardes, est en train d’être supprimé ; cela continue tout seul. Merci d’avoir été là. Si tu écris de nouveau, nous repartons de zéro.
feedback-thanks = Merci ! L’équipe de ce bot le lira.
feedback-empty = Écris ton avis juste derrière la commande : `/feedback …`

## When a command cannot be carried out

trouble-failed = Je n’ai pas pu faire cela à l’instant. Réessaie, s’il te plaît.
trouble-later = Cela prend plus de temps que prévu. Je continue d’essayer, et tu auras de mes nouvelles.
trouble-not-allowed = Tu n’as pas le droit de faire cela ici.
