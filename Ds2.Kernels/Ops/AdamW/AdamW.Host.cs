using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="AdamW"/> on the CPU.</summary>
internal sealed unsafe class HostAdamW(HostEngine engine) : AdamW(engine)
{
    /// <inheritdoc/>
    protected override void StepCore(
        AdamWOptions options, int step, Tensor clip, Tensor gradients, Tensor parameters, Tensor firstMoment, Tensor secondMoment)
    {
        float factor = clip.Pointer()[1];
        if (factor == 0)
            return;

        // In double: near step 1, 1 - beta2^step has lost most of fp32's digits.
        var rate = (float)(options.LearningRate / (1 - Math.Pow(options.Beta1, step)));
        var scale = (float)(1 / (1 - Math.Pow(options.Beta2, step)));
        var update = new Update(
            options, factor, rate, scale, gradients.Pointer(), parameters.Pointer(), firstMoment.Pointer(), secondMoment.Pointer());
        Elementwise.Run(Host.Workers, update, parameters.Length);
    }

    private readonly struct Update(
        AdamWOptions options, float factor, float rate, float scale, float* gradients, float* parameters, float* firstMoment, float* secondMoment) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes g = TLanes.All(factor) * TLanes.Load(gradients + index);
            TLanes p = TLanes.Load(parameters + index);
            p = TLanes.MultiplyAdd(TLanes.All(-options.LearningRate * options.WeightDecay), p, p);

            // m + (1 - beta) (g - m): exact where g = m.
            TLanes m = TLanes.Load(firstMoment + index);
            m = TLanes.MultiplyAdd(TLanes.All(1 - options.Beta1), g - m, m);
            TLanes v = TLanes.All(options.Beta2) * TLanes.Load(secondMoment + index);
            v = TLanes.MultiplyAdd(TLanes.All(1 - options.Beta2) * g, g, v);
            m.Store(firstMoment + index);
            v.Store(secondMoment + index);
            TLanes root = TLanes.Sqrt(v * TLanes.All(scale)) + TLanes.All(options.Epsilon);
            TLanes.MultiplyAdd(TLanes.All(-rate), m / root, p).Store(parameters + index);
        }
    }
}
