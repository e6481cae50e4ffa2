//! The scalar field Fr, integers modulo the group order r.

use std::fmt;

use blst::{blst_fr, blst_scalar};
use zeroize::Zeroize;

use super::ffi;
use super::ops::{impl_group_ops, impl_value_forms};
use super::windows::ORDER;

/// An integer modulo r, the prime order of G1 and G2 (255 bits).
///
/// Arithmetic, conversion and inversion are constant time. Comparison is
/// variable time and `Debug` prints the value: wrap secrets in
/// [`Secret`](crate::secret::Secret).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scalar(blst_fr);

impl Scalar {
    /// Byte length of the canonical encoding.
    pub const BYTES: usize = 32;

    /// The integer 0.
    pub const ZERO: Self = Scalar(blst_fr { l: [0; 4] });

    /// The integer 1 (2^256 mod r, as Montgomery form has it).
    pub const ONE: Self = Scalar(blst_fr {
        l: [
            0x0000_0001_ffff_fffe,
            0x5884_b7fa_0003_4802,
            0x998c_4fef_ecbc_4ff5,
            0x1824_b159_acc5_056f,
        ],
    });

    /// The integer r − 1.
    pub const MINUS_ONE: Self = Scalar(blst_fr {
        l: [
            0xffff_fffd_0000_0003,
            0xfb38_ec08_fffb_13fc,
            0x99ad_8818_1ce5_880f,
            0x5bc8_f5f9_7cd8_77d8,
        ],
    });

    /// The scalar of a 64-bit unsigned integer.
    pub fn from_u64(value: u64) -> Self {
        Scalar(ffi::fr_from_limbs(&[value, 0, 0, 0]))
    }

    /// The scalar of a 128-bit unsigned integer.
    pub fn from_u128(value: u128) -> Self {
        Scalar(ffi::fr_from_limbs(&[
            value as u64,
            (value >> 64) as u64,
            0,
            0,
        ]))
    }

    /// The scalar of a signed integer; negative values become r − |value|.
    pub fn from_i128(value: i128) -> Self {
        let magnitude = Self::from_u128(value.unsigned_abs());
        Scalar(ffi::fr_cneg(&magnitude.0, value < 0))
    }

    /// Decodes 32 big-endian bytes; `None` unless the value is below r.
    pub fn from_bytes_be(bytes: &[u8; 32]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<8>();
        let mut limbs = [0; 4];
        for (limb, word) in limbs.iter_mut().rev().zip(words) {
            *limb = u64::from_be_bytes(*word);
        }
        // The value is below r if subtracting r borrows.
        let borrow = limbs
            .iter()
            .zip(ORDER)
            .fold(false, |borrow, (limb, order)| {
                let (difference, first) = limb.overflowing_sub(order);
                first | difference.overflowing_sub(u64::from(borrow)).1
            });
        borrow.then(|| Scalar(ffi::fr_from_limbs(&limbs)))
    }

    /// Reduces a big-endian integer modulo r. Meant for 48 to 64 uniform
    /// bytes; any length works, none gives 0.
    pub fn from_wide_be(bytes: &[u8]) -> Self {
        Self::from_raw(&ffi::scalar_from_wide_be(bytes))
    }

    /// Reduces a little-endian integer modulo r, like [`Self::from_wide_be`].
    pub fn from_wide_le(bytes: &[u8]) -> Self {
        Self::from_raw(&ffi::scalar_from_wide_le(bytes))
    }

    /// The canonical 32 bytes, big-endian.
    pub fn to_bytes_be(&self) -> [u8; 32] {
        let mut bytes = self.to_raw().b;
        bytes.reverse();
        bytes
    }

    /// The square.
    pub fn square(&self) -> Self {
        Scalar(ffi::fr_sqr(&self.0))
    }

    /// The multiplicative inverse; `None` for 0. Constant time but for that.
    pub fn invert(&self) -> Option<Self> {
        (!self.is_zero()).then(|| Scalar(ffi::fr_inverse(&self.0)))
    }

    /// Whether this is 0.
    pub fn is_zero(&self) -> bool {
        self.0.l.iter().fold(0, |acc, limb| acc | limb) == 0
    }

    /// 2^n modulo r. Variable time in n.
    pub fn pow2(n: u32) -> Self {
        let two = Self::from_u64(2);
        let mut power = Self::ONE;
        for bit in (0..u32::BITS - n.leading_zeros()).rev() {
            power = power.square();
            if (n >> bit) & 1 == 1 {
                power *= two;
            }
        }
        power
    }

    /// Little-endian bytes in a buffer that wipes itself.
    pub(super) fn to_raw(self) -> blst_scalar {
        ffi::scalar_from_fr(&self.0)
    }

    /// From little-endian bytes below r.
    fn from_raw(raw: &blst_scalar) -> Self {
        Scalar(ffi::fr_from_scalar(raw))
    }

    /// The representative in Montgomery form: an integer below r, little-endian.
    #[inline]
    pub(super) fn limbs(&self) -> &[u64; 4] {
        &self.0.l
    }

    /// The scalar that `low + 2^256·high` represents in Montgomery form.
    pub(super) fn from_wide_montgomery(low: [u64; 4], high: [u64; 4]) -> Self {
        // A product with 1 reduces; the Montgomery form of `high` is 2^256·high.
        let low = ffi::fr_mul(&blst_fr { l: low }, &Self::ONE.0);
        Scalar(ffi::fr_add(&low, &ffi::fr_from_limbs(&high)))
    }

    fn add_ref(&self, other: &Self) -> Self {
        Scalar(ffi::fr_add(&self.0, &other.0))
    }

    fn sub_ref(&self, other: &Self) -> Self {
        Scalar(ffi::fr_sub(&self.0, &other.0))
    }

    fn neg_ref(&self) -> Self {
        Scalar(ffi::fr_cneg(&self.0, true))
    }
}

impl_group_ops!(Scalar);

impl std::ops::Mul<&Scalar> for &Scalar {
    type Output = Scalar;
    fn mul(self, other: &Scalar) -> Scalar {
        Scalar(ffi::fr_mul(&self.0, &other.0))
    }
}

impl_value_forms!(Scalar, Mul, mul, MulAssign, mul_assign);

impl From<u64> for Scalar {
    fn from(value: u64) -> Self {
        Self::from_u64(value)
    }
}

impl Zeroize for Scalar {
    fn zeroize(&mut self) {
        self.0.l.zeroize();
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scalar({})", super::Hex(&self.to_bytes_be()))
    }
}

/// `KeyGen` of the BLS signature draft (HKDF-SHA-256) for secret material of
/// at least 32 bytes; 0 for less.
pub(crate) fn keygen(ikm: &[u8], info: &[u8]) -> Scalar {
    Scalar::from_raw(&ffi::keygen(ikm, info))
}
