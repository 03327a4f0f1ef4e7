//! Unlinking, erasing, and taking one's things along.

use zaki_envelope::ChannelKind::{Discord, Slack, Telegram, WhatsApp};
use zaki_envelope::{ConversationId, SenderId, SenderScope, ZakiUserId};
use zaki_identity::{
    Actor, Confirmed, Counts, DirectoryError, ExportToken, GroupKey, Home, How, Keep, LinkCode,
    NewInvite, Pick, Redeemed, Resolution, Role, Setting, Task, Unlinked,
};

use super::town::{DAY, MINUTE, Town, from, join, key, later, now};

pub(super) async fn a_sender_is_taken_away_but_not_the_last(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let code = town.offer(ann, now()).await;
    let mut whats_app = from(WhatsApp, "CC.1");
    whats_app.sender.aliases = vec![SenderId::new("49123")];
    join(&town.directory, &whats_app, &code, now()).await;
    town.directory.set(ann, Setting::Home(Some(Home::of(&whats_app)))).await.unwrap();
    assert_eq!(town.person(ann).await.bindings.len(), 3);

    let bob = town.user(Slack, "bob").await;
    let unlink = async |channel, sender, by| {
        town.directory.unlink(ann, key(channel, sender), by, now()).await
    };
    let (herself, operator) = (Actor::Person(ann), Actor::Operator);
    assert_eq!(unlink(Slack, "bob", herself).await.unwrap(), Unlinked::NotTheirs);
    let by_bob = unlink(Telegram, "ann", Actor::Person(bob)).await;
    assert!(matches!(by_bob, Err(DirectoryError::NotAllowed)));

    assert_eq!(unlink(WhatsApp, "CC.1", herself).await.unwrap(), Unlinked::Done { left: 1 });
    let person = town.person(ann).await;
    assert_eq!((person.bindings.len(), person.home), (1, None), "the number went with it");
    assert_ne!(town.user(WhatsApp, "CC.1").await, ann, "somebody new");
    assert!(town.acts(ann).await.contains(&"unlinked".into()));

    assert_eq!(unlink(Telegram, "ann", herself).await.unwrap(), Unlinked::Last);
    assert_eq!(town.user(Telegram, "ann").await, ann);
    assert_eq!(unlink(Telegram, "ann", operator).await.unwrap(), Unlinked::Done { left: 0 });
    assert_eq!(town.holder(Telegram, "ann").await, None);
}

pub(super) async fn an_unlinked_sender_is_nobody_at_every_replica(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    town.redeem(Slack, "ann", &town.offer(ann, now()).await, now()).await;
    let other = town.replica().await;
    let inbound = from(Slack, "ann");
    assert_eq!(other.resolve(&inbound, now()).await.unwrap().user(), Some(ann));
    assert!(other.verify(ann, &inbound).await.unwrap());
    let operator = Actor::Operator;
    town.directory.unlink(ann, key(Slack, "ann"), operator, now()).await.unwrap();
    assert!(!other.verify(ann, &inbound).await.unwrap(), "at once");
    assert_ne!(other.resolve(&inbound, now()).await.unwrap().user(), Some(ann));
}

/// Who was told to stay outside, came in by a link and is out again, is told so again.
pub(super) async fn whoever_has_left_is_told_as_a_stranger(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let (closed, zoe) = (town.closed().await, from(Slack, "zoe"));
    let tells = async |at| match closed.resolve(&zoe, at).await.unwrap() {
        Resolution::Refused { tell, .. } => tell,
        known @ Resolution::Known { .. } => panic!("{known:?}"),
    };
    assert!(tells(now()).await);
    assert!(!tells(later(1)).await, "once a day");
    let (operator, how) = (Actor::Operator, How::Operator);
    closed.link(ann, Slack, &zoe.sender, operator, how, later(2)).await.unwrap();
    closed.unlink(ann, key(Slack, "zoe"), Actor::Person(ann), later(3)).await.unwrap();
    assert!(tells(later(4)).await);
}

/// What whoever reads along has seen: a code, an erasing word, a download, and a question.
struct Begun {
    code: LinkCode,
    erase: LinkCode,
    download: ExportToken,
    asking: ZakiUserId,
}

