//! Points, scalars and the codec of the transcript: what decodes encodes to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zkcredit_core::group::{E1, E1Affine, G1Affine, G2Affine, Scalar};
use zkcredit_core::payee::aggregate_keys;
use zkcredit_core::transcript::codec;

const ORDER: [u8; 32] = [
    0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8, 0x08, 0x09, 0xa1, 0xd8, 0x05,
    0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe, 0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01,
];

fn scalars(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<32>() {
        let found = Scalar::from_bytes_be(bytes);
        assert_eq!(found.is_some(), *bytes < ORDER);
        if let Some(scalar) = found {
            assert_eq!(scalar.to_bytes_be(), *bytes);
            assert_eq!(
                Scalar::from_bytes_be(&(-scalar).to_bytes_be()),
                Some(-scalar)
            );
        }
    }
}

fn points(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<48>() {
        let on_curve = E1Affine::from_compressed(bytes);
        let in_group = G1Affine::from_compressed(bytes);
        if let Some(point) = &on_curve {
            assert_eq!(point.to_compressed(), *bytes);
            assert_eq!(point.is_in_subgroup(), in_group.is_some());
            assert_eq!(
                E1Affine::from_uncompressed(&point.to_uncompressed()),
                on_curve
            );
        }
        if let Some(point) = &in_group {
            assert_eq!(point.to_compressed(), *bytes);
            assert_eq!(on_curve.as_ref(), Some(point.as_e1()));
        }
        let _ = E1::from_compressed(bytes).map(|point| point.to_affine());
        let keys: Vec<[u8; 48]> = data.as_chunks::<48>().0.to_vec();
        let _ = aggregate_keys(&keys, b"fuzz");
    }
    if let Some(bytes) = data.first_chunk::<96>() {
        if let Some(point) = E1Affine::from_uncompressed(bytes) {
            assert_eq!(point.to_uncompressed(), *bytes);
        }
        if let Some(point) = G1Affine::from_uncompressed(bytes) {
            assert_eq!(point.to_uncompressed(), *bytes);
        }
        if let Some(point) = G2Affine::from_compressed(bytes) {
            assert_eq!(point.to_compressed(), *bytes);
        }
    }
}

fn codecs(data: &[u8]) {
    if let Ok((text, rest)) = codec::deserialize_var_len_string(data) {
        let mut again = codec::serialize_var_len_string(text).expect("short");
        again.extend_from_slice(rest);
        assert_eq!(again, data);
    }
    if let Ok((value, rest)) = codec::deserialize_uint(data, &ORDER) {
        let mut again = codec::serialize_uint(&value, &ORDER).expect("below the modulus");
        again.extend_from_slice(rest);
        assert_eq!(again, data);
    }
    let _ = codec::deserialize_field(data, &ORDER, 2);
    if let Some((length, rest)) = data.split_first() {
        let at = usize::from(*length).min(rest.len());
        let (modulus, value) = rest.split_at(at);
        let _ = codec::decode_uint(value, modulus);
        let _ = codec::deserialize_uint(value, modulus);
        let _ = codec::serialize_uint_be(value, modulus);
    }
}

fuzz_target!(|data: &[u8]| {
    scalars(data);
    points(data);
    codecs(data);
});
