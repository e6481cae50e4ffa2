//! BLS12-381: scalars, points, multi-scalar multiplication, pairings and
//! hashing to the curve, on top of blst.
//!
//! Notation is additive. Types tell what is known of a point, so that an
//! unchecked one cannot reach code that relies on the subgroup: see [`E1`],
//! [`E1Affine`], [`G1Affine`]. Encodings are those of the BLS signature and
//! BBS drafts (big-endian, flags in the top three bits); decoding is strict:
//! what decodes encodes to the same bytes, and the identity is refused.
//!
//! All `unsafe` code of the crate is in the private `ffi` module.

mod adder;
mod batch_add;
mod buckets;
mod ffi;
mod g1;
mod g2;
mod hash_to_curve;
#[cfg(target_arch = "x86_64")]
mod lane_add;
#[cfg(target_arch = "x86_64")]
mod lane_decode;
#[cfg(target_arch = "x86_64")]
mod lane_member;
#[cfg(target_arch = "x86_64")]
mod lane_points;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod msm;
mod ops;
mod pairing;
mod scalar;
mod secret_bases;
mod subgroup;
mod wide_sum;
mod windows;

#[cfg(target_arch = "x86_64")]
pub(crate) use ffi::{Ifma, vector, words};
pub use g1::{E1, E1Affine, G1Affine, batch_to_affine};
pub use g2::{G2, G2Affine, msm_g2_128};
pub use hash_to_curve::{
    expand_message_xmd, expand_message_xof, hash_to_g1, hash_to_g1_shake256, hash_to_g2,
};
pub use msm::{FixedBaseTable, msm, msm_128, msm_mixed, sum_vartime};
pub use pairing::{PreparedG2, pairing_product_is_one, pairing_product_is_one_once};
pub use scalar::Scalar;
pub(crate) use scalar::keygen;
pub use secret_bases::SecretBases;
pub use subgroup::all_in_subgroup;
pub(crate) use wide_sum::{MOST_DIGITS, WideSum, from_binary};

/// Bytes shown as lower-case hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