async fn begin(town: &Town, user: ZakiUserId) -> Begun {
    let name = format!("asking-{user}");
    let asking = town.user(Discord, &name).await;
    let asked = town.redeem(Discord, &name, &town.offer(user, now()).await, now()).await;
    assert_eq!(asked, Redeemed::Confirm { into: user, from: asking });
    let home = Home::of(&from(WhatsApp, "CC.1"));
    town.directory.set(user, Setting::Home(Some(home))).await.unwrap();
    Begun {
        code: town.offer(user, now()).await,
        erase: town.directory.ask_erase(user, now()).await.unwrap().code,
        download: town.directory.offer_export(user, now()).await.unwrap(),
        asking,
    }
}

/// None of it is good any more, and they are at home nowhere.
async fn assert_closed(town: &Town, user: ZakiUserId, begun: Begun, how: &str) {
    let Begun { code, erase, download, asking } = begun;
    let stranger = format!("stranger-{user}");
    let redeemed = town.redeem(Slack, &stranger, &code, now()).await;
    assert_eq!(redeemed, Redeemed::Refused, "{how}");
    assert_eq!(town.confirm(asking, now()).await, Confirmed::Nothing, "{how}");
    let erased = town.directory.confirm_erase(user, &erase, None, now()).await.unwrap();
    assert_eq!(erased, None, "{how}");
    let taken = town.directory.take_export(download.expose(), now()).await.unwrap();
    assert_eq!(taken, None, "{how}");
    assert_eq!(town.person(user).await.home, None, "{how}");
}

pub(super) async fn what_a_sender_who_left_may_know_of_is_void(town: Town) {
    let operator = Actor::Operator;
    let ann = town.user(Telegram, "ann").await;
    town.redeem(WhatsApp, "CC.1", &town.offer(ann, now()).await, now()).await;
    let begun = begin(&town, ann).await;
    town.directory.unlink(ann, key(WhatsApp, "CC.1"), operator, now()).await.unwrap();
    assert_closed(&town, ann, begun, "unlinked").await;

    // A number with a new owner: the platform shows it with another id.
    let bob = town.user(WhatsApp, "49123").await;
    let begun = begin(&town, bob).await;
    town.user(WhatsApp, "CC.7").await;
    let mut owner = from(WhatsApp, "CC.7");
    owner.sender.aliases = vec![SenderId::new("49123")];
    town.directory.resolve(&owner, now()).await.unwrap();
    assert_ne!(town.holder(WhatsApp, "49123").await, Some(bob));
    assert_closed(&town, bob, begun, "an alias that moved").await;

    let cem = town.user(Telegram, "cem").await;
    town.redeem(WhatsApp, "CC.2", &town.offer(cem, now()).await, now()).await;
    let begun = begin(&town, cem).await;
    let (sender, how) = (from(WhatsApp, "CC.2").sender, How::Operator);
    town.directory.link(ann, WhatsApp, &sender, operator, how, now()).await.unwrap();
    assert_closed(&town, cem, begun, "linked to another").await;

    let dan = town.user(Telegram, "dan").await;
    let begun = begin(&town, dan).await;
    town.merge(ann, dan, now()).await;
    assert_closed(&town, dan, begun, "merged").await;
    let begun = begin(&town, ann).await;
    town.directory.unmerge(dan, operator, now()).await.unwrap();
    assert_closed(&town, ann, begun, "parted").await;
}

pub(super) async fn a_home_is_made_by_whoever_is_theirs(town: Town) {
    let (ann, there) = (town.user(Telegram, "ann").await, town.replica().await);
    town.redeem(Slack, "ann", &town.offer(ann, now()).await, now()).await;
    let (here, slack) = (from(Telegram, "ann"), from(Slack, "ann"));
    let home = async || town.person(ann).await.home.map(|home| home.channel);
    let settle = async |inbound, anew| there.settle_in(ann, inbound, anew).await.unwrap();
    assert!(settle(&slack, false).await);
    assert!(!settle(&here, false).await, "she has one");
    assert!(settle(&here, true).await && home().await == Some(Telegram));
    let mut group = from(Telegram, "ann");
    group.conversation.kind = zaki_envelope::ConversationKind::Group;
    assert!(!settle(&group, true).await, "not where others read along");
    town.directory.unlink(ann, key(Slack, "ann"), Actor::Person(ann), now()).await.unwrap();
    assert!(!settle(&slack, true).await && home().await == Some(Telegram));
}

pub(super) async fn a_blocked_person_has_no_download(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let token = town.directory.offer_export(ann, now()).await.unwrap();
    let take = async || town.directory.take_export(token.expose(), now()).await.unwrap();
    town.directory.block(ann, Actor::Operator, now()).await.unwrap();
    assert_eq!(take().await, None);
    town.directory.unblock(ann, Actor::Operator, now()).await.unwrap();
    assert_eq!(take().await, Some(ann));
}

