//! Points of E(Fp): y² = x³ + 4, and of its subgroup G1 of prime order r.
//!
//! Three types keep apart what is known of a point: [`E1`] (on the curve, may
//! be infinity), [`E1Affine`] (on the curve, not infinity) and [`G1Affine`]
//! (in the subgroup, not infinity). Nothing but the last may be multiplied by
//! blst's endomorphism-based routines.

use std::fmt;

use blst::{blst_p1, blst_p1_affine};
use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::lanes::Element;
use super::ops::impl_group_ops;
use super::{Hex, Scalar, ffi};

/// The effective cofactor h_eff = 1 − x of RFC 9380 §8.8.1.
const H_EFF: u64 = 0xd201_0000_0001_0001;

/// A point of E(Fp) in Jacobian coordinates. No claim on its order; may be
/// the identity (infinity), which is also the default. Addition is complete
/// and constant time.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct E1(pub(super) blst_p1);

/// A point of E(Fp), not infinity. No claim on its order: this is what proof
/// elements on the wire decode to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct E1Affine(pub(super) blst_p1_affine);

/// A point of G1, the subgroup of prime order r, not infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct G1Affine(E1Affine);

impl E1 {
    /// The neutral element (infinity).
    pub fn identity() -> Self {
        Self::default()
    }

    /// Whether this is the neutral element.
    pub fn is_identity(&self) -> bool {
        ffi::p1_is_inf(&self.0)
    }

    /// Decodes a compressed point of G1, the identity (0xc0, then zeros)
    /// included; `None` for anything else. For encodings in which the identity
    /// is legal; elsewhere use [`G1Affine::from_compressed`].
    pub fn from_compressed(bytes: &[u8; 48]) -> Option<Self> {
        if bytes[0] == 0xc0 && bytes[1..].iter().all(|&b| b == 0) {
            return Some(Self::identity());
        }
        G1Affine::from_compressed(bytes).map(Self::from)
    }

    /// 2·self.
    pub fn double(&self) -> Self {
        E1(ffi::p1_double(&self.0))
    }

    /// self + other, cheaper than with two Jacobian points.
    pub fn add_affine(&self, other: &E1Affine) -> Self {
        E1(ffi::p1_add_affine(&self.0, &other.0))
    }

    /// Affine form (one inversion); `None` for the identity.
    pub fn to_affine(&self) -> Option<E1Affine> {
        (!self.is_identity()).then(|| E1Affine(ffi::p1_to_affine(&self.0)))
    }

    /// h_eff·self by plain doubling and adding, exact for points of any
    /// order. The result is in G1 or the identity.
    pub fn clear_cofactor(&self) -> Self {
        let mut acc = *self;
        for bit in (0..63).rev() {
            acc = acc.double();
            if (H_EFF >> bit) & 1 == 1 {
                acc += self;
            }
        }
        acc
    }

    /// Whether the order divides r (true for the identity). About 48 µs.
    pub fn is_in_subgroup(&self) -> bool {
        ffi::p1_in_g1(&self.0)
    }

    /// Subgroup-checked affine form; `None` outside G1 or for the identity.
    pub fn to_g1(&self) -> Option<G1Affine> {
        self.is_in_subgroup()
            .then(|| self.to_g1_trusted())
            .flatten()
    }

    /// [`Self::clear_cofactor`], then affine form; `None` for the identity.
    /// Needs no subgroup test.
    pub fn cleared_to_g1(&self) -> Option<G1Affine> {
        self.clear_cofactor().to_g1_trusted()
    }

    /// Affine form of a point computed from members of G1 alone; `None` for
    /// the identity. The caller vouches for the subgroup.
    pub(crate) fn to_g1_trusted(self) -> Option<G1Affine> {
        self.to_affine().map(G1Affine)
    }

    fn add_ref(&self, other: &Self) -> Self {
        E1(ffi::p1_add(&self.0, &other.0))
    }

    fn sub_ref(&self, other: &Self) -> Self {
        E1(ffi::p1_add(&self.0, &ffi::p1_neg(&other.0)))
    }

    fn neg_ref(&self) -> Self {
        E1(ffi::p1_neg(&self.0))
    }
}

