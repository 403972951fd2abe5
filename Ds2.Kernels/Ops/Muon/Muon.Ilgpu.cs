using Ds2.Kernels.Engines.Ilgpu;
using ILGPU;
using ILGPU.Algorithms;
using ILGPU.Runtime;

namespace Ds2.Kernels.Ops;

using BlendLauncher = Action<AcceleratorStream, KernelConfig, float, ArrayView<float>, int, ArrayView<float>, ArrayView<float>, ArrayView<float>>;
using CombineLauncher = Action<AcceleratorStream, KernelConfig, float, float, float, int, ArrayView<float>, ArrayView<float>>;
using NormalizeLauncher = Action<AcceleratorStream, KernelConfig, int, ArrayView<float>>;
using UpdateLauncher = Action<AcceleratorStream, KernelConfig, float, float, ArrayView<float>, int, ArrayView<float>, ArrayView<float>>;

/// <summary><see cref="Muon"/> on a GPU: all but the products are passes bound by memory.</summary>
internal sealed class IlgpuMuon(IlgpuEngine engine) : Muon(engine)
{
    private const int Threads = 256;

    private readonly BlendLauncher blend = engine.Load<BlendLauncher>(BlendKernel);
    private readonly NormalizeLauncher normalize = engine.Load<NormalizeLauncher>(NormalizeKernel);
    private readonly CombineLauncher combine = engine.Load<CombineLauncher>(CombineKernel);
    private readonly UpdateLauncher update = engine.Load<UpdateLauncher>(UpdateKernel);

    private protected override void Blend(float decay, Tensor clip, Tensor gradients, Tensor momentum, Tensor x) => blend(
        Gpu.Stream, IlgpuEngine.Cover(x.Length, Threads), decay, clip.View(), x.Length, gradients.View(), momentum.View(), x.View());

    private protected override void Normalize(MuonShape matrices, Tensor x) =>
        normalize(Gpu.Stream, new KernelConfig(matrices.Count, Threads), matrices.Matrix.Length, x.View());

    private protected override void Combine(float a, float b, float c, Tensor square, Tensor squared) => combine(
        Gpu.Stream, IlgpuEngine.Cover(square.Length, Threads), a, b, c, square.Shape[0], square.View(), squared.View());

    private protected override void Update(float decay, float size, Tensor clip, Tensor o, Tensor parameters) => update(
        Gpu.Stream, IlgpuEngine.Cover(o.Length, Threads), decay, size, clip.View(), o.Length, o.View(), parameters.View());

    [GpuKernel(Threads)]
    private static void BlendKernel(
        float decay, ArrayView<float> clip, int length, ArrayView<float> gradients, ArrayView<float> momentum, ArrayView<float> x)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= length)
            return;
        float factor = clip[1];
        if (factor == 0)
        {
            x[i] = 0;
            return;
        }

        float g = factor * gradients[i], m = momentum[i];
        m += (1 - decay) * (g - m);
        momentum[i] = m;
        x[i] = m + (1 - decay) * (g - m);
    }

    /// <summary>A group for each matrix.</summary>
    [GpuKernel(Threads)]
    private static void NormalizeKernel(int length, ArrayView<float> x)
    {
        ArrayView<double> scratch = SharedMemory.Allocate<double>(Threads);
        long first = (long)Grid.IdxX * length;
        double sum = 0;
        for (int i = Group.IdxX; i < length; i += Threads)
        {
            double value = x[first + i];
            sum += value * value;
        }

        sum = GroupTree.Reduce<double, DoubleSum>(scratch, sum, Threads, 1);
        var factor = (float)(1 / XMath.Max(XMath.Sqrt(sum), LeastNorm));
        for (int i = Group.IdxX; i < length; i += Threads)
            x[first + i] *= factor;
    }

    [GpuKernel(Threads)]
    private static void CombineKernel(float a, float b, float c, int n, ArrayView<float> square, ArrayView<float> squared)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= n * n)
            return;
        float diagonal = i / n == i % n ? a : 0;
        squared[i] = c * squared[i] + b * square[i] + diagonal;
    }

    [GpuKernel(Threads)]
    private static void UpdateKernel(float decay, float size, ArrayView<float> clip, int length, ArrayView<float> o, ArrayView<float> parameters)
    {
        int i = Grid.GlobalIndex.X;
        if (i >= length || clip[1] == 0)
            return;
        float p = parameters[i];
        p -= decay * p;
        parameters[i] = p - size * o[i];
    }
}
