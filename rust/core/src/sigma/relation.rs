//! Linear relations: sparse systems of equations between points of G1, their ten
//! validity checks and their encoding.

use std::collections::{BTreeMap, BTreeSet};

use super::{POINT_LEN, SCALAR_LEN, decode_points};
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, G1Affine, Scalar, msm};

/// `coefficient · elements[element]` on the left-hand side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageTerm {
    /// Index of the point.
    pub element: u32,
    /// Public coefficient; may be zero.
    pub coefficient: Scalar,
}

/// `coefficient · witness[scalar] · elements[element]` on the right-hand side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Index of the secret.
    pub scalar: u32,
    /// Index of the point.
    pub element: u32,
    /// Public coefficient; may be zero.
    pub coefficient: Scalar,
}

/// `Σ image = Σ terms`. What carries no secret stands in the image, one element per
/// point of the statement: a sum registered as one element would be malleable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equation {
    /// Left-hand side, not empty.
    pub image: Vec<ImageTerm>,
    /// Right-hand side, not empty.
    pub terms: Vec<Term>,
}

/// A valid relation: a value of this type passed all ten checks of the draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearRelation {
    elements: Vec<G1Affine>,
    equations: Vec<Equation>,
    scalar_count: usize,
    encoded: Vec<u8>,
}

impl LinearRelation {
    /// A relation over these points, the first of which is the generator of G1.
    ///
    /// # Errors
    /// [`Error::Malformed`], naming the property, unless (1) there is an equation, (2) no
    /// side is empty, (3) counts are below 2^32, (4) every index has a point, (5) every
    /// point but the generator is used, (6) no secret is skipped, (7) the first point is
    /// the generator, (8) no point is the identity (by type), (9) no image is the
    /// identity, (10) every secret has an equation in which it does not cancel.
    pub fn new(elements: Vec<G1Affine>, equations: Vec<Equation>) -> Result<Self> {
        if elements.first() != Some(&G1Affine::generator()) {
            return Err(Error::Malformed("relation: first element"));
        }
        check_shape(&equations)?;
        check_elements(elements.len(), &equations)?;
        let scalar_count = count_scalars(&equations)?;
        let mut relation = LinearRelation {
            elements,
            equations,
            scalar_count,
            encoded: Vec::new(),
        };
        relation.check_images()?;
        relation.check_columns()?;
        relation.encoded = relation.encode();
        Ok(relation)
    }

    /// Decodes `SerializeLinearRelation`, strictly: what decodes encodes to the same
    /// bytes and passes the checks of [`LinearRelation::new`].
    ///
    /// # Errors
    /// [`Error::Malformed`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut input = Reader(bytes);
        let equations = input.equations()?;
        let last = equations.iter().flat_map(Equation::elements).max();
        let expected = u64::from(last.unwrap_or(0)) * POINT_LEN as u64;
        if input.0.len() as u64 != expected {
            return Err(Error::Malformed("relation: length"));
        }
        let mut elements = vec![G1Affine::generator()];
        elements.extend(decode_points(input.0)?);
        Self::new(elements, equations)
    }

    /// `SerializeLinearRelation`: counts and indices in 4 little-endian bytes,
    /// coefficients in 32 big-endian ones, then the points but the generator.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.encoded
    }

    /// The points; index 0 is the generator of G1.
    #[must_use]
    pub fn elements(&self) -> &[G1Affine] {
        &self.elements
    }

    /// The equations.
    #[must_use]
    pub fn equations(&self) -> &[Equation] {
        &self.equations
    }

    /// Number of secrets.
    #[must_use]
    pub fn scalar_count(&self) -> usize {
        self.scalar_count
    }

    /// The left-hand side of an equation of this relation. Variable time.
    pub(super) fn image(&self, equation: &Equation) -> E1 {
        self.sum(
            equation
                .image
                .iter()
                .map(|term| (term.element, term.coefficient)),
        )
    }

    fn sum(&self, terms: impl Iterator<Item = (u32, Scalar)>) -> E1 {
        let (points, scalars): (Vec<E1Affine>, Vec<Scalar>) = terms
            .map(|(element, scalar)| (*self.elements[element as usize].as_e1(), scalar))
            .unzip();
        msm(&points, &scalars)
    }

    /// Check 9.
    fn check_images(&self) -> Result<()> {
        if self
            .equations
            .iter()
            .any(|equation| self.image(equation).is_identity())
        {
            return Err(Error::Malformed("relation: image is the identity"));
        }
        Ok(())
    }

    /// Check 10: for every secret an equation in which its points do not cancel.
    fn check_columns(&self) -> Result<()> {
        let mut bound = BTreeSet::new();
        for equation in &self.equations {
            let mut columns: BTreeMap<u32, Vec<(u32, Scalar)>> = BTreeMap::new();
            for term in &equation.terms {
                if !bound.contains(&term.scalar) {
                    let column = columns.entry(term.scalar).or_default();
                    column.push((term.element, term.coefficient));
                }
            }
            for (scalar, column) in columns {
                if !self.sum(column.into_iter()).is_identity() {
                    bound.insert(scalar);
                }
            }
        }
        if bound.len() != self.scalar_count {
            return Err(Error::Malformed("relation: unbound scalar"));
        }
        Ok(())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_count(&mut out, self.equations.len());
        for equation in &self.equations {
            put_count(&mut out, equation.image.len());
            for term in &equation.image {
                out.extend_from_slice(&term.element.to_le_bytes());
                out.extend_from_slice(&term.coefficient.to_bytes_be());
            }
            put_count(&mut out, equation.terms.len());
            for term in &equation.terms {
                out.extend_from_slice(&term.scalar.to_le_bytes());
                out.extend_from_slice(&term.element.to_le_bytes());
                out.extend_from_slice(&term.coefficient.to_bytes_be());
            }
        }
        for element in &self.elements[1..] {
            out.extend_from_slice(&element.to_compressed());
        }
        out
    }
}

