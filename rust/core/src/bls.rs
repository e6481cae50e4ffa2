//! BLS signatures, ciphersuite `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`
//! (draft-irtf-cfrg-bls-signature), as Ethereum uses it: public keys in G1
//! (48 bytes), signatures in G2 (96 bytes), proofs of possession against rogue
//! keys.
//!
//! [`fast_aggregate_verify`] is sound only for public keys whose proof of
//! possession was verified ([`PublicKey::pop_verify`]); so is
//! [`aggregate_verify`] where messages may repeat.

use std::collections::HashMap;
use std::fmt;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::group::{
    E1, E1Affine, G1Affine, G2, G2Affine, Scalar, all_in_subgroup, hash_to_g2, keygen, msm_128,
    msm_g2_128, pairing_product_is_one_once,
};
use crate::secret::Secret;
use crate::weights::Weights;

/// Domain separation tag of signatures.
pub const DST_SIGN: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// Domain separation tag of proofs of possession.
pub const DST_POP: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";

const NOT_VALID: Error = Error::Refused("BLS signature");

/// A secret key: a scalar other than 0. Wiped on drop, not printed.
#[derive(Debug)]
pub struct SecretKey(Secret<Scalar>);

/// A public key: a point of G1 other than the identity (so `KeyValidate` of
/// the draft holds for every value of this type).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(G1Affine);

/// A signature, an aggregate of signatures or a proof of possession: a point
/// of G2. May be the identity, which no single signature is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(G2);

impl SecretKey {
    /// Derives a key from at least 32 bytes of secret key material and public
    /// `key_info` (draft §2.3 `KeyGen`, HKDF-SHA-256).
    ///
    /// # Errors
    /// `Misuse` for fewer than 32 bytes.
    pub fn key_gen(ikm: &[u8], key_info: &[u8]) -> Result<Self> {
        if ikm.len() < 32 {
            return Err(Error::Misuse("key material needs at least 32 bytes"));
        }
        Ok(SecretKey(Secret::new(keygen(ikm, key_info))))
    }

    /// Decodes 32 big-endian bytes.
    ///
    /// # Errors
    /// `Malformed` unless the value is in [1, r).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self> {
        Scalar::from_bytes_be(bytes)
            .filter(|sk| !sk.is_zero())
            .map(|sk| SecretKey(Secret::new(sk)))
            .ok_or(Error::Malformed("BLS secret key"))
    }

    /// The 32 big-endian bytes.
    pub fn to_bytes(&self) -> Secret<[u8; 32]> {
        Secret::new(self.0.expose().to_bytes_be())
    }

    /// The public key sk·P1. Constant time.
    pub fn public_key(&self) -> PublicKey {
        let point = G1Affine::generator().mul(self.0.expose()).to_g1_trusted();
        PublicKey(point.expect("a non-zero scalar times the generator"))
    }

    /// Signs a message of any length: sk·H(msg). Constant time in the key.
    pub fn sign(&self, msg: &[u8]) -> Signature {
        self.sign_under(msg, DST_SIGN)
    }

    /// Proves possession of this key: a signature on the public key's bytes
    /// under a tag of its own (draft §3.3.2).
    pub fn pop_prove(&self) -> Signature {
        self.sign_under(&self.public_key().to_bytes(), DST_POP)
    }

    fn sign_under(&self, msg: &[u8], dst: &[u8]) -> Signature {
        Signature(hash_to_g2(msg, dst).mul(self.0.expose()))
    }
}

impl PublicKey {
    /// Byte length of the encoding.
    pub const BYTES: usize = 48;