/// Somebody with something in every table.
async fn busy(town: &Town, name: &str) -> ZakiUserId {
    let directory = &town.directory;
    let (first, second, third) =
        (format!("{name}-first"), format!("{name}-second"), format!("{name}-third"));
    let user = town.user(Telegram, &first).await;
    let wrong = LinkCode::typed("2222-2222");
    town.redeem(Telegram, &first, &wrong, now()).await;
    town.redeem(Slack, &second, &town.offer(user, now()).await, now()).await;
    let other = town.user(Discord, &third).await;
    let code = town.offer(user, now()).await;
    town.redeem(Discord, &third, &code, now()).await;
    town.merge(user, other, now()).await;
    town.offer(user, now()).await;
    let asking = town.user(Discord, &format!("{name}-friend")).await;
    let code = town.offer(user, now()).await;
    let asked = town.redeem(Discord, &format!("{name}-friend"), &code, now()).await;
    assert_eq!(asked, Redeemed::Confirm { into: user, from: asking });
    directory.set(user, Setting::Home(Some(Home::of(&from(Telegram, &first))))).await.unwrap();
    directory.new_session(user, Some("taxes"), now()).await.unwrap();
    let counts = Counts { messages: 1, ..Counts::default() };
    directory.count(&[(user, counts)], now()).await.unwrap();
    directory.feedback(user, "well done", now()).await.unwrap();
    directory.offer_export(user, now()).await.unwrap();
    directory.ask_erase(user, now()).await.unwrap();
    directory.set_role(user, Role::Owner, Actor::Operator, now()).await.unwrap();
    let new = NewInvite { uses: 1, expires_at: None, tier: None, note: None };
    directory.invite(new, Actor::Person(user), now()).await.unwrap();
    let group = GroupKey {
        channel: Slack,
        scope: SenderScope::new(""),
        conversation: ConversationId::new("a group"),
    };
    directory.allow_in_group(&group, user, Actor::Operator, now()).await.unwrap();
    directory.allow_in_group(&group, asking, Actor::Person(user), now()).await.unwrap();
    let by = Actor::Person(user);
    let sender = from(WhatsApp, &format!("{name}-by")).sender;
    let how = zaki_identity::How::Operator;
    directory.link(asking, WhatsApp, &sender, by, how, now()).await.unwrap();
    let stranger = from(Discord, &format!("{name}-stranger"));
    let asked = directory.redeem(&stranger, &town.offer(user, now()).await, now()).await.unwrap();
    assert_eq!(asked, Redeemed::Asked { user });
    user
}

/// Where the person can still be found.
async fn traces(town: &Town, words: &[String]) -> Vec<(String, String)> {
    let mut rows = town.rows().await;
    rows.retain(|(_, row)| words.iter().any(|word| row.contains(word.as_str())));
    rows
}

/// Does all that follows for somebody.
async fn follow(town: &Town, user: ZakiUserId) {
    let pick = Pick { of: Some(user), due: later(DAY), edge: true, most: 9 };
    let mut done = 0;
    while let [errand] = town.directory.take_errands(pick, "us", now()).await.unwrap().as_slice() {
        assert!(town.directory.errand_done(errand, "us", now()).await.unwrap());
        done += 1;
    }
    assert_eq!(done, 3);
}

