//! Signing a commitment: the attacks the rules are there for, and batches.

use zkcredit_core::bbs::token::{
    OPEN, SERIAL_INDEX, SignedCommitment, domain, final_commitment, serial_tweak, sign_commitment,
    sign_messages, verify_commitments, verify_in_context, verify_messages,
};
use zkcredit_core::bbs::{SecretKey, Signature, SigningContext};
use zkcredit_core::error::Error;
use zkcredit_core::group::{E1, E1Affine, Scalar};

const HEADER: &[u8] = b"ledger, kind, terms, period";
const COUNT: usize = 6;

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a key")
}

fn context(key: &SecretKey) -> SigningContext {
    SigningContext::new(key.public_key(), COUNT, HEADER).expect("few messages")
}

fn token(seed: u64) -> Vec<Scalar> {
    (0..COUNT as u64)
        .map(|i| Scalar::from_u64(seed * 1000 + i))
        .collect()
}

fn commitment(context: &SigningContext, messages: &[Scalar]) -> E1Affine {
    let point = context.commit(messages).expect("right number");
    point.to_affine().expect("not the identity")
}

/// A point of order dividing the cofactor: r times some point of E outside G1.
fn torsion() -> E1 {
    let outside = (1u8..=255)
        .filter_map(|x| {
            let mut bytes = [0u8; 48];
            bytes[0] = 0x80;
            bytes[47] = x;
            E1Affine::from_compressed(&bytes)
        })
        .find(|point| !point.is_in_subgroup())
        .expect("half of all x are on the curve");
    let order = hex::decode("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001")
        .expect("hex");
    let mut sum = E1::identity();
    for byte in order {
        for bit in (0..8).rev() {
            sum = sum.double();
            if byte >> bit & 1 == 1 {
                sum += E1::from(outside);
            }
        }
    }
    assert!(!sum.is_identity() && sum.clear_cofactor().is_identity());
    sum
}

/// The messages that the final commitment stands for.
fn finished(messages: &[Scalar], tweak: &Scalar, adjustments: &[(usize, Scalar)]) -> Vec<Scalar> {
    let mut messages = messages.to_vec();
    messages[SERIAL_INDEX] += tweak;
    for (index, scalar) in adjustments {
        messages[*index] += scalar;
    }
    messages
}

#[test]
fn the_signature_is_plain_bbs_on_the_finished_messages() {
    let key = key(3);
    let context = context(&key);
    let messages = token(1);
    let start = commitment(&context, &messages);
    let tweak = serial_tweak(OPEN, &start.to_compressed());
    let adjustments = [
        (4, Scalar::from_u64(500)),
        (5, -Scalar::from_u64(20)),
        (4, Scalar::from_u64(1)),
    ];
    let (end, signature) =
        sign_commitment(&key, &context, &start, &tweak, &adjustments).expect("signs");
    let messages = finished(&messages, &tweak, &adjustments);
    assert_eq!(end, commitment(&context, &messages));
    assert_eq!(Ok(end), final_commitment(&start, &tweak, &adjustments));
    assert_eq!(
        verify_messages(key.public_key(), HEADER, &messages, &signature),
        Ok(())
    );
    assert_eq!(verify_in_context(&context, &messages, &signature), Ok(()));
    assert!(verify_in_context(&context, &messages[..5], &signature).is_err());
    let decoded = Signature::from_bytes(&signature.to_bytes());
    assert_eq!(decoded.as_ref(), Ok(&signature));
    for index in 0..COUNT {
        let mut other = messages.clone();
        other[index] += Scalar::ONE;
        let verdict = verify_messages(key.public_key(), HEADER, &other, &signature);
        assert_eq!(verdict, Err(Error::Refused("signature")));
        assert_eq!(verify_in_context(&context, &other, &signature), verdict);
    }
    assert!(verify_messages(key.public_key(), b"other", &messages, &signature).is_err());
    assert!(verify_messages(key.public_key(), HEADER, &messages[..5], &signature).is_err());
    assert_eq!(
        domain(key.public_key(), COUNT, HEADER).as_ref(),
        Ok(context.domain())
    );
    let known = sign_messages(&key, HEADER, &messages).expect("signs");
    assert_eq!(
        verify_messages(key.public_key(), HEADER, &messages, &known),
        Ok(())
    );
}

