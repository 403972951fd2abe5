using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Hardtanh"/> on the CPU.</summary>
internal sealed unsafe class HostHardtanh(HostEngine engine) : Hardtanh(engine)
{
    /// <inheritdoc/>
    protected override void ForwardCore(Tensor x, float low, float high, Tensor y) =>
        Elementwise.Run(Host.Workers, new Clip(x.Pointer(), low, high, y.Pointer()), x.Length);

    /// <inheritdoc/>
    protected override void BackwardCore(Tensor y, float low, float high, Tensor dY, Tensor dX) =>
        Elementwise.Run(Host.Workers, new ClipGradient(y.Pointer(), low, high, dY.Pointer(), dX.Pointer()), y.Length);

    private readonly struct Clip(float* x, float low, float high, float* y) : IElementwise
    {
        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> =>
            TLanes.Min(TLanes.All(high), TLanes.Max(TLanes.All(low), TLanes.Load(x + index))).Store(y + index);
    }

    private readonly struct ClipGradient(float* y, float low, float high, float* dY, float* dX) : IElementwise
    {
        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes>
        {
            // value <= low is value < the next float: a comparison that is false for NaN, and so lets dY pass there.
            TLanes value = TLanes.Load(y + index);
            TLanes zero = TLanes.All(0f);
            TLanes aboveLow = TLanes.WhereLess(value, TLanes.All(float.BitIncrement(low)), zero, TLanes.Load(dY + index));
            TLanes.WhereLess(TLanes.All(float.BitDecrement(high)), value, zero, aboveLow).Store(dX + index);
        }
    }
}
