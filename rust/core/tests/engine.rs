//! Completeness of every circuit, sizes, and batches.

mod scenario;

use scenario::{DEFAULT, NAMES, Scenario, Size};
use zkcredit_core::engine::{verify, verify_batch};
use zkcredit_core::group::E1Affine;

#[test]
fn every_circuit_proves_and_verifies_at_every_size() {
    for name in NAMES {
        for (k, m, bits) in [(1, 0, 32), (1, 2, 64), (2, 1, 32), (3, 0, 16), (12, 0, 32)] {
            let scenario = Scenario::new(name, Size { k, m, bits });
            let (statement, proof) = scenario.prove();
            assert_eq!(
                proof.len(),
                scenario.circuit.proof_length(),
                "{name} {k} {m} {bits}"
            );
            assert_eq!(verify(&statement, &proof), Ok(()), "{name} {k} {m} {bits}");
        }
    }
}

#[test]
fn tokens_without_debts_spend_too() {
    for name in ["open", "spend", "refresh", "update"] {
        let (statement, proof) = Scenario::new(
            name,
            Size {
                k: 0,
                m: 1,
                bits: 32,
            },
        )
        .prove();
        assert_eq!(verify(&statement, &proof), Ok(()), "{name}");
    }
}

#[test]
fn a_spend_has_nine_points_and_seventy_five_scalars() {
    let scenario = Scenario::new("spend", DEFAULT);
    assert_eq!(scenario.circuit.proof_length(), 9 * 96 + 75 * 32);
}

#[test]
fn witnesses_and_provers_do_not_print() {
    let scenario = Scenario::new("spend", DEFAULT);
    assert_eq!(format!("{:?}", scenario.witness), "Witness([REDACTED])");
    let prover = scenario.prover().expect("a true witness");
    assert_eq!(format!("{prover:?}"), "Prover(spend, [REDACTED])");
}

/// From 192 stored points on they are tested for the subgroup together.
#[test]
fn a_tainted_claim_is_found_in_a_large_batch() {
    let size = Size {
        bits: 16,
        ..DEFAULT
    };
    let scenario = Scenario::new("spend", size);
    let (statement, proof) = scenario.prove();
    let mut forger = scenario.forger();
    let claim = forger.points()[1];
    let claim = E1Affine::from_compressed(&claim).expect("a point");
    // (0, 2) has order 3: one random combination in three does not see it.
    let mut order_three = [0; 96];
    order_three[95] = 2;
    let torsion = E1Affine::from_uncompressed(&order_three).expect("a point of the curve");
    let tainted = claim.to_e1().add_affine(&torsion).to_affine();
    forger.replace_point(1, tainted.expect("finite"));
    let (bad_statement, bad_proof) = scenario.finish(&forger);
    assert!(verify(&bad_statement, &bad_proof).is_err());
    for n in [191usize, 192, 193, 250] {
        let honest = (&statement, proof.as_slice());
        let mut items = vec![honest; n];
        assert_eq!(verify_batch(&items), Ok(vec![]), "batch of {n}");
        for culprits in [vec![0], vec![n - 1], vec![n / 2, n / 2 + 1]] {
            for at in &culprits {
                items[*at] = (&bad_statement, bad_proof.as_slice());
            }
            assert_eq!(verify_batch(&items), Ok(culprits.clone()), "batch of {n}");
            for at in culprits {
                items[at] = honest;
            }
        }
    }
}
