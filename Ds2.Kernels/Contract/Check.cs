using System.Runtime.CompilerServices;

namespace Ds2.Kernels.Contract;

/// <summary>The contracts' validation: each failure is an <see cref="ArgumentException"/> that names the tensor and both shapes.</summary>
internal static class Check
{
    /// <summary>The tensor has this shape and lies in this engine's memory.</summary>
    public static void Is<T>(
        Tensor<T> tensor, IEngine engine, Shape expected, [CallerArgumentExpression(nameof(tensor))] string name = "")
        where T : unmanaged
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.Shape != expected)
            throw new ArgumentException($"{name} is {tensor.Shape}, expected {expected}", name);
        if (!ReferenceEquals(tensor.Engine, engine))
            throw new ArgumentException($"{name} {tensor.Shape} lies in the memory of '{tensor.Engine.Name}', the op runs on '{engine.Name}'", name);
    }

    /// <summary>An output shares no memory with another tensor of the call.</summary>
    public static void Disjoint(
        Tensor output, Tensor other,
        [CallerArgumentExpression(nameof(output))] string outputName = "", [CallerArgumentExpression(nameof(other))] string otherName = "")
    {
        if (output.Overlaps(other))
            throw new ArgumentException($"{outputName} {output.Shape} overlaps {otherName} {other.Shape}", outputName);
    }

    /// <summary>An output is either exactly its input (the op may work in place) or shares no memory with it.</summary>
    public static void SameOrDisjoint(
        Tensor output, Tensor other,
        [CallerArgumentExpression(nameof(output))] string outputName = "", [CallerArgumentExpression(nameof(other))] string otherName = "")
    {
        if (!output.SharesAllWith(other))
            Disjoint(output, other, outputName, otherName);
    }

    /// <summary>The workspace belongs to this engine.</summary>
    public static void Is(Workspace workspace, IEngine engine)
    {
        ArgumentNullException.ThrowIfNull(workspace);
        if (!ReferenceEquals(workspace.Engine, engine))
            throw new ArgumentException($"the workspace lies in the memory of '{workspace.Engine.Name}', the op runs on '{engine.Name}'", nameof(workspace));
    }

    /// <summary>A size or hyperparameter lies within its range.</summary>
    public static void That(bool condition, string message, [CallerArgumentExpression(nameof(condition))] string expression = "")
    {
        if (!condition)
            throw new ArgumentException($"{message} ({expression} does not hold)");
    }
}
