//! Multi-scalar multiplication with secret scalars over a fixed list of bases.
//!
//! Every scalar is made odd by adding r if need be and written in odd signed digits of
//! six bits, so that no digit is zero: what is looked up is never infinity, and the
//! points of one window add up in batches that share inversions, without exceptional
//! cases. Where the bases are independent, an exception would be a relation between
//! them; where they are not, as the caller's lists may be in theory, the complete
//! Jacobian formulas are used.

use std::hint::black_box;

use blst::{blst_p1, blst_p1_affine};
use zeroize::Zeroizing;

use super::batch_add::{sum_secret_runs, wipe};
use super::msm::signed;
use super::windows::{odd_digit, odd_padded};
use super::{E1, E1Affine, G1Affine, Scalar, ffi};

/// Bits of a digit.
const WIDTH: usize = 6;
/// Odd multiples 1, 3, …, 2^width − 1 of each row of a base.
const ENTRIES: usize = 1 << (WIDTH - 1);
/// Up to this many bases have several rows: the doublings, which a sum's terms share,
/// weigh more in short sums.
const SHORT: usize = 40;

/// Bases with tables for constant-time multi-scalar multiplication by secret
/// scalars: every table entry is read at every look-up, there are no branches on
/// digits, and buffers are wiped.
///
/// Timing depends on the number of terms and which bases are used, not on the
/// scalars.
pub struct SecretBases {
    /// Per base and row, the odd multiples of 2^(row·span·width)·base.
    tables: Vec<[blst_p1_affine; ENTRIES]>,
    rows: usize,
    /// Whether all bases differ, also up to sign.
    distinct: bool,
}

impl SecretBases {
    /// Computes the tables: per base 3 kB, in short lists 12 kB (about 0.1 ms).
    pub fn new(bases: &[G1Affine]) -> Self {
        let rows = if bases.len() <= SHORT { 4 } else { 1 };
        let mut multiples: Vec<blst_p1> = Vec::with_capacity(bases.len() * rows * ENTRIES);
        for base in bases {
            let mut first = base.to_e1();
            for row in 0..rows {
                if row > 0 {
                    first = (0..span(rows) * WIDTH).fold(first, |p, _| p.double());
                }
                let twice = first.double();
                let odd = std::iter::successors(Some(first), |last| Some(last + twice));
                multiples.extend(odd.take(ENTRIES).map(|p| p.0));
            }
        }
        let affine = ffi::p1s_to_affine(&multiples);
        let (tables, _) = affine.as_chunks::<ENTRIES>();
        let mut seen: Vec<_> = bases.iter().map(|b| b.as_e1().0.x.l).collect();
        seen.sort_unstable();
        SecretBases {
            tables: tables.to_vec(),
            rows,
            distinct: seen.windows(2).all(|pair| pair[0] != pair[1]),
        }
    }

    /// Number of bases.
    pub fn len(&self) -> usize {
        self.tables.len() / self.rows
    }

    /// Whether there are no bases.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Bytes of the tables.
    pub fn size(&self) -> usize {
        size_of_val(self.tables.as_slice())
    }

    /// `Σ scalars[i]·bases[i]` over the first `scalars.len()` bases.
    ///
    /// # Panics
    /// If there are more scalars than bases.
    pub fn msm(&self, scalars: &[Scalar]) -> E1 {
        assert!(
            scalars.len() <= self.len(),
            "msm: no more scalars than bases"
        );
        let all: Vec<usize> = (0..scalars.len()).collect();
        self.sum(&all, scalars, self.distinct)
    }

    /// `Σ scalars[i]·bases[idx[i]]`; an index may occur more than once.
    ///
    /// # Panics
    /// If the two lengths differ or an index names no base.
    pub fn msm_subset(&self, idx: &[usize], scalars: &[Scalar]) -> E1 {
        assert_eq!(
            idx.len(),
            scalars.len(),
            "msm_subset: as many scalars as indices"
        );
        let mut sorted = idx.to_vec();
        sorted.sort_unstable();
        let once = sorted.windows(2).all(|pair| pair[0] != pair[1]);
        self.sum(idx, scalars, once && self.distinct)
    }

