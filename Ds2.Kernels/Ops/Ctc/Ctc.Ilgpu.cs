using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using AlphaLauncher = Action<AcceleratorStream, KernelConfig, CtcShape, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<float>,
    ArrayView<float>>;
using GradientLauncher = Action<AcceleratorStream, KernelConfig, CtcShape, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<float>,
    ArrayView<float>, float, ArrayView<float>>;
using OccupancyLauncher = Action<AcceleratorStream, KernelConfig, CtcShape, ArrayView<float>, ArrayView<int>, ArrayView<int>, ArrayView<int>, ArrayView<float>,
    ArrayView<float>, ArrayView<float>, ArrayView<float>>;

/// <summary><see cref="Ctc"/> on a GPU.</summary>
/// <remarks>
/// The recursions over frames have one group an utterance and a thread a lattice state (more states than threads are walked in steps): alpha forward in
/// <see cref="AlphaKernel"/>, beta backward in <see cref="OccupancyKernel"/>, which leaves every state's occupancy. What can be parallel over frames is
/// then so: <see cref="GradientKernel"/> sums the occupancies of each class, a thread a class, states in order. No atomics, so repeats are equal bit for bit.
/// A row of the recursion is handed on through shared memory where the lattice has at most <see cref="SharedStates"/> states, else through global memory;
/// rows alternate between two places, so that one barrier a frame suffices.
/// </remarks>
internal sealed class IlgpuCtc(IlgpuEngine engine) : Ctc(engine)
{
    /// <summary>The longest row in shared memory: texts of 1023 labels.</summary>
    internal const int SharedStates = 2048;

    private const int MostThreads = 256;
    private const int Lanes = 32;
    private const int GradientThreads = 256;
    private const int GradientRows = GradientThreads / Lanes;

    private readonly AlphaLauncher alphas = engine.Load<AlphaLauncher>(AlphaKernel);
    private readonly OccupancyLauncher occupancies = engine.Load<OccupancyLauncher>(OccupancyKernel);
    private readonly GradientLauncher gradient = engine.Load<GradientLauncher>(GradientKernel);

    /// <inheritdoc/>
    public override int BackwardWorkspace(CtcShape shape) => Workspace.Round(shape.Alpha.Length) + Workspace.Round(BetaRows(shape).Length);

