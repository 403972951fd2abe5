namespace Ds2.Tests;

/// <summary>How far a result may lie from the double-precision reference.</summary>
/// <param name="Absolute">Allowed error of an element, whatever its size.</param>
/// <param name="Relative">Allowed error of an element as a fraction of its reference.</param>
/// <param name="MeanSquare">Allowed sum of squared errors as a fraction of the sum of squares (and beyond that, Absolute for each element).</param>
public readonly record struct Tolerance(double Absolute, double Relative, double MeanSquare = 1e-7)
{
    /// <summary>The same, with the absolute error scaled to results of another size.</summary>
    public Tolerance Times(double scale) => this with { Absolute = Absolute * scale };
}

/// <summary>Every tolerance of the op tests, each with its reason.</summary>
/// <remarks>A wrong index, a missing term or a wrong sign moves a result by about 1, the size of the random inputs: all of these are far below.</remarks>
public static class Tolerances
{
    /// <summary>The distance from 1 to the next fp32 number.</summary>
    public const double Epsilon = 1.1920929e-7;

    /// <summary>Logits of a tiny model (4 units) whose recurrent weights, of size 1/2, are rounded to half precision: 2^-12 of each, 1e-3 of a gate at most, which a few frames and layers add up.</summary>
    public const double HalfPrecisionLogits = 1e-2;

    /// <summary>Copies, comparisons and masks round nothing.</summary>
    public static readonly Tolerance Exact = new(0, 0, 0);

    /// <summary>A handful of operations an element, each correctly rounded or nearly (an exp, a division): a few units in the last place.</summary>
    public static readonly Tolerance Pointwise = new(16 * Epsilon, 16 * Epsilon);

    /// <summary>
    /// A sum of products of inputs of size 1. Partial sums grow as sqrt(terms), so do their rounding errors, which add up at random over
    /// the terms: Epsilon * terms is already pessimistic for one running sum. The relative part covers sums that happen to be large.
    /// </summary>
    public static Tolerance Sum(int terms) => new(2 * Epsilon * Math.Max(8, terms), 1e-5);

    /// <summary>
    /// Batch normalisation: statistics over so many elements (their error shrinks with the mean, so it hardly grows), then an affine map;
    /// the subtraction of the mean loses as many digits as mean / deviation has, which the tests keep below ten.
    /// </summary>
    public static Tolerance Normalized(int elements) => new(64 * Epsilon * Math.Max(1, Math.Sqrt(elements) / 8), 1e-5);

    /// <summary>
    /// A recurrent layer: each frame adds the error of a sum over its inputs; gates contract what the frames before left, so the error
    /// grows with the square root of the frames at worst. Vector exp and tanh are held to 4 units in the last place.
    /// </summary>
    public static Tolerance Recurrent(int terms, int frames) => new(4 * Epsilon * Math.Max(8, terms) * Math.Sqrt(Math.Max(1, frames)), 5e-5);

    /// <summary>
    /// A recurrent layer beside itself where only the order of its sums differs (a sequence whole and in pieces): partial sums are of size 1 or so, and the
    /// rounding of each, Epsilon / 2, is random, so that sums differ by Epsilon sqrt(terms), and states by that and what the frames before hand on.
    /// </summary>
    public static Tolerance Reordered(int terms, int frames) => new(Epsilon * Math.Sqrt((double)terms * Math.Max(1, frames)), 1e-6);

    /// <summary>
    /// A model's logits in pieces beside those of the whole: some products sum in another order (see <see cref="Reordered"/>); logits are of size 1 to 10, the layers few.
    /// A state that is lost or a frame that is missed moves them by a tenth and more.
    /// </summary>
    public static readonly Tolerance Streamed = new(1e-5, 0);

    /// <summary>
    /// Log-space recursions: each of the frames adds the rounding of a number of the loss's own size, so that the relative error is
    /// at most Epsilon a frame. The absolute part covers losses near zero.
    /// </summary>
    public static Tolerance LogSpace(int frames) => new(32 * Epsilon * Math.Max(1, frames), 1e-5);

    /// <summary>
    /// The CTC gradient exponentiates log-probabilities of the size of the loss: a relative error of the loss times the loss itself
    /// becomes one of the occupancy, which is at most 1.
    /// </summary>
    public static Tolerance Occupancy(double largestLoss, int frames) => new(16 * Epsilon * (8 + frames + largestLoss), 1e-4);

    /// <summary>The gradient norm sums in double or pairwise; one root and one division follow.</summary>
    public static readonly Tolerance Norm = new(1e-30, 1e-6);

    /// <summary>An optimiser's few operations an element, over as many steps; their rounding adds up.</summary>
    public static Tolerance Optimiser(int steps) => new(8 * Epsilon * steps, 16 * Epsilon * steps);

    /// <summary>
    /// Muon's polynomials have slopes of 8.4, 4.0, 3.5 and 2.5 at zero, which take a rounding error of the first to up to 300 times its size; the products' sums are rounded like their largest summands, which are
    /// below 1 as the matrices' norms are. The step is 0.002 sqrt(longer side) of that.
    /// </summary>
    public static Tolerance Orthogonalized(int steps, int side = 96) => new(0.002 * Math.Sqrt(side) * 300 * 8 * Epsilon * steps, 16 * Epsilon * steps);

    /// <summary>
    /// Four-point central differences of a double function with step 1e-3: the truncation error is O(h^4) = 1e-12 times a fifth derivative, the
    /// rounding error 1e-16 / h. Functions here have derivatives of order 1 to 1000.
    /// </summary>
    public static readonly Tolerance Differences = new(1e-8, 1e-7);

    /// <summary>
    /// Four-point differences of an engine's fp32 outputs along one direction, step 1/64: the outputs' rounding (Epsilon) divided by the step is
    /// 1e-5 a summand. The tolerance is relative to the sum of the absolute terms.
    /// </summary>
    public const double DirectionalDifference = 2e-4;

    /// <summary>
    /// The beam search sums and multiplies in double what its softmax has in fp32, each probability within a unit or so of its last place: ln P is off by at most that a frame.
    /// </summary>
    public static double LogProbability(int frames) => 4 * Epsilon * Math.Max(1, frames);

    /// <summary>lmplz writes seven digits of single precision, computed in single precision: log10 p of size 1 to 10.</summary>
    public const double LmplzDigits = 2e-6;

    /// <summary>A language model's score is a sum of at most seven numbers of size 1 to 100 in single precision: the largest have 100 Epsilon / 2 each.</summary>
    public const double SumOfLogs = 5e-5;

    /// <summary>PyTorch computes in fp32 as well (goldens are stored so): its own rounding comes on top of ours.</summary>
    public static readonly Tolerance Golden = new(2e-5, 2e-5);

    /// <summary>
    /// A whole model against PyTorch's in double, relative, over ten steps: each value passes some ten sums of 100 to 10,000 terms a step, and
    /// momentum adds up the steps' errors. What is wrong by a factor, a sign or a term is off by far more than 1e-3 in the first step.
    /// </summary>
    public const double GoldenCurve = 1e-4;
}