pub(super) async fn an_erased_person_leaves_nothing(town: Town) {
    let ann = busy(&town, "ann").await;
    let bob = busy(&town, "bob").await;
    let senders = ["ann-first", "ann-second", "ann-third"].map(str::to_owned);
    let id = [ann.to_string()];
    let before = traces(&town, &[senders.as_slice(), &id].concat()).await;
    for table in [
        "person",
        "binding",
        "code",
        "token",
        "merge",
        "merge_part",
        "session",
        "usage",
        "feedback",
        "joining",
        "proposal",
        "allowed",
        "audit_entry",
    ] {
        assert!(before.iter().any(|(name, _)| name == table), "nothing of hers in {table}");
    }
    let his = traces(&town, &[bob.to_string()]).await;
    let tries = |rows: &[(String, String)]| rows.iter().filter(|(t, _)| t == "attempt").count();
    let tries_before = tries(&town.rows().await);

    let erased = town.directory.erase(ann, Actor::Operator, now()).await.unwrap();
    assert_eq!((erased.people.len(), erased.bindings), (2, 3));
    let open = traces(&town, &senders).await;
    assert!(!open.is_empty() && open.iter().all(|(table, _)| table == "errand"), "{open:?}");
    follow(&town, ann).await;
    assert_eq!(traces(&town, &senders).await, [], "no id of a platform");
    for sender in &senders {
        assert!(!town.is_in_files(sender), "{sender} is in a free page or the log");
    }
    for (table, row) in traces(&town, &id).await {
        assert_eq!(table, "audit_entry", "{row}");
    }
    assert!(tries(&town.rows().await) < tries_before);
    assert!(town.acts(ann).await.contains(&"erased".into()), "and the record is whole");
    assert_eq!(traces(&town, &[bob.to_string()]).await.len(), his.len(), "nothing of his is gone");
    assert_ne!(town.user(Telegram, "ann-first").await, ann, "a stranger again");
    let again = town.directory.erase(ann, Actor::Operator, now()).await;
    assert!(matches!(again, Err(DirectoryError::UnknownPerson(_))));
}

pub(super) async fn an_erased_person_takes_along_who_became_them(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let (cem, eve) = (town.user(Discord, "cem").await, town.user(Discord, "eve").await);
    town.merge(bob, cem, now()).await;
    town.merge(ann, bob, now()).await;
    let family = town.directory.family(ann).await.unwrap();
    assert_eq!(family, [cem, bob, ann]);
    let by_eve = town.directory.erase(ann, Actor::Person(eve), now()).await;
    assert!(matches!(by_eve, Err(DirectoryError::NotAllowed)));
    let erased = town.directory.erase(ann, Actor::Person(ann), now()).await.unwrap();
    assert_eq!((erased.people, erased.bindings), (family, 3));
    for user in [ann, bob, cem] {
        assert_eq!(town.directory.person(user).await.unwrap(), None);
    }
    assert!(town.directory.person(eve).await.unwrap().is_some());
}

pub(super) async fn a_dossier_has_everything(town: Town) {
    let ann = busy(&town, "ann").await;
    busy(&town, "bob").await;
    let dossier = town.directory.dossier(ann).await.unwrap();
    assert_eq!(dossier["person"]["user"], ann.to_string());
    assert_eq!(dossier["person"]["bindings"].as_array().unwrap().len(), 3);
    for (heading, least) in [
        ("allowed", 3),
        ("sessions", 2),
        ("usage", 2),
        ("codes", 2),
        ("tokens", 2),
        ("joining", 1),
        ("shares_offered", 1),
        ("merges", 1),
        ("merged_parts", 2),
        ("feedback", 1),
        ("acts_about_them", 5),
        ("acts_of_theirs", 3),
    ] {
        let rows = dossier[heading].as_array().unwrap();
        assert!(rows.len() >= least, "{heading}: {rows:?}");
    }
    assert_eq!(dossier["sessions"][1]["name"], "taxes");
    assert_eq!(dossier["feedback"][0]["text"], "well done");
    assert_eq!(dossier["usage"][0]["messages"], 1);
    let text = dossier.to_string();
    assert!(!text.contains("bob-"), "nothing of another's");

    // Every table that names her is in it, except what is nothing but a hash.
    let rows = traces(&town, &[ann.to_string()]).await;
    let tables: std::collections::BTreeSet<_> = rows.iter().map(|(table, _)| &**table).collect();
    let known = [
        "allowed",
        "audit_entry",
        "binding",
        "code",
        "feedback",
        "joining",
        "merge",
        "person",
        "proposal",
        "session",
        "token",
        "usage",
    ];
    assert_eq!(tables, known.into());

    let nobody = ZakiUserId::from_parts(now(), 1);
    assert!(town.directory.dossier(nobody).await.is_err());
}

pub(super) async fn the_dossiers_are_of_all_they_were(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    town.directory.feedback(bob, "before", now()).await.unwrap();
    town.merge(ann, bob, now()).await;
    let dossiers = town.directory.dossiers(ann).await.unwrap();
    let of: Vec<_> = dossiers.iter().map(|(user, _)| *user).collect();
    assert_eq!(of, [bob, ann]);
    assert_eq!(dossiers[0].1["feedback"][0]["text"], "before");
    assert_eq!(dossiers[1].1, town.directory.dossier(ann).await.unwrap());
    let nobody = ZakiUserId::from_parts(now(), 1);
    assert!(town.directory.dossiers(nobody).await.is_err());
}

