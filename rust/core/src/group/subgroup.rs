//! Testing many points for membership in G1 at once.
//!
//! One random combination of the points is **no** test: a point of order 3 is
//! multiplied by a multiple of 3 one time in three. This is a test:
//!
//! - E(Fp) = G1 ⊕ T, where |T| = 3·11²·10177²·859267²·52437899² is odd and prime to r.
//!   A point is in G1 if and only if its component in T is 0.
//! - A round draws a coefficient of {0, 1, 2} for each point, independently and
//!   uniformly, and tests the sum Σ c_i·P_i by itself, without error. Let point j have
//!   a component τ ≠ 0 in T, and fix all coefficients but c_j. As T has no element of
//!   order 2, the three values 0, τ, 2τ of c_j·τ differ; at most one of them makes the
//!   sum's component 0. So the round passes with probability at most 1/3, whatever the
//!   other points are and however many of them are bad.
//! - The [`ROUNDS`] = 81 rounds (up to 85, if that fills the last group of rounds) are
//!   independent, and 3⁻⁸¹ < 2⁻¹²⁸.
//!
//! The coefficients come from the system's random source after the points are fixed;
//! without one, every point is tested by itself. Rounds are computed several at a
//! time: a point goes to the bucket that its coefficients in t rounds, read as digits
//! to base 3, give the number of.

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::E1Affine;
use super::adder::{Adder, Member, Task, with_fastest};

/// Rounds of the test, at least: the least number with 3^rounds > 2^128.
const ROUNDS: usize = 81;

/// From this many points on the rounds cost less than testing one by one.
const BATCH_FROM: usize = 192;

/// Most rounds that share buckets, so that a byte tells the bucket.
const MOST_TOGETHER: usize = 5;

/// Whether all points are members of G1. Variable time: for public points only.
///
/// Exact for few points. For 192 and more, a list with a point outside G1 passes with
/// probability at most 2⁻¹²⁸.
pub fn all_in_subgroup(points: &[E1Affine]) -> bool {
    let mut key = Zeroizing::new([0; 32]);
    if points.len() < BATCH_FROM || getrandom::fill(key.as_mut_slice()).is_err() {
        return with_fastest(Apart(points));
    }
    with_fastest(Test { points, key: &key })
}

/// Points to test one by one.
struct Apart<'a>(&'a [E1Affine]);

impl Task for Apart<'_> {
    type Output = bool;

    fn run<A: Adder<Point: Send + Sync>>(self, adder: impl Fn() -> A + Sync) -> bool {
        let share = self.0.len().div_ceil(rayon::current_num_threads());
        let parts = self.0.par_chunks(share.next_multiple_of(8).max(8));
        parts.all(|points| {
            let adder = adder();
            adder.are_members(&adder.import(points))
        })
    }
}

/// Points to test with coefficients drawn by a key.
struct Test<'a> {
    points: &'a [E1Affine],
    key: &'a [u8; 32],
}

impl Task for Test<'_> {
    type Output = bool;

    fn run<A: Adder<Point: Send + Sync>>(self, adder: impl Fn() -> A + Sync) -> bool {
        let points = adder().import(self.points);
        // Additions: one per point and about two per bucket.
        let additions =
            |t: &usize| ROUNDS.div_ceil(*t) * (points.len() + 2 * 3usize.pow(*t as u32));
        let together = (1..=MOST_TOGETHER).min_by_key(additions).unwrap_or(1);
        let groups: Vec<usize> = (0..ROUNDS.div_ceil(together)).collect();
        let share = groups.len().div_ceil(rayon::current_num_threads());
        groups.par_chunks(share).all(|groups| {
            let number = |group: &usize| draw(self.key, *group, together, points.len());
            let buckets: Vec<Vec<u8>> = groups.iter().map(number).collect();
            let mut adder = adder();
            let sums = combinations(&mut adder, &points, &buckets, together);
            adder.are_members(&sums)
        })
    }
}

/// A number below 3^rounds in this group for each of `count` points, uniform and independent.
fn draw(key: &[u8; 32], group: usize, rounds: usize, count: usize) -> Vec<u8> {
    let below = 3usize.pow(rounds as u32);
    // Bytes beyond the largest multiple of 3^rounds would favour small numbers.
    let limit = 256 / below * below;
    let mut hasher = blake3::Hasher::new_keyed(key);
    let mut stream = hasher.update(&(group as u64).to_be_bytes()).finalize_xof();
    let mut numbers = Vec::with_capacity(count);
    let mut bytes = [0; 1024];
    while numbers.len() < count {
        stream.fill(&mut bytes);
        let fair = bytes.iter().map(|b| usize::from(*b)).filter(|b| *b < limit);
        numbers.extend(fair.map(|b| (b % below) as u8).take(count - numbers.len()));
    }
    numbers
}

