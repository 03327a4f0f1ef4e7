//! The console of whoever lets people in: one stranger at a time.

use std::io::{self, BufRead};

use anyhow::{Result, bail};
use serde::Serialize;
use zaki_identity::{Actor, Directory, DirectoryError, LinkCode, Pairing as Request};

use crate::{
    cli::{output::Output, table},
    clock,
};

/// What to run where nobody can be asked.
const ELSEWHERE: &str = "nobody answers here: run this in a terminal, or use `zaki pairing list` and \
                         `zaki pairing approve|deny CODE`";

/// What was asked for.
#[derive(Clone, Copy)]
enum Word {
    Approve,
    Deny,
    Skip,
    Quit,
}

/// What became of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    LetIn,
    TurnedAway,
    /// They wait on.
    Left,
    /// Somebody else has answered them, or their code has expired.
    Gone,
    /// It could not be done; they wait on.
    Failed,
}

/// One of them, at the end.
#[derive(Serialize)]
struct Done {
    code: String,
    who: String,
    place: String,
    outcome: Outcome,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Asks about each of those who wait, and says at the end what was done.
pub(super) async fn run(output: &Output) -> Result<()> {
    let directory = output.directory().await?;
    let waiting = directory.pairings(clock::now()).await?;
    let mut typed = || tokio::task::block_in_place(|| ask(&mut io::stdin().lock()));
    let done = go_through(&directory, &waiting, &mut typed).await?;
    output.list(&done, Done::row)
}

async fn go_through(
    directory: &Directory,
    waiting: &[Request],
    typed: &mut impl FnMut() -> io::Result<Option<Word>>,
) -> Result<Vec<Done>> {
    let mut done: Vec<Done> = Vec::new();
    for (n, request) in waiting.iter().enumerate() {
        show(n + 1, waiting.len(), request);
        let word = typed()?;
        let answered = match word {
            Some(word) => act(directory, request, word).await,
            None if n == 0 => bail!("{ELSEWHERE}"),
            None => Ok(None),
        };
        let Some(one) = Done::by(request, answered) else { break };
        done.push(one);
    }
    done.extend(waiting.iter().skip(done.len()).map(|request| Done::of(request, Outcome::Left)));
    Ok(done)
}

/// On standard error, so that the list at the end is all there is on the other.
fn show(n: usize, all: usize, request: &Request) {
    let Request { code, channel, account, asked_at, expires_at, .. } = request;
    let (who, asked) = (table::plain(request.who()), table::time(*asked_at));
    let until = table::time(*expires_at);
    eprintln!("{n} of {all}: {who} on {channel}/{account}, with the code {code}");
    eprintln!("  asked at {asked}, waits until {until}");
}

/// Until there is a word that is known; none at the end of the input.
fn ask(from: &mut impl BufRead) -> io::Result<Option<Word>> {
    loop {
        eprintln!("  a: let them in, d: turn them away, s: leave it for later, q: no more");
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim().to_lowercase().as_str() {
            "a" | "approve" => return Ok(Some(Word::Approve)),
            "d" | "deny" => return Ok(Some(Word::Deny)),
            "s" | "skip" => return Ok(Some(Word::Skip)),
            "q" | "quit" => return Ok(Some(Word::Quit)),
            _ => {}
        }
    }
}

/// `None`: no more.
async fn act(
    directory: &Directory,
    request: &Request,
    word: Word,
) -> Result<Option<Outcome>, DirectoryError> {
    let (code, by, now) = (LinkCode::typed(&request.code), Actor::Operator, clock::now());
    let found = |is_there, outcome| Some(if is_there { outcome } else { Outcome::Gone });
    Ok(match word {
        Word::Approve => found(directory.approve(&code, by, now).await?.is_some(), Outcome::LetIn),
        Word::Deny => found(directory.deny(&code, by, now).await?.is_some(), Outcome::TurnedAway),
        Word::Skip => Some(Outcome::Left),
        Word::Quit => None,
    })
}

impl Done {
    fn of(request: &Request, outcome: Outcome) -> Self {
        let Request { code, channel, account, .. } = request;
        let (code, place) = (code.clone(), format!("{channel}/{account}"));
        Self { code, who: request.who().to_owned(), place, outcome, error: None }
    }