    /// Decodes 48 bytes.
    ///
    /// # Errors
    /// `Malformed` unless these are the canonical bytes of a point of G1,
    /// `Refused` for the identity, which encodes but is no key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        const MALFORMED: Error = Error::Malformed("BLS public key");
        let bytes: &[u8; 48] = bytes.try_into().map_err(|_| MALFORMED)?;
        let point = E1::from_compressed(bytes).ok_or(MALFORMED)?;
        point
            .to_g1_trusted()
            .map(PublicKey)
            .ok_or(Error::Refused("BLS public key: the identity"))
    }

    /// Decodes many keys on all cores, testing the subgroup for all together: a key
    /// outside G1 passes with probability at most 2^−128.
    ///
    /// # Errors
    /// For each key as [`PublicKey::from_bytes`].
    pub fn from_bytes_many<B: AsRef<[u8]> + Sync>(keys: &[B]) -> Vec<Result<Self>> {
        let untested: Option<Vec<E1Affine>> = keys
            .par_iter()
            .map(|key| E1Affine::from_compressed(key.as_ref().try_into().ok()?))
            .collect();
        if let Some(points) = untested.filter(|points| all_in_subgroup(points)) {
            let tested = |point: E1Affine| Ok(PublicKey(point.to_g1_tested()));
            return points.into_iter().map(tested).collect();
        }
        keys.par_iter()
            .map(|key| Self::from_bytes(key.as_ref()))
            .collect()
    }

    /// The 48 bytes.
    pub fn to_bytes(&self) -> [u8; 48] {
        self.0.to_compressed()
    }

    /// Verifies a signature on a message. Variable time.
    ///
    /// # Errors
    /// `Refused` if it does not verify.
    pub fn verify(&self, msg: &[u8], signature: &Signature) -> Result<()> {
        self.verify_under(msg, DST_SIGN, signature)
    }

    /// Verifies a proof of possession of this key.
    ///
    /// # Errors
    /// `Refused` if it does not verify.
    pub fn pop_verify(&self, proof: &Signature) -> Result<()> {
        self.verify_under(&self.to_bytes(), DST_POP, proof)
    }

    fn verify_under(&self, msg: &[u8], dst: &[u8], signature: &Signature) -> Result<()> {
        check(vec![(self.0.to_e1(), hash_to_g2(msg, dst))], &signature.0)
    }
}

impl Signature {
    /// Byte length of the encoding.
    pub const BYTES: usize = 96;

    /// Decodes 96 bytes; the identity is accepted (it verifies nowhere).
    ///
    /// # Errors
    /// `Malformed` unless these are the canonical bytes of a point of G2.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes: Option<&[u8; 96]> = bytes.try_into().ok();
        bytes
            .and_then(G2::from_compressed)
            .map(Signature)
            .ok_or(Error::Malformed("BLS signature"))
    }

    /// The 96 bytes.
    pub fn to_bytes(&self) -> [u8; 96] {
        self.0.to_compressed()
    }

    /// The sum of signatures.
    ///
    /// # Errors
    /// `Misuse` if there are none.
    pub fn aggregate(signatures: &[Signature]) -> Result<Self> {
        if signatures.is_empty() {
            return Err(Error::Misuse("nothing to aggregate"));
        }
        Ok(Signature(signatures.iter().map(|s| s.0).sum()))
    }
}

/// Verifies an aggregate of signatures, one message per key. Messages may
/// repeat if every key's possession was proved.
///
/// # Errors
/// `Misuse` if there are no keys or the lengths differ, `Refused` if it does
/// not verify.
pub fn aggregate_verify(keys: &[PublicKey], msgs: &[&[u8]], signature: &Signature) -> Result<()> {
    if keys.is_empty() || keys.len() != msgs.len() {
        return Err(Error::Misuse(
            "aggregate_verify: one message for each of at least one key",
        ));
    }
    let hashed = msgs.iter().map(|msg| hash_to_g2(msg, DST_SIGN));
    check(
        keys.iter().map(|key| key.0.to_e1()).zip(hashed).collect(),
        &signature.0,
    )
}

/// Verifies an aggregate of signatures of several keys on one message. Every
/// key's possession must have been proved.
///
/// # Errors
/// `Misuse` if there are no keys, `Refused` if it does not verify or the keys
/// sum to the identity.
pub fn fast_aggregate_verify(keys: &[PublicKey], msg: &[u8], signature: &Signature) -> Result<()> {
    if keys.is_empty() {
        return Err(Error::Misuse("fast_aggregate_verify: no keys"));
    }
    let sum = keys
        .iter()
        .fold(E1::identity(), |acc, key| acc.add_affine(key.0.as_e1()));
    sum.to_g1_trusted()
        .map(PublicKey)
        .ok_or(NOT_VALID)?
        .verify(msg, signature)
}

