//! Multi-scalar multiplication with public scalars: variable time, and exact
//! for points of any order.

use blst::{blst_p1, blst_p1_affine};

use super::buckets::Terms;
use super::windows::{count, digit, padded, wnaf5};
use super::{E1, E1Affine, G1Affine, Scalar, ffi};

/// From this many points on the bucket method is used, below it [`straus`].
const BUCKETS_FROM: usize = 32;

/// `Σ scalars[i]·points[i]`. Variable time: for public values only. Exact for
/// points outside the subgroup too; the empty sum is the identity. Large sums use all
/// threads of the current rayon pool.
///
/// # Panics
/// If the two lengths differ.
pub fn msm(points: &[E1Affine], scalars: &[Scalar]) -> E1 {
    msm_mixed((points, scalars), (&[], &[]))
}

/// `Σ scalars[i]·points[i]` with 128-bit scalars, at half the price of [`msm`].
///
/// # Panics
/// If the two lengths differ.
pub fn msm_128(points: &[E1Affine], scalars: &[u128]) -> E1 {
    msm_mixed((&[], &[]), (points, scalars))
}

/// One sum of terms with full and terms with 128-bit scalars, for less than
/// [`msm`] and [`msm_128`] apart: they share buckets.
///
/// # Panics
/// If there are not as many scalars as points in either group.
pub fn msm_mixed(full: (&[E1Affine], &[Scalar]), short: (&[E1Affine], &[u128])) -> E1 {
    assert_eq!(full.0.len(), full.1.len(), "msm: as many scalars as points");
    assert_eq!(
        short.0.len(),
        short.1.len(),
        "msm_128: as many scalars as points"
    );
    let long = full.1.iter().map(|k| widened(&k.to_raw().b));
    let scalars: Vec<[u8; 34]> = long
        .chain(short.1.iter().map(|k| widened(&k.to_le_bytes())))
        .collect();
    let bits = scalars.iter().map(bit_length).max().unwrap_or(0);
    if bits == 0 {
        return E1::identity();
    }
    if scalars.len() < BUCKETS_FROM {
        let points: Vec<blst_p1_affine> = full.0.iter().chain(short.0).map(|p| p.0).collect();
        return straus(&points, &scalars, bits);
    }
    let terms = Terms {
        points: [full.0, short.0],
        scalars: &scalars,
        bits,
    };
    E1(terms.sum())
}

/// `Σ points[i]`.
pub fn sum_vartime(points: &[E1Affine]) -> E1 {
    points
        .iter()
        .fold(E1::identity(), |acc, point| acc.add_affine(point))
}

/// Little-endian bytes with zeros behind them, so that windows may reach beyond.
fn widened(bytes: &[u8]) -> [u8; 34] {
    let mut wide = [0; 34];
    wide[..bytes.len()].copy_from_slice(bytes);
    wide
}

/// Number of bits without leading zeros.
pub(super) fn bit_length(scalar: &[u8; 34]) -> usize {
    let top = scalar.iter().rposition(|&b| b != 0);
    top.map_or(0, |i| 8 * i + 8 - scalar[i].leading_zeros() as usize)
}

/// Interleaved non-adjacent forms: one chain of doublings for all points, and
/// for each point a table of its multiples 1, 3, …, 15.
fn straus(points: &[blst_p1_affine], scalars: &[[u8; 34]], nbits: usize) -> E1 {
    let mut multiples = Vec::with_capacity(points.len() * 8);
    for point in points {
        let first = E1(ffi::p1_from_affine(point));
        let twice = first.double();
        let odd = std::iter::successors(Some(first), |last| Some(last + twice));
        multiples.extend(odd.take(8).map(|p| p.0));
    }
    // A multiple that is infinity is all-zero here; additions accept that.
    let table = ffi::p1s_to_affine(&multiples);
    let digits: Vec<Vec<i8>> = scalars.iter().map(|s| wnaf5(s, nbits)).collect();
    let mut acc = blst_p1::default();
    for at in (0..=nbits).rev() {
        acc = ffi::p1_double(&acc);
        for (i, digits) in digits.iter().enumerate() {
            let digit = digits[at];
            if digit != 0 {
                let entry = table[i * 8 + usize::from(digit.unsigned_abs()) / 2];
                acc = ffi::p1_add_affine(&acc, &signed(entry, digit < 0));
            }
        }
    }
    E1(acc)
}

/// ±point; all-zero (infinity) stays as it is.
pub(super) fn signed(mut point: blst_p1_affine, negative: bool) -> blst_p1_affine {
    point.y = ffi::fp_cneg(&point.y, negative);
    point
}

/// Window width of [`FixedBaseTable`].
const FIXED_WIDTH: usize = 6;
/// Table entries per window: multiples 1 to 2^(width−1).
const FIXED_ENTRIES: usize = 1 << (FIXED_WIDTH - 1);

/// Multiples of one base (about 130 kB), for fast multiplication by public
/// scalars without doublings. Variable time.
pub struct FixedBaseTable {
    /// Entry j of window i is (j + 1)·2^(width·i)·base.
    table: Vec<blst_p1_affine>,
}

impl FixedBaseTable {
    /// Computes the table (about 1 ms).
    pub fn new(base: &G1Affine) -> Self {
        let mut multiples = Vec::with_capacity(count(FIXED_WIDTH) * FIXED_ENTRIES);
        let mut first = base.to_e1();
        for _ in 0..count(FIXED_WIDTH) {
            let row = std::iter::successors(Some(first), |last| Some(last + first));
            multiples.extend(row.take(FIXED_ENTRIES).map(|p| p.0));
            first = (0..FIXED_WIDTH).fold(first, |p, _| p.double());
        }
        FixedBaseTable {
            table: ffi::p1s_to_affine(&multiples),
        }
    }

    /// k·base. Variable time: for public scalars only.
    pub fn mul(&self, k: &Scalar) -> E1 {
        let bytes = padded(&k.to_raw());
        let mut acc = blst_p1::default();
        for index in 0..count(FIXED_WIDTH) {
            let digit = digit(&bytes, index, FIXED_WIDTH);
            if digit != 0 {
                let entry = index * FIXED_ENTRIES + digit.unsigned_abs() as usize - 1;
                acc = ffi::p1_add_affine(&acc, &signed(self.table[entry], digit < 0));
            }
        }
        E1(acc)
    }
}

impl std::fmt::Debug for FixedBaseTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FixedBaseTable({:?})", E1Affine(self.table[0]))
    }
}