impl_group_ops!(E1);

impl E1Affine {
    /// Byte length of the compressed encoding.
    pub const COMPRESSED: usize = 48;
    /// Byte length of the uncompressed encoding.
    pub const UNCOMPRESSED: usize = 96;

    /// Decodes x ‖ y, 48 big-endian bytes each. `None` if a flag bit is set,
    /// a coordinate is not below p, or the point is not on the curve.
    /// Infinity has no encoding here. About 0.3 µs.
    pub fn from_uncompressed(bytes: &[u8; 96]) -> Option<Self> {
        if bytes[0] & 0xe0 != 0 {
            return None;
        }
        ffi::p1_deserialize(bytes).map(E1Affine)
    }

    /// Decodes many encodings like [`Self::from_uncompressed`], for less if the processor
    /// can decode eight at a time. About 0.1 µs each.
    pub fn from_uncompressed_many(encodings: &[&[u8; 96]]) -> Vec<Option<Self>> {
        let mut all = Vec::with_capacity(encodings.len());
        #[cfg(target_arch = "x86_64")]
        if let Some(ifma) = ffi::Ifma::detect() {
            for eight in encodings.chunks_exact(8) {
                let (points, found) = ifma.decoded(eight);
                let lanes = points.iter().enumerate();
                all.extend(lanes.map(|(lane, p)| (found >> lane & 1 == 1).then_some(E1Affine(*p))));
            }
        }
        let rest = encodings.iter().skip(all.len());
        all.extend(rest.map(|encoding| Self::from_uncompressed(encoding)));
        all
    }

    /// x ‖ y, 48 big-endian bytes each.
    pub fn to_uncompressed(&self) -> [u8; 96] {
        ffi::p1_serialize(&self.0)
    }

    /// Decodes a compressed point: x in 48 big-endian bytes, top bit set,
    /// third bit telling the larger y. `None` if x is not below p or belongs
    /// to no point, or for infinity. About 20 µs (a square root).
    pub fn from_compressed(bytes: &[u8; 48]) -> Option<Self> {
        if bytes[0] & 0xc0 != 0x80 {
            return None;
        }
        ffi::p1_uncompress(bytes).map(E1Affine)
    }

    /// [`Self::from_compressed`] of many encodings on all threads; several square roots at
    /// once where the processor can. Variable time.
    pub fn from_compressed_many(encoded: &[[u8; 48]]) -> Vec<Option<Self>> {
        encoded
            .par_chunks(8)
            .flat_map_iter(|chunk| {
                #[cfg(target_arch = "x86_64")]
                if let (Ok(eight), Some(ifma)) = (chunk.try_into(), ffi::Ifma::detect()) {
                    return Self::from_compressed_eight(eight, ifma).to_vec();
                }
                chunk.iter().map(Self::from_compressed).collect()
            })
            .collect()
    }

    /// What a root makes of each encoding, if that encodes to the same bytes again.
    #[cfg(target_arch = "x86_64")]
    fn from_compressed_eight(encoded: &[[u8; 48]; 8], ifma: ffi::Ifma) -> [Option<Self>; 8] {
        let xs = encoded.map(|mut bytes| {
            bytes[0] &= 0x1f;
            ffi::fp_from_wide_be(&bytes)
        });
        let ys = ifma.ordinates(&xs.each_ref().map(Element::new));
        std::array::from_fn(|i| {
            let y = ys[i].to_blst();
            let point = E1Affine(blst_p1_affine { x: xs[i], y });
            [point, point.negate()]
                .into_iter()
                .find(|point| point.to_compressed() == encoded[i] && point.is_on_curve())
        })
    }

    /// Whether the coordinates fulfil the curve's equation.
    #[cfg(target_arch = "x86_64")]
    fn is_on_curve(&self) -> bool {
        ffi::p1_affine_on_curve(&self.0)
    }

    /// x and the sign of y, 48 bytes.
    pub fn to_compressed(&self) -> [u8; 48] {
        ffi::p1_compress(&self.0)
    }

