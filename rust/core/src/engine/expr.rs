//! Arithmetic expressions of circuit texts: parsing and expansion to polynomials
//! of degree at most two over the secrets.
//!
//! Grammar (whitespace is free):
//! `sum := product (('+' | '-') product)*`, `product := unary ('*' unary)*`,
//! `unary := '-' unary | atom`,
//! `atom := integer | name | name '[' sum ']' | 'sum' '(' name ')' | '(' sum ')'`.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::group::Scalar;

/// Index of a secret variable of a compiled circuit.
pub type VarId = usize;

/// `Σ coefficient·variable + Σ coefficient·public + constant`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linear {
    /// Coefficients of the secret variables.
    pub vars: BTreeMap<VarId, Scalar>,
    /// Coefficients of the public scalars.
    pub publics: BTreeMap<usize, Scalar>,
    /// The constant term.
    pub constant: Scalar,
}

impl Linear {
    /// The constant `value`.
    pub fn constant(value: Scalar) -> Self {
        Linear {
            constant: value,
            ..Linear::default()
        }
    }

    /// The variable `var`.
    pub fn var(var: VarId) -> Self {
        Linear {
            vars: BTreeMap::from([(var, Scalar::ONE)]),
            ..Linear::default()
        }
    }

    /// The public scalar number `index`.
    pub fn public(index: usize) -> Self {
        Linear {
            publics: BTreeMap::from([(index, Scalar::ONE)]),
            ..Linear::default()
        }
    }

    /// Adds `factor·other`, dropping coefficients that vanish.
    pub fn add_scaled(&mut self, other: &Linear, factor: Scalar) {
        add_terms(&mut self.vars, &other.vars, factor);
        add_terms(&mut self.publics, &other.publics, factor);
        self.constant += other.constant * factor;
    }

    /// `factor·self`.
    pub fn scaled(&self, factor: Scalar) -> Linear {
        let mut scaled = Linear::default();
        scaled.add_scaled(self, factor);
        scaled
    }

    /// Replaces `var` by `definition`; whether it occurred.
    pub fn substitute(&mut self, var: VarId, definition: &Linear) -> bool {
        let coefficient = self.vars.remove(&var);
        if let Some(coefficient) = coefficient {
            self.add_scaled(definition, coefficient);
        }
        coefficient.is_some()
    }

    /// Number of terms, the constant included.
    pub fn size(&self) -> usize {
        self.vars.len() + self.publics.len() + 1
    }

    /// Whether no secret occurs.
    pub fn is_public(&self) -> bool {
        self.vars.is_empty()
    }

    /// The value under an assignment of all variables and publics.
    pub fn evaluate(&self, vars: &[Scalar], publics: &[Scalar]) -> Scalar {
        let secret: Scalar = self.vars.iter().map(|(v, k)| vars[*v] * k).sum();
        secret + self.shown(publics)
    }

    /// The part without secrets: publics and constant.
    pub fn shown(&self, publics: &[Scalar]) -> Scalar {
        let sum: Scalar = self.publics.iter().map(|(p, k)| publics[*p] * k).sum();
        sum + self.constant
    }
}

fn add_terms(into: &mut BTreeMap<usize, Scalar>, from: &BTreeMap<usize, Scalar>, factor: Scalar) {
    for (index, coefficient) in from {
        let entry = into.entry(*index).or_default();
        *entry += *coefficient * factor;
        if entry.is_zero() {
            into.remove(index);
        }
    }
}

/// `Σ left·right + linear`: what a constraint says to be zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quadratic {
    /// Products of two linear forms.
    pub products: Vec<(Linear, Linear)>,
    /// The terms of degree one and zero.
    pub linear: Linear,
}

impl Quadratic {
    fn from_linear(linear: Linear) -> Self {
        Quadratic {
            products: Vec::new(),
            linear,
        }
    }

    /// Number of terms, counted once per factor.
    pub fn size(&self) -> usize {
        let products = self.products.iter().map(|(l, r)| l.size() + r.size());
        products.sum::<usize>() + self.linear.size()
    }

    fn add(mut self, other: Quadratic, sign: Scalar) -> Quadratic {
        self.linear.add_scaled(&other.linear, sign);
        let signed = other.products.into_iter().map(|(l, r)| (l.scaled(sign), r));
        self.products.extend(signed);
        self
    }

