using System.Runtime.CompilerServices;
using Ds2.Kernels.Engines.Host;

namespace Ds2.Kernels.Ops;

/// <summary><see cref="Addition"/> on the CPU.</summary>
internal sealed unsafe class HostAddition(HostEngine engine) : Addition(engine)
{
    /// <inheritdoc/>
    protected override void AddCore(Tensor a, Tensor b, Tensor sum) =>
        Elementwise.Run(Host.Workers, new Sum(a.Pointer(), b.Pointer(), sum.Pointer()), a.Length);

    /// <inheritdoc/>
    protected override void CopyCore(Tensor x, Tensor copy) => Elementwise.Run(Host.Workers, new Move(x.Pointer(), copy.Pointer()), x.Length);

    private readonly struct Sum(float* a, float* b, float* sum) : IElementwise
    {
        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> => (TLanes.Load(a + index) + TLanes.Load(b + index)).Store(sum + index);
    }

    private readonly struct Move(float* x, float* copy) : IElementwise
    {
        public static bool IsLight => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TLanes>(int index)
            where TLanes : unmanaged, ILanes<TLanes> => TLanes.Load(x + index).Store(copy + index);
    }
}
