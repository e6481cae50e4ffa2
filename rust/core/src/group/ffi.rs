//! The boundary to blst: every `unsafe` block of the crate is in this file.
//!
//! Each function is a safe wrapper around one call, with references and
//! slices instead of pointers. Three facts make them sound:
//!
//! - the argument types are blst's own `#[repr(C)]` types, any bit pattern of
//!   which is a valid value, so a wrong value can give a wrong result but
//!   never undefined behaviour;
//! - outputs are separate, initialised locals;
//! - an array argument is passed as `{pointer to the first element, null}`,
//!   which blst reads as one contiguous run of the length given beside it.
#![allow(unsafe_code)]

use blst::{
    BLST_ERROR, blst_fp, blst_fp6, blst_fp12, blst_fr, blst_p1, blst_p1_affine, blst_p2,
    blst_p2_affine, blst_scalar,
};

#[cfg(target_arch = "x86_64")]
use super::{
    E1Affine,
    lane_add::{self, LaneBatch, Point},
    lane_decode, lane_member, lane_points,
    lanes::Element,
};
#[cfg(target_arch = "x86_64")]
use crate::transcript::{self, CHALLENGE_LEN};

/// Number of stored lines of one Miller loop.
pub(super) const LINES: usize = 68;
/// The empty augmentation of a hashed message.
const NOTHING: &[u8] = &[];