    fn multiply(self, other: Quadratic) -> Result<Quadratic> {
        if !self.products.is_empty() || !other.products.is_empty() {
            return Err(Error::Circuit(
                "an expression has a degree above two".into(),
            ));
        }
        let (left, right) = (self.linear, other.linear);
        let public = !left.publics.is_empty() || !right.publics.is_empty();
        if left.is_public() && left.publics.is_empty() {
            return Ok(Quadratic::from_linear(right.scaled(left.constant)));
        }
        if right.is_public() && right.publics.is_empty() {
            return Ok(Quadratic::from_linear(left.scaled(right.constant)));
        }
        if public && (left.is_public() || right.is_public()) {
            let why = "a public scalar may not be a factor of a secret or of a public";
            return Err(Error::Circuit(why.into()));
        }
        Ok(Quadratic {
            products: vec![(left, right)],
            linear: Linear::default(),
        })
    }
}

/// What the names of an expression stand for.
pub trait Scope {
    /// An integer parameter or loop variable.
    fn integer(&self, name: &str) -> Option<i64>;
    /// The elements of a secret or public: one for a scalar, `size` for an array.
    fn elements(&self, name: &str) -> Option<(&[Linear], bool)>;
    /// Counts terms that were worked on; an error when a text asks for too much.
    fn charge(&self, terms: usize) -> Result<()>;
}

/// Parses and expands `text` to a polynomial of degree at most two.
pub fn polynomial(text: &str, scope: &dyn Scope) -> Result<Quadratic> {
    let mut parser = Parser {
        tokens: tokenize(text)?,
        next: 0,
        scope,
        text,
    };
    let value = parser.sum()?;
    parser.end()?;
    Ok(value)
}

/// Parses `left == right` and returns `left − right`.
pub fn equation(text: &str, scope: &dyn Scope) -> Result<Quadratic> {
    let (left, right) = text
        .split_once("==")
        .ok_or_else(|| Error::Circuit(format!("'{text}' is not an equation")))?;
    let right = polynomial(right, scope)?;
    Ok(polynomial(left, scope)?.add(right, -Scalar::ONE))
}

/// Parses an expression without secrets or publics to an integer.
pub fn integer(text: &str, scope: &dyn Scope) -> Result<i64> {
    let mut parser = Parser {
        tokens: tokenize(text)?,
        next: 0,
        scope,
        text,
    };
    let value = parser.integer_sum()?;
    parser.end()?;
    Ok(value)
}

/// Evaluates a condition `a == b`, `a > b` or `a < b` between integers.
pub fn condition(text: &str, scope: &dyn Scope) -> Result<bool> {
    for (operator, holds) in [
        ("==", i64::eq as fn(&i64, &i64) -> bool),
        (">", i64::gt as fn(&i64, &i64) -> bool),
        ("<", i64::lt as fn(&i64, &i64) -> bool),
    ] {
        if let Some((left, right)) = text.split_once(operator) {
            return Ok(holds(&integer(left, scope)?, &integer(right, scope)?));
        }
    }
    Err(Error::Circuit(format!("'{text}' is not a condition")))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Integer(i64),
    Name(String),
    Symbol(char),
}

fn tokenize(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&c) = chars.peek() {
        if tokens.len() == MAX_TOKENS {
            return Err(Error::Circuit("an expression is too long".into()));
        }
        if c.is_whitespace() {
            chars.next();
        } else if c.is_ascii_digit() {
            let mut digits = String::new();
            while let Some(d) = chars.next_if(char::is_ascii_digit) {
                digits.push(d);
            }
            let too_large = |_| Error::Circuit(format!("'{digits}' is too large"));
            tokens.push(Token::Integer(digits.parse().map_err(too_large)?));
        } else if c.is_ascii_alphabetic() || c == '_' {
            let mut name = String::new();
            while let Some(d) = chars.next_if(|d| d.is_ascii_alphanumeric() || "_.".contains(*d)) {
                name.push(d);
            }
            tokens.push(Token::Name(name));
        } else if "+-*()[]".contains(c) {
            chars.next();
            tokens.push(Token::Symbol(c));
        } else {
            return Err(Error::Circuit(format!("unexpected '{c}' in '{text}'")));
        }
    }
    Ok(tokens)
}

/// Longest expression, and so the deepest nesting of brackets and signs: keeps
/// hostile texts off the stack.
const MAX_TOKENS: usize = 256;

