namespace Ds2.Bench.Ops;

/// <summary>Random inputs; zeros would run faster than real numbers do on some devices.</summary>
internal static class RandomTensors
{
    /// <summary>A tensor of numbers uniform in -scale..scale, the same at every call; the caller owns it.</summary>
    public static Tensor Random(this IEngine engine, Shape shape, float scale)
    {
        var random = new Random(shape.Length);
        var values = new float[shape.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = (2 * random.NextSingle() - 1) * scale;
        Tensor tensor = engine.Allocate(shape);
        tensor.CopyFrom(values);
        return tensor;
    }
}