#[test]
fn a_retry_gives_the_same_bytes_and_no_e_signs_two_points() {
    let key = key(3);
    let context = context(&key);
    let start = commitment(&context, &token(1));
    let tweak = serial_tweak(&[1; 32], &start.to_compressed());
    let sign = |context: &SigningContext, adjustments: &[(usize, Scalar)]| {
        sign_commitment(&key, context, &start, &tweak, adjustments).expect("signs")
    };
    assert_eq!(sign(&context, &[]), sign(&context, &[]));
    let other_header = SigningContext::new(key.public_key(), COUNT, b"next period").expect("few");
    let mut seen: Vec<[u8; 32]> = (0u64..8)
        .map(|paid| sign(&context, &[(4, Scalar::from_u64(paid))]).1)
        .chain([sign(&other_header, &[]).1])
        .map(|signature| signature.e().to_bytes_be())
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(
        seen.len(),
        9,
        "two answers with one e subtract into a forgery"
    );
}

#[test]
fn a_commitment_outside_the_subgroup_learns_nothing() {
    let key = key(5);
    let context = context(&key);
    let honest = commitment(&context, &token(2));
    let tainted = (E1::from(honest) + torsion()).to_affine().expect("a point");
    assert!(!tainted.is_in_subgroup());
    let tweak = serial_tweak(&[2; 32], &tainted.to_compressed());
    let (end, signature) = sign_commitment(&key, &context, &tainted, &tweak, &[]).expect("signs");
    assert!(signature.a().as_e1().is_in_subgroup());
    // A is what the projection of C_final to G1 gets: (x + e)·A = base + projection.
    let clean = final_commitment(&honest, &tweak, &[]).expect("a point");
    let x = Scalar::from_bytes_be(&[5; 32]).expect("the key");
    let signed = E1::from(*context.base()) + E1::from(clean);
    assert_eq!(signature.a().mul(&(x + signature.e())), signed);
    assert_ne!(end, clean);
    // It verifies on the projection's messages, and batches ignore the torsion too.
    let messages = finished(&token(2), &tweak, &[]);
    assert_eq!(
        verify_messages(key.public_key(), HEADER, &messages, &signature),
        Ok(())
    );
    for commitment in [&end, &clean] {
        let item = SignedCommitment {
            context: &context,
            commitment,
            tweak: Scalar::default(),
            signature: &signature,
        };
        assert_eq!(verify_commitments(&[item]), Ok(vec![]));
    }
}

#[test]
fn nobody_chooses_a_serial() {
    let key = key(3);
    let context = context(&key);
    let planted = Scalar::from_u64(77);
    let mut messages = token(1);
    // The attacker knows the tweak of an earlier commitment and subtracts it.
    let first = commitment(&context, &messages);
    let foreseen = serial_tweak(OPEN, &first.to_compressed());
    messages[SERIAL_INDEX] = planted - foreseen;
    let second = commitment(&context, &messages);
    let tweak = serial_tweak(OPEN, &second.to_compressed());
    assert_ne!(messages[SERIAL_INDEX] + tweak, planted);
    // The tweak depends on the nullifier as well.
    assert_ne!(tweak, serial_tweak(&[0; 32], &second.to_compressed()));
}

