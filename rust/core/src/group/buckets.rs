//! The bucket method (Pippenger) with signed digits and batched affine additions.
//!
//! In every window of c bits a point goes to the bucket of its digit's magnitude, as
//! itself or negated. Bucket sums S_j are needed as Σ j·S_j; instead of running sums,
//! which are a chain, the buckets are merged in pairs: with S′_i = S_2i + S_2i+1,
//! Σ j·S_j = Σ S_odd + 2·Σ i·S′_i. That is two additions per bucket as well, but all of
//! one level are independent. Variable time; exact on all of E(Fp).

use blst::blst_p1;
use rayon::prelude::*;

use super::adder::{Adder, Member, Task, with_fastest};
use super::msm::bit_length;
use super::windows::digit;
use super::{E1Affine, ffi};

/// Widest window in bits, bounded by what [`digit`] reads.
const WIDEST: usize = 15;
/// Digits that are handled together, so that inversions have company.
const TOGETHER: usize = 65_536;

/// Points with scalars as padded little-endian bytes.
pub(super) struct Terms<'a> {
    /// The points, in two parts.
    pub(super) points: [&'a [E1Affine]; 2],
    /// As many scalars below 2^255.
    pub(super) scalars: &'a [[u8; 34]],
    /// Bits of the longest scalar.
    pub(super) bits: usize,
}

impl Terms<'_> {
    /// `Σ scalars[i]·points[i]`, on all threads of the current pool.
    pub(super) fn sum(&self) -> blst_p1 {
        with_fastest(self)
    }

    /// The width with the fewest additions: one per digit and two per bucket.
    fn width(&self) -> usize {
        let windows = |bits: usize, width: usize| (bits + 1).div_ceil(width);
        let mut lengths = [0; 256];
        for scalar in self.scalars {
            lengths[bit_length(scalar)] += 1;
        }
        let additions = |width: &usize| {
            let digits = |(bits, count): (usize, &usize)| count * windows(bits, *width);
            let digits: usize = lengths.iter().enumerate().map(digits).sum();
            digits + (windows(self.bits, *width) << width)
        };
        (2..=WIDEST).min_by_key(additions).unwrap_or(2)
    }

    /// For each bit of the given windows, in ascending order, what has to be added
    /// when doubling and adding gets there.
    fn windows<A: Adder>(
        &self,
        adder: &mut A,
        points: &[A::Point],
        windows: &[usize],
        width: usize,
    ) -> Vec<A::Point> {
        let top = 1 << (width - 1);
        let mut members = Vec::with_capacity(windows.len() * self.scalars.len());
        let mut sizes = Vec::with_capacity(windows.len() * top);
        for &window in windows {
            self.sort(window, width, &mut members, &mut sizes);
        }
        let buckets = adder.sum_runs(points, |at| members[at], &sizes);
        weigh(adder, &buckets, width)
    }

    /// Appends the window's points sorted by bucket 1, …, 2^(width−1), and the buckets'
    /// sizes.
    fn sort(&self, window: usize, width: usize, members: &mut Vec<Member>, sizes: &mut Vec<usize>) {
        let digits: Vec<i32> = self
            .scalars
            .iter()
            .map(|scalar| digit(scalar, window, width))
            .collect();
        let mut counts = vec![0; (1 << (width - 1)) + 1];
        for digit in &digits {
            counts[digit.unsigned_abs() as usize] += 1;
        }
        sizes.extend(&counts[1..]);
        let mut next = members.len();
        members.resize(next + digits.len() - counts[0], Member::default());
        let mut places = vec![0; counts.len()];
        for (place, count) in places.iter_mut().zip(&counts).skip(1) {
            *place = next;
            next += count;
        }
        for (index, digit) in digits.iter().enumerate().filter(|(_, digit)| **digit != 0) {
            let place = &mut places[digit.unsigned_abs() as usize];
            members[*place] = Member::new(index, *digit < 0);
            *place += 1;
        }
    }
}

impl Task for &Terms<'_> {
    type Output = blst_p1;

    fn run<A: Adder<Point: Send + Sync>>(self, adder: impl Fn() -> A + Sync) -> blst_p1 {
        let threads = rayon::current_num_threads();
        let share = self.scalars.len().div_ceil(threads);
        let [first, second] = self.points.map(|part| part.par_chunks(share));
        let blocks = first.chain(second).map(|block| adder().import(block));
        let points: Vec<A::Point> = blocks.collect::<Vec<_>>().concat();
        let width = self.width();
        let count = (self.bits + 1).div_ceil(width);
        let fitting = TOGETHER.div_ceil(self.scalars.len() + (1 << width));
        let groups = count.div_ceil(fitting).next_multiple_of(threads).min(count);
        // Every group gets low windows, where all scalars have digits, and high ones.
        let windows = |first: usize| (first..count).step_by(groups).collect::<Vec<usize>>();
        let bits = |group: usize| self.windows(&mut adder(), &points, &windows(group), width);
        let bits: Vec<Vec<A::Point>> = if threads == 1 {
            (0..groups).map(bits).collect()
        } else {
            (0..groups).into_par_iter().map(bits).collect()
        };
        let mut sum = blst_p1::default();
        for window in (0..count).rev() {
            let first = window / groups * width;
            for point in bits[window % groups][first..first + width].iter().rev() {
                sum = ffi::p1_double(&sum);
                sum = ffi::p1_add_affine(&sum, &A::export(point));
            }
        }
        sum
    }
}

/// From bucket sums S_1, …, S_top of each window, top = 2^(width−1), to points B_k with
/// Σ j·S_j = Σ 2^k·B_k, `width` of them per window.
fn weigh<A: Adder>(adder: &mut A, buckets: &[A::Point], width: usize) -> Vec<A::Point> {
    let top = 1 << (width - 1);
    let windows = buckets.len() / top;
    // Position j of a window is the bucket of j, with nothing in that of 0; the top
    // bucket has a bit of its own.
    let mut level: Vec<A::Point> = Vec::with_capacity(buckets.len());
    for window in buckets.chunks_exact(top) {
        level.push(A::Point::default());
        level.extend(&window[..top - 1]);
    }
    let mut odd: Vec<A::Point> = Vec::with_capacity(buckets.len());
    let mut lengths = Vec::with_capacity(windows * (width - 1));
    for _ in 1..width {
        odd.extend(level.iter().skip(1).step_by(2));
        lengths.extend(std::iter::repeat_n(level.len() / windows / 2, windows));
        let pairs = vec![2; level.len() / 2];
        level = adder.sum_runs(&level, Member::plain, &pairs);
    }
    let sums = adder.sum_runs(&odd, Member::plain, &lengths);
    (0..windows)
        .flat_map(|window| {
            let levels = (0..width - 1).map(move |k| k * windows + window);
            let lower = levels.map(|at| sums[at]);
            lower.chain([buckets[window * top + top - 1]])
        })
        .collect()
}