    /// The sum of those `bases[idx[i]]` whose secret bit is 1, for one addition each;
    /// only the lowest bit of each element of `bits` counts.
    ///
    /// # Panics
    /// If the two lengths differ or an index names no base.
    pub fn sum_subset(&self, idx: &[usize], bits: &[u8]) -> E1 {
        assert_eq!(idx.len(), bits.len(), "sum_subset: as many bits as indices");
        let mut acc = blst_p1::default();
        for (index, bit) in idx.iter().zip(bits) {
            let mut term = blst_p1_affine::default();
            let base = &self.tables[index * self.rows][0];
            keep_if(&mut term, base, u64::from(bit & 1).wrapping_neg());
            acc = ffi::p1_add_affine(&acc, &term);
        }
        E1(acc)
    }

    fn sum(&self, idx: &[usize], scalars: &[Scalar], distinct: bool) -> E1 {
        if idx.is_empty() {
            return E1::identity();
        }
        let digits: Vec<Zeroizing<[u8; 34]>> =
            scalars.iter().map(|k| odd_padded(&k.to_raw())).collect();
        if distinct {
            let looked_up = self.look_up_all(idx, &digits);
            let per_position = idx.len() * self.rows;
            if let Some(mut sums) = sum_secret_runs(looked_up, per_position) {
                let result = horner(&sums, 1);
                wipe(&mut sums);
                return result;
            }
        }
        let mut looked_up = self.look_up_all(idx, &digits);
        let result = horner(&looked_up, idx.len() * self.rows);
        wipe(&mut looked_up);
        result
    }

    /// For each position of a digit within its row, all terms' points.
    fn look_up_all(&self, idx: &[usize], scalars: &[Zeroizing<[u8; 34]>]) -> Vec<blst_p1_affine> {
        let (rows, span) = (self.rows, span(self.rows));
        let per_position = idx.len() * rows;
        let mut points = vec![blst_p1_affine::default(); span * per_position];
        // Table by table, so that each is read from the nearest cache.
        for (term, (index, scalar)) in idx.iter().zip(scalars).enumerate() {
            let tables = &self.tables[index * rows..][..rows];
            for (row, table) in tables.iter().enumerate() {
                for position in 0..span {
                    let digit = row * span + position;
                    let top = digit + 1 == rows * span;
                    let place = position * per_position + term * rows + row;
                    points[place] = look_up(table, odd_digit(scalar, digit, WIDTH, top));
                }
            }
        }
        points
    }
}

/// Digits per row.
const fn span(rows: usize) -> usize {
    256usize.div_ceil(WIDTH).div_ceil(rows)
}

/// `Σ 2^(width·i)·S_i`, S_i the sum of the i-th `run` points.
fn horner(points: &[blst_p1_affine], run: usize) -> E1 {
    let mut acc = blst_p1::default();
    for some in points.chunks_exact(run).rev() {
        for _ in 0..WIDTH {
            acc = ffi::p1_double(&acc);
        }
        for point in some {
            acc = ffi::p1_add_affine(&acc, point);
        }
    }
    E1(acc)
}

/// The entry with this index, negated if `negative` is 1. Reads every entry.
fn look_up(table: &[blst_p1_affine; ENTRIES], (index, negative): (u64, u64)) -> blst_p1_affine {
    let mut out = blst_p1_affine::default();
    for (at, entry) in (0u64..).zip(table) {
        // All ones if `at` is the index, zero otherwise.
        let differs = at ^ index;
        keep_if(
            &mut out,
            entry,
            (differs.wrapping_sub(1) as i64 >> 63) as u64,
        );
    }
    signed(out, black_box(negative) == 1)
}

/// Adds `entry` to an all-zero `out` if the mask is all ones, nothing if it is zero.
#[inline]
fn keep_if(out: &mut blst_p1_affine, entry: &blst_p1_affine, mask: u64) {
    let mask = black_box(mask);
    for i in 0..6 {
        out.x.l[i] |= entry.x.l[i] & mask;
        out.y.l[i] |= entry.y.l[i] & mask;
    }
}

impl std::fmt::Debug for SecretBases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bases = self.tables.iter().step_by(self.rows);
        f.debug_list()
            .entries(bases.map(|table| E1Affine(table[0])))
            .finish()
    }
}