impl Equation {
    fn elements(&self) -> impl Iterator<Item = u32> {
        let image = self.image.iter().map(|term| term.element);
        image.chain(self.terms.iter().map(|term| term.element))
    }
}

/// Counts were checked to fit by [`check_shape`].
#[allow(clippy::cast_possible_truncation)]
fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

/// Checks 1, 2 and the counts of 3 (indexes are 32-bit by type).
fn check_shape(equations: &[Equation]) -> Result<()> {
    if equations.is_empty() {
        return Err(Error::Malformed("relation: no equation"));
    }
    let sides = equations
        .iter()
        .flat_map(|equation| [equation.image.len(), equation.terms.len()]);
    for count in sides.chain([equations.len()]) {
        if count == 0 {
            return Err(Error::Malformed("relation: empty side"));
        }
        if u32::try_from(count).is_err() {
            return Err(Error::Malformed("relation: count"));
        }
    }
    Ok(())
}

/// Checks 4 and 5.
fn check_elements(count: usize, equations: &[Equation]) -> Result<()> {
    let mut used = vec![false; count];
    used[0] = true;
    for element in equations.iter().flat_map(Equation::elements) {
        *used
            .get_mut(element as usize)
            .ok_or(Error::Malformed("relation: element index"))? = true;
    }
    if used.contains(&false) {
        return Err(Error::Malformed("relation: unused element"));
    }
    Ok(())
}

/// Check 6; the number of secrets.
fn count_scalars(equations: &[Equation]) -> Result<usize> {
    let used: BTreeSet<u32> = equations
        .iter()
        .flat_map(|equation| equation.terms.iter().map(|term| term.scalar))
        .collect();
    let last = used.last().copied().unwrap_or(0);
    if used.len() as u64 != u64::from(last) + 1 {
        return Err(Error::Malformed("relation: skipped scalar"));
    }
    Ok(used.len())
}

/// The unread rest of an encoding.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Error::Malformed("relation: truncated"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn index(&mut self) -> Result<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn coefficient(&mut self) -> Result<Scalar> {
        Scalar::from_bytes_be(&self.take::<SCALAR_LEN>()?)
            .ok_or(Error::Malformed("relation: coefficient"))
    }

    /// Nothing is allocated by a stated count: memory follows the bytes really there.
    fn equations(&mut self) -> Result<Vec<Equation>> {
        let mut equations = Vec::new();
        for _ in 0..self.index()? {
            let mut image = Vec::new();
            for _ in 0..self.index()? {
                image.push(ImageTerm {
                    element: self.index()?,
                    coefficient: self.coefficient()?,
                });
            }
            let mut terms = Vec::new();
            for _ in 0..self.index()? {
                terms.push(Term {
                    scalar: self.index()?,
                    element: self.index()?,
                    coefficient: self.coefficient()?,
                });
            }
            equations.push(Equation { image, terms });
        }
        Ok(equations)
    }
}
