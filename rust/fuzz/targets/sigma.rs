//! Linear relations and their proofs from anybody.
//!
//! Input: the flavor (1 byte), the length of the relation (2 bytes), relation, proof.

#![no_main]

use libfuzzer_sys::fuzz_target;
use zkcredit_core::error::Error;
use zkcredit_core::sigma::{Flavor, LinearRelation, tag, verify};

fuzz_target!(|data: &[u8]| {
    let Some(([flavor, high, low], data)) = data.split_first_chunk::<3>() else {
        return;
    };
    let at = usize::from(u16::from_be_bytes([*high, *low])).min(data.len());
    let (encoded, proof) = data.split_at(at);
    match LinearRelation::from_bytes(encoded) {
        Ok(relation) => {
            assert_eq!(relation.as_bytes(), encoded);
            let flavor = if flavor & 1 == 0 {
                Flavor::Batchable
            } else {
                Flavor::Compact
            };
            let found = verify(flavor, &tag("fuzz", flavor), &relation, proof);
            assert!(matches!(
                found,
                Ok(()) | Err(Error::Malformed(_) | Error::Refused(_))
            ));
        }
        Err(error) => assert!(matches!(error, Error::Malformed(_)), "{error:?}"),
    }
});
