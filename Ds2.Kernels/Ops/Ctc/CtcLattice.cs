using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary>One utterance's lattice on the CPU: the recursions over its frames, each frame's states in vector registers.</summary>
/// <param name="shape">The batch's sizes.</param>
/// <param name="y">The utterance's log-probabilities at frame 0; a frame is N C elements on.</param>
/// <param name="labels">Its text.</param>
/// <param name="labelCount">The text's length.</param>
/// <param name="frames">Its valid frames.</param>
/// <param name="alpha">[T, 2 L + 1], its forward variables.</param>
internal readonly unsafe struct CtcLattice(CtcShape shape, float* y, int* labels, int labelCount, int frames, float* alpha)
{
    // A step reaches two states back (or on): rows have that many impossible states before them (or behind).
    private const int Reach = 2;
    private const float Impossible = float.NegativeInfinity;

    private readonly nint frameStride = (nint)shape.N * shape.C;
    private readonly int states = 2 * labelCount + 1;

    /// <summary>The fp32 elements of scratch that either pass needs: three rows of the longest lattice.</summary>
    public static int ScratchLength(CtcShape shape) => 3 * (shape.States + Reach);

    /// <summary>Fills alpha and returns the loss.</summary>
    public float Forward(float* scratch)
    {
        if (frames == 0)
            return labelCount == 0 ? 0f : float.PositiveInfinity;
        float* skip = scratch, before = skip + states + Reach;
        FillSkips(skip);

        // The state before the first frame: as if state -1 had been certain, so that states 0 and 1 can begin.
        new Span<float>(before, states + Reach).Fill(Impossible);
        before[Reach - 1] = 0;
        for (int t = 0; t < frames; t++)
        {
            float* now = alpha + (nint)t * shape.States;
            FillEmissions(t, now);
            Elementwise.Run(new Advance(before + Reach, before + Reach - 1, before, skip, now), states);
            before[Reach - 1] = Impossible;
            new Span<float>(now, states).CopyTo(new Span<float>(before + Reach, states));
        }

        float* last = alpha + (nint)(frames - 1) * shape.States;
        return (float)(0 - LogSum(last[states - 1], states > 1 ? last[states - 2] : Impossible));
    }

    /// <summary>Runs beta down the frames and writes the gradient with respect to the logits.</summary>
    public void Backward(float* scratch, float scale, float* gradient)
    {
        float* skip = scratch, next = skip + states + Reach, beta = next + states + Reach;
        FillSkips(skip);
        new Span<float>(skip + states, Reach).Fill(Impossible);
        new Span<float>(beta, states).Fill(Impossible);
        beta[states - 1] = 0;
        if (states > 1)
            beta[states - 2] = 0;
        new Span<float>(next + states, Reach).Fill(Impossible);
        for (int t = frames - 1; t >= 0; t--)
        {
            if (t < frames - 1)
            {
                FillEmissions(t + 1, next);
                Elementwise.Run(new Add(beta, next), states);
                new Span<float>(beta, states).Clear();
                Elementwise.Run(new Advance(next, next + 1, next + Reach, skip + Reach, beta), states);
            }

            WriteGradient(t, beta, next, scale, gradient + t * frameStride);
        }
    }

    private static double LogSum(double a, double b)
    {
        double max = Math.Max(a, b);
        return double.IsNegativeInfinity(max) ? max : max + Math.Log(Math.Exp(a - max) + Math.Exp(b - max));
    }

    /// <summary>dLogits = scale (exp y - occupancy); a frame's occupancies are divided by their own sum, which is exp(-loss) up to rounding.</summary>
    private void WriteGradient(int t, float* beta, float* occupancy, float scale, float* gradient)
    {
        float* a = alpha + (nint)t * shape.States;
        float max = Impossible;
        for (int s = 0; s < states; s++)
        {
            occupancy[s] = a[s] + beta[s];
            max = occupancy[s] > max ? occupancy[s] : max;
        }

        Elementwise.Run(new ShiftedExp(occupancy, max), states);
        new Span<float>(gradient, shape.C).Clear();
        double blanks = 0, sum = 0;
        for (int s = 0; s < states; s += 2)
            blanks += occupancy[s];
        for (int i = 0; i < labelCount; i++)
        {
            gradient[labels[i]] += occupancy[2 * i + 1];
            sum += occupancy[2 * i + 1];
        }

        sum += blanks;
        gradient[shape.Blank] = (float)blanks;
        Elementwise.Run(new Gradient(y + t * frameStride, (float)(1 / sum), scale, gradient), shape.C);
    }

    /// <summary>0 where a state may follow the state two before it (a label unlike the one before, or the first), else -inf.</summary>
    private void FillSkips(float* skip)
    {
        for (int s = 0; s < states; s++)
            skip[s] = s == 1 || (s % 2 == 1 && labels[s / 2] != labels[s / 2 - 1]) ? 0 : Impossible;
    }

    private void FillEmissions(int t, float* emissions)
    {
        float* probabilities = y + t * frameStride;
        for (int i = 0; i < labelCount; i++)
        {
            emissions[2 * i] = probabilities[shape.Blank];
            emissions[2 * i + 1] = probabilities[labels[i]];
        }

        emissions[states - 1] = probabilities[shape.Blank];
    }

    /// <summary>result += log(exp a + exp b + exp (c + skip)).</summary>
    private readonly struct Advance(float* a, float* b, float* c, float* skip, float* result) : IElementwise
    {
        // Under all sums of log-probabilities, and finite: three impossible terms give log 0, not inf - inf.
        private const float Floor = -1e30f;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes x = TLanes.Load(a + index), y = TLanes.Load(b + index), z = TLanes.Load(c + index) + TLanes.Load(skip + index);
            TLanes max = TLanes.Max(TLanes.Max(x, y), TLanes.Max(z, TLanes.All(Floor)));
            TLanes sum = VectorMath.Exp(x - max) + VectorMath.Exp(y - max) + VectorMath.Exp(z - max);
            (TLanes.Load(result + index) + (max + VectorMath.Log(sum))).Store(result + index);
        }
    }

    private readonly struct Add(float* a, float* result) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            (TLanes.Load(a + index) + TLanes.Load(result + index)).Store(result + index);
    }

    private readonly struct ShiftedExp(float* values, float max) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            VectorMath.Exp(TLanes.Load(values + index) - TLanes.All(max)).Store(values + index);
    }

    private readonly struct Gradient(float* y, float share, float scale, float* gradient) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes occupancy = TLanes.Load(gradient + index) * TLanes.All(share);
            (TLanes.All(scale) * (VectorMath.Exp(TLanes.Load(y + index)) - occupancy)).Store(gradient + index);
        }
    }
}
