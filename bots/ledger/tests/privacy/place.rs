//! A place for a ledger, into which a test can look.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use zaki_envelope::Inbound;
use zaki_ledger::testkit::people::{
    answer, asks, held, new, nonsense, private, replies, request, shared,
};
use zaki_ledger::testkit::{at, delivery_id, turn_id};
use zaki_ledger::{
    DeliveryEnd, Error, Fence, Ledger, NewDelivery, PgLedger, SqliteLedger, TurnEnd,
};
use zaki_store::testkit::{Database, database};
use zaki_store::{Keys, PgOptions};

/// The names of keys, and the byte each is made of.
pub(crate) fn keys(all: &[(&str, u8)]) -> Keys {
    let secret = |byte: &u8| {
        // 32 times the same byte, in base64.
        let group = |bytes: [u8; 3]| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let bits = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
            [18, 12, 6, 0].map(|shift| char::from(alphabet[(bits >> shift & 63) as usize]))
        };
        let mut text: String = (0..10).flat_map(|_| group([*byte; 3])).collect();
        let last: String = group([*byte, *byte, 0])[..3].iter().collect();
        text.push_str(&last);
        text.push('=');
        secrecy::SecretString::from(text)
    };
    let all: Vec<_> = all.iter().map(|(id, byte)| (*id, secret(byte))).collect();
    Keys::new(all.iter().map(|(id, key)| (*id, key))).unwrap()
}

pub(crate) enum Where {
    File(tempfile::TempDir),
    Server(Box<Database>),
}

impl Where {
    /// Both engines, as far as they are here.
    pub(crate) async fn all() -> Vec<Self> {
        let mut all = vec![Self::File(tempfile::tempdir().unwrap())];
        all.extend(database().await.map(Box::new).map(Self::Server));
        all
    }

    pub(crate) async fn open(&self, keys: Keys) -> Result<Open, Error> {
        let (ledger, close): (Arc<dyn Ledger>, Close) = match self {
            Self::File(_) => {
                let ledger = SqliteLedger::open_sealed(self.file(), keys).await?;
                (Arc::new(ledger.clone()), Close::File(ledger))
            }
            Self::Server(database) => {
                let (url, options) = (database.url(), PgOptions::default());
                // All tables are read between two calls, on however busy a machine.
                let ttl = 60 * PgLedger::TTL;
                let ledger = PgLedger::connect_sealed(&url, &options, ttl, keys).await?;
                (Arc::new(ledger.clone()), Close::Server(ledger))
            }
        };
        let fence = ledger.enroll("hub").await?;
        Ok(Open { ledger, fence, close })
    }

    fn file(&self) -> PathBuf {
        let Self::File(folder) = self else { panic!("no file") };
        folder.path().join("ledger.db")
    }

    /// Runs a statement beside the ledger.
    pub(crate) async fn run(&self, sql: &str) {
        match self {
            Self::File(_) => {
                rusqlite::Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
            }
            Self::Server(database) => {
                database.run(&[&format!("SET search_path = zaki_ledger; {sql}")]).await;
            }
        }
    }

    /// Every value in every table, bytes as text, with the table and column.
    pub(crate) async fn values(&self) -> String {
        match self {
            Self::File(_) => values(&rusqlite::Connection::open(self.file()).unwrap()),
            Self::Server(database) => {
                let tables =
                    "SELECT tablename::text FROM pg_tables WHERE schemaname = 'zaki_ledger'";
                let mut all = String::new();
                for table in database.text(tables).await {
                    // As text, in which bytes are escaped where they are not printable.
                    let rows = format!(
                        "SELECT set_config('bytea_output', 'escape', false) UNION ALL
                        SELECT row::text FROM zaki_ledger.{table} AS row"
                    );
                    for row in database.text(&rows).await {
                        writeln!(all, "{table}: {row}").unwrap();
                    }
                }
                all
            }
        }
    }

