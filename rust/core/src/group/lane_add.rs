//! [`batch_add`](super::batch_add) with eight additions at a time ([`lanes`](super::lanes)).

use blst::blst_p1_affine;

use super::E1Affine;
use super::adder::{Adder, Member, Pairs, is_member};
use super::ffi::Ifma;
use super::lanes::{Element, Lanes, Mask};

/// Additions that share an inversion: eight chains of products that end in one.
const SHARING: usize = 1024;

/// A point in affine coordinates; all-zero is infinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: Element,
    pub(super) y: Element,
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
    fn add(&mut self, source: &[Point], pair: [Member; 2], slot: usize, out: &mut [Point]) {
        // One limb tells most pairs from special ones.
        let [a, b] = [pair[0], pair[1]].map(|member| source[member.index()].x.0[0]);
        let case = if a == b || a == 0 || b == 0 {
            special(source, pair)
        } else {
            Case::Sum
        };
        if let Case::Known(sum) = case {
            out[slot] = sum;
            return;
        }
        self.pending.push(Pending {
            slot: slot as u32,
            operands: pair,
            doubling: matches!(case, Case::Double),
        });
        if self.pending.len() == SHARING {
            self.settle(source, out);
        }
    }

    fn signed(source: &[Point], member: Member) -> Point {
        signed(source, member)
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

    fn import(&self, points: &[E1Affine]) -> Vec<Point> {
        let mut all = Vec::with_capacity(points.len());
        for eight in points.chunks(8) {
            all.extend(&self.ifma.imported(eight)[..eight.len()]);
        }
        all
    }

    fn export(point: &Point) -> blst_p1_affine {
        blst_p1_affine {
            x: point.x.to_blst(),
            y: point.y.to_blst(),
        }
    }

    fn are_members(&self, points: &[Point]) -> bool {
        points.chunks(8).all(|eight| {
            // Below three the lanes are slower than blst.
            let found = if eight.len() < 3 {
                0
            } else {
                self.ifma.members(eight)
            };
            let mut others = (0..eight.len()).filter(|lane| found >> lane & 1 == 0);
            others.all(|lane| is_member(&Self::export(&eight[lane])))
        })
    }
}

/// Eight additions, one in each lane.
struct Eight<'a> {
    source: &'a [Point],
    additions: &'a [Pending; 8],
    doubling: Mask,
}

impl<'a> Eight<'a> {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn new(source: &'a [Point], additions: &'a [Pending; 8]) -> Self {
        let mut doubling: Mask = 0;
        for (lane, addition) in additions.iter().enumerate() {
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
        for (x, addition) in xs.iter_mut().zip(self.additions) {
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
        for (lane, (y, addition)) in ys.iter_mut().zip(self.additions).enumerate() {
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
        let difference = self.x(1).minus_below::<2>(&self.x(0));
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
        let mut numerator = self.y(1).minus_below::<2>(&y);
        if self.doubling != 0 {
            let square = x.square();
            let thrice = square.plus(&square).plus(&square);
            numerator = numerator.replaced_if(self.doubling, &thrice);
        }
        let slope = numerator.times(inverse);
        let sum = slope.square().minus_both(&x, &self.x(1)).reduced();
        let back = slope
            .times(&x.minus_below::<2>(&sum))
            .minus_below::<2>(&y)
            .reduced();
        [sum, back]
    }
}

/// Completes all additions of the batch, of which there is at least one.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn settle(batch: &mut LaneBatch, source: &[Point], out: &mut [Point]) {
    let LaneBatch { pending, chain, .. } = batch;
    // The last addition, once more, fills the last eight.
    let last = pending[pending.len() - 1];
    pending.resize(pending.len().next_multiple_of(8), last);
    let (pending, _) = pending.as_chunks();
    let mut product = Lanes::all(&Element::ONE);
    chain.clear();
    for additions in pending {
        let denominator = Eight::new(source, additions).denominator();
        chain.push([denominator, product]);
        product = product.times(&denominator);
    }
    let mut inverses = product.reduced().scatter();
    Element::invert_all(&mut inverses);
    // The inverse of the product of all denominators up to the row, in every lane.
    let mut rest = Lanes::gather(inverses.each_ref());
    for ([denominator, before], additions) in chain.iter().zip(pending).rev() {
        let eight = Eight::new(source, additions);
        let inverse = rest.times(before);
        rest = rest.times(denominator);
        let [x, y] = eight.sums(&inverse);
        let sums = x.scatter().into_iter().zip(y.scatter());
        for (addition, (x, y)) in eight.additions.iter().zip(sums) {
            out[addition.slot as usize] = Point { x, y };
        }
    }
}
