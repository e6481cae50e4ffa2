//! Additions of affine points in batches that share one inversion.
//!
//! The sum of two affine points costs an inversion and three multiplications. With
//! Montgomery's trick many additions share the inversion at three multiplications
//! each, so that one comes to six, where a mixed Jacobian addition takes eleven. The
//! price is that the additions of a batch must not depend on each other: sums are
//! formed by halving, all pairs of all sums in one batch.
//!
//! All-zero coordinates, which are no point of the curve, stand for infinity. There
//! are no points of order two on E, hence no division by zero in a doubling.

use blst::{blst_fp, blst_p1_affine};
use zeroize::Zeroize;

use super::adder::{Adder, Member, Pairs};
use super::{E1Affine, ffi};

/// Additions that share an inversion (about 40 multiplications' worth).
const SHARING: usize = 512;

/// Whether an element of Fp is zero: the only encoding of zero is all limbs zero.
#[inline]
fn is_zero(a: &blst_fp) -> bool {
    a.l.iter().fold(0, |acc, limb| acc | limb) == 0
}

/// Whether this stands for infinity.
#[inline]
fn is_infinity(p: &blst_p1_affine) -> bool {
    is_zero(&p.x) && is_zero(&p.y)
}

/// What the points to be added may be.
pub(super) trait Mode {
    /// Public points of any kind, infinity, equal and opposite ones included;
    /// variable time. Otherwise secret points in general position: constant time,
    /// and an exception to it is only reported.
    const EXACT: bool;
}

/// See [`Mode::EXACT`].
pub(super) struct Exact;
/// See [`Mode::EXACT`].
struct General;

impl Mode for Exact {
    const EXACT: bool = true;
}

impl Mode for General {
    const EXACT: bool = false;
}

/// One addition that waits for the shared inverse: `out[slot]` holds one operand and
/// gets the sum, position `other` of the source is the other operand.
#[derive(Clone, Copy, Default)]
struct Pending {
    slot: u32,
    other: Member,
    doubling: bool,
}

/// Additions that wait, with their denominators and the products of those so far.
pub(super) struct Batch<M> {
    waiting: usize,
    pending: Box<[Pending; SHARING]>,
    denominators: Box<[blst_fp; SHARING]>,
    products: Box<[blst_fp; SHARING]>,
    /// Whether a sum in general position was none.
    exception: bool,
    mode: std::marker::PhantomData<M>,
}

impl<M: Mode> Batch<M> {
    /// Nothing waits.
    pub(super) fn new() -> Self {
        Batch {
            waiting: 0,
            pending: Box::new([Pending::default(); SHARING]),
            denominators: Box::new([blst_fp::default(); SHARING]),
            products: Box::new([blst_fp::default(); SHARING]),
            exception: false,
            mode: std::marker::PhantomData,
        }
    }
}

impl<M: Mode> Pairs for Batch<M> {
    type Point = blst_p1_affine;

    #[inline]
    fn add(
        &mut self,
        source: &[blst_p1_affine],
        [first, second]: [Member; 2],
        slot: usize,
        out: &mut [blst_p1_affine],
    ) {
        let (p, q) = (operand(source, first), operand(source, second));
        let at = self.waiting;
        let denominator = &mut self.denominators[at];
        ffi::fp_sub(denominator, &q.0.x, &p.0.x);
        let mut doubling = false;
        if M::EXACT {
            if is_infinity(p.0) || is_infinity(q.0) {
                out[slot] = signed(if is_infinity(p.0) { q } else { p });
                return;
            }
            if is_zero(denominator) {
                let (p, q) = (signed(p), signed(q));
                if p.y != q.y {
                    out[slot] = blst_p1_affine::default();
                    return;
                }
                doubling = true;
                ffi::fp_add(denominator, &p.y, &p.y);
            }
        }
        match at.checked_sub(1) {
            None => self.products[0] = *denominator,
            Some(before) => {
                let (done, rest) = self.products.split_at_mut(at);
                ffi::fp_mul(&mut rest[0], &done[before], denominator);
            }
        }
        self.pending[at] = Pending {
            slot: slot as u32,
            other: second,
            doubling,
        };
        out[slot] = signed(p);
        self.waiting += 1;
        if self.waiting == SHARING {
            self.settle(source, out);
        }
    }

    fn signed(source: &[blst_p1_affine], member: Member) -> blst_p1_affine {
        signed(operand(source, member))
    }

