using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime;

namespace Ds2.Kernels.Engines.Ilgpu;

using FillLauncher = Action<AcceleratorStream, KernelConfig, ArrayView<int>, int, int>;

/// <summary>Sets memory to one 32-bit value.</summary>
internal sealed class FillKernels(IlgpuEngine engine)
{
    private const int Threads = 256;

    private readonly FillLauncher fill = engine.Load<FillLauncher>(FillKernel);

    /// <summary>Queues setting every element to the value, bit for bit.</summary>
    public void Fill<T>(ArrayView<T> view, T value)
        where T : unmanaged
    {
        ArrayView<int> words = view.Cast<int>();
        if (words.IntLength > 0)
            fill(engine.Stream, IlgpuEngine.Cover(words.IntLength, Threads), words, words.IntLength, Unsafe.BitCast<T, int>(value));
    }

    [GpuKernel(Threads)]
    private static void FillKernel(ArrayView<int> view, int length, int value)
    {
        int i = Grid.GlobalIndex.X;
        if (i < length)
            view[i] = value;
    }
}
