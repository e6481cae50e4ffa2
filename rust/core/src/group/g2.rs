//! G2, the subgroup of prime order r of the twist E'(Fp2).

use std::fmt;

use blst::{blst_p2, blst_p2_affine};

use super::ops::impl_group_ops;
use super::{Hex, Scalar, ffi};

/// A point of G2, not infinity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct G2Affine(pub(super) blst_p2_affine);

/// A point of G2 in Jacobian coordinates; may be the identity, which is also
/// the default. Made from members of G2 alone, so always in the subgroup.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct G2(blst_p2);

impl G2Affine {
    /// Byte length of the compressed encoding.
    pub const COMPRESSED: usize = 96;

    /// The standard generator (P2 of the BBS draft).
    pub fn generator() -> Self {
        G2Affine(ffi::p2_generator())
    }

    /// Decodes a compressed point: x.c1 ‖ x.c0, 48 big-endian bytes each,
    /// top bit set, third bit telling the larger y. `None` if a coordinate is
    /// not below p, the point is not in G2, or for infinity.
    pub fn from_compressed(bytes: &[u8; 96]) -> Option<Self> {
        if bytes[0] & 0xc0 != 0x80 {
            return None;
        }
        let point = ffi::p2_uncompress(bytes)?;
        ffi::p2_affine_in_g2(&point).then_some(G2Affine(point))
    }

    /// x and the sign of y, 96 bytes.
    pub fn to_compressed(&self) -> [u8; 96] {
        ffi::p2_compress(&self.0)
    }

    /// x.c1 ‖ x.c0 ‖ y.c1 ‖ y.c0, 48 big-endian bytes each.
    pub fn to_uncompressed(&self) -> [u8; 192] {
        ffi::p2_serialize(&self.0)
    }

    /// k·self, constant time (but for k = 0).
    pub fn mul(&self, k: &Scalar) -> G2 {
        G2(ffi::p2_mult(&self.to_g2().0, &k.to_raw()))
    }

    /// k·self for a 128-bit k, constant time. About half the price.
    pub fn mul_u128(&self, k: u128) -> G2 {
        G2(ffi::p2_mult_128(&self.to_g2().0, &k.to_le_bytes()))
    }

    /// Jacobian form.
    pub fn to_g2(&self) -> G2 {
        G2(ffi::p2_from_affine(&self.0))
    }
}

impl G2 {
    /// The neutral element (infinity).
    pub fn identity() -> Self {
        Self::default()
    }

    /// Whether this is the neutral element.
    pub fn is_identity(&self) -> bool {
        ffi::p2_is_inf(&self.0)
    }

    /// Decodes a compressed point of G2, the identity (0xc0, then zeros)
    /// included; `None` for anything else.
    pub fn from_compressed(bytes: &[u8; 96]) -> Option<Self> {
        if bytes[0] == 0xc0 && bytes[1..].iter().all(|&b| b == 0) {
            return Some(Self::identity());
        }
        G2Affine::from_compressed(bytes).map(Self::from)
    }

    /// The 96 bytes [`Self::from_compressed`] reads.
    pub fn to_compressed(&self) -> [u8; 96] {
        let identity = || {
            let mut bytes = [0; 96];
            bytes[0] = 0xc0;
            bytes
        };
        self.to_affine()
            .map_or_else(identity, |point| point.to_compressed())
    }

    /// self + other, cheaper than with two Jacobian points.
    pub fn add_affine(&self, other: &G2Affine) -> Self {
        G2(ffi::p2_add_affine(&self.0, &other.0))
    }

    /// Affine form (one inversion); `None` for the identity.
    pub fn to_affine(&self) -> Option<G2Affine> {
        (!self.is_identity()).then(|| G2Affine(ffi::p2_to_affine(&self.0)))
    }

    /// Wraps blst's hash to G2, whose results are in the subgroup.
    pub(super) fn from_hash(point: blst_p2) -> Self {
        G2(point)
    }

    fn add_ref(&self, other: &Self) -> Self {
        G2(ffi::p2_add(&self.0, &other.0))
    }

    fn sub_ref(&self, other: &Self) -> Self {
        G2(ffi::p2_add(&self.0, &ffi::p2_neg(&other.0)))
    }

    fn neg_ref(&self) -> Self {
        G2(ffi::p2_neg(&self.0))
    }
}

impl_group_ops!(G2);

impl std::ops::Mul<&Scalar> for &G2Affine {
    type Output = G2;
    fn mul(self, k: &Scalar) -> G2 {
        G2Affine::mul(self, k)
    }
}

impl From<G2Affine> for G2 {
    fn from(point: G2Affine) -> G2 {
        point.to_g2()
    }
}

/// From this many points on, buckets beat single multiplications.
const BUCKETS_FROM: usize = 8;

/// `Σ scalars[i]·points[i]` in G2 with 128-bit scalars. Variable time: for public values
/// only. The empty sum is the identity.
///
/// # Panics
/// If the two lengths differ.
pub fn msm_g2_128(points: &[G2Affine], scalars: &[u128]) -> G2 {
    assert_eq!(points.len(), scalars.len(), "as many scalars as points");
    if points.len() < BUCKETS_FROM {
        let terms = points.iter().zip(scalars);
        return terms.map(|(point, scalar)| point.mul_u128(*scalar)).sum();
    }
    let raw: Vec<blst_p2_affine> = points.iter().map(|point| point.0).collect();
    let bytes: Vec<[u8; 16]> = scalars.iter().map(|scalar| scalar.to_le_bytes()).collect();
    G2(ffi::p2s_mult_128(&raw, &bytes))
}

impl fmt::Debug for G2Affine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "G2Affine({})", Hex(&self.to_compressed()))
    }
}

impl fmt::Debug for G2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_affine() {
            Some(point) => write!(f, "G2({})", Hex(&point.to_compressed())),
            None => write!(f, "G2(identity)"),
        }
    }
}
