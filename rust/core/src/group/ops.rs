//! Operator impls by value and by reference, from one definition each.

/// `Add`, `Sub`, `Neg`, the assigning forms and `Sum` for a commutative group
/// whose type has `add_ref`, `neg_ref` and `identity_value`.
macro_rules! impl_group_ops {
    ($ty:ident) => {
        impl std::ops::Add<&$ty> for &$ty {
            type Output = $ty;
            fn add(self, other: &$ty) -> $ty {
                self.add_ref(other)
            }
        }
        impl std::ops::Sub<&$ty> for &$ty {
            type Output = $ty;
            fn sub(self, other: &$ty) -> $ty {
                self.sub_ref(other)
            }
        }
        impl std::ops::Neg for &$ty {
            type Output = $ty;
            fn neg(self) -> $ty {
                self.neg_ref()
            }
        }
        impl std::ops::Neg for $ty {
            type Output = $ty;
            fn neg(self) -> $ty {
                self.neg_ref()
            }
        }
        crate::group::ops::impl_value_forms!($ty, Add, add, AddAssign, add_assign);
        crate::group::ops::impl_value_forms!($ty, Sub, sub, SubAssign, sub_assign);
        impl std::iter::Sum for $ty {
            fn sum<I: Iterator<Item = $ty>>(iter: I) -> $ty {
                iter.fold($ty::default(), |acc, x| acc.add_ref(&x))
            }
        }
        impl<'a> std::iter::Sum<&'a $ty> for $ty {
            fn sum<I: Iterator<Item = &'a $ty>>(iter: I) -> $ty {
                iter.fold($ty::default(), |acc, x| acc.add_ref(x))
            }
        }
    };
}

/// The value and assigning forms of a binary operator given on references.
macro_rules! impl_value_forms {
    ($ty:ident, $op:ident, $call:ident, $assign:ident, $assign_call:ident) => {
        impl std::ops::$op<$ty> for $ty {
            type Output = $ty;
            fn $call(self, other: $ty) -> $ty {
                std::ops::$op::$call(&self, &other)
            }
        }
        impl std::ops::$op<&$ty> for $ty {
            type Output = $ty;
            fn $call(self, other: &$ty) -> $ty {
                std::ops::$op::$call(&self, other)
            }
        }
        impl std::ops::$op<$ty> for &$ty {
            type Output = $ty;
            fn $call(self, other: $ty) -> $ty {
                std::ops::$op::$call(self, &other)
            }
        }
        impl std::ops::$assign<&$ty> for $ty {
            fn $assign_call(&mut self, other: &$ty) {
                *self = std::ops::$op::$call(&*self, other);
            }
        }
        impl std::ops::$assign<$ty> for $ty {
            fn $assign_call(&mut self, other: $ty) {
                *self = std::ops::$op::$call(&*self, &other);
            }
        }
    };
}

pub(crate) use {impl_group_ops, impl_value_forms};
