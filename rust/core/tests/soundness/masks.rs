//! Two attempts at one purchase reveal nothing: no mask is used twice.

use zkcredit_core::engine::Statement;
use zkcredit_core::group::Scalar;

use crate::scenario::{LEDGER, SEED, Scenario};
use crate::small_spend;

struct Attempt {
    challenge: Scalar,
    messages: Vec<Vec<u8>>,
    responses: Vec<Scalar>,
}

fn attempt(s: &Scenario, context: [u8; 32], seed: &[u8; 32]) -> Attempt {
    let prover = s.prover().expect("true");
    let proof = prover.prove(LEDGER, context, seed).expect("a proof");
    let statement = Statement::new(s.instance(), LEDGER, context, prover.points()).expect("fits");
    let scalar = |bytes: &[u8]| Scalar::from_bytes_be(&bytes.try_into().expect("32 bytes"));
    let responses = proof[9 * 96..].chunks_exact(32).map(scalar);
    Attempt {
        challenge: statement.challenge(&proof[2 * 96..9 * 96]),
        messages: proof[2 * 96..9 * 96]
            .chunks_exact(96)
            .map(<[u8]>::to_vec)
            .collect(),
        responses: responses.collect::<Option<_>>().expect("scalars"),
    }
}

/// What an eavesdropper computes from two proofs if they share their masks:
/// (f − f′)/(c − c′) is the secret.
fn difference(one: &Attempt, two: &Attempt) -> Vec<Scalar> {
    let inverse = (one.challenge - two.challenge)
        .invert()
        .expect("other challenges");
    let pairs = one.responses.iter().zip(&two.responses);
    pairs.map(|(f, g)| (*f - *g) * inverse).collect()
}

#[test]
fn no_mask_is_used_twice() {
    let s = small_spend();
    let known: Vec<Scalar> = s
        .witness
        .values()
        .flat_map(|v| v.iter().copied())
        .chain([Scalar::ZERO, Scalar::ONE])
        .collect();
    let first = attempt(&s, [1; 32], &SEED);
    let mut later = small_spend();
    later.set("serial_next", 0, crate::scenario::random("another serial"));
    for second in [
        // The very same statement again, another context, another next token.
        attempt(&s, [1; 32], &SEED),
        attempt(&s, [2; 32], &SEED),
        attempt(&later, [1; 32], &SEED),
        attempt(&s, [1; 32], &[6; 32]),
    ] {
        assert!(
            first
                .messages
                .iter()
                .zip(&second.messages)
                .all(|(a, b)| a != b)
        );
        assert!(
            first
                .responses
                .iter()
                .zip(&second.responses)
                .all(|(f, g)| f != g)
        );
        let secrets = difference(&first, &second);
        assert!(secrets.iter().all(|x| !known.contains(x)));
    }
}

#[test]
fn masks_of_one_proof_differ() {
    // With equal masks, f − f′ = c·(x − x′): bits would show.
    let s = small_spend();
    let own = attempt(&s, [1; 32], &SEED);
    let inverse = own.challenge.invert().expect("not zero");
    let small = [-Scalar::ONE, Scalar::ZERO, Scalar::ONE];
    for (i, f) in own.responses.iter().enumerate() {
        for g in &own.responses[..i] {
            assert!(!small.contains(&((*f - *g) * inverse)));
        }
        assert!(!small.contains(&(*f * inverse)));
    }
}

#[test]
fn a_prover_is_printed_without_its_secrets() {
    let prover = small_spend().prover().expect("true");
    assert_eq!(format!("{prover:?}"), "Prover(spend, [REDACTED])");
}
