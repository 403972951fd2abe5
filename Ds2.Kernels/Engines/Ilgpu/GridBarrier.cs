using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime.Cuda;

namespace Ds2.Kernels.Engines.Ilgpu;

/// <summary>Where the groups of a cooperative launch, or those of a part of it, wait for each other: a counter in global memory that counts arrivals and never starts over.</summary>
/// <remarks>
/// What a group wrote before it arrived is there for whoever has waited, but past the first-level cache alone, which nobody keeps coherent: it is read with
/// <see cref="Load"/>. Waiting ends after a number of looks at the counter. Then that group breaks the barrier for all, the launch comes to its end, and the host throws at its next
/// <see cref="IlgpuEngine.Synchronize"/>. All threads of a group call. CUDA alone (inline PTX).
/// </remarks>
internal static class GridBarrier
{
    /// <summary>From one counter to the next: each has a cache line of its own.</summary>
    public const int Stride = 32;

    /// <summary>Set in a counter at which a group has waited too long.</summary>
    public const int Broken = 1 << 30;

    /// <summary>Counts this group in, with all that it has written.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Arrive(ArrayView<int> counters, int counter)
    {
        Group.Barrier();
        if (Group.IdxX == 0)
        {
            MemoryFence.DeviceLevel();
            Atomic.Add(ref counters[counter * Stride], 1);
        }
    }

    /// <summary>Waits until so many groups have arrived since the launch began.</summary>
    /// <param name="seen">Shared memory, one element, of this alone.</param>
    /// <param name="counters">The counters.</param>
    /// <param name="address">Where they lie on the device.</param>
    /// <param name="counter">Which of them.</param>
    /// <param name="arrivals">How many are waited for.</param>
    /// <param name="looks">How often to look before giving up; each takes about a microsecond.</param>
    /// <returns>False where the barrier is broken: the group must leave the kernel.</returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Wait(ArrayView<int> seen, ArrayView<int> counters, long address, int counter, int arrivals, int looks)
    {
        if (Group.IdxX == 0)
        {
            int left = looks;
            do
            {
                CudaAsm.Emit("ld.volatile.global.s32 %0, [%1];", out seen[0], address + counter * Stride * sizeof(int));
                left--;
            }
            while (seen[0] < arrivals && left > 0);
            if (seen[0] < arrivals)
            {
                Atomic.Or(ref counters[counter * Stride], Broken);
                seen[0] = Broken;
            }

            MemoryFence.DeviceLevel();
        }

        Group.Barrier();
        return seen[0] < Broken;
    }

    /// <summary>Copies 64 bits that another group of the launch may have written, from the second-level cache to shared memory.</summary>
    /// <remarks>To a register would go through memory of the thread's own: ILGPU gives inline PTX no other way out.</remarks>
    /// <param name="shared">Where to.</param>
    /// <param name="index">The element.</param>
    /// <param name="address">Where they lie on the device, a multiple of 8.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Load(ArrayView<double> shared, int index, long address) => CudaAsm.Emit("ld.global.cg.f64 %0, [%1];", out shared[index], address);
}
