//! `CoreProofGen` and `CoreProofVerify` on scalar messages, for all interfaces.

use zeroize::Zeroizing;

use super::{FIXED_SCALARS, PROOF_LEN_MIN};
use crate::bbs::interface::GeneratorSet;
use crate::bbs::keys::prepared_generator;
use crate::bbs::pseudonym02::Binding;
use crate::bbs::signature::pairing_holds;
use crate::bbs::{MAX_MESSAGES, PublicKey, Signature};
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, G1Affine, Scalar, msm, pairing_product_is_one};

const REFUSED: Error = Error::Refused("BBS proof");

/// What a proof is about: everything public but the shown messages.
pub(in crate::bbs) struct Statement<'a> {
    pub set: GeneratorSet,
    pub key: &'a PublicKey,
    pub domain: Scalar,
    pub presentation_header: &'a [u8],
    /// Indexes of the shown messages, ascending and in range.
    pub disclosed: Vec<usize>,
    pub pseudonym: Option<Binding<'a>>,
}

impl Statement<'_> {
    /// Indexes of the messages that are not shown.
    fn hidden(&self) -> Vec<usize> {
        (0..self.set.message_count())
            .filter(|index| self.disclosed.binary_search(index).is_err())
            .collect()
    }

    /// `ProofChallengeCalculate` over `Ā, B̄, D, T1, T2` compressed and, for a
    /// pseudonym, the pseudonym and its commitment `Ut`.
    fn challenge(&self, points: &[[u8; 48]], shown: &[Scalar]) -> Scalar {
        let mut input = (shown.len() as u64).to_be_bytes().to_vec();
        for (index, message) in self.disclosed.iter().zip(shown) {
            input.extend_from_slice(&(*index as u64).to_be_bytes());
            input.extend_from_slice(&message.to_bytes_be());
        }
        input.extend_from_slice(points.as_flattened());
        input.extend_from_slice(&self.domain.to_bytes_be());
        let context_id = self.pseudonym.as_ref().map(|p| p.context_id);
        for bytes in [Some(self.presentation_header), context_id]
            .into_iter()
            .flatten()
        {
            input.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            input.extend_from_slice(bytes);
        }
        self.set.interface().hash_to_scalar_h2s(&input)
    }
}

/// `CoreProofGen` with the random scalars `r1, r2, e~, r1~, r3~, m~…`; checks the
/// signature first. Constant time in messages, signature and random scalars.
pub(in crate::bbs) fn prove(
    statement: &Statement<'_>,
    signature: &Signature,
    messages: &[Scalar],
    random: &[Scalar],
) -> Result<Vec<u8>> {
    let set = &statement.set;
    let hidden = statement.hidden();
    let ([r1, r2, e_tilde, r1_tilde, r3_tilde], tildes) = random
        .split_first_chunk::<FIXED_SCALARS>()
        .filter(|(_, rest)| rest.len() == hidden.len())
        .ok_or(Error::Misuse("number of random scalars"))?;
    if messages.len() != set.message_count() {
        return Err(Error::Misuse("number of messages"));
    }
    let signed = set.message_point(&statement.domain, messages)?;
    if !pairing_holds(statement.key, signature, &signed) {
        return Err(Error::Refused("signature"));
    }
    let d = secret_g1(secret_g1(signed)?.mul(r2))?;
    let a_bar = secret_g1(signature.a().mul(&Zeroizing::new(*r1 * *r2)))?;
    let b_bar = secret_g1(d.mul(r1) - a_bar.mul(signature.e()))?;
    let t1 = secret_g1(a_bar.mul(e_tilde) + d.mul(r1_tilde))?;
    let t2 = secret_g1(d.mul(r3_tilde) + set.secret_sum(&hidden, tildes)?)?;
    let mut points = [a_bar, b_bar, d, t1, t2]
        .map(|p| p.to_compressed())
        .to_vec();
    if let Some(binding) = &statement.pseudonym {
        points.push(binding.point(messages)?.to_compressed());
        points.push(binding.point(tildes)?.to_compressed());
    }
    let shown: Vec<Scalar> = statement.disclosed.iter().map(|&i| messages[i]).collect();
    let challenge = statement.challenge(&points, &shown);
    let r3 = r2
        .invert()
        .map(Zeroizing::new)
        .ok_or(Error::Misuse("random scalar zero"))?;
    let mut responses = vec![
        *e_tilde + *signature.e() * challenge,
        *r1_tilde - *r1 * challenge,
        *r3_tilde - *r3 * challenge,
    ];
    for (index, tilde) in hidden.iter().zip(tildes) {
        responses.push(*tilde + messages[*index] * challenge);
    }
    responses.push(challenge);
    Ok(encode(&points[..3], &responses))
}

/// `proof_to_octets`: `Ā, B̄, D`, then the scalars.
fn encode(points: &[[u8; 48]], scalars: &[Scalar]) -> Vec<u8> {
    let mut out = points.concat();
    for scalar in scalars {
        out.extend_from_slice(&scalar.to_bytes_be());
    }
    out
}

/// A point computed from members of G1 alone, which is the identity with negligible
/// probability.
fn secret_g1(point: E1) -> Result<G1Affine> {
    point
        .to_g1_trusted()
        .ok_or(Error::Misuse("random scalar zero"))
}

/// A decoded proof. Verification is exact for points outside G1 as well; the draft
/// refuses them, so they are tested.
pub(in crate::bbs) struct Proof {
    a_bar: E1Affine,
    b_bar: E1Affine,
    d: E1Affine,
    e_hat: Scalar,
    r1_hat: Scalar,
    r3_hat: Scalar,
    hidden_hats: Vec<Scalar>,
    challenge: Scalar,
}

