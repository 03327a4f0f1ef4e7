//! The sandbox's memory in R2: an archive streamed through the object, and, written last, a note
//! that says what it must be. The container holds no key to any of it.

use std::rc::Rc;

use worker::{Bucket, ByteStream, Method, Object as Stored, ResponseBody, Result};
use zaki_edge_core::{
    backup::{Missed, Stock, Withheld, admit, expired, room},
    sandbox::Phase,
};
use zaki_envelope::{
    BackupId, SandboxName, Timestamp,
    wire::{BACKUP_HEADER, Backup, BackupOutcome, BackupSummary, RestoreRequest},
};

use super::{
    archive::{
        ARCHIVE, Asked, Failed, NOTE, begin, give, home, list, place, read_back, said, store,
    },
    link::{Link, LinkError},
    media::BUCKET,
    object::Object,
};
use crate::{
    breakers::{self, Fell, Leave},
    clock, report,
};

/// Between two tries of a store that does not answer, in milliseconds; doubled each time.
const PAUSE: u64 = 1_000;
/// So often it is tried before the start is given up.
const TRIES: u32 = 4;
/// How long a sandbox may take to begin an archive, in milliseconds.
const PATIENCE: u64 = 120_000;

/// What was restored, if anything; or there is something, and it cannot be had here or now.
type Brought = std::result::Result<Option<Backup>, Withheld>;

impl Object {
    fn bucket(&self) -> Result<Bucket> {
        self.env.bucket(BUCKET)
    }

    pub(super) fn name(&self) -> std::result::Result<SandboxName, Failed> {
        self.with(|life| life.name.clone()).ok_or_else(|| "the object has not begun".to_owned())
    }

    /// Something in it may be new.
    pub(super) fn changed(self: &Rc<Self>) {
        let now = clock::now();
        let since = self.with(|life| {
            life.tracker.change(now);
            life.tracker.changed_since()
        });
        self.note_change(since.flatten());
        self.register();
        self.plan_backup();
    }

    pub(super) fn has_changed(&self) -> bool {
        self.with(|life| life.tracker.changed_since().is_some()).unwrap_or_default()
    }

    fn note_change(&self, since: Option<Timestamp>) {
        if self.leaving.get() {
            return;
        }
        let noted = self.store().and_then(|store| match since {
            Some(since) => store.set_fact("changed", &since),
            None => store.forget_fact("changed"),
        });
        if let Err(error) = noted {
            report::failure("backup.not_noted", &error);
        }
    }

    pub(super) fn plan_backup(self: &Rc<Self>) {
        if self.leaving.get() {
            return;
        }
        let due = self.with(|life| life.tracker.due_at(life.config.schedule));
        self.set_due("backup", due.flatten());
    }

    /// The time has come, or the cron says so. Nobody can be asked while it is down; it is backed up
    /// before it goes there.
    pub(super) fn back_up_when_due(self: &Rc<Self>) {
        let now = clock::now();
        let due = self.with(|life| life.tracker.due_at(life.config.schedule)).flatten();
        if due.is_none_or(|due| due > now) || self.phase() != Phase::Running {
            return self.plan_backup();
        }
        let object = self.clone();
        self.detach(async move { _ = object.back_up().await });
    }

    /// Backs it up now.
    pub(super) async fn back_up(self: &Rc<Self>) -> BackupOutcome {
        match self.try_back_up().await {
            Ok(backup) => BackupOutcome::Done { backup: Box::new(backup), passed_over: Vec::new() },
            Err(missed) => BackupOutcome::Failed { why: missed.to_string() },
        }
    }

    pub(super) async fn try_back_up(self: &Rc<Self>) -> std::result::Result<Backup, Missed> {
        if self.leaving.get() {
            return Err(Missed::Erased);
        }
        let begun = self.with(|life| life.tracker.begin(clock::now())) == Some(true);
        if !begun || self.archiving.replace(true) {
            return Err(Missed::UnderWay);
        }
        let made = self.make().await;
        self.archiving.set(false);
        // An erasure waits for it.
        self.moved.tell();
        let now = clock::now();
        let since = self.with(|life| {
            match &made {
                Ok(backup) => {
                    life.tracker.succeed();
                    life.memory.failure = None;
                    (life.memory.last, life.memory.made_at) = (Some(backup.id), Some(backup.at));
                }
                Err(why) => {
                    life.tracker.fail(now);
                    life.memory.failure = Some(why.to_string());
                }
            }
            life.tracker.changed_since()
        });
        self.note_change(since.flatten());
        self.note_memory();
        self.register();
        self.plan_backup();
        match &made {
            Ok(backup) => {
                let size = report::number(i64::try_from(backup.size).unwrap_or_default());
                report::event(&self.env, "backup.made", &self.label(), size);
            }
            Err(why) => report::failure("backup.failed", why),
        }
        self.tell_gateway();
        made
    }

