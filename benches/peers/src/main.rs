//! Ours and its peers on the same work, in turns, on one thread. Writes figures as JSON.
//!
//! `taskset -c 0 zkcredit-peers FIGURES.json [--quick]`: `make bench-peers` does it and makes
//! tables and plots of them (`benches/python/peers_report.py`). All contestants of a row get
//! bytes and decode them with all tests, except for keys and parameters, which are ready.

mod bbs;
mod own;
mod range;
mod spend;
mod track;

use track::Track;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let before = arguments.len();
    arguments.retain(|argument| argument != "--quick");
    let [path] = arguments.as_slice() else {
        eprintln!("usage: zkcredit-peers FIGURES.json [--quick]");
        std::process::exit(2);
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build_global()
        .expect("the first use of the pool");
    let mut track = Track::new(before > 1);
    range::run(&mut track);
    spend::run(&mut track);
    bbs::run(&mut track);
    let sizes = |most: u32| (0..=most.ilog2()).map(|power| 1usize << power);
    spend::batches(&mut track, sizes(8192));
    range::batches(&mut track, sizes(1024));
    bbs::batches(&mut track, sizes(256));
    spend::sizes(&mut track);
    let figures = serde_json::to_vec_pretty(&track).expect("rows of text and numbers");
    std::fs::write(path, figures).expect("the file of figures is writable");
}
