//! Points outside the prime-order subgroup: harmless in a proof, refused in what is
//! stored and added.

use zkcredit_core::engine::{verify, verify_batch, verify_with_challenges};
use zkcredit_core::error::Error;
use zkcredit_core::group::{E1, E1Affine};

use crate::scenario::{DEFAULT, Scenario};
use crate::small_spend;

/// A point of order 3, (0, 2).
fn order_three() -> E1 {
    let mut bytes = [0; 48];
    bytes[0] = 0x80;
    let point = E1Affine::from_compressed(&bytes).expect("on the curve");
    assert!(!point.is_in_subgroup());
    E1::from(point)
}

/// r times a point of the curve: an order that divides the cofactor, and a large one.
fn large_order() -> E1 {
    let outside = (1u8..=255)
        .filter_map(|x| {
            let mut bytes = [0u8; 48];
            (bytes[0], bytes[47]) = (0x80, x);
            E1Affine::from_compressed(&bytes)
        })
        .find(|point| !point.is_in_subgroup())
        .expect("half of all x are on the curve");
    let order = hex::decode("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    let mut sum = E1::identity();
    for bit in order
        .expect("hex")
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1))
    {
        sum = sum.double();
        if bit == 1 {
            sum += E1::from(outside);
        }
    }
    assert!(!sum.is_identity() && sum.clear_cofactor().is_identity());
    sum
}

fn tainted(point: &[u8; 48], torsion: E1) -> E1Affine {
    let point = E1Affine::from_compressed(point).expect("a point");
    let sum = (E1::from(point) + torsion).to_affine().expect("a point");
    assert!(!sum.is_in_subgroup());
    sum
}

#[test]
fn torsion_in_a_message_of_the_prover_changes_nothing_but_the_challenge() {
    // A spend's last equation is a pairing, which ignores torsion; an opening has none.
    check_messages(&small_spend());
    check_messages(&Scenario::new("open", DEFAULT));
}

fn check_messages(s: &Scenario) {
    let (statement, proof) = s.prove();
    let first = s.circuit.commitments.len();
    let end = first + s.circuit.message_points();
    let challenge = statement.challenge(&proof[first * 96..end * 96]);
    for torsion in [order_three(), large_order()] {
        for index in first..end {
            let bytes = proof[96 * index..96 * (index + 1)].try_into();
            let point = E1Affine::from_uncompressed(&bytes.expect("96 bytes")).expect("a point");
            let other = (E1::from(point) + torsion).to_affine().expect("a point");
            let mut marked = proof.clone();
            marked[96 * index..96 * (index + 1)].copy_from_slice(&other.to_uncompressed());
            // The equations are those of the projection to the subgroup, alone and
            // in batches alike: what they prove is the same.
            let item = (&statement, marked.as_slice(), challenge);
            assert_eq!(
                verify_with_challenges(&[item]),
                Ok(vec![]),
                "message {index}"
            );
            let both = [item, (&statement, &proof, challenge)];
            assert_eq!(verify_with_challenges(&both), Ok(vec![]), "message {index}");
            // Nobody but the prover can put it there: the bytes are hashed.
            assert!(verify(&statement, &marked).is_err(), "message {index}");
        }
    }
}

#[test]
fn stored_points_are_in_the_subgroup() {
    for (name, stored) in [
        ("open", vec!["owner_tag"]),
        ("spend", vec!["claim"]),
        ("update", vec!["tag"]),
        ("statement", vec!["tag", "due"]),
        ("settle", vec!["aggregate"]),
    ] {
        let s = Scenario::new(name, DEFAULT);
        let places: Vec<usize> = (0..s.circuit.commitments.len())
            .filter(|i| stored.contains(&s.circuit.commitments[*i].point.as_str()))
            .collect();
        assert_eq!(places.len(), stored.len(), "{name}");
        for index in places {
            for torsion in [order_three(), -order_three(), large_order()] {
                // The holder's own proof, made over the tainted point.
                let mut prover = s.forger();
                prover.replace_point(index, tainted(&prover.points()[index], torsion));
                let (statement, proof) = s.finish(&prover);
                let outside = Error::Malformed("statement: a point is outside the subgroup");
                assert_eq!(verify(&statement, &proof), Err(outside), "{name}");
                let honest = s.prove();
                let items = [(&honest.0, honest.1.as_slice()), (&statement, &proof)];
                assert_eq!(verify_batch(&items), Ok(vec![1]), "{name}");
            }
        }
    }
}

#[test]
fn the_next_token_may_be_tainted_because_the_signer_clears_it() {
    for name in ["open", "spend", "refresh", "update", "statement", "request"] {
        let s = Scenario::new(name, DEFAULT);
        assert_eq!(s.circuit.commitments[0].point, "next");
        for torsion in [order_three(), large_order()] {
            let mut prover = s.forger();
            prover.replace_point(0, tainted(&prover.points()[0], torsion));
            let (statement, proof) = s.finish(&prover);
            // See `a_commitment_outside_the_subgroup_learns_nothing` in tests/token.rs.
            assert_eq!(verify(&statement, &proof), Ok(()), "{name}");
            let honest = s.prove();
            let items = [(&honest.0, honest.1.as_slice()), (&statement, &proof)];
            assert_eq!(verify_batch(&items), Ok(vec![]), "{name}");
        }
    }
}

#[test]
fn many_points_are_tested_as_strictly_as_one() {
    // Enough points for the test of all at once, which one of order 3 is most likely
    // to survive: with a single round one time in three.
    let s = Scenario::new("settle", DEFAULT);
    let prover = s.prover().expect("true");
    let honest: Vec<_> = (0..140).map(|_| s.finish(&prover)).collect();
    for _ in 0..4 {
        for place in [0, 64, 100, 139] {
            let mut tainting = s.forger();
            let point = tainted(&tainting.points()[0], order_three());
            tainting.replace_point(0, point);
            let (statement, proof) = s.finish(&tainting);
            let mut items: Vec<_> = honest.iter().map(|(s, p)| (s, p.as_slice())).collect();
            items[place] = (&statement, &proof);
            assert_eq!(verify_batch(&items), Ok(vec![place]));
        }
    }
}