    fn settle(&mut self, source: &[blst_p1_affine], out: &mut [blst_p1_affine]) {
        let Some(last) = self.waiting.checked_sub(1) else {
            return;
        };
        self.exception |= is_zero(&self.products[last]);
        // The inverse of the product of denominators 0 to `at`, in turns.
        let mut rest = [ffi::fp_inverse(&self.products[last]), blst_fp::default()];
        let mut inverse = blst_fp::default();
        for at in (0..self.waiting).rev() {
            let [even, odd] = &mut rest;
            let (now, next) = if at % 2 == last % 2 {
                (even, odd)
            } else {
                (odd, even)
            };
            if at > 0 {
                ffi::fp_mul(&mut inverse, now, &self.products[at - 1]);
                ffi::fp_mul(next, now, &self.denominators[at]);
            } else {
                inverse = *now;
            }
            let pending = self.pending[at];
            let p = &mut out[pending.slot as usize];
            let q = operand(source, pending.other);
            complete(p, q, &inverse, pending.doubling);
        }
        self.waiting = 0;
    }
}

impl Adder for Batch<Exact> {
    const BLOCK: usize = 8192;

    fn import(&self, points: &[E1Affine]) -> Vec<blst_p1_affine> {
        points.iter().map(|point| point.0).collect()
    }

    fn export(point: &blst_p1_affine) -> blst_p1_affine {
        *point
    }
}

/// A point, and whether its negative is meant.
type Operand<'a> = (&'a blst_p1_affine, bool);

/// A member of the source.
#[inline]
fn operand(source: &[blst_p1_affine], member: Member) -> Operand<'_> {
    (&source[member.index()], member.is_negative())
}

/// The operand itself; the sign costs no branch.
#[inline]
fn signed((point, negative): Operand<'_>) -> blst_p1_affine {
    blst_p1_affine {
        x: point.x,
        y: ffi::fp_cneg(&point.y, negative),
    }
}

/// Adds q to p, given the inverse of their slope's denominator.
#[inline]
fn complete(p: &mut blst_p1_affine, q: Operand<'_>, inverse: &blst_fp, doubling: bool) {
    let [mut a, mut b, mut slope, mut x] = [blst_fp::default(); 4];
    if doubling {
        ffi::fp_sqr(&mut a, &p.x);
        ffi::fp_add(&mut b, &a, &a);
        ffi::fp_add(&mut x, &a, &b);
        ffi::fp_mul(&mut slope, &x, inverse);
    } else if q.1 {
        ffi::fp_add(&mut a, &p.y, &q.0.y);
        b = ffi::fp_cneg(inverse, true);
        ffi::fp_mul(&mut slope, &a, &b);
    } else {
        ffi::fp_sub(&mut a, &q.0.y, &p.y);
        ffi::fp_mul(&mut slope, &a, inverse);
    }
    ffi::fp_sqr(&mut a, &slope);
    ffi::fp_sub(&mut b, &a, &p.x);
    // Doubling a negated point: x is the same.
    ffi::fp_sub(&mut x, &b, &q.0.x);
    ffi::fp_sub(&mut a, &p.x, &x);
    ffi::fp_mul(&mut b, &slope, &a);
    a = p.y;
    ffi::fp_sub(&mut p.y, &b, &a);
    p.x = x;
}

/// Sums of runs of `length` ≥ 1 secret points each, in constant time; wipes `points`.
///
/// `None` if two sums that meet have the same x-coordinate. For points that are
/// multiples of independent generators that would be a relation between those, which
/// nobody finds; the caller sees to that or adds in another way.
pub(super) fn sum_secret_runs(
    mut points: Vec<blst_p1_affine>,
    length: usize,
) -> Option<Vec<blst_p1_affine>> {
    let mut lengths = vec![length; points.len() / length];
    let mut batch = Batch::<General>::new();
    let mut halved = Vec::with_capacity(points.len().div_ceil(2) + lengths.len());
    while lengths.first().is_some_and(|&n| n > 1) {
        batch.halve(&points, Member::plain, &mut lengths, &mut halved);
        std::mem::swap(&mut points, &mut halved);
    }
    wipe(&mut halved);
    for waited in [&mut batch.denominators, &mut batch.products] {
        waited.iter_mut().for_each(|element| element.l.zeroize());
    }
    if batch.exception {
        wipe(&mut points);
        return None;
    }
    Some(points)
}

/// Overwrites points and whatever is left in the spare room behind them.
pub(super) fn wipe(points: &mut Vec<blst_p1_affine>) {
    points.resize(points.capacity(), blst_p1_affine::default());
    for point in points.iter_mut() {
        point.x.l.zeroize();
        point.y.l.zeroize();
    }
}
