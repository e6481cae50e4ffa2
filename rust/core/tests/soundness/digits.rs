//! Every digit of every range is a bit.

use zkcredit_core::engine::{verify, verify_batch};
use zkcredit_core::error::Error;
use zkcredit_core::group::Scalar;

use crate::small_spend;

#[test]
fn a_digit_that_is_no_bit_is_refused_at_every_place() {
    let s = small_spend();
    let honest = s.prove();
    assert_eq!(s.circuit.ranges.len(), 2);
    for range in &s.circuit.ranges {
        for (low, high) in range.bits.iter().zip(&range.bits[1..]) {
            // 2·2^i − 2^(i+1) = 0: the value stays what it was.
            let mut prover = s.forger();
            prover.tamper_variable(*low, Scalar::from_u64(2));
            prover.tamper_variable(*high, -Scalar::ONE);
            let (statement, proof) = s.finish(&prover);
            let refused = Err(Error::Refused("the proof does not verify"));
            assert_eq!(verify(&statement, &proof), refused, "{}", range.id);
            let items = [(&honest.0, honest.1.as_slice()), (&statement, &proof)];
            assert_eq!(verify_batch(&items), Ok(vec![1]), "{}", range.id);
        }
    }
}

#[test]
fn every_digit_has_its_equation() {
    for (k, bits) in [(1, 32), (3, 16), (12, 32)] {
        let size = crate::scenario::Size { k, m: 0, bits };
        let circuit = crate::scenario::circuit("spend", size);
        let ranges = if k > 1 { 2 + k } else { 2 };
        assert_eq!(circuit.ranges.len(), ranges);
        assert!(circuit.ranges.iter().all(|r| r.bits.len() == bits as usize));
        // And u·r = 1 of the signature.
        assert_eq!(circuit.quadratic.len(), ranges * bits as usize + 1);
        for bit in circuit.ranges.iter().flat_map(|r| &r.bits) {
            let about = |q: &&(String, zkcredit_core::engine::expr::Quadratic)| {
                q.1.products
                    .iter()
                    .any(|(l, r)| l.vars.contains_key(bit) && r.vars.contains_key(bit))
            };
            assert_eq!(circuit.quadratic.iter().filter(about).count(), 1);
        }
    }
}

#[test]
fn the_digits_are_those_of_the_value() {
    // Credit 10, price 11: −1 is left, and the digits shown are those of 0.
    let mut s = small_spend();
    s.set("amount", 0, Scalar::from_u64(11));
    s.set("available_next", 0, -Scalar::ONE);
    s.set("due_next", 0, Scalar::from_u64(111));
    let range = s
        .circuit
        .ranges
        .iter()
        .find(|r| r.id == "spend.credit-left");
    let lowest = range.expect("a range").bits[0];
    let mut prover = s.forger();
    // The forger's prover puts a value that is out of range into its lowest digit.
    prover.tamper_variable(lowest, Scalar::ONE);
    let (statement, proof) = s.finish(&prover);
    let refused = Err(Error::Refused("the proof does not verify"));
    assert_eq!(verify(&statement, &proof), refused);
}