#[test]
fn degenerate_commitments_are_refused() {
    let key = key(3);
    let context = context(&key);
    let tweak = Scalar::from_u64(9);
    let offset = context.message_generators()[SERIAL_INDEX].mul(&tweak);
    let to_identity = (-offset).to_affine().expect("a point");
    let to_inverse = (-offset - E1::from(*context.base()))
        .to_affine()
        .expect("a point");
    for bad in [to_identity, to_inverse] {
        let result = sign_commitment(&key, &context, &bad, &tweak, &[]);
        assert_eq!(result, Err(Error::Refused("commitment")));
    }
    let good = commitment(&context, &token(1));
    let result = sign_commitment(&key, &context, &good, &tweak, &[(COUNT, Scalar::ONE)]);
    assert!(matches!(result, Err(Error::Misuse(_))));
    let result = final_commitment(&good, &tweak, &[(usize::MAX, Scalar::ONE)]);
    assert!(matches!(result, Err(Error::Misuse(_))));
    let stranger = SecretKey::from_bytes(&[4; 32]).expect("a key");
    let result = sign_commitment(&stranger, &context, &good, &tweak, &[]);
    assert!(matches!(result, Err(Error::Misuse(_))));
    assert!(context.commit(&[Scalar::ONE]).is_err());
    let short = SigningContext::new(key.public_key(), 2, HEADER).expect("few messages");
    let result = sign_commitment(&key, &short, &good, &tweak, &[]);
    assert!(matches!(result, Err(Error::Misuse(_))));
}

/// A signature on C′ and a tweak in one of some contexts.
#[derive(Clone)]
struct Signed {
    context: usize,
    commitment: E1Affine,
    tweak: Scalar,
    signature: Signature,
}

/// `n` signatures, spread over the issuers.
fn signed(contexts: &[(SecretKey, SigningContext)], n: usize) -> Vec<Signed> {
    let one = |i| {
        let (key, context) = &contexts[i % contexts.len()];
        let commitment = commitment(context, &token(i as u64));
        let tweak = serial_tweak(&[i as u8; 32], &commitment.to_compressed());
        let (_, signature) =
            sign_commitment(key, context, &commitment, &tweak, &[]).expect("signs");
        Signed {
            context: i % contexts.len(),
            commitment,
            tweak,
            signature,
        }
    };
    (0..n).map(one).collect()
}

fn refused(contexts: &[(SecretKey, SigningContext)], list: &[Signed]) -> Vec<usize> {
    let items: Vec<SignedCommitment<'_>> = list
        .iter()
        .map(|signed| SignedCommitment {
            context: &contexts[signed.context].1,
            commitment: &signed.commitment,
            tweak: signed.tweak,
            signature: &signed.signature,
        })
        .collect();
    verify_commitments(&items).expect("a random source")
}

#[test]
fn batches_name_every_culprit() {
    let contexts: Vec<_> = [3u8, 4, 5]
        .map(|byte| (key(byte), context(&key(byte))))
        .into();
    for n in [0, 1, 2, 3, 7, 16] {
        let good = signed(&contexts, n);
        assert_eq!(refused(&contexts, &good), []);
        for position in 0..n {
            let mut bad = good.clone();
            bad[position].commitment = commitment(&contexts[0].1, &token(999));
            assert_eq!(refused(&contexts, &bad), [position], "of {n}");
            let mut bad = good.clone();
            bad[position].tweak += Scalar::ONE;
            assert_eq!(refused(&contexts, &bad), [position], "of {n}");
        }
    }
    let mut good = signed(&contexts, 9);
    // Errors that cancel in an unweighted sum: two signatures of one issuer swapped.
    let (first, second) = (good[0].signature.clone(), good[3].signature.clone());
    (good[0].signature, good[3].signature) = (second, first);
    assert_eq!(refused(&contexts, &good), [0, 3]);
    // The same good signature twice is fine; a foreign issuer's is not.
    let mut twice = signed(&contexts, 3);
    twice.push(twice[1].clone());
    assert_eq!(refused(&contexts, &twice), []);
    twice[3].context = 2;
    assert_eq!(refused(&contexts, &twice), [3]);
}

