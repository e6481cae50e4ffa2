//! The race track: contestants run in turns, and the least processor time counts.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use serde::Serialize;

/// The name of our rows.
pub const OURS: &str = "zkcredit";

/// Proofs in a batch of a table.
pub const BATCH: usize = 256;

/// Proofs that differ; larger batches repeat them.
pub const POOL: usize = 64;

/// Most rounds of a race.
const ROUNDS: usize = 7;

/// No round of a race starts after this time.
const PATIENCE: Duration = Duration::from_millis(250);

/// One figure. What `at` counts is fixed by the table: bits, K, M or proofs in a batch.
#[derive(Serialize)]
struct Row {
    table: &'static str,
    work: &'static str,
    at: usize,
    who: &'static str,
    value: f64,
    unit: &'static str,
}

/// Where a figure belongs.
#[derive(Clone, Copy)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// The row or curve.
    pub work: &'static str,
    /// The size of the work.
    pub at: usize,
}

/// A name and what it does.
pub type Contestant<'a> = (&'static str, Box<dyn Fn() + 'a>);

/// Keeps the compiler from leaving out what nobody looks at.
pub fn keep<T>(result: T) {
    black_box(result);
}

/// All figures of one run.
#[derive(Serialize)]
pub struct Track {
    quick: bool,
    rows: Vec<Row>,
}

impl Track {
    /// An empty track; `quick` runs every contestant once.
    pub fn new(quick: bool) -> Self {
        Track {
            quick,
            rows: Vec::new(),
        }
    }

    /// Races the contestants; times are microseconds of one of `per` operations. The least
    /// counts if a place is raced again.
    pub fn race(&mut self, place: Place, per: usize, contestants: &[Contestant<'_>]) {
        let mut least = vec![Duration::MAX; contestants.len()];
        let started = Instant::now();
        for round in 0..ROUNDS {
            if round > 0 && (self.quick || started.elapsed() > PATIENCE) {
                break;
            }
            for (least, (_, work)) in least.iter_mut().zip(contestants) {
                let start = ThreadTime::now();
                work();
                *least = start.elapsed().min(*least);
            }
        }
        for (least, (who, _)) in least.iter().zip(contestants) {
            let micros = least.as_secs_f64() * 1e6 / per as f64;
            self.row(place, who, micros, "µs");
        }
    }

    /// Notes a size in bytes.
    pub fn size(&mut self, place: Place, who: &'static str, bytes: usize) {
        self.row(place, who, bytes as f64, "bytes");
    }

    fn row(&mut self, place: Place, who: &'static str, value: f64, unit: &'static str) {
        let Place { table, work, at } = place;
        eprintln!("{table}, {at}: {work}, {who}: {value:.1} {unit}");
        let same =
            |row: &&mut Row| (row.table, row.work, row.at, row.who) == (table, work, at, who);
        if let Some(row) = self.rows.iter_mut().find(same) {
            row.value = row.value.min(value);
            return;
        }
        self.rows.push(Row {
            table,
            work,
            at,
            who,
            value,
            unit,
        });
    }
}
