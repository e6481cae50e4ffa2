//! Eight elements of Fp at once, with the 52-bit multiplier of AVX-512 (IFMA).
//!
//! An element is eight limbs of 52 bits in Montgomery form with R = 2^416; [`Lanes`]
//! holds limb i of eight elements in vector i. As R > 2^35·p, the product of factors below
//! 16·p is below p·(1 + 2^-26) without a final subtraction (Gueron, Krasnov, "Software
//! implementation of modular exponentiation, using advanced vector instructions
//! architectures", 2012). So only what is stored or compared is reduced: elements below
//! 16·p are "loose" and may enter products, those below p are "canonical".
//!
//! The functions compiled for these instructions are called through [`ffi::Ifma`], which
//! exists on processors that have them alone. No branches on values.

use std::arch::x86_64::{
    __m512i, __mmask8, _mm512_add_epi64, _mm512_and_si512, _mm512_cmplt_epi64_mask,
    _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_mask_sub_epi64,
    _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_i64x2,
    _mm512_slli_epi64, _mm512_srai_epi64, _mm512_srli_epi64, _mm512_sub_epi64,
    _mm512_testn_epi64_mask, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
};

use blst::blst_fp;

use super::ffi;

/// Bits of a limb.
const BITS: usize = 52;
/// The low bits of a word that make a limb.
const MASK: u64 = (1 << BITS) - 1;
/// The prime p as 64-bit limbs.
pub(super) const P: [u64; 6] = [
    0xb9fe_ffff_ffff_aaab,
    0x1eab_fffe_b153_ffff,
    0x6730_d2a0_f6b0_f624,
    0x6477_4b84_f385_12bf,
    0x4b1b_a7b6_434b_acd7,
    0x1a01_11ea_397f_e69a,
];
/// −1/p modulo 2^52.
const MINUS_INVERSE: i64 = 0x3_fffc_fffc_fffd;
/// 2^416 modulo p: 1 in our form, and in blst's form, with R = 2^384, what a product with
/// it takes to ours.
const TO_OURS: blst_fp = blst_fp {
    l: [
        0x44f6_480e_a8e9_b9af,
        0xa96f_7d65_766c_8fe4,
        0xe82e_fd42_28b5_40fe,
        0x6723_e5f0_ade5_3b2e,
        0x25ff_6eb6_fdd4_230a,
        0x14c8_ee06_ef23_c24a,
    ],
};
/// 2^352: what takes back to blst's form.
const TO_BLST: blst_fp = blst_fp {
    l: [0, 0, 0, 0, 0, 1 << 32],
};
/// 2^448 modulo p: what takes the inverse of an element that was read as one of blst's, off
/// by 2^-64, to our form; for products in our form, what takes blst's form to ours.
pub(super) const INVERSE_TO_OURS: blst_fp = blst_fp {
    l: [
        0x42b7_fde3_7dba_9366,
        0x7784_894e_2752_5bc3,
        0xb2b9_1b9d_c1f5_b1e9,
        0x206f_497d_fcaf_b872,
        0x5941_37cc_89a9_b0bb,
        0x0411_cd9d_20d7_e399,
    ],
};

/// 64-bit limbs, as 52-bit ones.
pub(super) const fn narrowed(l: &[u64; 6]) -> [u64; 8] {
    let mut out = [0; 8];
    let mut i = 0;
    while i < 8 {
        let (at, shift) = (BITS * i / 64, BITS * i % 64);
        let low = l[at] >> shift;
        let high = if shift > 64 - BITS && at < 5 {
            l[at + 1] << (64 - shift)
        } else {
            0
        };
        out[i] = (low | high) & MASK;
        i += 1;
    }
    out
}

/// `factor`·p as 52-bit limbs.
const fn multiple_of_p(factor: u64) -> [i64; 8] {
    let p = narrowed(&P);
    let mut out = [0; 8];
    let (mut i, mut carry) = (0, 0);
    while i < 8 {
        let limb = p[i] * factor + carry;
        out[i] = (limb & MASK) as i64;
        carry = limb >> BITS;
        i += 1;
    }
    out
}

const ONE_P: [i64; 8] = multiple_of_p(1);
const TWO_P: [i64; 8] = multiple_of_p(2);

/// One canonical element in our form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct Element(pub(super) [u64; 8]);

impl Element {
    /// 1.
    pub(super) const ONE: Self = Element(narrowed(&TO_OURS.l));

