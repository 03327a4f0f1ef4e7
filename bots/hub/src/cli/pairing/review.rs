//! The console of whoever lets people in: one stranger at a time.

use std::io::{self, BufRead};

use anyhow::{Result, bail};
use serde::Serialize;
use zaki_identity::{Actor, Directory, LinkCode, Pairing as Request};

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
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    LetIn,
    TurnedAway,
    /// They wait on.
    Left,
    /// Somebody else has answered them, or their code has expired.
    Gone,
}

/// One of them, at the end.
#[derive(Serialize)]
struct Done {
    code: String,
    who: String,
    place: String,
    outcome: Outcome,
}

/// Asks about each of those who wait, and says at the end what was done.
pub(super) async fn run(output: &Output) -> Result<()> {
    let directory = output.directory().await?;
    let waiting = directory.pairings(clock::now()).await?;
    let mut done: Vec<Done> = Vec::new();
    for (n, request) in waiting.iter().enumerate() {
        show(n + 1, waiting.len(), request);
        let word = tokio::task::block_in_place(|| ask(&mut io::stdin().lock()))?;
        let Some(outcome) = (match word {
            Some(word) => act(&directory, request, word).await?,
            None if n == 0 => bail!("{ELSEWHERE}"),
            None => None,
        }) else {
            break;
        };
        done.push(Done::of(request, outcome));
    }
    done.extend(waiting.iter().skip(done.len()).map(|request| Done::of(request, Outcome::Left)));
    output.list(&done, Done::row)
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
async fn act(directory: &Directory, request: &Request, word: Word) -> Result<Option<Outcome>> {
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
        Self { code, who: request.who().to_owned(), place, outcome }
    }

    fn row(&self) -> [String; 4] {
        let said = match self.outcome {
            Outcome::LetIn => "is let in; a hub that runs tells them so",
            Outcome::TurnedAway => "was turned away, and hears nothing of it",
            Outcome::Left => "waits on",
            Outcome::Gone => "does not wait any more: answered by somebody else, or too late",
        };
        [self.code.clone(), self.place.clone(), self.who.clone(), said.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_asked_for_until_it_is_one() {
        let mut typed = io::Cursor::new("yes\n\n A \nquit\n");
        assert!(matches!(ask(&mut typed).unwrap(), Some(Word::Approve)));
        assert!(matches!(ask(&mut typed).unwrap(), Some(Word::Quit)));
        assert!(ask(&mut typed).unwrap().is_none(), "nobody answers any more");
    }
}
