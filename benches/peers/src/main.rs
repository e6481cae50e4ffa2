//! Ours and its peers on the same work, in turns, on one thread. Writes figures as JSON.
//!
//! `zkcredit-peers FIGURES.json [--quick]`: `make bench-peers` runs it and makes tables and
//! plots of the figures (`benches/python/peers_report.py`). All contestants of a row get bytes
//! and decode them with all tests, except for keys and parameters, which are ready.

mod bbs;
mod own;
mod range;
mod spend;
mod track;

use track::Track;

/// All races are run so often, half a minute apart: a busy machine is quiet at one of them.
const PASSES: usize = 4;

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
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
    let mut track = Track::new(quick);
    for _ in 0..if quick { 1 } else { PASSES } {
        pass(&mut track);
    }
    let figures = serde_json::to_vec_pretty(&track).expect("rows of text and numbers");
    std::fs::write(path, figures).expect("the file of figures is writable");
}

fn pass(track: &mut Track) {
    range::run(track);
    spend::run(track);
    bbs::run(track);
    let sizes = |most: u32| (0..=most.ilog2()).map(|power| 1usize << power);
    spend::batches(track, sizes(8192));
    range::batches(track, sizes(1024));
    bbs::batches(track, sizes(256));
    spend::sizes(track);
}
