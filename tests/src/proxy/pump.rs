//! One connection: both directions at once, each under whatever trouble there is at the moment.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::replay::Replay;
use super::{Side, Trouble};
use crate::chaos::Chance;

/// A connection's share of the trouble.
pub(super) struct Pump {
    trouble: watch::Receiver<Trouble>,
    chance: Chance,
    /// Bytes left before a cut, once one is ordered.
    left: Option<u64>,
    /// Something was lost on the way: the connection cannot go on once there is no trouble.
    torn: bool,
    /// The proxy has answered: what either side still says is for nobody.
    refused: bool,
}

/// One direction of a connection.
struct Flow {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    open: bool,
}

/// The connection is over.
struct Over;

impl Pump {
    pub(super) fn new(trouble: watch::Receiver<Trouble>, chance: Chance) -> Self {
        Self { trouble, chance, left: None, torn: false, refused: false }
    }

    fn now(&self) -> Trouble {
        *self.trouble.borrow()
    }

    /// Whether a new connection gets through at all; waits while nobody is heard.
    pub(super) async fn admits(&self) -> bool {
        let mut trouble = self.trouble.clone();
        let heard = trouble.wait_for(|trouble| *trouble != Trouble::Silent).await;
        heard.is_ok_and(|trouble| *trouble != Trouble::Refused)
    }

    pub(super) async fn run(mut self, client: TcpStream, server: TcpStream, mut replay: Replay) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut up = Flow { from: from_client, to: to_server, open: true };
        let mut down = Flow { from: from_server, to: to_client, open: true };
        while up.open || down.open {
            if self.step(&mut up, &mut down, &mut replay).await.is_err() {
                reset(up.from.as_ref());
                reset(down.from.as_ref());
                return;
            }
        }
    }

    /// Moves one piece in one direction, or notices a change of the trouble.
    async fn step(
        &mut self,
        up: &mut Flow,
        down: &mut Flow,
        replay: &mut Replay,
    ) -> Result<(), Over> {
        let trouble = self.now();
        if trouble == Trouble::Refused || (self.torn && trouble == Trouble::None) {
            return Err(Over);
        }
        let most = if let Trouble::Trickle(bytes, _) = trouble { bytes.max(1) } else { 16 * 1024 };
        let (mut asked, mut said) = (vec![0; most], vec![0; most]);
        let flows = trouble != Trouble::Silent;
        tokio::select! {
            changed = self.trouble.changed() => changed.map_err(|_| Over),
            read = up.from.read(&mut asked), if up.open && flows => {
                let piece = piece(&asked, read)?;
                if let Trouble::Says(status) = trouble
                    && !self.refused && !piece.is_empty() && self.chance.percent(50)
                {
                    self.refused = true;
                    return refuse(status, &mut down.to).await;
                }
                replay.asked(piece);
                self.pass(Side::Client, piece, up).await
            }
            read = down.from.read(&mut said), if down.open && flows => {
                let piece = piece(&said, read)?;
                if !piece.is_empty() {
                    replay.answered(trouble == Trouble::Twice);
                }
                self.pass(Side::Server, piece, down).await
            }
        }
    }

    async fn pass(&mut self, from: Side, piece: &[u8], flow: &mut Flow) -> Result<(), Over> {
        if piece.is_empty() {
            flow.open = false;
            return flow.to.shutdown().await.map_err(|_| Over);
        }
        if self.refused {
            return Ok(());
        }
        match self.now() {
            Trouble::Deaf(side) if side == from => {
                self.torn = true;
                return Ok(());
            }
            Trouble::LateAnswer(by) if from == Side::Server => tokio::time::sleep(by).await,
            Trouble::Late(by) => tokio::time::sleep(by).await,
            Trouble::Trickle(_, pause) => tokio::time::sleep(pause).await,
            Trouble::Cut { within } => return self.cut(piece, flow, within).await,
            _ => {}
        }
        self.left = None;
        flow.to.write_all(piece).await.map_err(|_| Over)
    }

    /// Passes on what is left until the cut.
    async fn cut(&mut self, piece: &[u8], flow: &mut Flow, within: u64) -> Result<(), Over> {
        let left = match self.left {
            Some(left) => left,
            None => self.chance.among(0..within + 1),
        };
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        let pass = usize::try_from(left.min(length)).unwrap_or_default();
        self.left = Some(left.saturating_sub(length));
        let piece = piece.get(..pass).unwrap_or(piece);
        flow.to.write_all(piece).await.map_err(|_| Over)?;
        if left > length {
            return Ok(());
        }
        // What was passed on is to arrive before the reset does.
        tokio::time::sleep(Duration::from_millis(1)).await;
        Err(Over)
    }
}

async fn refuse(status: u16, client: &mut OwnedWriteHalf) -> Result<(), Over> {
    let answer =
        format!("HTTP/1.1 {status} Storm\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    client.write_all(answer.as_bytes()).await.map_err(|_| Over)?;
    client.shutdown().await.map_err(|_| Over)
}

fn piece(buffer: &[u8], read: std::io::Result<usize>) -> Result<&[u8], Over> {
    read.ok().and_then(|length| buffer.get(..length)).ok_or(Over)
}

/// Closes as a crashed machine does: at once, with nothing more said.
pub(super) fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