    /// All bytes of the files, those not yet moved into the database included; of a server, none.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self::File(folder) = self else { return Vec::new() };
        let files = fs::read_dir(folder.path()).unwrap();
        files.flat_map(|file| fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// The oldest schema a program may know.
    pub(crate) async fn min_reader(&self) -> i64 {
        let sql = "SELECT min_reader FROM store_info";
        match self {
            Self::File(_) => {
                let conn = rusqlite::Connection::open(self.file()).unwrap();
                conn.query_row(sql, [], |row| row.get(0)).unwrap()
            }
            Self::Server(database) => {
                let sql = "SELECT min_reader::text FROM zaki_ledger.store_info";
                database.text(sql).await[0].parse().unwrap()
            }
        }
    }
}

fn values(conn: &rusqlite::Connection) -> String {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let mut tables = conn.prepare(tables).unwrap();
    let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let mut all = String::new();
    for name in names.map(Result::unwrap) {
        let mut rows = conn.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.raw_query();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                let value = match row.get_ref(column).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        String::from_utf8_lossy(bytes).into_owned()
                    }
                    other => format!("{other:?}"),
                };
                writeln!(all, "{name}.{column}: {value}").unwrap();
            }
        }
    }
    all
}

enum Close {
    File(SqliteLedger),
    Server(PgLedger),
}

/// An open ledger.
pub(crate) struct Open {
    pub ledger: Arc<dyn Ledger>,
    pub fence: Fence,
    close: Close,
}

impl Open {
    pub(crate) async fn close(self) {
        self.ledger.leave(self.fence).await.unwrap();
        match self.close {
            Close::File(ledger) => ledger.close().await,
            Close::Server(ledger) => ledger.close(),
        }
    }

    async fn take(&self, inbound: &Inbound) {
        let request = request(vec![held(inbound.clone())]);
        self.ledger.accept(self.fence, request).await.unwrap();
    }

    async fn post(&self, notice: NewDelivery) {
        self.ledger.post(self.fence, vec![notice], &[], at(1)).await.unwrap();
    }

    /// Everything there can be of a person; numbers from `n` on are used.
    pub(crate) async fn live(&self, person: u32, n: u32) {
        let (ledger, fence) = (&self.ledger, self.fence);
        for (n, inbound) in [(n, private(person, n)), (n + 1, shared(person, n + 1))] {
            self.take(&inbound).await;
            ledger.begin_turn(fence, asks(person, n, &inbound)).await.unwrap();
            let reply = vec![replies(n, Some(n), &inbound, answer(person, n))];
            let end = TurnEnd::Finished;
            ledger.finish_turn(fence, turn_id(n), end, &[], reply, at(900)).await.unwrap();
            let sent = DeliveryEnd::Sent { receipt: vec![] };
            ledger.settle_delivery(fence, delivery_id(n), sent, at(901)).await.unwrap();
        }
        // One turn runs, one message waits for it, and one for a turn.
        let open: Vec<_> = (n + 2..n + 5).map(|n| private(person, n)).collect();
        for inbound in &open {
            self.take(inbound).await;
        }
        ledger.begin_turn(fence, asks(person, n + 2, &open[0])).await.unwrap();
        ledger.begin_turn(fence, asks(person, n + 3, &open[1])).await.unwrap();
        self.post(replies(n + 5, None, &private(person, n), answer(person, n + 5))).await;
        let mut about = replies(n + 6, None, &shared(person, n + 1), answer(person, n + 6));
        about.id = shared(person, n + 1).id.to_string().parse().unwrap();
        self.post(about).await;
        ledger.accept(fence, nonsense(person)).await.unwrap();
        // With somebody else's, in one request.
        let both = request(vec![new(private(person, n + 7)), new(private(99, n + 8))]);
        ledger.accept(fence, both).await.unwrap();
    }

    /// A person writes and is answered, message by message; how often they were told that it is
    /// all gone.
    pub(crate) async fn write(&self, person: u32, messages: u32) -> usize {
        let (ledger, fence, mut verdicts) = (&self.ledger, self.fence, 0);
        for n in 0..messages {
            let inbound = private(person, n);
            self.take(&inbound).await;
            match ledger.begin_turn(fence, asks(person, n, &inbound)).await {
                Ok(_) => {}
                Err(Error::NotAccepted(_)) => {
                    verdicts += 1;
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            let reply = vec![replies(n, Some(n), &inbound, answer(person, n))];
            let end = TurnEnd::Finished;
            match ledger.finish_turn(fence, turn_id(n), end, &[], reply, at(900)).await {
                Ok(_) => {}
                Err(Error::UnknownTurn(_)) => verdicts += 1,
                Err(error) => panic!("{error}"),
            }
            let sent = DeliveryEnd::Sent { receipt: vec![] };
            let settled = ledger.settle_delivery(fence, delivery_id(n), sent, at(901)).await;
            verdicts += usize::from(!settled.unwrap().changed);
        }
        verdicts
    }
}