macro_rules! wrap {
    ($(#[$doc:meta])* $name:ident = $call:ident($($arg:ident: $ty:ty),*) -> $out:ty) => {
        $(#[$doc])*
        #[inline]
        pub(super) fn $name($($arg: &$ty),*) -> $out {
            let mut out = <$out>::default();
            // SAFETY: plain references to blst's own types, one separate output.
            unsafe { blst::$call(&mut out, $($arg),*) };
            out
        }
    };
}

/// Like `wrap!`, but the result goes where the caller wants it: copying what was just
/// written in parts stalls the processor for as long as an addition takes.
macro_rules! into {
    ($(#[$doc:meta])* $name:ident = $call:ident($($arg:ident: $ty:ty),*) -> $out:ty) => {
        $(#[$doc])*
        #[inline]
        pub(super) fn $name(out: &mut $out, $($arg: &$ty),*) {
            // SAFETY: plain references to blst's own types, one separate output.
            unsafe { blst::$call(out, $($arg),*) };
        }
    };
}

macro_rules! test {
    ($(#[$doc:meta])* $name:ident = $call:ident($ty:ty)) => {
        $(#[$doc])*
        #[inline]
        pub(super) fn $name(a: &$ty) -> bool {
            // SAFETY: one plain reference to blst's own type.
            unsafe { blst::$call(a) }
        }
    };
}

wrap!(/// Sum in Fr.
    fr_add = blst_fr_add(a: blst_fr, b: blst_fr) -> blst_fr);
wrap!(/// Difference in Fr.
    fr_sub = blst_fr_sub(a: blst_fr, b: blst_fr) -> blst_fr);
wrap!(/// Product in Fr; one factor may be any number below 2^256.
    fr_mul = blst_fr_mul(a: blst_fr, b: blst_fr) -> blst_fr);
wrap!(/// Square in Fr.
    fr_sqr = blst_fr_sqr(a: blst_fr) -> blst_fr);
wrap!(/// Inverse in Fr, constant time; 0 for 0.
    fr_inverse = blst_fr_inverse(a: blst_fr) -> blst_fr);
wrap!(/// Montgomery form to little-endian bytes.
    scalar_from_fr = blst_scalar_from_fr(a: blst_fr) -> blst_scalar);
wrap!(/// Little-endian bytes to Montgomery form; the value must be below r.
    fr_from_scalar = blst_fr_from_scalar(a: blst_scalar) -> blst_fr);
into!(/// Sum in Fp, constant time.
    fp_add = blst_fp_add(a: blst_fp, b: blst_fp) -> blst_fp);
into!(/// Difference in Fp, constant time.
    fp_sub = blst_fp_sub(a: blst_fp, b: blst_fp) -> blst_fp);
into!(/// Product in Fp, constant time.
    fp_mul = blst_fp_mul(a: blst_fp, b: blst_fp) -> blst_fp);
into!(/// Square in Fp, constant time.
    fp_sqr = blst_fp_sqr(a: blst_fp) -> blst_fp);
wrap!(/// Inverse in Fp, constant time; 0 for 0.
    fp_inverse = blst_fp_inverse(a: blst_fp) -> blst_fp);
wrap!(/// Complete addition on E(Fp), constant time.
    p1_add = blst_p1_add_or_double(a: blst_p1, b: blst_p1) -> blst_p1);
wrap!(/// Complete mixed addition on E(Fp), constant time; all-zero `b` is infinity.
    p1_add_affine = blst_p1_add_or_double_affine(a: blst_p1, b: blst_p1_affine) -> blst_p1);
wrap!(/// Doubling on E(Fp).
    p1_double = blst_p1_double(a: blst_p1) -> blst_p1);
wrap!(/// Affine to Jacobian; all-zero is infinity.
    p1_from_affine = blst_p1_from_affine(a: blst_p1_affine) -> blst_p1);
wrap!(/// Jacobian to affine; not for infinity.
    p1_to_affine = blst_p1_to_affine(a: blst_p1) -> blst_p1_affine);
wrap!(/// Complete addition on E'(Fp2), constant time.
    p2_add = blst_p2_add_or_double(a: blst_p2, b: blst_p2) -> blst_p2);
wrap!(/// Complete mixed addition on E'(Fp2), constant time.
    p2_add_affine = blst_p2_add_or_double_affine(a: blst_p2, b: blst_p2_affine) -> blst_p2);
wrap!(/// Affine to Jacobian; all-zero is infinity.
    p2_from_affine = blst_p2_from_affine(a: blst_p2_affine) -> blst_p2);
wrap!(/// Jacobian to affine; not for infinity.
    p2_to_affine = blst_p2_to_affine(a: blst_p2) -> blst_p2_affine);
wrap!(/// Product in Fp12.
    fp12_mul = blst_fp12_mul(a: blst_fp12, b: blst_fp12) -> blst_fp12);
wrap!(/// The final exponentiation.
    final_exp = blst_final_exp(a: blst_fp12) -> blst_fp12);
wrap!(/// SSWU map of two field elements to G1, cofactor cleared (RFC 9380 §8.8.1).
    map_to_g1 = blst_map_to_g1(u: blst_fp, v: blst_fp) -> blst_p1);

test!(/// Whether the point is infinity.
    p1_is_inf = blst_p1_is_inf(blst_p1));
test!(/// Whether the point has order dividing r.
    p1_in_g1 = blst_p1_in_g1(blst_p1));
test!(/// Whether the point has order dividing r.
    p1_affine_in_g1 = blst_p1_affine_in_g1(blst_p1_affine));
test!(/// Whether the coordinates fulfil the curve's equation (or are all zero).
    p1_affine_on_curve = blst_p1_affine_on_curve(blst_p1_affine));
test!(/// Whether the point is infinity.
    p2_is_inf = blst_p2_is_inf(blst_p2));
test!(/// Whether the point has order dividing r.
    p2_affine_in_g2 = blst_p2_affine_in_g2(blst_p2_affine));
test!(/// Whether the value is 1.
    fp12_is_one = blst_fp12_is_one(blst_fp12));

/// Asks for a point to be brought into the cache. Does nothing but that.
#[inline]
pub(super) fn prefetch<T>(point: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let first = std::ptr::from_ref(point).cast::<i8>();
        let last = first.wrapping_add(size_of::<T>().saturating_sub(1));
        // SAFETY: a hint; both addresses are inside the point, and nothing is read.
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(first);
            _mm_prefetch::<_MM_HINT_T0>(last);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = point;
}

/// Eight words as a vector.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn vector(words: &[u64; 8]) -> std::arch::x86_64::__m512i {
    // SAFETY: both are 64 bytes of which any pattern is a value.
    unsafe { std::mem::transmute(*words) }
}

/// A vector as eight words.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn words(vector: std::arch::x86_64::__m512i) -> [u64; 8] {
    // SAFETY: as above.
    unsafe { std::mem::transmute(vector) }
}

/// Proof that this processor has the instructions of the modules named after lanes.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ifma(());

#[cfg(target_arch = "x86_64")]
impl Ifma {
    /// Asks the processor; `None` if it has not.
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma");
        has.then_some(Ifma(()))
    }

    /// See [`lane_add::settle`].
    pub(super) fn settle(self, batch: &mut LaneBatch, source: &[Point], out: &mut [Point]) {
        // SAFETY: `self` exists only if the processor has what the callee is compiled for.
        unsafe { lane_add::settle(batch, source, out) }
    }

    /// See [`lane_decode::ordinates`].
    pub(super) fn ordinates(self, xs: &[Element; 8]) -> [Element; 8] {
        // SAFETY: as above.
        unsafe { lane_decode::ordinates(xs) }
    }

    /// See [`transcript::lanes::shake128`].
    pub(crate) fn shake128(self, messages: [&[u8]; 8]) -> [[u8; CHALLENGE_LEN]; 8] {
        // SAFETY: as above.
        unsafe { transcript::lanes::shake128(messages) }
    }

    /// See [`lane_points::decoded`].
    pub(super) fn decoded(self, encodings: &[&[u8; 96]]) -> ([blst_p1_affine; 8], u8) {
        // SAFETY: as above.
        unsafe { lane_points::decoded(encodings) }
    }

    /// See [`lane_points::imported`].
    pub(super) fn imported(self, points: &[E1Affine]) -> [Point; 8] {
        // SAFETY: as above.
        unsafe { lane_points::imported(points) }
    }

    /// See [`lane_member::members`].
    pub(super) fn members(self, points: &[Point]) -> u8 {
        // SAFETY: as above.
        unsafe { lane_member::members(points) }
    }
}

/// Negates in Fr if `flag`, constant time.
#[inline]
pub(super) fn fr_cneg(a: &blst_fr, flag: bool) -> blst_fr {
    let mut out = blst_fr::default();
    // SAFETY: plain references, one separate output.
    unsafe { blst::blst_fr_cneg(&mut out, a, flag) };
    out
}

/// Negates in Fp if `flag`, constant time; 0 stays 0.
#[inline]
pub(super) fn fp_cneg(a: &blst_fp, flag: bool) -> blst_fp {
    let mut out = blst_fp::default();
    // SAFETY: plain references, one separate output.
    unsafe { blst::blst_fp_cneg(&mut out, a, flag) };
    out
}

/// The integer with these little-endian limbs, modulo r, in Fr.
#[inline]
pub(super) fn fr_from_limbs(limbs: &[u64; 4]) -> blst_fr {
    let mut out = blst_fr::default();
    // SAFETY: blst reads exactly four limbs.
    unsafe { blst::blst_fr_from_uint64(&mut out, limbs.as_ptr()) };
    out
}

/// Bytes of any length, big-endian, reduced modulo r.
pub(super) fn scalar_from_wide_be(bytes: &[u8]) -> blst_scalar {
    let mut out = blst_scalar::default();
    // SAFETY: blst reads `bytes.len()` bytes; the returned flag (value is not
    // zero) is not needed.
    unsafe { blst::blst_scalar_from_be_bytes(&mut out, bytes.as_ptr(), bytes.len()) };
    out
}

/// Bytes of any length, little-endian, reduced modulo r.
pub(super) fn scalar_from_wide_le(bytes: &[u8]) -> blst_scalar {
    let mut out = blst_scalar::default();
    // SAFETY: as above.
    unsafe { blst::blst_scalar_from_le_bytes(&mut out, bytes.as_ptr(), bytes.len()) };
    out
}

/// Bytes of any length, big-endian, reduced modulo p.
pub(super) fn fp_from_wide_be(bytes: &[u8]) -> blst_fp {
    let mut out = blst_fp::default();
    // SAFETY: blst reads `bytes.len()` bytes.
    unsafe { blst::blst_fp_from_be_bytes(&mut out, bytes.as_ptr(), bytes.len()) };
    out
}

/// Negates a point.
#[inline]
pub(super) fn p1_neg(a: &blst_p1) -> blst_p1 {
    let mut out = *a;
    // SAFETY: in place on a local.
    unsafe { blst::blst_p1_cneg(&mut out, true) };
    out
}

/// Negates a point.
#[inline]
pub(super) fn p2_neg(a: &blst_p2) -> blst_p2 {
    let mut out = *a;
    // SAFETY: in place on a local.
    unsafe { blst::blst_p2_cneg(&mut out, true) };
    out
}

/// `k·p` for p of order r only (endomorphism inside), k below r, constant time.
pub(super) fn p1_mult(p: &blst_p1, k: &blst_scalar) -> blst_p1 {
    let mut out = blst_p1::default();
    // SAFETY: 255 bits are read from 32 bytes.
    unsafe { blst::blst_p1_mult(&mut out, p, k.b.as_ptr(), 255) };
    out
}

/// `k·p` for p of order r only (endomorphism inside), k below r, constant time.
pub(super) fn p2_mult(p: &blst_p2, k: &blst_scalar) -> blst_p2 {
    let mut out = blst_p2::default();
    // SAFETY: 255 bits are read from 32 bytes.
    unsafe { blst::blst_p2_mult(&mut out, p, k.b.as_ptr(), 255) };
    out
}

/// `k·p` for p of order r only, 128-bit little-endian k, constant time.
pub(super) fn p1_mult_128(p: &blst_p1, k: &[u8; 16]) -> blst_p1 {
    let mut out = blst_p1::default();
    // SAFETY: 128 bits are read from 16 bytes.
    unsafe { blst::blst_p1_mult(&mut out, p, k.as_ptr(), 128) };
    out
}

/// `k·p` for p of order r only, 128-bit little-endian k, constant time.
pub(super) fn p2_mult_128(p: &blst_p2, k: &[u8; 16]) -> blst_p2 {
    let mut out = blst_p2::default();
    // SAFETY: 128 bits are read from 16 bytes.
    unsafe { blst::blst_p2_mult(&mut out, p, k.as_ptr(), 128) };
    out
}

/// KeyGen of the BLS signature draft; 0 for fewer than 32 bytes.
pub(super) fn keygen(ikm: &[u8], info: &[u8]) -> blst_scalar {
    let mut out = blst_scalar::default();
    // SAFETY: pointers go with their lengths.
    unsafe {
        blst::blst_keygen(&mut out, ikm.as_ptr(), ikm.len(), info.as_ptr(), info.len());
    }
    out
}

/// The standard generator of G1.
pub(super) fn p1_generator() -> blst_p1_affine {
    // SAFETY: blst returns the address of a constant.
    unsafe { *blst::blst_p1_affine_generator() }
}

/// Σ kᵢ·pᵢ by blst's bucket method, for points of G2 and 128-bit little-endian scalars.
/// Variable time.
pub(super) fn p2s_mult_128(points: &[blst_p2_affine], scalars: &[[u8; 16]]) -> blst_p2 {
    assert!(!points.is_empty() && points.len() == scalars.len());
    let mut out = blst_p2::default();
    // SAFETY: takes a number only.
    let bytes = unsafe { blst::blst_p2s_mult_pippenger_scratch_sizeof(points.len()) };
    let mut scratch = vec![0u64; bytes.div_ceil(8)];
    let points_run = [points.as_ptr(), std::ptr::null()];
    let scalars_run = [scalars.as_ptr().cast::<u8>(), std::ptr::null()];
    // SAFETY: both runs have the length passed, each scalar has the 128 bits passed, and
    // the scratch space has the size that blst asks for.
    unsafe {
        blst::blst_p2s_mult_pippenger(
            &mut out,
            points_run.as_ptr(),
            points.len(),
            scalars_run.as_ptr(),
            128,
            scratch.as_mut_ptr(),
        );
    }
    out
}

/// The standard generator of G2.
pub(super) fn p2_generator() -> blst_p2_affine {
    // SAFETY: blst returns the address of a constant.
    unsafe { *blst::blst_p2_affine_generator() }
}

/// Whether blst accepted an encoding of a finite point on the curve.
/// It reports `POINT_NOT_IN_GROUP` for x = 0 alone (the points (0, ±2) of
/// order 3 on E), after writing the point; those are on the curve all the same.
fn on_curve(code: BLST_ERROR) -> bool {
    matches!(
        code,
        BLST_ERROR::BLST_SUCCESS | BLST_ERROR::BLST_POINT_NOT_IN_GROUP
    )
}

/// Decodes x ‖ y; flags must have been checked.
pub(super) fn p1_deserialize(bytes: &[u8; 96]) -> Option<blst_p1_affine> {
    let mut out = blst_p1_affine::default();
    // SAFETY: blst reads at most 96 bytes.
    let code = unsafe { blst::blst_p1_deserialize(&mut out, bytes.as_ptr()) };
    on_curve(code).then_some(out)
}

/// Decodes a compressed point; flags must have been checked.
pub(super) fn p1_uncompress(bytes: &[u8; 48]) -> Option<blst_p1_affine> {
    let mut out = blst_p1_affine::default();
    // SAFETY: blst reads 48 bytes.
    let code = unsafe { blst::blst_p1_uncompress(&mut out, bytes.as_ptr()) };
    on_curve(code).then_some(out)
}

/// Decodes a compressed point; flags must have been checked.
pub(super) fn p2_uncompress(bytes: &[u8; 96]) -> Option<blst_p2_affine> {
    let mut out = blst_p2_affine::default();
    // SAFETY: blst reads 96 bytes.
    let code = unsafe { blst::blst_p2_uncompress(&mut out, bytes.as_ptr()) };
    on_curve(code).then_some(out)
}

/// Encodes x ‖ y.
pub(super) fn p1_serialize(p: &blst_p1_affine) -> [u8; 96] {
    let mut out = [0; 96];
    // SAFETY: blst writes 96 bytes.
    unsafe { blst::blst_p1_affine_serialize(out.as_mut_ptr(), p) };
    out
}

/// Encodes x and the sign of y.
pub(super) fn p1_compress(p: &blst_p1_affine) -> [u8; 48] {
    let mut out = [0; 48];
    // SAFETY: blst writes 48 bytes.
    unsafe { blst::blst_p1_affine_compress(out.as_mut_ptr(), p) };
    out
}

/// Encodes x ‖ y.
pub(super) fn p2_serialize(p: &blst_p2_affine) -> [u8; 192] {
    let mut out = [0; 192];
    // SAFETY: blst writes 192 bytes.
    unsafe { blst::blst_p2_affine_serialize(out.as_mut_ptr(), p) };
    out
}

/// Encodes x and the sign of y.
pub(super) fn p2_compress(p: &blst_p2_affine) -> [u8; 96] {
    let mut out = [0; 96];
    // SAFETY: blst writes 96 bytes.
    unsafe { blst::blst_p2_affine_compress(out.as_mut_ptr(), p) };
    out
}

/// All points to affine with one inversion per 1,536; infinity becomes all-zero.
pub(super) fn p1s_to_affine(points: &[blst_p1]) -> Vec<blst_p1_affine> {
    let mut out = vec![blst_p1_affine::default(); points.len()];
    if !points.is_empty() {
        let run = [points.as_ptr(), std::ptr::null()];
        // SAFETY: `run` stands for the contiguous `points`, `out` is as long.
        unsafe { blst::blst_p1s_to_affine(out.as_mut_ptr(), run.as_ptr(), points.len()) };
    }
    out
}

/// Product of the Miller loops of all pairs; not for infinity, not for none.
pub(super) fn miller_loop(ps: &[blst_p1_affine], qs: &[blst_p2_affine]) -> blst_fp12 {
    assert!(!ps.is_empty() && ps.len() == qs.len());
    let mut out = blst_fp12::default();
    let qs_run = [qs.as_ptr(), std::ptr::null()];
    let ps_run = [ps.as_ptr(), std::ptr::null()];
    // SAFETY: both runs have the length passed.
    unsafe { blst::blst_miller_loop_n(&mut out, qs_run.as_ptr(), ps_run.as_ptr(), ps.len()) };
    out
}

/// The lines of the Miller loop of `q`.
pub(super) fn precompute_lines(q: &blst_p2_affine) -> Box<[blst_fp6; LINES]> {
    let mut out = Box::new([blst_fp6::default(); LINES]);
    // SAFETY: blst writes exactly 68 lines.
    unsafe { blst::blst_precompute_lines(out.as_mut_ptr(), q) };
    out
}

/// The Miller loop of stored lines and one point; not for infinity.
pub(super) fn miller_loop_lines(lines: &[blst_fp6; LINES], p: &blst_p1_affine) -> blst_fp12 {
    let mut out = blst_fp12::default();
    // SAFETY: blst reads exactly 68 lines.
    unsafe { blst::blst_miller_loop_lines(&mut out, lines.as_ptr(), p) };
    out
}

/// RFC 9380 hash to G1 with XMD:SHA-256.
pub(super) fn hash_to_g1(msg: &[u8], dst: &[u8]) -> blst_p1 {
    let mut out = blst_p1::default();
    // SAFETY: pointers go with their lengths; the augmentation is empty.
    unsafe {
        blst::blst_hash_to_g1(
            &mut out,
            msg.as_ptr(),
            msg.len(),
            dst.as_ptr(),
            dst.len(),
            NOTHING.as_ptr(),
            NOTHING.len(),
        );
    }
    out
}

/// RFC 9380 hash to G2 with XMD:SHA-256.
pub(super) fn hash_to_g2(msg: &[u8], dst: &[u8]) -> blst_p2 {
    let mut out = blst_p2::default();
    // SAFETY: as above.
    unsafe {
        blst::blst_hash_to_g2(
            &mut out,
            msg.as_ptr(),
            msg.len(),
            dst.as_ptr(),
            dst.len(),
            NOTHING.as_ptr(),
            NOTHING.len(),
        );
    }
    out
}
