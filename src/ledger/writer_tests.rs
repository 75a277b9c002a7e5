//! Nothing is lost while the disk is full, and nothing is torn when it is not any more.

use super::*;
use crate::ledger::journal::Medium;
use crate::ledger::samples::{Folder, proved, record};
use crate::ledger::{JournalHealth, read};
use std::sync::{Arc, Mutex};

/// A disk with room for so many bytes: the write that fills it is short, those after it fail, as on a full tmpfs.
struct Full {
    inner: Box<dyn Medium>,
    state: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    room: usize,
    sync_fails: bool,
    short_writes: u32,
}

impl Medium for Full {
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.state.lock().unwrap();
        if disk.room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let fits = bytes.len().min(disk.room);
        disk.room -= fits;
        disk.short_writes += u32::from(fits < bytes.len());
        self.inner.append(&bytes[..fits])
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.state.lock().unwrap().sync_fails {
            return Err(io::Error::other("I/O error"));
        }
        self.inner.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.inner.truncate(length)
    }
}

struct Bench {
    folder: Folder,
    writer: Writer,
    disk: Arc<Mutex<Disk>>,
    health: Health,
    now: Instant,
}

fn bench(room: usize, backlog_records: usize) -> Bench {
    let folder = Folder::new();
    let settings = JournalSettings {
        backlog_records,
        ..folder.settings()
    };
    let (mut journal, _) = Journal::open(&settings).unwrap();
    let disk = Arc::new(Mutex::new(Disk {
        room,
        ..Disk::default()
    }));
    let state = disk.clone();
    journal.wrap(|inner| Box::new(Full { inner, state }));
    let health = Health::default();
    Bench {
        folder,
        writer: Writer::new(journal, settings, health.clone()),
        disk,
        health,
        now: Instant::now(),
    }
}

impl Bench {
    fn take(&mut self, from: usize, to: usize) {
        for number in from..to {
            self.writer.take(&record(&number.to_string()));
        }
    }

    fn work_after(&mut self, pause: Duration) {
        self.now += pause;
        self.writer.work(self.now);
    }

    fn ids(&self) -> Vec<usize> {
        let records = read(self.folder.path()).unwrap();
        records
            .map(|record| record.unwrap().decision.as_str().parse().unwrap())
            .collect()
    }
}

const LONG: Duration = Duration::from_secs(6);

#[test]
fn a_full_disk_loses_nothing_and_tears_nothing() {
    for room in [0, 1, 39, 40, 500, 925, 3_000] {
        let mut bench = bench(room, 100);
        bench.take(0, 10);
        bench.work_after(Duration::ZERO);
        bench.take(10, 20);
        bench.work_after(LONG);
        assert!(!bench.health.journal_ok(), "room {room}");
        assert_eq!(bench.disk.lock().unwrap().short_writes, u32::from(room > 0));
        assert!(matches!(
            bench.health.journal(),
            JournalHealth::Failing { backlog: 20, .. }
        ));
        bench.disk.lock().unwrap().room = usize::MAX;
        bench.work_after(LONG);
        assert_eq!(bench.health.journal(), JournalHealth::Healthy);
        assert_eq!(bench.writer.finish(bench.now), 0);
        assert_eq!(bench.ids(), (0..20).collect::<Vec<_>>(), "room {room}");
        assert_eq!(proved(bench.folder.path()).torn_bytes, 0);
        assert_eq!(bench.health.dropped_records(), 0);
    }
}

#[test]
fn a_failed_sync_is_not_believed_the_next_time() {
    let mut bench = bench(usize::MAX, 100);
    bench.take(0, 5);
    bench.disk.lock().unwrap().sync_fails = true;
    bench.work_after(Duration::ZERO);
    bench.work_after(LONG);
    assert!(!bench.health.records_ok());
    bench.disk.lock().unwrap().sync_fails = false;
    bench.take(5, 8);
    bench.work_after(LONG);
    bench.work_after(LONG);
    assert!(bench.health.records_ok());
    assert_eq!(bench.ids(), (0..8).collect::<Vec<_>>());
    assert!(bench.writer.backlog.is_empty());
}

#[test]
fn a_full_backlog_drops_the_newest_and_counts_them() {
    let mut bench = bench(0, 10);
    bench.take(0, 15);
    bench.work_after(Duration::ZERO);
    assert_eq!(bench.health.dropped_records(), 5);
    bench.disk.lock().unwrap().room = usize::MAX;
    bench.work_after(LONG);
    bench.writer.finish(bench.now);
    assert_eq!(bench.ids(), (0..10).collect::<Vec<_>>());
}

#[test]
fn retries_come_ever_slower_but_at_least_every_five_seconds() {
    let mut bench = bench(0, 10);
    bench.take(0, 1);
    bench.work_after(Duration::ZERO);
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let pause = bench.writer.idle(bench.now).unwrap();
        pauses.push(pause.as_millis());
        bench.work_after(pause);
    }
    assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
}

#[test]
fn records_are_synced_in_groups_and_in_time() {
    let mut bench = bench(usize::MAX, 100);
    bench.take(0, 3);
    bench.work_after(Duration::ZERO);
    assert_eq!(bench.writer.backlog.len(), 3, "synced too early");
    assert_eq!(
        bench.writer.idle(bench.now),
        Some(Duration::from_millis(200))
    );
    bench.work_after(Duration::from_millis(200));
    assert!(bench.writer.backlog.is_empty());
    assert_eq!(bench.writer.idle(bench.now), None);
}

/// `unshare -m sh -c 'mount -t tmpfs -o size=1m none /mnt && TMPDIR=/mnt cargo test --lib real_full_disk -- --ignored'`
#[test]
#[ignore = "fills the file system that TMPDIR is on, so it wants a small one of its own"]
fn a_real_full_disk_loses_nothing_and_tears_nothing() {
    let folder = Folder::new();
    let filler = folder.path().join("filler");
    std::fs::write(&filler, vec![7; 500_000]).unwrap();
    let settings = folder.settings();
    let (journal, _) = Journal::open(&settings).unwrap();
    let health = Health::default();
    let mut writer = Writer::new(journal, settings, health.clone());
    let mut now = Instant::now();
    let mut taken = 0;
    while health.journal_ok() {
        assert!(taken < 5_000, "the file system is too large for this test");
        writer.take(&record("d"));
        taken += 1;
        now += LONG;
        writer.work(now);
    }
    println!("{:?} after {taken} records", health.journal());
    for _ in 0..100 {
        writer.take(&record("d"));
    }
    std::fs::remove_file(&filler).unwrap();
    writer.work(now + LONG);
    assert!(health.journal_ok());
    assert_eq!(writer.finish(now + LONG), 0);
    assert_eq!(proved(folder.path()).records, taken + 100);
}
