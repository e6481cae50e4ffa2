//! Multi-scalar multiplication with secret scalars over a fixed list of bases.

use std::hint::black_box;

use blst::{blst_p1, blst_p1_affine};
use zeroize::Zeroizing;

use super::msm::signed;
use super::windows::{count, digit, padded};
use super::{E1, E1Affine, G1Affine, Scalar, ffi};

const WIDTH: usize = 5;
/// Multiples 1 to 2^(width−1) of each base.
const ENTRIES: usize = 1 << (WIDTH - 1);

/// Bases with tables for constant-time multi-scalar multiplication by secret
/// scalars: signed 5-bit windows, 16 affine multiples per base, every entry
/// read at every look-up, one chain of doublings for the whole sum.
///
/// Timing depends on the number of terms and which bases are used, not on the
/// scalars. Intermediate points stay on the stack; digits are wiped.
pub struct SecretBases {
    tables: Vec<[blst_p1_affine; ENTRIES]>,
}

impl SecretBases {
    /// Computes the tables (about 10 µs and 1.5 kB per base).
    pub fn new(bases: &[G1Affine]) -> Self {
        let mut multiples: Vec<blst_p1> = Vec::with_capacity(bases.len() * ENTRIES);
        for base in bases {
            let row = std::iter::successors(Some(base.to_e1()), |last| {
                Some(last.add_affine(base.as_e1()))
            });
            multiples.extend(row.take(ENTRIES).map(|p| p.0));
        }
        let affine = ffi::p1s_to_affine(&multiples);
        let (tables, _) = affine.as_chunks::<ENTRIES>();
        SecretBases {
            tables: tables.to_vec(),
        }
    }

    /// Number of bases.
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether there are no bases.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
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
        sum(self.tables.iter().zip(scalars))
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
        sum(idx.iter().map(|&i| &self.tables[i]).zip(scalars))
    }
}

/// Table, and scalar as padded little-endian bytes.
type Term<'a> = (&'a [blst_p1_affine; ENTRIES], Zeroizing<[u8; 34]>);

fn sum<'a>(terms: impl Iterator<Item = (&'a [blst_p1_affine; ENTRIES], &'a Scalar)>) -> E1 {
    let terms: Vec<Term<'a>> = terms.map(|(t, k)| (t, padded(&k.to_raw()))).collect();
    let mut acc = blst_p1::default();
    for index in (0..count(WIDTH)).rev() {
        for _ in 0..WIDTH {
            acc = ffi::p1_double(&acc);
        }
        for (table, bytes) in &terms {
            acc = ffi::p1_add_affine(&acc, &look_up(table, digit(bytes, index, WIDTH)));
        }
    }
    E1(acc)
}

/// digit·base, all-zero (infinity) for digit 0. Reads every entry.
fn look_up(table: &[blst_p1_affine; ENTRIES], digit: i32) -> blst_p1_affine {
    let sign = digit >> 31;
    let magnitude = ((digit ^ sign) - sign) as u64;
    let mut out = blst_p1_affine::default();
    for (at, entry) in (1u64..).zip(table) {
        // All ones if `at` is the magnitude, zero otherwise.
        let differs = at ^ magnitude;
        let mask = black_box((differs.wrapping_sub(1) as i64 >> 63) as u64);
        for i in 0..6 {
            out.x.l[i] |= entry.x.l[i] & mask;
            out.y.l[i] |= entry.y.l[i] & mask;
        }
    }
    signed(out, black_box(sign & 1) == 1)
}

impl std::fmt::Debug for SecretBases {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.tables.iter().map(|t| E1Affine(t[0])))
            .finish()
    }
}
