//! A wrapper that keeps secrets from being printed, copied or forgotten.

use std::fmt;

use zeroize::Zeroize;

/// A secret value: wiped on drop, never printed, neither `Clone` nor `Copy`
/// nor comparable. [`Secret::expose`] is the only way to it, so that each use
/// shows in the code.
///
/// Moving a value may leave a copy behind on the stack; Rust gives no way to
/// wipe that.
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Secret(value)
    }

    /// The value itself.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Secret(value)
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
