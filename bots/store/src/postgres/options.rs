//! How a server is spoken to: what may be chosen, and what every session is told.

use std::time::Duration;

/// Choices for one database. The defaults suit a hub whose lease lasts five seconds: whatever a
/// replica began before the network broke is over, on both sides, soon after.
#[derive(Clone, Copy, Debug)]
pub struct PgOptions {
    /// Who we are, in the server's `pg_stat_activity`.
    pub application: &'static str,
    /// Connections at a time.
    pub connections: usize,
    /// The longest a statement may run.
    pub statement_timeout: Duration,
    /// The longest a statement may wait for one lock.
    pub lock_timeout: Duration,
    /// The longest a transaction may stay open without a statement.
    pub idle_timeout: Duration,
    /// The longest to wait for a connection, and for the network beyond the statement's own time.
    pub network_timeout: Duration,
}

impl Default for PgOptions {
    fn default() -> Self {
        Self {
            application: "zaki",
            connections: 8,
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(3),
            network_timeout: Duration::from_secs(5),
        }
    }
}

impl PgOptions {
    /// The longest to wait for any answer.
    pub(super) fn deadline(&self) -> Duration {
        self.statement_timeout + self.network_timeout
    }

    /// The settings of every session, as libpq's `options`. What the address says itself follows
    /// and so prevails.
    ///
    /// `synchronous_commit`: a commit is on the disk before it is answered, whatever the server's
    /// default. The TCP settings make the server notice that we are gone. The last ones keep every
    /// search on its index: plans are kept, and one made while a table was small would read all of
    /// it when it is large.
    pub(super) fn settings(&self, search_path: &str) -> String {
        let network = self.network_timeout.as_millis();
        let settings = [
            ("search_path", search_path.to_owned()),
            ("synchronous_commit", "on".into()),
            ("default_transaction_isolation", r"read\ committed".into()),
            ("statement_timeout", self.statement_timeout.as_millis().to_string()),
            ("lock_timeout", self.lock_timeout.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", self.idle_timeout.as_millis().to_string()),
            ("client_connection_check_interval", "1000".into()),
            ("tcp_keepalives_idle", "2".into()),
            ("tcp_keepalives_interval", "1".into()),
            ("tcp_keepalives_count", "3".into()),
            ("tcp_user_timeout", network.to_string()),
            ("jit", "off".into()),
            ("enable_seqscan", "off".into()),
            ("enable_hashjoin", "off".into()),
            ("enable_mergejoin", "off".into()),
        ];
        let words: Vec<_> = settings.map(|(name, value)| format!("-c {name}={value}")).into();
        words.join(" ")
    }
}
