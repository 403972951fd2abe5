namespace Ds2.Tests.Ops;

/// <summary>A tensor in the middle of a larger one whose ends hold a sentinel that no op may touch.</summary>
internal sealed class Guarded<T> : IDisposable
    where T : unmanaged, IEquatable<T>
{
    // Slices start at multiples of 64 elements; the guard behind starts right after the last element, with no gap.
    private const int Margin = 64;

    private readonly Tensor<T> whole;
    private readonly T sentinel;
    private readonly string name;
    private readonly T[]? constant;

    /// <summary>A tensor with its first contents.</summary>
    /// <param name="allocate">The engine's allocation.</param>
    /// <param name="shape">The tensor's shape.</param>
    /// <param name="contents">What it holds at first.</param>
    /// <param name="sentinel">What stands around it.</param>
    /// <param name="name">Its name in messages.</param>
    /// <param name="isInput">Whether its contents must stay as they are.</param>
    public Guarded(Func<Shape, Tensor<T>> allocate, Shape shape, T[] contents, T sentinel, string name, bool isInput)
    {
        this.sentinel = sentinel;
        this.name = name;
        whole = allocate(new Shape(Margin + shape.Length + Margin));
        whole.Fill(sentinel);
        Tensor = whole.Slice(Margin, shape);
        Tensor.CopyFrom(contents);
        constant = isInput ? [.. contents] : null;
    }

    /// <summary>The guarded tensor.</summary>
    public Tensor<T> Tensor { get; }

    /// <summary>Asserts that the guards stand, and that an input was not written to.</summary>
    public void Verify()
    {
        T[] now = whole.ToArray();
        for (int i = 0; i < now.Length; i++)
        {
            int element = i - Margin;
            bool inside = element >= 0 && element < Tensor.Length;
            if (!inside && !now[i].Equals(sentinel))
                Assert.Fail($"{name} {Tensor.Shape}: an op wrote {now[i]} at element {element}, outside the tensor");
            if (inside && constant is not null && !now[i].Equals(constant[element]))
                Assert.Fail($"{name} {Tensor.Shape} is an input; an op changed element {element} from {constant[element]} to {now[i]}");
        }
    }

    public void Dispose() => whole.Dispose();
}
