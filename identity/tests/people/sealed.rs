//! What people say to the directory: encrypted where there is a key, and kept for so long.

use zaki_envelope::ChannelKind::Telegram;
use zaki_identity::{Actor, Directory, DirectoryError, Keep, Pick, Task};
use zaki_store::Keys;

use super::town::{DAY, Town, later, now};

/// Keys of these names.
fn keys(names: &[&str]) -> Keys {
    // 32 bytes that begin with the name's.
    let key = |name: &str| {
        let digit = if name == "k1" {
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
        } else {
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
        };
        digit.to_owned().into()
    };
    let all: Vec<_> = names.iter().map(|name| (*name, key(name))).collect();
    Keys::new(all.iter().map(|(name, key)| (*name, key))).unwrap()
}

async fn lies_open(town: &Town, word: &str) -> bool {
    town.rows().await.iter().any(|(_, row)| row.contains(word))
}

async fn says(directory: &Directory, town: &Town) -> zaki_envelope::ZakiUserId {
    let ann = town.user(Telegram, "sender-of-ann").await;
    directory.feedback(ann, "it is bumpy", now()).await.unwrap();
    directory.new_session(ann, Some("divorce"), now()).await.unwrap();
    directory.new_session(ann, None, now()).await.unwrap();
    directory.name_session(ann, 3, Some("holidays")).await.unwrap();
    ann
}

async fn names(directory: &Directory, user: zaki_envelope::ZakiUserId) -> Vec<Option<String>> {
    let mut sessions = directory.sessions(user).await.unwrap();
    sessions.sort_by_key(|session| session.n);
    sessions.into_iter().map(|session| session.name).collect()
}

pub(super) async fn with_a_key_nothing_that_was_said_lies_open(town: Town) {
    let sealed = town.with_keys(keys(&["k1"])).await;
    let ann = says(&sealed, &town).await;
    for word in ["bumpy", "divorce", "holidays"] {
        assert!(!lies_open(&town, word).await, "{word}");
    }
    let said = || Some("divorce".to_owned());
    assert_eq!(names(&sealed, ann).await, [None, said(), Some("holidays".to_owned())]);
    assert_eq!(sealed.feedbacks(9).await.unwrap()[0].text, "it is bumpy");
    let dossier = sealed.dossier(ann).await.unwrap();
    assert_eq!(dossier["feedback"][0]["text"], "it is bumpy");
    assert!(dossier["sessions"].to_string().contains("divorce"), "{dossier}");
    let keyless = town.replica().await.feedbacks(9).await;
    assert!(matches!(keyless, Err(DirectoryError::Seal(_))), "{keyless:?}");

    sealed.erase(ann, Actor::Operator, now()).await.unwrap();
    assert!(!lies_open(&town, "sender-of-ann").await, "nor by what she was known");
    let pick = Pick { of: Some(ann), due: later(DAY), edge: true, most: 1 };
    let taken = sealed.take_errands(pick, "us", now()).await.unwrap();
    let Task::Forget { traces, .. } = &taken[0].task else { panic!("{taken:?}") };
    assert_eq!(traces.senders[0].sender.as_str(), "sender-of-ann");
}

pub(super) async fn keys_are_exchanged(town: Town) {
    let ann = says(&town.directory, &town).await;
    assert!(lies_open(&town, "divorce").await);
    assert_eq!(town.directory.rekey().await.unwrap(), 0, "there is none");
    let first = town.with_keys(keys(&["k1"])).await;
    assert_eq!(first.feedbacks(9).await.unwrap()[0].text, "it is bumpy", "of before the keys");
    assert_eq!(first.rekey().await.unwrap(), 3);
    assert!(!lies_open(&town, "divorce").await);
    assert_eq!(first.rekey().await.unwrap(), 0);
    let both = town.with_keys(keys(&["k2", "k1"])).await;
    assert_eq!(both.rekey().await.unwrap(), 3);
    let second = town.with_keys(keys(&["k2"])).await;
    assert_eq!(second.feedbacks(9).await.unwrap()[0].text, "it is bumpy");
    assert_eq!(names(&second, ann).await[1].as_deref(), Some("divorce"));
}

pub(super) async fn what_was_said_is_kept_for_so_long(town: Town) {
    let ann = says(&town.directory, &town).await;
    let keep = Keep { usage: 400, feedback: 30, sessions: 60 };
    let swept = async |days| town.directory.sweep(later(days * DAY), keep).await.unwrap().texts;
    assert_eq!(swept(29).await, 0);
    assert_eq!(swept(30).await, 1);
    assert_eq!(town.directory.feedbacks(9).await.unwrap(), []);
    assert_eq!(swept(60).await, 1);
    let kept = names(&town.directory, ann).await;
    assert_eq!(kept, [None, None, Some("holidays".to_owned())], "she is in the third");
}
