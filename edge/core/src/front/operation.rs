//! What operators have done with one sandbox.

use serde::de::DeserializeOwned;
use zaki_envelope::wire::{ExecRequest, PatchRequest, StopRequest};

use super::Refusal;

/// As many lines of a log as are told at most.
const MOST_LINES: usize = 10_000;
/// And when nobody says how many.
const USUAL_LINES: usize = 100;

/// Under `/v1/users/{user}/sandbox/`. All that wakes it goes through its life, and none around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `POST start`: it is up when this is answered.
    Start,
    /// `POST stop`: as soon as its turns have ended, or now.
    Stop,
    /// `POST freeze`: as soon as its agent has nothing to do.
    Freeze,
    /// `POST restart`: stop and start.
    Restart,
    /// `POST upgrade`: give it the version that this edge has for all.
    Upgrade,
    /// `POST exec`: run a program in it.
    Exec,
    /// `GET logs?lines=n`: the last lines of its logs, asleep or awake.
    Logs {
        /// How many of each.
        lines: usize,
    },
    /// `GET config`: what its agent is configured with.
    Config,
    /// `POST patch`: change that.
    Patch,
}

impl Operation {
    pub(super) fn of(word: &str, query: &str) -> Option<Self> {
        Some(match word {
            "start" => Self::Start,
            "stop" => Self::Stop,
            "freeze" => Self::Freeze,
            "restart" => Self::Restart,
            "upgrade" => Self::Upgrade,
            "exec" => Self::Exec,
            "logs" => Self::Logs { lines: lines(query)? },
            "config" => Self::Config,
            "patch" => Self::Patch,
            _ => return None,
        })
    }

    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Logs { .. } | Self::Config => "GET",
            _ => "POST",
        }
    }
}

fn lines(query: &str) -> Option<usize> {
    match query.split('&').find_map(|pair| pair.strip_prefix("lines=")) {
        Some(lines) => lines.parse().ok().map(|lines: usize| lines.min(MOST_LINES)),
        None => Some(USUAL_LINES),
    }
}

/// Reads the body of [`Operation::Stop`] and [`Operation::Restart`]; none waits for turns.
pub fn parse_stop(body: &[u8]) -> Result<StopRequest, Refusal> {
    if body.is_empty() {
        return Ok(StopRequest::default());
    }
    read(body, "the body does not say how to stop")
}

/// Reads the body of [`Operation::Exec`].
pub fn parse_exec(body: &[u8]) -> Result<ExecRequest, Refusal> {
    let request: ExecRequest = read(body, "the body does not say what to run")?;
    match request.command.first() {
        Some(program) if !program.is_empty() => Ok(request),
        _ => Err(Refusal::Malformed("there is no program to run")),
    }
}

/// Reads the body of [`Operation::Patch`].
pub fn parse_patch(body: &[u8]) -> Result<PatchRequest, Refusal> {
    read(body, "the body is not a patch of what was seen")
}

fn read<T: DeserializeOwned>(body: &[u8], why: &'static str) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::Malformed(why))
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{Timestamp, ZakiUserId};

    use super::super::Call;
    use super::*;

    #[test]
    fn each_operation_has_its_path_and_method() {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let of = |method: &str, word: &str, query: Option<&str>| {
            Call::of(method, &format!("/v1/users/{user}/sandbox/{word}"), query)
        };
        for (method, word, operation) in [
            ("POST", "start", Operation::Start),
            ("POST", "stop", Operation::Stop),
            ("POST", "freeze", Operation::Freeze),
            ("POST", "restart", Operation::Restart),
            ("POST", "upgrade", Operation::Upgrade),
            ("POST", "exec", Operation::Exec),
            ("GET", "logs", Operation::Logs { lines: USUAL_LINES }),
            ("GET", "config", Operation::Config),
            ("POST", "patch", Operation::Patch),
        ] {
            assert_eq!(of(method, word, None), Ok(Call::Operate { user, operation }));
            assert!(matches!(of("PUT", word, None), Err(Refusal::Method { .. })), "{word}");
            assert_eq!(of(method, &format!("{word}/x"), None), Err(Refusal::NotFound));
            assert!(of(method, word, None).unwrap().signs_its_body(), "{word} is for hubs alone");
        }
        assert_eq!(of("POST", "destroy", None), Err(Refusal::NotFound));
        let logs = |lines| Ok(Call::Operate { user, operation: Operation::Logs { lines } });
        assert_eq!(of("GET", "logs", Some("lines=7")), logs(7));
        assert_eq!(of("GET", "logs", Some("lines=99999999")), logs(MOST_LINES));
        assert_eq!(of("GET", "logs", Some("lines=-1")), Err(Refusal::NotFound));
    }

    #[test]
    fn a_body_says_what_to_do_or_is_refused() {
        assert_eq!(parse_stop(b""), Ok(StopRequest { now: false }));
        assert_eq!(parse_stop(br#"{"now":true}"#), Ok(StopRequest { now: true }));
        assert!(parse_stop(b"now").is_err());
        assert!(parse_exec(br#"{"command":["ls"]}"#).is_ok());
        for body in [&br#"{"command":[]}"#[..], br#"{"command":[""]}"#, b"", b"{}"] {
            assert!(parse_exec(body).is_err());
        }
        assert!(parse_patch(br#"{"if_match":"a","patch":{}}"#).is_ok());
        assert!(parse_patch(br#"{"patch":{}}"#).is_err(), "blind");
    }
}