    fn note_memory(&self) {
        if self.leaving.get() {
            return;
        }
        let memory = self.with(|life| life.memory.clone());
        if let (Some(memory), Ok(store)) = (memory, self.store())
            && let Err(error) = store.set_fact("memory", &memory)
        {
            report::failure("backup.not_noted", &error);
        }
    }

    async fn make(&self) -> std::result::Result<Backup, Missed> {
        let (name, bucket) = (self.name()?, self.bucket().map_err(said)?);
        // An archive that nobody can keep is not so much as asked for.
        let alone = || Missed::Failed(breakers::left_alone(breakers::BUCKET));
        let leave = Leave::of(breakers::BUCKET, name.user()).ok_or_else(alone)?;
        let made = leave.settle(self.make_in(&bucket, &name).await);
        breakers::tell(&self.env).await;
        made
    }

    async fn make_in(
        &self,
        bucket: &Bucket,
        name: &SandboxName,
    ) -> std::result::Result<Backup, Fell<Missed>> {
        let kept = list(bucket, name).await?.kept;
        let missed = |why: Failed| Fell::Else(Missed::Failed(why));
        let link = self.link().map_err(|error| missed(said(error)))?;
        let mut answer = match link.ask(Method::Post, "backup", None, PATIENCE).await {
            Err(LinkError::Refused(409)) => return Err(Fell::Else(Missed::Busy)),
            answer => answer.map_err(|error| missed(said(error)))?,
        };
        let summary = answer.headers().get(BACKUP_HEADER).ok().flatten().unwrap_or_default();
        let summary: BackupSummary =
            serde_json::from_str(&summary).map_err(|error| missed(said(error)))?;
        admit(&summary, &kept).map_err(|error| missed(said(error)))?;
        let id = BackupId::from_parts(clock::now(), report::random());
        let at = place(name, id, ARCHIVE);
        let archive = answer.stream().map_err(|error| missed(said(error)))?;
        let (size, sha256) = match self.keep(bucket, &at, archive).await {
            Ok(sent) => sent,
            Err(fell) => {
                // What is left of it is no backup: it has no note.
                let _ = bucket.delete(at).await;
                return Err(fell);
            }
        };
        let backup = Backup { id, at: id.minted_at(), size, sha256, key: None, summary };
        let note = serde_json::to_vec(&backup).map_err(|error| missed(said(error)))?;
        bucket.put(place(name, id, NOTE), note).execute().await?;
        self.prune(bucket, name, kept, &backup).await;
        Ok(backup)
    }

    /// Once this is done, the bucket has given it back unchanged.
    async fn keep(
        &self,
        bucket: &Bucket,
        at: &str,
        archive: ByteStream,
    ) -> std::result::Result<(u64, String), Fell<Missed>> {
        let sent = store(bucket, at, archive).await.map_err(|fell| match fell {
            Fell::Part(why) => Fell::Part(why),
            Fell::Else(why) => Fell::Else(Missed::Failed(why)),
        })?;
        if read_back(bucket, at).await? != sent {
            let why = "the backup store does not give back what it was given";
            return Err(Fell::Part(why.to_owned()));
        }
        if self.leaving.get() { Err(Fell::Else(Missed::Erased)) } else { Ok(sent) }
    }

    async fn prune(
        &self,
        bucket: &Bucket,
        name: &SandboxName,
        mut kept: Vec<Backup>,
        new: &Backup,
    ) {
        let Some(retention) = self.with(|life| life.config.retention) else { return };
        kept.push(new.clone());
        let gone = expired(&kept, retention, clock::now());
        self.with(|life| life.memory.stored = Some(room(&kept, &gone)));
        for id in gone {
            // Without its note it is none, so that goes first.
            for what in [NOTE, ARCHIVE] {
                if let Err(error) = bucket.delete(place(name, id, what)).await {
                    report::failure("backup.not_pruned", &error);
                }
            }
        }
    }

    pub(super) async fn stock(&self) -> std::result::Result<Stock, Failed> {
        list(&self.bucket().map_err(said)?, &self.name()?).await.map_err(said)
    }

    /// Its backups, the newest first.
    pub(super) async fn backups(&self) -> std::result::Result<Vec<Backup>, Failed> {
        let mut kept = self.stock().await?.kept;
        kept.sort_by_key(|backup| std::cmp::Reverse(backup.id));
        Ok(kept)
    }

