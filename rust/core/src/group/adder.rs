//! Sums of many points by affine additions in batches, whatever adds them up.

use blst::blst_p1_affine;

use super::batch_add::{Batch, Exact};
use super::{E1, E1Affine, ffi};

/// A point of the source of additions, and whether its negative is meant.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Member(u32);

impl Member {
    /// The source point at an index below 2^31, or its negative.
    pub(super) fn new(index: usize, negative: bool) -> Self {
        Member((index as u32) << 1 | u32::from(negative))
    }

    /// The source point itself.
    pub(super) fn plain(index: usize) -> Self {
        Member::new(index, false)
    }

    /// Where the point is.
    pub(super) fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// Whether its negative is meant.
    pub(super) fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

/// How many members ahead of the addition points are asked for: they are spread over
/// memory.
const AHEAD: usize = 16;

/// Additions that share inversions, and therefore must not depend on each other: sums are
/// formed by halving, all pairs of all sums in one batch.
pub(super) trait Pairs {
    /// A point of E(Fp); all-zero, the default, is infinity.
    type Point: Copy + Default;

    /// Puts the sum of two source points into `out[slot]`, now or at the next
    /// [`Self::settle`].
    fn add(
        &mut self,
        source: &[Self::Point],
        pair: [Member; 2],
        slot: usize,
        out: &mut [Self::Point],
    );

    /// A source point or its negative.
    fn signed(source: &[Self::Point], member: Member) -> Self::Point;

    /// Completes the additions that wait.
    fn settle(&mut self, source: &[Self::Point], out: &mut [Self::Point]);

    /// Replaces each sum's members by half as many: `lengths[i]` members in a row belong
    /// to sum i, and so it is for the points of `out` afterwards.
    fn halve(
        &mut self,
        source: &[Self::Point],
        member: impl Fn(usize) -> Member,
        lengths: &mut [usize],
        out: &mut Vec<Self::Point>,
    ) {
        let end: usize = lengths.iter().sum();
        let halves = lengths.iter().map(|length| length.div_ceil(2));
        out.resize(halves.sum(), Self::Point::default());
        let (mut at, mut slot) = (0, 0);
        for length in lengths {
            for _ in 0..*length / 2 {
                for ahead in [at + AHEAD, at + AHEAD + 1] {
                    if ahead < end {
                        ffi::prefetch(&source[member(ahead).index()]);
                    }
                }
                self.add(source, [member(at), member(at + 1)], slot, out);
                (at, slot) = (at + 2, slot + 1);
            }
            if *length % 2 == 1 {
                out[slot] = Self::signed(source, member(at));
                (at, slot) = (at + 1, slot + 1);
            }
            *length = length.div_ceil(2);
        }
        self.settle(source, out);
    }
}

/// Adds public points of any kind, infinity, equal and opposite ones included; variable
/// time.
pub(super) trait Adder: Pairs {
    /// Points that are added up together in [`Self::sum_runs`]: few enough for the cache,
    /// many enough for inversions to have company.
    const BLOCK: usize;

    /// Points to add up.
    fn import(&self, points: &[E1Affine]) -> Vec<Self::Point>;

    /// To blst's form.
    fn export(point: &Self::Point) -> blst_p1_affine;

    /// Whether all points are members of G1, infinity included; each is tested by itself,
    /// without error.
    fn are_members(&self, points: &[Self::Point]) -> bool {
        points.iter().all(|point| is_member(&Self::export(point)))
    }

