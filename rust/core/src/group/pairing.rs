//! Products of pairings e: G1 × G2 → GT.
//!
//! The pairing kills the torsion of its first argument (its order divides the
//! cofactor, which is prime to r), so points of E(Fp) are accepted there: the
//! verdict is that of the point's component in G1.

use blst::{blst_fp6, blst_fp12, blst_p1_affine, blst_p2_affine};

use super::{E1, G2Affine, batch_to_affine, ffi};

/// A point of G2 with the lines of its Miller loop (19.6 kB), for keys that
/// are used often.
#[derive(Clone)]
pub struct PreparedG2 {
    point: G2Affine,
    lines: Box<[blst_fp6; ffi::LINES]>,
}

impl PreparedG2 {
    /// Computes the lines.
    pub fn new(point: &G2Affine) -> Self {
        PreparedG2 {
            point: *point,
            lines: ffi::precompute_lines(&point.0),
        }
    }

    /// The point itself.
    pub fn point(&self) -> &G2Affine {
        &self.point
    }
}

impl From<G2Affine> for PreparedG2 {
    fn from(point: G2Affine) -> Self {
        Self::new(&point)
    }
}

impl std::fmt::Debug for PreparedG2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PreparedG2({:?})", self.point)
    }
}

/// Whether Π e(P_i, Q_i) = 1. Pairs whose P is the identity count as 1; the
/// empty product is 1. Variable time.
pub fn pairing_product_is_one(pairs: &[(E1, &PreparedG2)]) -> bool {
    let points: Vec<E1> = pairs.iter().map(|pair| pair.0).collect();
    let loops = batch_to_affine(&points)
        .into_iter()
        .zip(pairs)
        .filter_map(|(p, (_, q))| p.map(|p| ffi::miller_loop_lines(&q.lines, &p.0)));
    is_one(loops.reduce(|a, b| ffi::fp12_mul(&a, &b)))
}

/// Like [`pairing_product_is_one`] for points of G2 used once.
pub fn pairing_product_is_one_once(pairs: &[(E1, G2Affine)]) -> bool {
    let points: Vec<E1> = pairs.iter().map(|pair| pair.0).collect();
    let (ps, qs): (Vec<blst_p1_affine>, Vec<blst_p2_affine>) = batch_to_affine(&points)
        .into_iter()
        .zip(pairs)
        .filter_map(|(p, (_, q))| p.map(|p| (p.0, q.0)))
        .unzip();
    is_one((!ps.is_empty()).then(|| ffi::miller_loop(&ps, &qs)))
}

fn is_one(product: Option<blst_fp12>) -> bool {
    product.is_none_or(|f| ffi::fp12_is_one(&ffi::final_exp(&f)))
}
