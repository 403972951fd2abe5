using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Sgd"/> on the CPU.</summary>
internal sealed unsafe class HostSgd(HostEngine engine) : Sgd(engine)
{
    /// <inheritdoc/>
    protected override void StepCore(SgdOptions options, Tensor clip, Tensor gradients, Tensor parameters, Tensor velocity)
    {
        float factor = clip.Pointer()[1];
        if (factor == 0)
            return;
        Elementwise.Run(Host.Workers, new Update(options, factor, gradients.Pointer(), parameters.Pointer(), velocity.Pointer()), parameters.Length);
    }

    private readonly struct Update(SgdOptions options, float factor, float* gradients, float* parameters, float* velocity) : IElementwise
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            TLanes p = TLanes.Load(parameters + index);
            TLanes momentum = TLanes.All(options.Momentum);
            TLanes g = TLanes.MultiplyAdd(TLanes.All(options.WeightDecay), p, TLanes.All(factor) * TLanes.Load(gradients + index));
            TLanes v = TLanes.MultiplyAdd(momentum, TLanes.Load(velocity + index), g);
            v.Store(velocity + index);
            TLanes direction = options.Nesterov ? TLanes.MultiplyAdd(momentum, v, g) : v;
            TLanes.MultiplyAdd(TLanes.All(-options.LearningRate), direction, p).Store(parameters + index);
        }
    }
}