pub(super) async fn a_download_is_had_once(town: Town) {
    let ann = town.user(Telegram, "ann").await;
    let token = town.directory.offer_export(ann, now()).await.unwrap();
    assert_eq!(format!("{token:?}"), "ExportToken(..)");
    let replicas = [town.replica().await, town.replica().await];
    let takers = (0..6_usize).map(|n| {
        let (replica, token) = (replicas[n % 2].clone(), token.clone());
        tokio::spawn(async move { replica.take_export(token.expose(), now()).await.unwrap() })
    });
    let mut had = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        had.extend(taker.await.unwrap());
    }
    assert_eq!(had, [ann]);

    let (earlier, later_one) = (
        town.directory.offer_export(ann, now()).await.unwrap(),
        town.directory.offer_export(ann, now()).await.unwrap(),
    );
    let take = async |token: &str, at| town.directory.take_export(token, at).await.unwrap();
    assert_eq!(take(earlier.expose(), now()).await, None, "there is a later one");
    assert_eq!(take(later_one.expose(), later(DAY)).await, None, "too late");
    assert_eq!(take("", now()).await, None);
    assert_eq!(take(later_one.expose(), later(DAY - 1)).await, Some(ann));
    let acts = town.acts(ann).await;
    let exported = acts.iter().filter(|act| *act == "exported").count();
    assert_eq!(exported, 2, "each download is on record: {acts:?}");
    let secret = traces(&town, &[token.expose().to_owned(), later_one.expose().to_owned()]).await;
    assert_eq!(secret, [], "the store does not know it");
}

pub(super) async fn an_erasure_is_confirmed_by_its_own_word(town: Town) {
    let (ann, bob) = (town.user(Telegram, "ann").await, town.user(Slack, "bob").await);
    let asked = town.directory.ask_erase(ann, now()).await.unwrap();
    assert_eq!(asked.expires_at, later(10 * MINUTE));
    let confirm = async |user, code: &LinkCode, at| {
        let place = Some(Home::of(&from(Slack, "here")));
        town.directory.confirm_erase(user, code, place, at).await.unwrap().is_some()
    };
    assert!(!confirm(bob, &asked.code, now()).await, "another's");
    assert!(!confirm(ann, &LinkCode::typed("2222-2222"), now()).await);
    assert!(!confirm(ann, &asked.code, later(10 * MINUTE)).await);
    let link = town.redeem(Slack, "bob", &asked.code, now()).await;
    assert_eq!(link, Redeemed::Refused, "it links nobody");
    assert!(confirm(ann, &asked.code, now()).await);
    assert_eq!(town.directory.person(ann).await.unwrap(), None, "by the same word");
    let first = town.directory.errands(Some(ann), 9).await.unwrap().remove(0);
    let Task::Forget { traces, .. } = first.task else { panic!("{first:?}") };
    let homes: Vec<_> = traces.homes.iter().map(|home| home.conversation.id.as_str()).collect();
    assert_eq!(homes, ["here"]);
    assert!(!confirm(ann, &asked.code, now()).await, "once");
    for _ in 0..5 {
        confirm(bob, &asked.code, now()).await;
    }
    let his = town.directory.ask_erase(bob, now()).await.unwrap();
    assert!(!confirm(bob, &his.code, now()).await, "after too many tries");
}

const KEEP: Keep = Keep { usage: 90, feedback: 400, sessions: 400 };

pub(super) async fn what_has_expired_is_swept(town: Town) {
    let ann = busy(&town, "ann").await;
    let kept =
        |rows: &[(String, String)], table: &str| rows.iter().filter(|(t, _)| t == table).count();
    let before = town.rows().await;
    assert_eq!(town.directory.sweep(now(), KEEP).await.unwrap().usage, 0);
    assert_eq!(town.rows().await.len(), before.len(), "nothing has expired yet");
    let swept = town.directory.sweep(later(120 * DAY), KEEP).await.unwrap();
    assert_eq!(swept.usage, 2);
    let after = town.rows().await;
    for table in ["token", "joining", "attempt", "usage"] {
        assert!(kept(&before, table) > 0 && kept(&after, table) == 0, "{table}");
    }
    assert_eq!(kept(&after, "code"), 1, "an invitation that never expires");
    assert_eq!(kept(&after, "session"), kept(&before, "session"));
    assert_eq!(town.person(ann).await.bindings.len(), 3);
}