#[test]
fn opposite_errors_do_not_cancel() {
    let contexts = vec![(key(3), context(&key(3)))];
    let mut list = signed(&contexts, 2);
    let shift = contexts[0].1.message_generators()[4].to_e1();
    let moved = |signed: &Signed, by: E1| (signed.commitment.to_e1() + by).to_affine();
    list[0].commitment = moved(&list[0], shift).expect("a point");
    list[1].commitment = moved(&list[1], -shift).expect("a point");
    assert_eq!(refused(&contexts, &list), [0, 1]);
    let mut list = signed(&contexts, 2);
    list[0].tweak += Scalar::ONE;
    list[1].tweak -= Scalar::ONE;
    assert_eq!(refused(&contexts, &list), [0, 1]);
    // What the commitment lacks, the tweak may bring: the sum is what is signed.
    let serial = contexts[0].1.message_generators()[SERIAL_INDEX].to_e1();
    let mut list = signed(&contexts, 2);
    list[1].tweak += Scalar::ONE;
    list[1].commitment = moved(&list[1], -serial).expect("a point");
    assert_eq!(refused(&contexts, &list), []);
}

#[test]
fn a_batch_pairs_every_signature_with_its_own_issuer() {
    let contexts: Vec<_> = [3u8, 4].map(|byte| (key(byte), context(&key(byte)))).into();
    let mut list = signed(&contexts, 1);
    // Issuer 3 signs what belongs to issuer 4's context, domain and all.
    let point = commitment(&contexts[1].1, &token(5));
    let e = Scalar::from_u64(99);
    let x = Scalar::from_bytes_be(&[3; 32]).expect("the key");
    let signed = (E1::from(*contexts[1].1.base()) + E1::from(point))
        .to_g1()
        .expect("in the group");
    let a = signed.mul(&(x + e).invert().expect("not zero"));
    let a = a.to_affine().expect("not the identity").to_compressed();
    let bytes = [a.as_slice(), &e.to_bytes_be()].concat();
    let forged = Signature::from_bytes(&bytes.try_into().expect("80 bytes")).expect("well formed");
    list.push(Signed {
        context: 1,
        commitment: point,
        tweak: Scalar::default(),
        signature: forged,
    });
    assert_eq!(refused(&contexts, &list), [1]);
    list.swap(0, 1);
    assert_eq!(refused(&contexts, &list), [0]);
}

#[test]
fn decoding_many_signatures_is_as_strict_as_decoding_one() {
    let key = key(3);
    let context = context(&key);
    let contexts = vec![(key, context)];
    let whole: Vec<Vec<u8>> = signed(&contexts, 3)
        .iter()
        .map(|signed| signed.signature.to_bytes().to_vec())
        .collect();
    let outside = |bytes: &[u8]| {
        let a = E1Affine::from_compressed(bytes[..48].try_into().expect("48 bytes"));
        let tainted = (E1::from(a.expect("a point")) + torsion()).to_affine();
        let tainted = tainted.expect("a point").to_compressed();
        [tainted.as_slice(), &bytes[48..]].concat()
    };
    let bad = [
        outside(&whole[0]),
        [&whole[1][..48], [0; 32].as_slice()].concat(),
        [&whole[1][..48], [0xff; 32].as_slice()].concat(),
        [[0xc0].as_slice(), &[0; 47], &whole[1][48..]].concat(),
        whole[2][..79].to_vec(),
        [whole[2].as_slice(), &[0]].concat(),
        Vec::new(),
    ];
    // Few are tested one by one, many together.
    for count in [0, 1, 4, 191, 192, 300] {
        let good: Vec<&[u8]> = whole
            .iter()
            .cycle()
            .take(count)
            .map(Vec::as_slice)
            .collect();
        assert!(Signature::from_bytes_many(&good).iter().all(Result::is_ok));
        for bad in &bad {
            let mut list = good.clone();
            list.insert(count / 2, bad);
            for (encoded, found) in list.iter().zip(Signature::from_bytes_many(&list)) {
                let alone = (*encoded)
                    .try_into()
                    .map_err(|_| Error::Malformed("signature"))
                    .and_then(Signature::from_bytes);
                assert_eq!(found, alone, "{count}");
            }
        }
    }
}
