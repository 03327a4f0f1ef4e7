//! Looking at people.

use anyhow::{Result, bail};
use serde::Serialize;
use zaki_identity::{
    Binding, BindingKind, Counts, Errand, PeopleFilter, Person, Role, Session, Totals,
};

use super::{One, follow::line};
use crate::{
    cli::{output::Output, table},
    clock,
};

pub(super) async fn list(
    find: Option<String>,
    limit: Option<usize>,
    output: &Output,
) -> Result<()> {
    let directory = output.directory().await?;
    let mut filter = PeopleFilter { text: find, ..PeopleFilter::default() };
    let (mut people, limit) = (Vec::new(), limit.unwrap_or(usize::MAX));
    while people.len() < limit {
        let page = directory.people(filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.user);
        people.extend(page);
    }
    people.truncate(limit);
    output.list(&people, row)
}

/// A person, with what a list has no room for.
#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    person: Person,
    sessions: Vec<Session>,
    usage: Totals,
    /// What is still to be done elsewhere.
    due: Vec<Errand>,
}

pub(super) async fn show(One { user, output }: &One) -> Result<()> {
    let directory = output.directory().await?;
    let due = directory.errands(Some(*user), u32::MAX).await?;
    let Some(person) = directory.person(*user).await? else {
        let due: Vec<_> =
            due.iter().map(|errand| format!("\nstill due: {}", line(errand))).collect();
        bail!("no person {user}; `zaki users list` shows everybody{}", due.concat())
    };
    let sessions = directory.sessions(*user).await?;
    let usage = directory.totals(*user, clock::now()).await?;
    let whole = Whole { person, sessions, usage, due };
    output.show(&whole, whole.lines())
}

fn row(person: &Person) -> [String; 4] {
    let places = person.bindings.iter().filter(|it| it.kind == BindingKind::Primary);
    let places: Vec<String> = places.map(short).collect();
    [person.user.to_string(), table::time(person.created_at), standing(person), places.join(", ")]
}

/// What is not as with everybody.
fn standing(person: &Person) -> String {
    let mut said = Vec::new();
    if person.role == Role::Owner {
        said.push("owner".to_owned());
    }
    said.extend(person.tier.clone());
    if person.blocked_at.is_some() {
        said.push("blocked".to_owned());
    }
    said.extend(person.merged_into.map(|into| format!("is {into} now")));
    said.join(", ")
}

fn short(binding: &Binding) -> String {
    let name = binding.label.as_deref().unwrap_or(binding.sender.as_str());
    format!("{} {name}", binding.channel)
}

impl Whole {
    fn lines(&self) -> Vec<[String; 2]> {
        let Self { person, sessions, usage, due } = self;
        let mut lines: Vec<(&str, String)> = vec![
            ("person", person.user.to_string()),
            ("since", table::time(person.created_at)),
            ("role", person.role.to_string()),
            ("tier", person.tier.clone().unwrap_or_else(|| "the usual one".to_owned())),
        ];
        lines.extend(person.blocked_at.map(|at| ("blocked", format!("since {}", table::time(at)))));
        lines.extend(person.merged_into.map(|into| ("is now", into.to_string())));
        lines.extend(
            person
                .home
                .as_ref()
                .map(|home| ("home", format!("{} {}", home.channel, home.conversation.id))),
        );
        for (what, chosen) in
            [("language", &person.lang), ("mid-turn", &person.mode), ("model", &person.model)]
        {
            lines.extend(chosen.clone().map(|chosen| (what, chosen)));
        }
        lines.extend(person.bindings.iter().map(|binding| ("sender", whole(binding))));
        for session in sessions {
            let here = if session.n == person.session { " (in it)" } else { "" };
            let name = session.name.as_deref().unwrap_or_default();
            lines.push(("session", format!("{} {name}{here}", session.n)));
        }
        lines.push(("today", spent(&usage.day)));
        lines.push(("this month", spent(&usage.month)));
        lines.extend(due.iter().map(|errand| ("still due", line(errand))));
        lines.into_iter().map(|(what, said)| [what.to_owned(), said]).collect()
    }
}

/// As `zaki users link` and `unlink` take it.
fn whole(binding: &Binding) -> String {
    let Binding { channel, scope, sender, kind, best, label, bound_at, how, by, last_seen_at } =
        binding;
    let scope = if scope.as_str().is_empty() { String::new() } else { format!(" --scope {scope}") };
    let label = label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
    let alias = match best {
        Some(best) => format!(", an older id of {best}"),
        None if *kind == BindingKind::Alias => ", an older id".to_owned(),
        None => String::new(),
    };
    let seen = last_seen_at.map(|at| format!(", seen {}", table::time(at))).unwrap_or_default();
    let since = table::time(*bound_at);
    format!("{channel} {sender}{scope}{label}{alias}, since {since} by {how} of {by}{seen}")
}

fn spent(counts: &Counts) -> String {
    let Counts { messages, input_tokens, output_tokens, .. } = counts;
    let tokens = input_tokens + output_tokens;
    let (whole, part) = (counts.cost_micros / 1_000_000, counts.cost_micros % 1_000_000 / 100);
    format!("{messages} messages, {tokens} tokens, cost {whole}.{part:04}")
}