    /// Sums of consecutive runs: `lengths[i]` of the members 0, 1, … of the source
    /// belong to sum i. Infinity for an empty run.
    fn sum_runs(
        &mut self,
        source: &[Self::Point],
        member: impl Fn(usize) -> Member,
        lengths: &[usize],
    ) -> Vec<Self::Point> {
        let mut all = Vec::with_capacity(lengths.len());
        let [mut sums, mut halved] = [Vec::new(), Vec::new()];
        let (mut first, mut start) = (0, 0);
        while first < lengths.len() {
            let mut members = 0;
            let fits = |length: &&usize| {
                members += **length;
                members <= Self::BLOCK
            };
            let count = lengths[first..].iter().take_while(fits).count().max(1);
            let block = &lengths[first..first + count];
            let mut left = block.to_vec();
            self.halve(source, |at| member(start + at), &mut left, &mut sums);
            while left.iter().any(|&n| n > 1) {
                self.halve(&sums, Member::plain, &mut left, &mut halved);
                std::mem::swap(&mut sums, &mut halved);
            }
            let mut next = sums.iter();
            let filled = block
                .iter()
                .map(|&n| if n == 0 { None } else { next.next() });
            all.extend(filled.map(|sum| sum.copied().unwrap_or_default()));
            first += count;
            start += block.iter().sum::<usize>();
        }
        all
    }
}

/// Whether the point, or infinity, is a member of G1.
pub(super) fn is_member(point: &blst_p1_affine) -> bool {
    E1(ffi::p1_from_affine(point)).is_in_subgroup()
}

/// Work for an adder of any kind.
pub(super) trait Task {
    /// What comes out; the same with every adder.
    type Output;

    /// Does the work; `adder` makes one adder per thread.
    fn run<A: Adder<Point: Send + Sync>>(self, adder: impl Fn() -> A + Sync) -> Self::Output;
}

/// Does the work with the fastest adder that runs on this processor.
pub(super) fn with_fastest<T: Task>(task: T) -> T::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(ifma) = ffi::Ifma::detect() {
        return task.run(|| super::lane_add::LaneBatch::new(ifma));
    }
    task.run(Batch::<Exact>::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{E1, E1Affine, G1Affine, Scalar};

    /// Everything that needs care: few different points, their opposites, infinity, a
    /// point with x = 0 (order 3), and ordinary ones.
    fn source() -> Vec<blst_p1_affine> {
        let mut bytes = [0; 48];
        bytes[0] = 0x80;
        let three = E1Affine::from_compressed(&bytes).expect("on the curve");
        let multiple = |k| {
            let point = G1Affine::generator().mul(&Scalar::from_u64(k));
            point.to_affine().expect("finite")
        };
        let mut points: Vec<blst_p1_affine> = (1..40).map(|k| multiple(k).0).collect();
        points.extend([three.0, three.negate().0, multiple(3).negate().0]);
        points.push(blst_p1_affine::default());
        points
    }

    /// Pseudo-random members of the source, runs of 0 to 40 of them, then three long ones.
    fn runs(size: usize, seed: u64) -> (Vec<Member>, Vec<usize>) {
        let mut lengths: Vec<usize> = (0..41).collect();
        lengths.extend([4095, 4097, 9000]);
        let mut state = seed;
        let mut draw = |_: usize| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            Member::new((state >> 33) as usize % size, state >> 63 == 1)
        };
        let members = (0..lengths.iter().sum()).map(&mut draw).collect();
        (members, lengths)
    }

    fn point(affine: &blst_p1_affine, negative: bool) -> E1 {
        let point = E1(ffi::p1_from_affine(affine));
        if negative { -point } else { point }
    }

    struct Check;

    impl Task for Check {
        type Output = ();

        fn run<A: Adder<Point: Send + Sync>>(self, adder: impl Fn() -> A + Sync) {
            let plain = source();
            // All of them, two points only, and one point besides infinity.
            for (skip, size) in [(0, plain.len()), (0, 2), (plain.len() - 2, 2)] {
                let plain = &plain[skip..skip + size];
                let mut adder = adder();
                let wrapped: Vec<E1Affine> = plain.iter().map(|p| E1Affine(*p)).collect();
                let imported = adder.import(&wrapped);
                let back: Vec<_> = imported.iter().map(A::export).collect();
                assert_eq!(back, plain);
                let (members, lengths) = runs(size, 7 + size as u64);
                let sums = adder.sum_runs(&imported, |at| members[at], &lengths);
                assert_eq!(sums.len(), lengths.len());
                let mut rest = members.as_slice();
                for (sum, length) in sums.iter().zip(&lengths) {
                    let (own, others) = rest.split_at(*length);
                    rest = others;
                    let terms = own
                        .iter()
                        .map(|m| point(&plain[m.index()], m.is_negative()));
                    assert_eq!(point(&A::export(sum), false), terms.sum::<E1>(), "{length}");
                }
            }
        }
    }

    #[test]
    fn every_adder_is_exact() {
        Check.run(Batch::<Exact>::new);
        with_fastest(Check);
    }
}