    /// From blst's form, one by one.
    pub(super) fn new(a: &blst_fp) -> Self {
        let mut ours = blst_fp::default();
        ffi::fp_mul(&mut ours, a, &TO_OURS);
        Element(narrowed(&ours.l))
    }

    /// In blst's form.
    pub(super) fn to_blst(self) -> blst_fp {
        let mut out = blst_fp::default();
        ffi::fp_mul(&mut out, &self.widened(), &TO_BLST);
        out
    }

    /// p − self, for an element that is not 0.
    pub(super) fn negated(&self) -> Self {
        let mut out = [0; 8];
        let mut borrow = 0;
        for ((out, p), limb) in out.iter_mut().zip(ONE_P).zip(self.0) {
            let difference = p - limb as i64 + borrow;
            *out = difference as u64 & MASK;
            borrow = difference >> BITS;
        }
        Element(out)
    }

    /// The same number with 64-bit limbs.
    pub(super) fn widened(&self) -> blst_fp {
        let mut l = [0; 6];
        for (i, limb) in self.0.iter().enumerate() {
            let (at, shift) = (BITS * i / 64, BITS * i % 64);
            l[at] |= limb << shift;
            if shift > 64 - BITS && at < 5 {
                l[at + 1] |= limb >> (64 - shift);
            }
        }
        blst_fp { l }
    }

    /// Replaces all elements, none of them 0, by their inverses, with one inversion.
    pub(super) fn invert_all(elements: &mut [Element; 8]) {
        let factors = elements.map(|element| element.widened());
        let mut products = factors;
        for i in 1..8 {
            let before = products[i - 1];
            ffi::fp_mul(&mut products[i], &before, &factors[i]);
        }
        let mut rest = blst_fp::default();
        ffi::fp_mul(&mut rest, &ffi::fp_inverse(&products[7]), &INVERSE_TO_OURS);
        for i in (0..8).rev() {
            let mut inverse = rest;
            if i > 0 {
                ffi::fp_mul(&mut inverse, &rest, &products[i - 1]);
                let before = rest;
                ffi::fp_mul(&mut rest, &before, &factors[i]);
            }
            elements[i] = Element(narrowed(&inverse.l));
        }
    }
}

/// Eight elements side by side.
#[derive(Clone, Copy)]
pub(super) struct Lanes([__m512i; 8]);

/// One bit per lane.
pub(super) type Mask = __mmask8;

