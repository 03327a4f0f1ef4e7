//! A wire to a server that can fall silent, each way: it still takes what is sent, and nothing
//! arrives. As a network does that drops packets for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::SecretString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::Database;

/// The wire. It works until the runtime ends.
#[derive(Clone, Default)]
pub struct Wire {
    deaf: Arc<AtomicBool>,
    mute: Arc<AtomicBool>,
}

impl Wire {
    /// A wire to the database, with its address over it.
    pub async fn to(database: &Database) -> (Self, SecretString) {
        let (before, rest) = database.address().rsplit_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (wire, server) = (Self::default(), server.to_owned());
        tokio::spawn(wire.clone().run(listener, server));
        (wire, format!("{before}@127.0.0.1:{port}/{name}").into())
    }

    async fn run(self, listener: TcpListener, server: String) {
        while let Ok((near, _)) = listener.accept().await {
            let Ok(far) = TcpStream::connect(&server).await else { continue };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            tokio::spawn(carry(near_in, far_out, Arc::clone(&self.deaf)));
            tokio::spawn(carry(far_in, near_out, Arc::clone(&self.mute)));
        }
    }

    /// From now on the server hears nothing of us (`deaf`), or we nothing of it (`mute`).
    pub fn cut(&self, deaf: bool, mute: bool) {
        self.deaf.store(deaf, Ordering::Relaxed);
        self.mute.store(mute, Ordering::Relaxed);
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, silent: Arc<AtomicBool>) {
    let mut bytes = [0; 4096];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        if !silent.load(Ordering::Relaxed) && to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