    /// <inheritdoc/>
    protected override void ForwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha) =>
        alphas(
            Gpu.Stream, GroupPerUtterance(shape), shape, logProbabilities.View(), frames.View(), labels.View(), labelCounts.View(),
            losses.View(), alpha.View());

    /// <inheritdoc/>
    protected override void BackwardCore(
        CtcShape shape, Tensor logProbabilities, IntTensor frames, IntTensor labels, IntTensor labelCounts, Tensor losses, Tensor alpha,
        float scale, Tensor dLogits, Workspace workspace)
    {
        ArrayView<float> occupancy = workspace.Take(shape.Alpha).View();
        ArrayView<float> betaRows = workspace.Take(BetaRows(shape)).View();
        occupancies(
            Gpu.Stream, GroupPerUtterance(shape), shape, logProbabilities.View(), frames.View(), labels.View(), labelCounts.View(),
            losses.View(), alpha.View(), betaRows, occupancy);
        gradient(
            Gpu.Stream, new KernelConfig((shape.T * shape.N + GradientRows - 1) / GradientRows, GradientThreads), shape, logProbabilities.View(), frames.View(), labels.View(),
            labelCounts.View(), losses.View(), occupancy, scale, dLogits.View());
    }

    /// <summary>Two rows of beta for each utterance, needed only where they do not fit shared memory.</summary>
    private static Shape BetaRows(CtcShape shape) => new(shape.N, 2, shape.States > SharedStates ? shape.States : 0);

    private KernelConfig GroupPerUtterance(CtcShape shape) =>
        new(shape.N, Math.Min((shape.States + Lanes - 1) / Lanes * Lanes, Math.Min(MostThreads, Gpu.Accelerator.MaxNumThreadsPerGroup)));

    [GpuKernel(MostThreads)]
    private static void AlphaKernel(
        CtcShape shape, ArrayView<float> logProbabilities, ArrayView<int> frames, ArrayView<int> labels, ArrayView<int> labelCounts,
        ArrayView<float> losses, ArrayView<float> alpha)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(2 * SharedStates);
        var lattice = new Lattice(shape, Grid.IdxX, frames, labelCounts);
        float loss;
        if (shape.States <= SharedStates)
            loss = Alpha(lattice, logProbabilities, labels, alpha, shared, SharedStates, 1);
        else
            loss = Alpha(lattice, logProbabilities, labels, alpha, alpha.SubView(lattice.Index(0, 0), shape.T * shape.States), shape.States, -1);
        if (Group.IdxX == 0)
            losses[lattice.Utterance] = loss;
    }

    /// <summary>The forward recursion; returns the loss.</summary>
    /// <param name="lattice">The utterance's lattice.</param>
    /// <param name="logProbabilities">[T, N, C].</param>
    /// <param name="labels">[N, max(L, 1)].</param>
    /// <param name="alpha">[N, T, 2 L + 1]; overwritten within the utterance.</param>
    /// <param name="rows">Where frame t's row is handed on: at (t &amp; mask) * pitch.</param>
    /// <param name="pitch">From place to place.</param>
    /// <param name="mask">1 for two places that alternate; all bits for a place a frame, which is alpha itself.</param>
    private static float Alpha(
        Lattice lattice, ArrayView<float> logProbabilities, ArrayView<int> labels, ArrayView<float> alpha, ArrayView<float> rows, int pitch, int mask)
    {
        for (int t = 0; t < lattice.Frames; t++)
        {
            int current = (t & mask) * pitch;
            int previous = ((t - 1) & mask) * pitch;
            for (int s = Group.IdxX; s < lattice.States; s += Group.DimX)
            {
                float value;
                if (t > 0)
                {
                    float step = s > 0 ? rows[previous + s - 1] : float.NegativeInfinity;
                    float skip = lattice.CanSkipTo(s, labels) ? rows[previous + s - 2] : float.NegativeInfinity;
                    value = LogSumExp(rows[previous + s], step, skip);
                }
                else
                {
                    value = s < 2 ? 0 : float.NegativeInfinity;
                }

                value += logProbabilities[lattice.Emission(t, lattice.Class(s, labels))];
                rows[current + s] = value;
                alpha[lattice.Index(t, s)] = value;
            }

            Group.Barrier(); // The row is complete, and the one before it is read: the next frame may overwrite that.
        }

        if (lattice.Frames == 0)
            return lattice.States == 1 ? 0 : float.PositiveInfinity;
        int last = ((lattice.Frames - 1) & mask) * pitch + lattice.States - 1;
        float label = lattice.States > 1 ? rows[last - 1] : float.NegativeInfinity;
        return -LogSumExp(rows[last], label, float.NegativeInfinity);
    }

    [GpuKernel(MostThreads)]
    private static void OccupancyKernel(
        CtcShape shape, ArrayView<float> logProbabilities, ArrayView<int> frames, ArrayView<int> labels, ArrayView<int> labelCounts,
        ArrayView<float> losses, ArrayView<float> alpha, ArrayView<float> betaRows, ArrayView<float> occupancy)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(2 * SharedStates);
        var lattice = new Lattice(shape, Grid.IdxX, frames, labelCounts);
        float loss = losses[lattice.Utterance];
        if (loss == float.PositiveInfinity)
            return;
        if (shape.States <= SharedStates)
            Occupancy(lattice, logProbabilities, labels, loss, alpha, shared, SharedStates, occupancy);
        else
            Occupancy(
                lattice, logProbabilities, labels, loss, alpha, betaRows.SubView(lattice.Utterance * 2 * shape.States, 2 * shape.States), shape.States, occupancy);
    }

    /// <summary>The backward recursion; a row handed on is beta plus the frame's own log-probability. Leaves exp(alpha + beta + loss).</summary>
    private static void Occupancy(
        Lattice lattice, ArrayView<float> logProbabilities, ArrayView<int> labels, float loss, ArrayView<float> alpha,
        ArrayView<float> rows, int pitch, ArrayView<float> occupancy)
    {
        for (int t = lattice.Frames - 1; t >= 0; t--)
        {
            int current = (t & 1) * pitch;
            int next = ((t + 1) & 1) * pitch;
            for (int s = Group.IdxX; s < lattice.States; s += Group.DimX)
            {
                float beta;
                if (t < lattice.Frames - 1)
                {
                    float step = s + 1 < lattice.States ? rows[next + s + 1] : float.NegativeInfinity;
                    float skip = s + 2 < lattice.States && lattice.CanSkipTo(s + 2, labels) ? rows[next + s + 2] : float.NegativeInfinity;
                    beta = LogSumExp(rows[next + s], step, skip);
                }
                else
                {
                    beta = s >= lattice.States - 2 ? 0 : float.NegativeInfinity;
                }

                rows[current + s] = beta + logProbabilities[lattice.Emission(t, lattice.Class(s, labels))];

                // At most 0 but for rounding, which at log-probabilities of -1e8 and beyond is no longer small: exp must not overflow.
                float exponent = alpha[lattice.Index(t, s)] + beta + loss;
                if (exponent > 64)
                    exponent = 64;
                occupancy[lattice.Index(t, s)] = XMath.Exp(exponent);
            }

            Group.Barrier();
        }
    }

    /// <summary>A row of 32 threads a frame, a thread a class (more classes are walked in steps).</summary>
    /// <remarks>
    /// A frame's occupancies sum to 1. Dividing by the sum that they have removes the error that all of a frame's states share: alpha, beta and the loss
    /// reach thousands, where fp32 resolves 1e-4.
    /// </remarks>
    [GpuKernel(GradientThreads)]
    private static void GradientKernel(
        CtcShape shape, ArrayView<float> logProbabilities, ArrayView<int> frames, ArrayView<int> labels, ArrayView<int> labelCounts,
        ArrayView<float> losses, ArrayView<float> occupancy, float scale, ArrayView<float> dLogits)
    {
        int row = Grid.IdxX * GradientRows + Group.IdxX / Lanes;
        if (row >= shape.T * shape.N)
            return;
        int t = row / shape.N;
        var lattice = new Lattice(shape, row % shape.N, frames, labelCounts);
        bool counts = t < lattice.Frames && losses[lattice.Utterance] != float.PositiveInfinity;
        for (int k = Group.IdxX % Lanes; k < shape.C; k += Lanes)
        {
            float gradient = 0;
            if (counts)
            {
                float all = occupancy[lattice.Index(t, 0)];
                float own = k == shape.Blank ? all : 0;
                for (int s = 1; s < lattice.States; s += 2)
                {
                    float label = occupancy[lattice.Index(t, s)];
                    float blank = occupancy[lattice.Index(t, s + 1)];
                    all += label + blank;
                    if (k == shape.Blank)
                        own += blank;
                    else if (k == lattice.Class(s, labels))
                        own += label;
                }

                gradient = scale * (XMath.Exp(logProbabilities[lattice.Emission(t, k)]) - own / all);
            }

            dLogits[lattice.Emission(t, k)] = gradient;
        }
    }

    /// <summary>log(exp a + exp b + exp c): -inf where all are, NaN where one is.</summary>
    private static float LogSumExp(float a, float b, float c)
    {
        float maximum = a > b ? a : b;
        maximum = maximum > c ? maximum : c;
        if (maximum > float.NegativeInfinity)
            return maximum + XMath.Log(XMath.Exp(a - maximum) + XMath.Exp(b - maximum) + XMath.Exp(c - maximum));
        return a + b + c;
    }

    /// <summary>One utterance's lattice, and where its states stand.</summary>
    private readonly struct Lattice
    {
        private readonly CtcShape shape;

        public Lattice(CtcShape shape, int utterance, ArrayView<int> frames, ArrayView<int> labelCounts)
        {
            this.shape = shape;
            Utterance = utterance;
            Frames = frames[utterance];
            States = 2 * labelCounts[utterance] + 1;
        }

        public int Utterance { get; }

        public int Frames { get; }

        public int States { get; }

        /// <summary>A state in alpha and in the occupancies.</summary>
        public int Index(int t, int s) => (Utterance * shape.T + t) * shape.States + s;

        /// <summary>A class in the log-probabilities and in the gradient.</summary>
        public int Emission(int t, int k) => (t * shape.N + Utterance) * shape.C + k;

        /// <summary>The class that a state emits.</summary>
        public int Class(int s, ArrayView<int> labels) => (s & 1) == 0 ? shape.Blank : Label(s, labels);

        /// <summary>Whether a path may reach the state from two before it: it is a label, unlike the label before.</summary>
        public bool CanSkipTo(int s, ArrayView<int> labels) => (s & 1) == 1 && s > 1 && Label(s, labels) != Label(s - 2, labels);

        private int Label(int s, ArrayView<int> labels) => labels[Utterance * Math.Max(shape.L, 1) + (s >> 1)];
    }
}