/// The sums Σ c_i·P_i of `rounds` rounds for each group of them, where c_i is digit k of
/// the group's `buckets[i]` to base 3 in round k: first round 0 of all groups. All groups
/// share inversions.
fn combinations<A: Adder>(
    adder: &mut A,
    points: &[A::Point],
    buckets: &[Vec<u8>],
    rounds: usize,
) -> Vec<A::Point> {
    let mut size = 3usize.pow(rounds as u32);
    let mut level = bucket_sums(adder, points, buckets, size);
    let (mut picked, mut lengths) = (Vec::new(), Vec::new());
    while size > 1 {
        for group in level.chunks_exact(size) {
            // The buckets whose lowest digit is 1, then those whose is 2.
            for digit in [1, 2] {
                picked.extend(group.iter().skip(digit).step_by(3));
                lengths.push(size / 3);
            }
        }
        level = adder.sum_runs(&level, Member::plain, &vec![3; level.len() / 3]);
        size /= 3;
    }
    let weighted = adder.sum_runs(&picked, Member::plain, &lengths);
    // One times the first sum and twice the second.
    let member = |at: usize| Member::plain(2 * (at / 3) + (at % 3).min(1));
    adder.sum_runs(&weighted, member, &vec![3; weighted.len() / 2])
}

/// The sum of the points in each of `count` buckets of every group, nothing in that of 0:
/// its points have coefficient 0 in every round.
fn bucket_sums<A: Adder>(
    adder: &mut A,
    points: &[A::Point],
    buckets: &[Vec<u8>],
    count: usize,
) -> Vec<A::Point> {
    let (mut sizes, mut members) = (Vec::new(), Vec::new());
    for buckets in buckets {
        let mut own = vec![0; count];
        buckets.iter().for_each(|b| own[usize::from(*b)] += 1);
        own[0] = 0;
        let mut next = members.len();
        let mut places = Vec::with_capacity(count);
        for size in &own {
            places.push(next);
            next += size;
        }
        members.resize(next, Member::default());
        for (index, bucket) in buckets.iter().enumerate().filter(|(_, b)| **b != 0) {
            let place = &mut places[usize::from(*bucket)];
            members[*place] = Member::plain(index);
            *place += 1;
        }
        sizes.extend(own);
    }
    adder.sum_runs(points, |at| members[at], &sizes)
}

#[cfg(test)]
mod tests {
    use blst::blst_p1_affine;

    use super::*;
    use crate::group::batch_add::{Batch, Exact};
    use crate::group::{E1, G1Affine, Scalar, ffi};

    fn points(count: u64) -> Vec<blst_p1_affine> {
        let multiple = |k: u64| G1Affine::generator().mul(&Scalar::from_u64(k * k + 1));
        let points = (0..count).map(multiple);
        points.map(|p| p.to_affine().expect("finite").0).collect()
    }

    #[test]
    fn enough_rounds() {
        let error = (ROUNDS as f64) * 3f64.log2();
        assert!(error > 128.0 && error - 3f64.log2() < 128.0);
        assert!(3usize.pow(MOST_TOGETHER as u32) <= 256);
    }

    #[test]
    fn combinations_have_the_digits_as_coefficients() {
        let points = points(40);
        for rounds in 1..=MOST_TOGETHER {
            let groups: Vec<Vec<u8>> = (0..3)
                .map(|group| draw(&[7; 32], group, rounds, points.len()))
                .collect();
            let sums = combinations(&mut Batch::<Exact>::new(), &points, &groups, rounds);
            assert_eq!(sums.len(), 3 * rounds);
            for (i, sum) in sums.iter().enumerate() {
                let (round, buckets) = (i / 3, &groups[i % 3]);
                let term = |(p, b): (&blst_p1_affine, &u8)| {
                    let digit = usize::from(*b) / 3usize.pow(round as u32) % 3;
                    (0..digit).map(|_| E1Affine(*p).to_e1()).sum::<E1>()
                };
                let expected: E1 = points.iter().zip(buckets).map(term).sum();
                let sum = E1(ffi::p1_from_affine(sum));
                assert_eq!(sum, expected, "round {round} of {rounds}");
            }
        }
    }

    #[test]
    fn digits_are_uniform_and_differ_between_rounds() {
        for rounds in 1..=MOST_TOGETHER {
            let below = 3usize.pow(rounds as u32);
            let numbers = draw(&[3; 32], 0, rounds, below * 1000);
            let mut counts = vec![0i64; below];
            numbers.iter().for_each(|b| counts[usize::from(*b)] += 1);
            // Six standard deviations of a thousand.
            assert!(counts.iter().all(|c| (c - 1000).abs() < 190), "{rounds}");
            assert_ne!(numbers, draw(&[3; 32], rounds, rounds, below * 1000));
            assert_ne!(numbers, draw(&[4; 32], 0, rounds, below * 1000));
        }
    }
}
