//! SHAKE128 of eight messages at a time, with the 512-bit vectors of AVX-512.
//!
//! Word i of the eight states is one vector. The functions are called through
//! [`Ifma`](crate::group::Ifma), which exists on processors that have the instructions.

use std::arch::x86_64::{
    __m512i, _mm512_rolv_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_ternarylogic_epi64,
    _mm512_xor_si512,
};

use super::{CHALLENGE_LEN, RATE};
use crate::group::{vector, words};

/// a ⊕ b ⊕ c as a truth table.
const XOR: i32 = 0x96;
/// a ⊕ (¬b ∧ c) as a truth table.
const CHI: i32 = 0xd2;

/// Rotations of step ρ, word x + 5·y (FIPS 202, §3.2.2).
const ROTATIONS: [i64; 25] = [
    0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
];

/// Round constants of step ι (FIPS 202, §3.2.5).
const ROUNDS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Words of eight states.
type State = [__m512i; 25];

/// Keccak-f[1600].
#[target_feature(enable = "avx512f")]
fn permute(a: &mut State) {
    for constant in ROUNDS {
        let mut columns = [_mm512_setzero_si512(); 5];
        for (x, column) in columns.iter_mut().enumerate() {
            let upper = _mm512_ternarylogic_epi64::<XOR>(a[x], a[x + 5], a[x + 10]);
            *column = _mm512_ternarylogic_epi64::<XOR>(upper, a[x + 15], a[x + 20]);
        }
        let mut b = [_mm512_setzero_si512(); 25];
        for x in 0..5 {
            let right = _mm512_rolv_epi64(columns[(x + 1) % 5], _mm512_set1_epi64(1));
            for y in 0..5 {
                let word = a[x + 5 * y];
                let word = _mm512_ternarylogic_epi64::<XOR>(word, columns[(x + 4) % 5], right);
                let rotation = _mm512_set1_epi64(ROTATIONS[x + 5 * y]);
                b[y + 5 * ((2 * x + 3 * y) % 5)] = _mm512_rolv_epi64(word, rotation);
            }
        }
        for y in 0..5 {
            for x in 0..5 {
                let [own, next, after] = [0, 1, 2].map(|i| b[(x + i) % 5 + 5 * y]);
                a[x + 5 * y] = _mm512_ternarylogic_epi64::<CHI>(own, next, after);
            }
        }
        a[0] = _mm512_xor_si512(a[0], _mm512_set1_epi64(constant as i64));
    }
}

/// Takes one block of each message into the states.
#[target_feature(enable = "avx512f")]
fn absorb(state: &mut State, blocks: [&[u8; RATE]; 8]) {
    for (i, words) in state.iter_mut().take(RATE / 8).enumerate() {
        let word = |block: &[u8; RATE]| u64::from_le_bytes(block.as_chunks().0[i]);
        *words = _mm512_xor_si512(*words, vector(&blocks.map(word)));
    }
    permute(state);
}

/// The first bytes of SHAKE128 of eight messages of one length.
///
/// # Panics
/// If a message is shorter than the first.
#[target_feature(enable = "avx512f")]
pub(crate) fn shake128(messages: [&[u8]; 8]) -> [[u8; CHALLENGE_LEN]; 8] {
    let mut state = [_mm512_setzero_si512(); 25];
    let whole = messages[0].len() / RATE;
    for index in 0..whole {
        absorb(&mut state, messages.map(|m| &m.as_chunks().0[index]));
    }
    let padded = messages.map(|message| {
        let rest = &message[whole * RATE..];
        let mut block = [0; RATE];
        block[..rest.len()].copy_from_slice(rest);
        block[rest.len()] = 0x1f;
        block[RATE - 1] |= 0x80;
        block
    });
    absorb(&mut state, padded.each_ref());
    let mut out = [[0; CHALLENGE_LEN]; 8];
    for (i, eight) in state.iter().take(CHALLENGE_LEN / 8).enumerate() {
        for (out, word) in out.iter_mut().zip(words(*eight)) {
            out.as_chunks_mut().0[i] = word.to_le_bytes();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use sha3::Shake128;
    use sha3::digest::{ExtendableOutput, Update, XofReader};

    use super::*;
    use crate::group::Ifma;

    fn plain(message: &[u8]) -> [u8; CHALLENGE_LEN] {
        let mut out = [0; CHALLENGE_LEN];
        let mut hasher = Shake128::default();
        hasher.update(message);
        hasher.finalize_xof().read(&mut out);
        out
    }

    #[test]
    fn eight_hashes_at_once_are_shake128() {
        let Some(ifma) = Ifma::detect() else {
            return;
        };
        for length in (0..2 * RATE + 2).chain([1500, 1512, 1511]) {
            let byte = |lane: usize, i: usize| (i * (2 * lane + 3) + lane) as u8;
            let message = |lane: usize| (0..length).map(|i| byte(lane, i)).collect();
            let messages: [Vec<u8>; 8] = std::array::from_fn(message);
            let all = ifma.shake128(messages.each_ref().map(Vec::as_slice));
            assert_eq!(all, messages.each_ref().map(|m| plain(m)), "{length}");
        }
    }
}