/// Π e(P_i, Q_i) = e(P1, signature).
fn check(mut pairs: Vec<(E1, G2Affine)>, signature: &G2) -> Result<()> {
    if let Some(signature) = signature.to_affine() {
        pairs.push((-G1Affine::generator().to_e1(), signature));
    }
    if pairing_product_is_one_once(&pairs) {
        Ok(())
    } else {
        Err(NOT_VALID)
    }
}

/// One entry of a batch; entries of one message share its hash.
struct Entry {
    key: G1Affine,
    message: usize,
    signature: Option<G2Affine>,
}

/// Verifies many signatures with one product of pairings, weighted by random
/// 128-bit numbers other than 0, so that errors cannot cancel. Distinct messages
/// cost one Miller loop each, however many signatures they have. Runs on all cores.
///
/// Returns the indices, ascending, of all entries that do not verify, found by
/// bisection; none if all do. An entry passes wrongly with probability 2^−127.
///
/// # Errors
/// `Misuse` if the system's random source fails.
pub fn verify_batch(entries: &[(PublicKey, &[u8], Signature)]) -> Result<Vec<usize>> {
    let mut positions = HashMap::new();
    let mut messages: Vec<&[u8]> = Vec::new();
    let parsed: Vec<Entry> = entries
        .iter()
        .map(|(key, msg, signature)| {
            let message = *positions.entry(*msg).or_insert_with(|| {
                messages.push(msg);
                messages.len() - 1
            });
            let signature = signature.0.to_affine();
            Entry {
                key: key.0,
                message,
                signature,
            }
        })
        .collect();
    let hashed: Vec<G2Affine> = messages
        .par_iter()
        .map(|msg| hash_to_g2(msg, DST_SIGN))
        .collect();
    let mut culprits = Vec::new();
    let mut weights = Weights::new()?;
    bisect(&parsed, 0, &hashed, &mut weights, &mut culprits);
    Ok(culprits)
}

/// Appends the indices of the bad entries; `first` is the index of the first.
fn bisect(
    entries: &[Entry],
    first: usize,
    hashed: &[G2Affine],
    weights: &mut Weights,
    culprits: &mut Vec<usize>,
) {
    if batch_holds(entries, hashed, weights) {
        return;
    }
    if entries.len() == 1 {
        culprits.push(first);
        return;
    }
    let (left, right) = entries.split_at(entries.len() / 2);
    bisect(left, first, hashed, weights, culprits);
    bisect(right, first + left.len(), hashed, weights, culprits);
}

/// Π over messages of e(Σ w·P, H(m)) = e(P1, Σ w·S).
fn batch_holds(entries: &[Entry], hashed: &[G2Affine], weights: &mut Weights) -> bool {
    let mut order: Vec<(&Entry, u128)> = entries.iter().map(|e| (e, weights.draw())).collect();
    let share = order.len().div_ceil(rayon::current_num_threads()).max(32);
    let signatures = order
        .par_chunks(share)
        .map(|part| {
            let signed = part
                .iter()
                .filter_map(|(e, weight)| Some((e.signature?, *weight)));
            let (points, factors): (Vec<G2Affine>, Vec<u128>) = signed.unzip();
            msm_g2_128(&points, &factors)
        })
        .reduce(G2::identity, |a, b| a + b);
    order.sort_by_key(|(entry, _)| entry.message);
    let groups: Vec<&[(&Entry, u128)]> = order
        .chunk_by(|(a, _), (b, _)| a.message == b.message)
        .collect();
    let pairs: Vec<(E1, G2Affine)> = groups
        .par_iter()
        .map(|group| (weighted_keys(group), hashed[group[0].0.message]))
        .collect();
    check(pairs, &signatures).is_ok()
}

/// Σ w·P.
fn weighted_keys(group: &[(&Entry, u128)]) -> E1 {
    if let [(entry, weight)] = group {
        return entry.key.mul_u128(*weight);
    }
    let keys: Vec<_> = group.iter().map(|(entry, _)| *entry.key.as_e1()).collect();
    let factors: Vec<u128> = group.iter().map(|(_, weight)| *weight).collect();
    msm_128(&keys, &factors)
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({:?})", self.0)
    }
}
