using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Muon"/> on the CPU.</summary>
internal sealed unsafe class HostMuon(HostEngine engine) : Muon(engine)
{
    /// <summary>One matrix after the other: its products stay in the core's own cache.</summary>
    private protected override int TensorsAtATime(MuonShape matrices) => 1;

    private protected override int MatricesAtATime(MuonShape matrices) => 1;

    private protected override GemmShape SquareOf(int n) => new(n, n, n);

    private protected override int NormScratch(MuonShape matrices) => 0;

    private protected override void Blend(float decay, Tensor clip, Tensor gradients, Tensor momentum, Tensor x)
    {
        float factor = clip.Pointer()[1];
        if (factor == 0)
            x.Fill(0);
        else
            Elementwise.Run(Host.Workers, new Blending(decay, factor, gradients.Pointer(), momentum.Pointer(), x.Pointer()), x.Length);
    }

    private protected override void Normalize(MuonShape matrices, Tensor x, Workspace workspace)
    {
        int length = matrices.Matrix.Length;
        float* values = x.Pointer();
        Host.Workers.For(matrices.Count, matrix =>
        {
            float* own = values + (nint)matrix * length;
            double norm = Math.Sqrt(HostGradientNorm.SumOfSquares(own, length));
            Elementwise.Run(new Scaling((float)(1 / Math.Max(norm, LeastNorm)), own), length);
        });
    }

    private protected override void Combine(float a, float b, float c, Tensor square, Tensor squared)
    {
        float* result = squared.Pointer();
        (int count, int n) = (square.Shape[0], square.Shape[1]);
        Elementwise.Run(Host.Workers, new Combining(b, c, square.Pointer(), result), square.Length);
        for (int matrix = 0; matrix < count; matrix++)
        {
            for (int i = 0; i < n; i++)
                result[((nint)matrix * n + i) * n + i] += a;
        }
    }

    private protected override void Update(float decay, float size, Tensor clip, Tensor o, Tensor parameters)
    {
        if (clip.Pointer()[1] != 0)
            Elementwise.Run(Host.Workers, new Updating(decay, size, o.Pointer(), parameters.Pointer()), parameters.Length);
    }

    private readonly struct Blending(float decay, float factor, float* gradients, float* momentum, float* x) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes g = TLanes.All(factor) * TLanes.Load(gradients + index), m = TLanes.Load(momentum + index);
            // m + (1 - decay) (g - m): exact where g = m.
            m = TLanes.MultiplyAdd(TLanes.All(1 - decay), g - m, m);
            m.Store(momentum + index);
            TLanes.MultiplyAdd(TLanes.All(1 - decay), g - m, m).Store(x + index);
        }
    }

    private readonly struct Scaling(float factor, float* x) : IElementwise
    {
        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> => (TLanes.All(factor) * TLanes.Load(x + index)).Store(x + index);
    }

    private readonly struct Combining(float b, float c, float* square, float* squared) : IElementwise
    {
        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            TLanes.MultiplyAdd(TLanes.All(c), TLanes.Load(squared + index), TLanes.All(b) * TLanes.Load(square + index)).Store(squared + index);
    }

    private readonly struct Updating(float decay, float size, float* o, float* parameters) : IElementwise
    {
        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes p = TLanes.Load(parameters + index);
            p = TLanes.MultiplyAdd(TLanes.All(-decay), p, p);
            TLanes.MultiplyAdd(TLanes.All(-size), TLanes.Load(o + index), p).Store(parameters + index);
        }
    }
}