    /// Whether the order is r. About 48 µs.
    pub fn is_in_subgroup(&self) -> bool {
        ffi::p1_affine_in_g1(&self.0)
    }

    /// The same point as a member of G1; `None` outside the subgroup.
    pub fn to_g1(&self) -> Option<G1Affine> {
        self.is_in_subgroup().then_some(G1Affine(*self))
    }

    /// The same point as a member of G1, which the caller has tested, for instance with
    /// [`all_in_subgroup`](super::all_in_subgroup).
    pub(crate) fn to_g1_tested(self) -> G1Affine {
        G1Affine(self)
    }

    /// Jacobian form.
    pub fn to_e1(&self) -> E1 {
        E1(ffi::p1_from_affine(&self.0))
    }

    /// −self.
    pub fn negate(&self) -> Self {
        let y = ffi::fp_cneg(&self.0.y, true);
        E1Affine(blst_p1_affine { x: self.0.x, y })
    }
}

impl G1Affine {
    /// The standard generator (P1 of the BBS draft's ciphersuites is another).
    pub fn generator() -> Self {
        G1Affine(E1Affine(ffi::p1_generator()))
    }

    /// Decodes like [`E1Affine::from_uncompressed`] and tests the subgroup.
    pub fn from_uncompressed(bytes: &[u8; 96]) -> Option<Self> {
        E1Affine::from_uncompressed(bytes)?.to_g1()
    }

    /// Decodes like [`E1Affine::from_compressed`] and tests the subgroup.
    pub fn from_compressed(bytes: &[u8; 48]) -> Option<Self> {
        E1Affine::from_compressed(bytes)?.to_g1()
    }

    /// x ‖ y, 48 big-endian bytes each.
    pub fn to_uncompressed(&self) -> [u8; 96] {
        self.0.to_uncompressed()
    }

    /// x and the sign of y, 48 bytes.
    pub fn to_compressed(&self) -> [u8; 48] {
        self.0.to_compressed()
    }

    /// The point without the subgroup claim.
    pub fn as_e1(&self) -> &E1Affine {
        &self.0
    }

    /// Jacobian form.
    pub fn to_e1(&self) -> E1 {
        self.0.to_e1()
    }

    /// −self.
    pub fn negate(&self) -> Self {
        G1Affine(self.0.negate())
    }

    /// k·self, constant time (but for k = 0). About 90 µs.
    pub fn mul(&self, k: &Scalar) -> E1 {
        E1(ffi::p1_mult(&self.to_e1().0, &k.to_raw()))
    }

    /// k·self for a 128-bit k, constant time. About half the price.
    pub fn mul_u128(&self, k: u128) -> E1 {
        E1(ffi::p1_mult_128(&self.to_e1().0, &k.to_le_bytes()))
    }
}

impl std::ops::Mul<&Scalar> for &G1Affine {
    type Output = E1;
    fn mul(self, k: &Scalar) -> E1 {
        G1Affine::mul(self, k)
    }
}

impl From<E1Affine> for E1 {
    fn from(point: E1Affine) -> E1 {
        point.to_e1()
    }
}

impl From<G1Affine> for E1 {
    fn from(point: G1Affine) -> E1 {
        point.to_e1()
    }
}

impl From<G1Affine> for E1Affine {
    fn from(point: G1Affine) -> E1Affine {
        point.0
    }
}

/// All points to affine form with one inversion; `None` for the identity.
pub fn batch_to_affine(points: &[E1]) -> Vec<Option<E1Affine>> {
    let raw: Vec<blst_p1> = points.iter().map(|p| p.0).collect();
    let affine = ffi::p1s_to_affine(&raw);
    points
        .iter()
        .zip(affine)
        .map(|(p, a)| (!p.is_identity()).then_some(E1Affine(a)))
        .collect()
}

impl fmt::Debug for E1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_affine() {
            Some(point) => write!(f, "E1({})", Hex(&point.to_compressed())),
            None => write!(f, "E1(identity)"),
        }
    }
}

impl fmt::Debug for E1Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E1Affine({})", Hex(&self.to_compressed()))
    }
}

impl fmt::Debug for G1Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "G1Affine({})", Hex(&self.to_compressed()))
    }
}