struct Parser<'a> {
    tokens: Vec<Token>,
    next: usize,
    scope: &'a dyn Scope,
    text: &'a str,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next)
    }

    fn take(&mut self, symbol: char) -> bool {
        let found = self.peek() == Some(&Token::Symbol(symbol));
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: char) -> Result<()> {
        if self.take(symbol) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn end(&self) -> Result<()> {
        if self.next == self.tokens.len() {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn unexpected(&self) -> Error {
        match self.peek() {
            Some(token) => Error::Circuit(format!("unexpected {token:?} in '{}'", self.text)),
            None => Error::Circuit(format!("'{}' ends too early", self.text)),
        }
    }

    fn advance(&mut self) -> Result<Token> {
        self.scope.charge(1)?;
        let token = self.peek().cloned().ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(token)
    }

    fn sum(&mut self) -> Result<Quadratic> {
        let mut value = self.product()?;
        loop {
            let sign = if self.take('+') {
                Scalar::ONE
            } else if self.take('-') {
                -Scalar::ONE
            } else {
                return Ok(value);
            };
            value = value.add(self.product()?, sign);
            self.scope.charge(value.size())?;
        }
    }

    fn product(&mut self) -> Result<Quadratic> {
        let mut value = self.unary()?;
        while self.take('*') {
            value = value.multiply(self.unary()?)?;
            self.scope.charge(value.size())?;
        }
        Ok(value)
    }

    fn unary(&mut self) -> Result<Quadratic> {
        match self.advance()? {
            Token::Symbol('-') => Ok(Quadratic::default().add(self.unary()?, -Scalar::ONE)),
            Token::Symbol('(') => {
                let value = self.sum()?;
                self.expect(')')?;
                Ok(value)
            }
            Token::Integer(value) => Ok(constant(value)),
            Token::Name(name) if name == "sum" => {
                self.expect('(')?;
                let Token::Name(array) = self.advance()? else {
                    return Err(self.unexpected());
                };
                self.expect(')')?;
                self.sum_of(&array)
            }
            Token::Name(name) => self.named(&name),
            Token::Symbol(_) => {
                self.next -= 1;
                Err(self.unexpected())
            }
        }
    }

    fn sum_of(&self, array: &str) -> Result<Quadratic> {
        let (elements, _) = self.elements(array)?;
        self.scope.charge(elements.len())?;
        let mut total = Linear::default();
        for element in elements {
            total.add_scaled(element, Scalar::ONE);
        }
        Ok(Quadratic::from_linear(total))
    }

    fn elements(&self, name: &str) -> Result<(&[Linear], bool)> {
        let unknown = || Error::Circuit(format!("'{name}' is not declared"));
        self.scope.elements(name).ok_or_else(unknown)
    }

    fn named(&mut self, name: &str) -> Result<Quadratic> {
        if let Some(value) = self.scope.integer(name) {
            return Ok(constant(value));
        }
        let is_array = self.elements(name)?.1;
        if !is_array {
            return Ok(Quadratic::from_linear(self.elements(name)?.0[0].clone()));
        }
        self.expect('[')?;
        let index = self.integer_sum()?;
        self.expect(']')?;
        let element = usize::try_from(index)
            .ok()
            .and_then(|i| self.elements(name).ok()?.0.get(i));
        let outside = || Error::Circuit(format!("'{name}[{index}]' does not exist"));
        Ok(Quadratic::from_linear(element.ok_or_else(outside)?.clone()))
    }

    /// Integer expressions know `+`, `-` and `*` without brackets.
    fn integer_sum(&mut self) -> Result<i64> {
        let mut value = self.integer_product()?;
        loop {
            let overflow = || Error::Circuit("an integer expression overflows".into());
            if self.take('+') {
                value = value
                    .checked_add(self.integer_product()?)
                    .ok_or_else(overflow)?;
            } else if self.take('-') {
                value = value
                    .checked_sub(self.integer_product()?)
                    .ok_or_else(overflow)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn integer_product(&mut self) -> Result<i64> {
        let mut value = self.integer_atom()?;
        while self.take('*') {
            let overflow = || Error::Circuit("an integer expression overflows".into());
            value = value
                .checked_mul(self.integer_atom()?)
                .ok_or_else(overflow)?;
        }
        Ok(value)
    }

    fn integer_atom(&mut self) -> Result<i64> {
        match self.advance()? {
            Token::Integer(value) => Ok(value),
            Token::Name(name) => {
                let unknown = || Error::Circuit(format!("'{name}' is not an integer"));
                self.scope.integer(&name).ok_or_else(unknown)
            }
            Token::Symbol(_) => {
                self.next -= 1;
                Err(self.unexpected())
            }
        }
    }
}

fn constant(value: i64) -> Quadratic {
    Quadratic::from_linear(Linear::constant(Scalar::from_i128(i128::from(value))))
}