impl Lanes {
    /// Eight times the same element.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn all(element: &Element) -> Self {
        let mut out = [_mm512_setzero_si512(); 8];
        for (out, limb) in out.iter_mut().zip(element.0) {
            *out = _mm512_set1_epi64(limb as i64);
        }
        Lanes(out)
    }

    /// These elements, one in each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn gather(elements: [&Element; 8]) -> Self {
        let mut rows = [_mm512_setzero_si512(); 8];
        for (row, element) in rows.iter_mut().zip(elements) {
            *row = ffi::vector(&element.0);
        }
        Lanes(transposed(rows))
    }

    /// The element of each lane.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn scatter(self) -> [Element; 8] {
        let mut elements = [Element::default(); 8];
        for (element, row) in elements.iter_mut().zip(transposed(self.0)) {
            element.0 = ffi::words(row);
        }
        elements
    }

    /// The product, below p·(1 + 2^-26), of loose factors.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn times(&self, other: &Self) -> Self {
        let zero = _mm512_setzero_si512();
        let minus_inverse = _mm512_set1_epi64(MINUS_INVERSE);
        let mut t = [zero; 8];
        for b in other.0 {
            for (t, a) in t.iter_mut().zip(self.0) {
                *t = _mm512_madd52lo_epu64(*t, a, b);
            }
            // What makes the lowest limb vanish; then everything moves down by one limb.
            let m = _mm512_madd52lo_epu64(zero, t[0], minus_inverse);
            let carry = vanished(t[0]);
            for j in 1..8 {
                t[j] = _mm512_madd52lo_epu64(t[j], m, _mm512_set1_epi64(ONE_P[j]));
            }
            for j in 0..8 {
                let above = if j < 7 { t[j + 1] } else { zero };
                let upper = _mm512_madd52hi_epu64(above, self.0[j], b);
                t[j] = _mm512_madd52hi_epu64(upper, m, _mm512_set1_epi64(ONE_P[j]));
            }
            t[0] = _mm512_add_epi64(t[0], carry);
        }
        Lanes(carried(t))
    }

    /// The square, below p·(1 + 2^-26), of a loose element.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn square(&self) -> Self {
        let a = self.0;
        let mut t = [_mm512_setzero_si512(); 16];
        for i in 0..8 {
            for j in i + 1..8 {
                t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[i], a[j]);
                t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a[i], a[j]);
            }
        }
        for (i, limb) in a.into_iter().enumerate() {
            let [low, high] = [t[2 * i], t[2 * i + 1]].map(|t| _mm512_add_epi64(t, t));
            t[2 * i] = _mm512_madd52lo_epu64(low, limb, limb);
            t[2 * i + 1] = _mm512_madd52hi_epu64(high, limb, limb);
        }
        let minus_inverse = _mm512_set1_epi64(MINUS_INVERSE);
        for i in 0..8 {
            let m = _mm512_madd52lo_epu64(_mm512_setzero_si512(), t[i], minus_inverse);
            t[i + 1] = _mm512_add_epi64(t[i + 1], vanished(t[i]));
            for (j, p) in ONE_P.into_iter().enumerate() {
                let p = _mm512_set1_epi64(p);
                if j > 0 {
                    t[i + j] = _mm512_madd52lo_epu64(t[i + j], m, p);
                }
                t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], m, p);
            }
        }
        let [.., a, b, c, d, e, f, g, h] = t;
        Lanes(carried([a, b, c, d, e, f, g, h]))
    }

    /// self − other + K·p; `other` is at most K·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn minus_below<const K: u64>(&self, other: &Self) -> Self {
        let mut out = self.0;
        let raise = const { multiple_of_p(K) };
        for i in 0..8 {
            let raised = _mm512_add_epi64(out[i], _mm512_set1_epi64(raise[i]));
            out[i] = _mm512_sub_epi64(raised, other.0[i]);
        }
        Lanes(carried(out))
    }

    /// 2^N times self, N at most 8.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn doubled<const N: u32>(&self) -> Self {
        Lanes(carried(self.0.map(|limb| _mm512_slli_epi64::<N>(limb))))
    }

    /// The lanes that are multiples of p, of a loose element.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn is_zero(&self) -> Mask {
        let [first, rest @ ..] = self.times(&Lanes::all(&Element::ONE)).reduced().0;
        let any = rest
            .into_iter()
            .fold(first, |any, limb| _mm512_or_si512(any, limb));
        _mm512_testn_epi64_mask(any, any)
    }

    /// self + other.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut out = self.0;
        for (limb, addend) in out.iter_mut().zip(other.0) {
            *limb = _mm512_add_epi64(*limb, addend);
        }
        Lanes(carried(out))
    }

    /// self − a − b + 2·p; a + b is at most 2·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn minus_both(&self, a: &Self, b: &Self) -> Self {
        let mut out = self.0;
        for i in 0..8 {
            let raised = _mm512_add_epi64(out[i], _mm512_set1_epi64(TWO_P[i]));
            out[i] = _mm512_sub_epi64(raised, _mm512_add_epi64(a.0[i], b.0[i]));
        }
        Lanes(carried(out))
    }

    /// 2·p − self in the lanes of the mask. Limbs are not carried: for sums and
    /// differences only.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn negated_if(&self, mask: Mask) -> Self {
        let mut out = self.0;
        for (limb, p) in out.iter_mut().zip(TWO_P) {
            *limb = _mm512_mask_sub_epi64(*limb, mask, _mm512_set1_epi64(p), *limb);
        }
        Lanes(out)
    }

    /// `other` in the lanes of the mask, self in the others.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn replaced_if(&self, mask: Mask, other: &Self) -> Self {
        let mut out = self.0;
        for (limb, substitute) in out.iter_mut().zip(other.0) {
            *limb = _mm512_mask_blend_epi64(mask, *limb, substitute);
        }
        Lanes(out)
    }

    /// Canonical, from below 4·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    pub(super) fn reduced(&self) -> Self {
        self.less(&TWO_P).less(&ONE_P)
    }

    /// Less this multiple of p, where that leaves no negative number.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn less(&self, multiple: &[i64; 8]) -> Self {
        let mut difference = self.0;
        for (limb, p) in difference.iter_mut().zip(multiple) {
            *limb = _mm512_sub_epi64(*limb, _mm512_set1_epi64(*p));
        }
        let difference = carried(difference);
        let negative = _mm512_cmplt_epi64_mask(difference[7], _mm512_setzero_si512());
        Lanes(difference).replaced_if(negative, self)
    }
}

/// What the lowest column carries when a multiple of p makes its 52 bits vanish.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn vanished(lowest: __m512i) -> __m512i {
    let rounded = _mm512_add_epi64(lowest, _mm512_set1_epi64(MASK as i64));
    _mm512_srli_epi64::<{ BITS as u32 }>(rounded)
}