const BAD: Error = Error::Malformed("BBS proof");

/// `octets_to_proof`: strict, points of G1, scalars from 1 to r − 1.
pub(in crate::bbs) fn decode(bytes: &[u8]) -> Result<Proof> {
    let proof = decode_untested(bytes)?;
    if proof.points().iter().all(E1Affine::is_in_subgroup) {
        Ok(proof)
    } else {
        Err(BAD)
    }
}

/// [`decode`] without the subgroup test of [`Proof::points`], which is up to the caller.
pub(super) fn decode_untested(bytes: &[u8]) -> Result<Proof> {
    if bytes.len() < PROOF_LEN_MIN || !(bytes.len() - PROOF_LEN_MIN).is_multiple_of(32) {
        return Err(BAD);
    }
    let (point_bytes, scalar_bytes) = bytes.split_at(3 * 48);
    let (points, _) = point_bytes.as_chunks::<48>();
    let (scalars, _) = scalar_bytes.as_chunks::<32>();
    if scalars.len() > MAX_MESSAGES + 4 {
        return Err(BAD);
    }
    let scalars: Vec<Scalar> = scalars
        .iter()
        .map(Scalar::from_bytes_be)
        .collect::<Option<_>>()
        .ok_or(BAD)?;
    if scalars.iter().any(Scalar::is_zero) {
        return Err(BAD);
    }
    let point = |index: usize| E1Affine::from_compressed(&points[index]).ok_or(BAD);
    Ok(Proof {
        a_bar: point(0)?,
        b_bar: point(1)?,
        d: point(2)?,
        e_hat: scalars[0],
        r1_hat: scalars[1],
        r3_hat: scalars[2],
        hidden_hats: scalars[3..scalars.len() - 1].to_vec(),
        challenge: scalars[scalars.len() - 1],
    })
}

impl Proof {
    /// `Ā, B̄, D`.
    fn points(&self) -> [E1Affine; 3] {
        [self.a_bar, self.b_bar, self.d]
    }

    /// Number of messages that the proof hides.
    pub(in crate::bbs) fn hidden_count(&self) -> usize {
        self.hidden_hats.len()
    }
}

/// A statement, the proof of it and the messages it shows.
pub(in crate::bbs) struct Shown<'a> {
    statement: Statement<'a>,
    proof: Proof,
    messages: Vec<Scalar>,
}

impl<'a> Shown<'a> {
    /// The statement's message count is that of the proof and the shown messages.
    pub(in crate::bbs) fn new(
        statement: Statement<'a>,
        proof: Proof,
        messages: Vec<Scalar>,
    ) -> Self {
        Shown {
            statement,
            proof,
            messages,
        }
    }

    /// The signer's key.
    pub(super) fn key(&self) -> &'a PublicKey {
        self.statement.key
    }

    /// `Ā, B̄, D`, with `e(Ā, W) = e(B̄, P2)` if the proof holds.
    pub(super) fn points(&self) -> [E1Affine; 3] {
        self.proof.points()
    }

    /// `CoreProofVerify`, all of it. Variable time.
    pub(in crate::bbs) fn verify(&self) -> Result<()> {
        self.verify_challenge(false)?;
        let paired = [
            (self.proof.a_bar.to_e1(), self.key().prepared()),
            (-self.proof.b_bar.to_e1(), prepared_generator()),
        ];
        if pairing_product_is_one(&paired) {
            Ok(())
        } else {
            Err(REFUSED)
        }
    }

    /// Everything but the pairing. `tables` as in [`GeneratorSet::public_sum`].
    pub(super) fn verify_challenge(&self, tables: bool) -> Result<()> {
        let (proof, statement) = (&self.proof, &self.statement);
        let pair = self.t1().to_affine().zip(self.t2(tables)?.to_affine());
        let (t1, t2) = pair.ok_or(REFUSED)?;
        let mut points: Vec<[u8; 48]> = proof
            .points()
            .into_iter()
            .chain([t1, t2])
            .map(|point| point.to_compressed())
            .collect();
        if let Some(binding) = &statement.pseudonym {
            let ut = binding.recompute(&proof.hidden_hats, &proof.challenge)?;
            points.extend(ut);
        }
        if statement.challenge(&points, &self.messages) == proof.challenge {
            Ok(())
        } else {
            Err(REFUSED)
        }
    }

    /// `T1 = c·B̄ + e^·Ā + r1^·D`.
    fn t1(&self) -> E1 {
        let proof = &self.proof;
        msm(
            &[proof.b_bar, proof.a_bar, proof.d],
            &[proof.challenge, proof.e_hat, proof.r1_hat],
        )
    }

    /// `T2 = c·(P1 + domain·Q1 + Σ_shown m·H) + r3^·D + Σ_hidden m^·H`.
    fn t2(&self, tables: bool) -> Result<E1> {
        let (proof, statement) = (&self.proof, &self.statement);
        let mut scalars = vec![Scalar::ZERO; statement.set.message_count() + 1];
        scalars[0] = proof.challenge * statement.domain;
        for (index, message) in statement.disclosed.iter().zip(&self.messages) {
            scalars[index + 1] = proof.challenge * *message;
        }
        for (index, hat) in statement.hidden().into_iter().zip(&proof.hidden_hats) {
            scalars[index + 1] = *hat;
        }
        let d = [(proof.d, proof.r3_hat)];
        statement
            .set
            .public_sum(&proof.challenge, &scalars, &d, tables)
    }
}