    /// What became of somebody; none: no more. What fails for one of them ends nothing for the others,
    /// and what was done before is still to be said.
    fn by(request: &Request, answered: Result<Option<Outcome>, DirectoryError>) -> Option<Self> {
        match answered {
            Ok(outcome) => outcome.map(|outcome| Self::of(request, outcome)),
            Err(error) => {
                let failed = Self::of(request, Outcome::Failed);
                Some(Self { error: Some(error.to_string()), ..failed })
            }
        }
    }

    fn row(&self) -> [String; 4] {
        let said = match self.outcome {
            Outcome::LetIn => "is let in; a hub that runs tells them so",
            Outcome::TurnedAway => "was turned away, and hears nothing of it",
            Outcome::Left => "waits on",
            Outcome::Gone => "does not wait any more: answered by somebody else, or too late",
            Outcome::Failed => self.error.as_deref().unwrap_or("could not be answered"),
        };
        [self.code.clone(), self.place.clone(), self.who.clone(), said.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{
        ChannelKind::{self, Telegram, WhatsApp},
        Inbound, InboundKind, SenderId,
    };
    use zaki_identity::{Access, BindingKey, CodeKey, GroupRules, Options, SignUp};
    use zaki_store::Keys;

    use super::*;

    fn from(channel: ChannelKind, account: &str, id: &str) -> Inbound {
        let json = serde_json::json!({
            "v": 1, "id": clock::inbound_id(), "channel": channel, "account": account,
            "dedupe": id, "received_at": clock::now(), "addressed": true,
            "conversation": {"id": id, "kind": "direct"},
            "sender": {"scope": "", "id": id}, "kind": InboundKind::Message, "parts": [],
        });
        serde_json::from_value(json).unwrap()
    }

    /// She waits by a better id, while her number, by which she was known, was barred.
    #[tokio::test]
    async fn one_that_fails_ends_nothing_for_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let open = async |sign_up| {
            let options = Options {
                access: Access::new(sign_up),
                group: GroupRules::default(),
                code_key: Some(CodeKey::new("a key of tests".into())),
                keys: Keys::default(),
                cache: 10,
            };
            Directory::sqlite(folder.path().join("identity.db"), options).await.unwrap()
        };
        let (now, by) = (clock::now(), Actor::Operator);
        let known = from(WhatsApp, "main", "49123");
        let eve = open(SignUp::Open).await.resolve(&known, now).await.unwrap().user().unwrap();
        let directory = open(SignUp::Pairing).await;
        let mut better = from(WhatsApp, "other", "CC.1");
        better.sender.aliases = vec![SenderId::new("49123")];
        for (inbound, after) in [(&better, 0), (&from(Telegram, "main", "7"), 1)] {
            directory.resolve(inbound, now.plus_ms(after)).await.unwrap();
        }
        directory.block(eve, by, now).await.unwrap();
        let number = BindingKey::of(WhatsApp, &known.sender);
        directory.unlink(eve, number, by, now).await.unwrap();

        let waiting = directory.pairings(now).await.unwrap();
        let done = go_through(&directory, &waiting, &mut || Ok(Some(Word::Approve))).await.unwrap();
        let outcomes: Vec<_> = done.iter().map(|one| one.outcome).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::LetIn]);
        assert!(done[0].row()[3].contains("zaki users unblock"), "{:?}", done[0].row());
        let line = serde_json::to_value(&done[0]).unwrap();
        assert_eq!(line["outcome"], "failed");
        assert!(line["error"].as_str().unwrap().contains("is blocked"), "{line}");
    }

    #[test]
    fn a_word_is_asked_for_until_it_is_one() {
        let mut typed = io::Cursor::new("yes\n\n A \nquit\n");
        assert!(matches!(ask(&mut typed).unwrap(), Some(Word::Approve)));
        assert!(matches!(ask(&mut typed).unwrap(), Some(Word::Quit)));
        assert!(ask(&mut typed).unwrap().is_none(), "nobody answers any more");
    }
}