/// Limbs of 52 bits again; the highest takes the rest, and the sign.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn carried(mut limbs: [__m512i; 8]) -> [__m512i; 8] {
    let mask = _mm512_set1_epi64(MASK as i64);
    for i in 0..7 {
        let carry = _mm512_srai_epi64::<{ BITS as u32 }>(limbs[i]);
        limbs[i] = _mm512_and_si512(limbs[i], mask);
        limbs[i + 1] = _mm512_add_epi64(limbs[i + 1], carry);
    }
    limbs
}

/// Row i of the result is column i of the argument.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn transposed(rows: [__m512i; 8]) -> [__m512i; 8] {
    let r = rows;
    let even = [
        _mm512_unpacklo_epi64(r[0], r[1]),
        _mm512_unpacklo_epi64(r[2], r[3]),
        _mm512_unpacklo_epi64(r[4], r[5]),
        _mm512_unpacklo_epi64(r[6], r[7]),
    ];
    let odd = [
        _mm512_unpackhi_epi64(r[0], r[1]),
        _mm512_unpackhi_epi64(r[2], r[3]),
        _mm512_unpackhi_epi64(r[4], r[5]),
        _mm512_unpackhi_epi64(r[6], r[7]),
    ];
    let ([c0, c2, c4, c6], [c1, c3, c5, c7]) = (columns(even), columns(odd));
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Four vectors of four blocks of 128 bits, transposed.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn columns(pairs: [__m512i; 4]) -> [__m512i; 4] {
    // Blocks 0 and 2 of two vectors, and their blocks 1 and 3.
    let first = _mm512_shuffle_i64x2::<0x88>(pairs[0], pairs[1]);
    let second = _mm512_shuffle_i64x2::<0x88>(pairs[2], pairs[3]);
    let third = _mm512_shuffle_i64x2::<0xdd>(pairs[0], pairs[1]);
    let fourth = _mm512_shuffle_i64x2::<0xdd>(pairs[2], pairs[3]);
    [
        _mm512_shuffle_i64x2::<0x88>(first, second),
        _mm512_shuffle_i64x2::<0x88>(third, fourth),
        _mm512_shuffle_i64x2::<0xdd>(first, second),
        _mm512_shuffle_i64x2::<0xdd>(third, fourth),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0, 1, p − 1 and others, among them all-ones limbs.
    fn elements() -> Vec<blst_fp> {
        let minus_one = blst_fp {
            l: [P[0] - 1, P[1], P[2], P[3], P[4], P[5]],
        };
        let wide = |i: u8| ffi::fp_from_wide_be(&[i.wrapping_mul(37) | 1; 48]);
        let mut all = vec![
            blst_fp::default(),
            minus_one,
            blst_fp {
                l: [1, 0, 0, 0, 0, 0],
            },
        ];
        all.extend((0..30).map(wide));
        all.push(blst_fp {
            l: [u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX, P[5] - 1],
        });
        all
    }

    #[test]
    fn constants_are_those_of_p() {
        assert_eq!(P[0].wrapping_mul(MINUS_INVERSE as u64) & MASK, MASK);
        let narrow = Element(narrowed(&P));
        assert_eq!(narrow.widened().l, P);
        let double: Vec<u64> = TWO_P.iter().map(|limb| *limb as u64).collect();
        let carried = narrow
            .0
            .iter()
            .fold((0u64, Vec::new()), |(carry, mut out), limb| {
                out.push((2 * limb + carry) & MASK);
                ((2 * limb + carry) >> BITS, out)
            });
        assert_eq!(carried.1, double);
    }

    #[test]
    fn forms_are_converted_back_and_forth() {
        for a in elements() {
            let ours = Element::new(&a);
            assert_eq!(ours.to_blst(), a);
            if a != blst_fp::default() {
                let mut sum = blst_fp::default();
                ffi::fp_add(&mut sum, &a, &ours.negated().to_blst());
                assert_eq!(sum, blst_fp::default());
            }
        }
    }

    #[test]
    fn eight_inverses_at_once() {
        for some in elements()[1..].windows(8) {
            let mut ours: [Element; 8] = std::array::from_fn(|i| Element::new(&some[i]));
            Element::invert_all(&mut ours);
            for (inverse, a) in ours.iter().zip(some) {
                assert_eq!(inverse.to_blst(), ffi::fp_inverse(a));
            }
        }
    }
}
