use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base64::Engine;
use futures::stream;
use zaki_envelope::SandboxKind;

use super::*;

/// A store in a directory of its own.
struct Yard {
    dir: tempfile::TempDir,
    store: Store,
    name: SandboxName,
}

impl Yard {
    fn new(keys: Keys) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), keys);
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        Self { dir, store, name: SandboxName::new(user, &SandboxKind::Personal).unwrap() }
    }

    async fn put(&self, n: i64, text: &[u8]) -> Backup {
        let id = BackupId::from_parts(Timestamp::from_ms(n), 1);
        let pieces: Vec<_> = text.chunks(1_000).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
        self.store.put(&self.name, id, summary(), stream::iter(pieces).boxed()).await.unwrap()
    }

    async fn get(&self, backup: &Backup) -> Result<Vec<u8>, String> {
        let pieces = self.store.get(&self.name, backup).await.map_err(|error| error.to_string())?;
        let all: Vec<Bytes> = pieces.try_collect().await.map_err(|why| why.to_string())?;
        Ok(all.concat())
    }

    fn file(&self, id: BackupId, what: &str) -> PathBuf {
        let user = self.name.user();
        self.dir.path().join(format!("backups/users/{user}/{}/{id}/{what}", self.name))
    }
}

fn open(dir: &FilePath, keys: Keys) -> Store {
    let place = BackupPlace::Directory(dir.join("backups"));
    Store::open(&place, dir, keys, Client::new()).unwrap()
}

fn key(byte: u8) -> Keys {
    let key = base64::engine::general_purpose::STANDARD.encode([byte; 32]).into();
    Keys::new([("k1", &key)]).unwrap()
}

fn summary() -> BackupSummary {
    BackupSummary {
        lineage: "l".into(),
        root: "/data".into(),
        agent: None,
        files: 1,
        bytes: 1,
        databases: 1,
    }
}

fn noise(size: usize) -> Vec<u8> {
    (0..size).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}

#[tokio::test]
async fn what_is_stored_comes_back_encrypted_or_not() {
    for keys in [Keys::default(), key(1)] {
        let encrypted = keys.first().is_some();
        let yard = Yard::new(keys);
        let text = noise(700_000);
        let backup = yard.put(5, &text).await;
        assert_eq!(yard.get(&backup).await.unwrap(), text);
        assert_eq!(yard.store.list(&yard.name).await.unwrap().kept, std::slice::from_ref(&backup));
        let stored = fs::read(yard.file(backup.id, ARCHIVE)).unwrap();
        assert_eq!(stored == text, !encrypted);
        assert_eq!((backup.size, backup.key.is_some()), (stored.len() as u64, encrypted));
        let mode = fs::metadata(yard.dir.path().join("backups")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "closed to others");
    }
}

#[tokio::test]
async fn a_stored_archive_that_changed_does_not_come_to_its_end() {
    for keys in [Keys::default(), key(1)] {
        let yard = Yard::new(keys);
        let backup = yard.put(5, &noise(300_000)).await;
        let file = yard.file(backup.id, ARCHIVE);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for broken in [&whole[..whole.len() - 1], &whole[..whole.len() / 2], &flipped, &[]] {
            fs::write(&file, broken).unwrap();
            assert!(yard.get(&backup).await.is_err());
        }
        fs::remove_file(&file).unwrap();
        assert!(yard.get(&backup).await.is_err());
        fs::write(file, whole).unwrap();
        assert!(yard.get(&backup).await.is_ok());
    }
}

#[tokio::test]
async fn what_breaks_off_is_no_backup_and_leaves_nothing() {
    let yard = Yard::new(Keys::default());
    let id = BackupId::from_parts(Timestamp::from_ms(5), 1);
    let pieces = stream::iter([Ok(Bytes::from_static(b"half")), Err("gone".to_owned())]).boxed();
    let put = yard.store.put(&yard.name, id, summary(), pieces).await;
    assert!(matches!(put, Err(StoreError::Source(why)) if why == "gone"));
    assert_eq!(yard.store.list(&yard.name).await.unwrap().kept, []);
    assert!(!yard.file(id, ARCHIVE).exists());
}

/// A crash between the archive and its note.
#[tokio::test]
async fn an_archive_without_a_note_is_none_and_goes_after_a_day() {
    let yard = Yard::new(Keys::default());
    let (one, two) = (yard.put(5, b"one").await, yard.put(6, b"two").await);
    fs::remove_file(yard.file(two.id, NOTE)).unwrap();
    assert_eq!(yard.store.list(&yard.name).await.unwrap().kept, std::slice::from_ref(&one));
    yard.store.sweep(&yard.name, Timestamp::from_ms(6 + UNFINISHED_MS)).await.unwrap();
    assert!(yard.file(two.id, ARCHIVE).exists(), "somebody may be writing it");
    yard.store.sweep(&yard.name, Timestamp::from_ms(7 + UNFINISHED_MS)).await.unwrap();
    assert!(!yard.file(two.id, ARCHIVE).exists());
    // Half a note, and one that was put elsewhere.
    for note in [b"{".to_vec(), serde_json::to_vec(&two).unwrap()] {
        fs::write(yard.file(one.id, NOTE), note).unwrap();
        let unread = Stock { kept: vec![], unread: vec![one.id.to_string()] };
        assert_eq!(yard.store.list(&yard.name).await.unwrap(), unread);
    }
}

#[tokio::test]
async fn nothing_of_an_erased_person_is_left_and_all_of_others() {
    let yard = Yard::new(Keys::default());
    let other = ZakiUserId::from_parts(Timestamp::from_ms(1), 2);
    let other = SandboxName::new(other, &SandboxKind::Personal).unwrap();
    let mine = yard.put(5, b"mine").await;
    let theirs = Yard { name: other, store: yard.store.clone(), dir: tempfile::tempdir().unwrap() };
    let backup = theirs.put(5, b"theirs").await;
    for _ in 0..2 {
        yard.store.erase(yard.name.user()).await.unwrap();
    }
    assert!(!yard.file(mine.id, ARCHIVE).exists());
    assert_eq!(theirs.get(&backup).await.unwrap(), b"theirs");
}

#[tokio::test]
async fn another_key_opens_nothing_and_says_which_it_needs() {
    let yard = Yard::new(key(1));
    let backup = yard.put(5, b"secret").await;
    for (keys, said) in [(Keys::default(), "not given"), (key(2), "does not open")] {
        let why = Yard {
            store: open(yard.dir.path(), keys),
            name: yard.name.clone(),
            dir: tempfile::tempdir().unwrap(),
        };
        let why = why.get(&backup).await.unwrap_err();
        assert!(why.contains(said) && why.contains("k1"), "{why}");
    }
}
