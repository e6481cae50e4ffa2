//! [`batch_add`](super::batch_add) with eight additions at a time ([`lanes`](super::lanes)).

use blst::blst_p1_affine;

use super::adder::{Adder, Member, Pairs};
use super::ffi::Ifma;
use super::lanes::{Element, Lanes, Mask};

/// Additions that share an inversion: eight chains of products that end in one.
const SHARING: usize = 1024;

/// A point in affine coordinates; all-zero is infinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    x: Element,
    y: Element,
}

/// One addition that waits: `out[slot]` gets the sum of two source points.
#[derive(Clone, Copy)]
struct Pending {
    slot: u32,
    operands: [Member; 2],
    doubling: bool,
}

/// Additions that wait; then, for eight at a time, their denominators and the products of
/// those before.
pub(super) struct LaneBatch {
    ifma: Ifma,
    pending: Vec<Pending>,
    chain: Vec<[Lanes; 2]>,
}

impl LaneBatch {
    /// Nothing waits.
    pub(super) fn new(ifma: Ifma) -> Self {
        LaneBatch {
            ifma,
            pending: Vec::with_capacity(SHARING),
            chain: Vec::with_capacity(SHARING / 8),
        }
    }
}

/// What a pair needs.
enum Case {
    /// The formula for different x-coordinates.
    Sum,
    /// The formula for equal points.
    Double,
    /// Nothing, this is the sum.
    Known(Point),
}

/// The case of a pair with something in common, or infinity in it.
#[cold]
fn special(source: &[Point], [p, q]: [Member; 2]) -> Case {
    let [a, b] = [p, q].map(|member| &source[member.index()]);
    if *a == Point::default() {
        return Case::Known(signed(source, q));
    }
    if *b == Point::default() {
        return Case::Known(signed(source, p));
    }
    if a.x != b.x {
        return Case::Sum;
    }
    // There are no points of order two, so y is not its own negative.
    if (a.y == b.y) == (p.is_negative() == q.is_negative()) {
        Case::Double
    } else {
        Case::Known(Point::default())
    }
}

/// The member itself.
fn signed(source: &[Point], member: Member) -> Point {
    let point = source[member.index()];
    if !member.is_negative() || point == Point::default() {
        return point;
    }
    Point {
        x: point.x,
        y: point.y.negated(),
    }
}

impl Pairs for LaneBatch {
    type Point = Point;

    #[inline]
    fn add(&mut self, source: &[Point], pair: [Member; 2], out: &mut Vec<Point>) {
        // One limb tells most pairs from special ones.
        let [a, b] = [pair[0], pair[1]].map(|member| source[member.index()].x.0[0]);
        let case = if a == b || a == 0 || b == 0 {
            special(source, pair)
        } else {
            Case::Sum
        };
        if let Case::Known(sum) = case {
            out.push(sum);
            return;
        }
        self.pending.push(Pending {
            slot: out.len() as u32,
            operands: pair,
            doubling: matches!(case, Case::Double),
        });
        out.push(Point::default());
        if self.pending.len() == SHARING {
            self.settle(source, out);
        }
    }

    fn copy(source: &[Point], member: Member, out: &mut Vec<Point>) {
        out.push(signed(source, member));
    }

    fn settle(&mut self, source: &[Point], out: &mut [Point]) {
        if !self.pending.is_empty() {
            self.ifma.settle(self, source, out);
            self.pending.clear();
        }
    }
}

impl Adder for LaneBatch {
    const BLOCK: usize = 4096;

    fn import(points: &[blst_p1_affine]) -> Vec<Point> {
        let point = |p: &blst_p1_affine| Point {
            x: Element::new(&p.x),
            y: Element::new(&p.y),
        };
        points.iter().map(point).collect()
    }

    fn export(point: &Point) -> blst_p1_affine {
        blst_p1_affine {
            x: point.x.to_blst(),
            y: point.y.to_blst(),
        }
    }
}

/// Eight additions, one in each lane.
struct Eight<'a> {
    source: &'a [Point],
    additions: [Pending; 8],
    doubling: Mask,
}

impl<'a> Eight<'a> {
    /// The additions at `row`; the last one stands in for those beyond.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(source: &'a [Point], pending: &[Pending], row: usize) -> Self {
        let last = pending.len() - 1;
        let mut additions = [pending[last]; 8];
        let mut doubling: Mask = 0;
        for (lane, addition) in additions.iter_mut().enumerate() {
            *addition = pending[(8 * row + lane).min(last)];
            doubling |= Mask::from(addition.doubling) << lane;
        }
        Eight {
            source,
            additions,
            doubling,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn x(&self, which: usize) -> Lanes {
        let mut xs = [&self.source[0].x; 8];
        for (x, addition) in xs.iter_mut().zip(&self.additions) {
            *x = &self.source[addition.operands[which].index()].x;
        }
        Lanes::gather(xs)
    }

    /// With the sign; at most 2·p.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn y(&self, which: usize) -> Lanes {
        let mut ys = [&self.source[0].y; 8];
        let mut signs: Mask = 0;
        for (lane, (y, addition)) in ys.iter_mut().zip(&self.additions).enumerate() {
            let operand = addition.operands[which];
            *y = &self.source[operand.index()].y;
            signs |= Mask::from(operand.is_negative()) << lane;
        }
        let y = Lanes::gather(ys);
        if signs == 0 { y } else { y.negated_if(signs) }
    }

    /// What the slope is divided by: x2 − x1, or 2·y.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn denominator(&self) -> Lanes {
        let difference = self.x(1).minus(&self.x(0));
        if self.doubling == 0 {
            return difference;
        }
        let y = self.y(0);
        difference.replaced_if(self.doubling, &y.plus(&y))
    }

    /// The sums, given the inverse of the denominator.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn sums(&self, inverse: &Lanes) -> [Lanes; 2] {
        let [x, y] = [self.x(0), self.y(0)];
        let mut numerator = self.y(1).minus(&y);
        if self.doubling != 0 {
            let square = x.times(&x);
            let thrice = square.plus(&square).plus(&square);
            numerator = numerator.replaced_if(self.doubling, &thrice);
        }
        let slope = numerator.times(inverse);
        let both = x.plus(&self.x(1));
        let sum = slope.times(&slope).minus(&both).reduced();
        let back = slope.times(&x.minus(&sum)).minus(&y).reduced();
        [sum, back]
    }
}

/// Completes all additions of the batch, of which there is at least one.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn settle(batch: &mut LaneBatch, source: &[Point], out: &mut [Point]) {
    let LaneBatch { pending, chain, .. } = batch;
    let mut product = Lanes::all(&Element::ONE);
    chain.clear();
    for row in 0..pending.len().div_ceil(8) {
        let denominator = Eight::new(source, pending, row).denominator();
        chain.push([denominator, product]);
        product = product.times(&denominator);
    }
    let mut inverses = product.reduced().scatter();
    Element::invert_all(&mut inverses);
    // The inverse of the product of all denominators up to the row, in every lane.
    let mut rest = Lanes::gather(inverses.each_ref());
    for (row, [denominator, before]) in chain.iter().enumerate().rev() {
        let eight = Eight::new(source, pending, row);
        let inverse = rest.times(before);
        rest = rest.times(denominator);
        let [x, y] = eight.sums(&inverse);
        let sums = x.scatter().into_iter().zip(y.scatter());
        for (addition, (x, y)) in eight.additions.iter().zip(sums) {
            out[addition.slot as usize] = Point { x, y };
        }
    }
}
