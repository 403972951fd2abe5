using TorchSharp;

namespace Ds2.Bench.Peers;

/// <summary>The same numbers in both libraries.</summary>
/// <param name="Ds2">On our engine.</param>
/// <param name="Torch">In libtorch's memory, contiguous.</param>
internal readonly record struct Both(Tensor Ds2, torch.Tensor Torch);

/// <summary>Makes the operands of a comparison, and disposes of them with it.</summary>
/// <param name="engine">Ours; it stays the caller's.</param>
internal sealed class Numbers(IEngine engine) : IDisposable
{
    private readonly List<IDisposable> owned = [];
    private readonly Random random = new(1);

    /// <summary>Our engine.</summary>
    public IEngine Engine { get; } = engine;

    /// <summary>Our scratch memory.</summary>
    public Workspace Workspace { get; } = new(engine);

    /// <summary>Numbers uniform in -scale..scale, in both; libtorch's with a gradient if it is asked for.</summary>
    public Both Random(Shape shape, float scale = 1, bool gradient = false)
    {
        var values = new float[shape.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = (2 * random.NextSingle() - 1) * scale;
        Tensor tensor = Zero(shape);
        tensor.CopyFrom(values);
        return new Both(tensor, Copy(tensor, gradient));
    }

    /// <summary>Zeros, in both.</summary>
    public Both Zeros(Shape shape) => new(Zero(shape), Own(torch.zeros(Sizes(shape))));

    /// <summary>Zeros, in ours alone.</summary>
    public Tensor Zero(Shape shape) => Own(Engine.Allocate(shape));

    /// <summary>Integers, in ours.</summary>
    public IntTensor Integers(Shape shape, int[] values)
    {
        IntTensor tensor = Own(Engine.AllocateInt(shape));
        tensor.CopyFrom(values);
        return tensor;
    }

    /// <summary>A tensor's numbers in libtorch.</summary>
    public torch.Tensor Copy(Tensor tensor, bool gradient = false) => Own(torch.tensor(tensor.ToArray(), Sizes(tensor.Shape), requires_grad: gradient));

    /// <summary>Disposes of it with the comparison.</summary>
    public T Own<T>(T disposable)
        where T : IDisposable
    {
        owned.Add(disposable);
        return disposable;
    }

    /// <summary>Gives everything back.</summary>
    public void Dispose()
    {
        foreach (IDisposable disposable in owned)
            disposable.Dispose();
        Workspace.Dispose();
    }

    private static long[] Sizes(Shape shape) => [.. Enumerable.Range(0, shape.Rank).Select(dimension => (long)shape[dimension])];
}