    /// Gives a container that waits without a state its newest backup that is whole, or lets it begin
    /// anew where the bucket has said that there is none. Without an answer of the bucket it does not
    /// begin: an object that knows of no backup may be a new one of somebody who has many, and they
    /// would find an assistant that knows them no more. Nor where all that is left cannot be had here or
    /// now, and is not broken, unless an operator says so.
    pub(super) async fn revive(self: &Rc<Self>, link: &Link) -> std::result::Result<(), Failed> {
        let mut pause = PAUSE;
        let wish: Option<RestoreRequest> =
            self.store().and_then(|it| it.fact("wish")).ok().flatten();
        let RestoreRequest { id, anew } = wish.unwrap_or_default();
        for tries in 1.. {
            match self.bring(link, id).await {
                Ok(Ok(Some(_))) => return Ok(()),
                Ok(Ok(None)) => return begin(link, None).await,
                Ok(Err(withheld)) if anew => {
                    self.passed_over(format!("begun anew, as an operator wished: {withheld}"));
                    // Its new memory is in a backup soon: until then the next start would be refused.
                    self.changed();
                    return begin(link, None).await;
                }
                Ok(Err(withheld)) => return self.refuse(link, withheld.to_string()).await,
                Err(why) if tries >= TRIES => {
                    return self.refuse(link, format!("its memory cannot be fetched: {why}")).await;
                }
                Err(_) => {
                    clock::sleep(pause).await;
                    pause *= 2;
                }
            }
        }
        Ok(())
    }

    /// It does not begin.
    async fn refuse(&self, link: &Link, why: String) -> std::result::Result<(), Failed> {
        self.passed_over(why.clone());
        // The container goes whether it hears of it or not.
        let _ = begin(link, Some(why.clone())).await;
        Err(why)
    }

    fn passed_over(&self, why: String) {
        report::failure("restore.passed_over", &why);
        self.with(|life| life.memory.restore_failure = Some(why));
        self.note_memory();
    }

    /// Tries the backups in turn; `None`: there is none that is whole.
    async fn bring(
        &self,
        link: &Link,
        wish: Option<BackupId>,
    ) -> std::result::Result<Brought, Failed> {
        let (name, bucket) = (self.name()?, self.bucket().map_err(said)?);
        // Asked whatever its breaker says: nobody is refused their memory by a guess.
        let leave = Leave::of(breakers::BUCKET, name.user());
        let brought = self.bring_from(&bucket, &name, link, wish).await;
        let brought = match leave {
            Some(leave) => leave.settle(brought),
            None => brought.map_err(Fell::why),
        };
        breakers::tell(&self.env).await;
        brought
    }

    async fn bring_from(
        &self,
        bucket: &Bucket,
        name: &SandboxName,
        link: &Link,
        wish: Option<BackupId>,
    ) -> Asked<Brought> {
        let mut trial = list(bucket, name).await?.trial(wish);
        while let Some(backup) = trial.proceed() {
            match give(bucket, name, link, &backup).await? {
                Ok(()) => {
                    self.restored(&backup, trial.passed_over());
                    return Ok(Ok(Some(backup)));
                }
                Err(flaw) => trial.pass_over(&backup, flaw),
            }
        }
        Ok(trial.end().map(|passed_over| {
            if !passed_over.is_empty() {
                self.passed_over(format!("no backup is whole: {}", passed_over.join("; ")));
            }
            None
        }))
    }

    fn restored(&self, backup: &Backup, passed_over: &[String]) {
        self.with(|life| {
            let (id, at) = (Some(backup.id), Some(clock::now()));
            life.tracker.restore();
            (life.memory.last, life.memory.made_at) = (id, Some(backup.at));
            (life.memory.restored, life.memory.restored_at) = (id, at);
            let passed = (!passed_over.is_empty()).then(|| passed_over.join("; "));
            life.memory.restore_failure = passed;
        });
        self.note_change(None);
        self.note_memory();
        self.wish(None);
        report::event(&self.env, "restore.done", &self.label(), 1.0);
    }

    /// What an operator has the next start do; `None`: any start has the best there is.
    pub(super) fn wish(&self, wish: Option<RestoreRequest>) {
        let noted = self.store().and_then(|store| match wish {
            Some(wish) => store.set_fact("wish", &wish),
            None => store.forget_fact("wish"),
        });
        if let Err(error) = noted {
            report::failure("restore.not_noted", &error);
        }
    }

    /// An archive as it lies, to be streamed to whoever asks.
    pub(super) async fn archive(&self, id: BackupId) -> Result<Option<ResponseBody>> {
        let Ok(name) = self.name() else { return Ok(None) };
        let bucket = self.bucket()?;
        if bucket.head(place(&name, id, NOTE)).await?.is_none() {
            return Ok(None);
        }
        let found = bucket.get(place(&name, id, ARCHIVE)).execute().await?;
        found.as_ref().and_then(Stored::body).map(worker::ObjectBody::response_body).transpose()
    }

    /// Nothing is left of anybody's.
    pub(super) async fn erase_stored(&self, name: &SandboxName) -> Result<()> {
        let bucket = self.bucket()?;
        for prefix in [home(name), format!("media/{}/", name.user())] {
            loop {
                let found = bucket.list().prefix(prefix.clone()).execute().await?;
                let keys: Vec<String> = found.objects().iter().map(Stored::key).collect();
                if keys.is_empty() {
                    break;
                }
                bucket.delete_multiple(keys).await?;
            }
        }
        Ok(())
    }
}
