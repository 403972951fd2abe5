namespace Ds2.Kernels.Contract;

/// <summary>Scratch memory of one engine, reused by every op of a step and grown to the largest that asks.</summary>
/// <remarks>
/// An op's shape says how much it needs (<c>ForwardWorkspace</c>, <c>BackwardWorkspace</c>: fp32 elements, each piece rounded up with
/// <see cref="Round"/>). The caller reserves that much before the call; the op takes its pieces; nothing outlives the call.
/// </remarks>
/// <param name="engine">The engine whose memory it is.</param>
public sealed class Workspace(IEngine engine) : IDisposable
{
    private const int Alignment = 64;

    private Tensor? memory;
    private int taken;

    /// <summary>The engine whose memory it is.</summary>
    public IEngine Engine { get; } = engine;

    /// <summary>The number of fp32 elements it holds.</summary>
    public int Capacity => memory?.Length ?? 0;

    /// <summary>A length rounded up to where the next piece may start.</summary>
    public static int Round(int length) => checked((length + Alignment - 1) / Alignment * Alignment);

    /// <summary>Makes sure that <paramref name="length"/> elements are there; contents do not survive growing.</summary>
    public void Reserve(int length)
    {
        if (length <= Capacity)
            return;
        memory?.Dispose();
        memory = null;
        memory = Engine.Allocate(new Shape(length));
    }

    /// <summary>Starts an op's use: all of it is free again.</summary>
    /// <exception cref="ArgumentException">Less than <paramref name="required"/> elements were reserved.</exception>
    internal void Begin(int required)
    {
        if (Capacity < required)
            throw new ArgumentException($"the workspace holds {Capacity} elements, the op needs {required}: call Reserve first");
        taken = 0;
    }

    /// <summary>The next piece; its contents are undefined.</summary>
    /// <exception cref="ArgumentException">The op takes more than its shape asked for.</exception>
    internal Tensor Take(Shape shape)
    {
        if (memory is null || shape.Length > memory.Length - taken)
            throw new ArgumentException($"the workspace has {Capacity - taken} elements left, not enough for {shape}");
        Tensor piece = memory.Slice(taken, shape);
        taken = Math.Min(taken + Round(shape.Length), memory.Length);
        return piece;
    }

    /// <summary>Gives the memory back.</summary>
    public void Dispose()
    {
        memory?.Dispose();
        memory = null;
    }
}
