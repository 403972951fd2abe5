using Ds2.Kernels.Ops;
using TorchSharp;
using static TorchSharp.torch.nn;

namespace Ds2.Bench.Peers;

/// <summary>What multiplies: matrix products, convolutions, the GRU.</summary>
internal static class ProductPairs
{
    /// <summary>C = op(A) op(B) into memory that is there already, in both.</summary>
    public static IEnumerable<Pair> Gemm(Numbers numbers, GemmShape shape)
    {
        Gemm gemm = Kernels.Ops.Gemm.On(numbers.Engine);
        Both a = numbers.Random(shape.A), b = numbers.Random(shape.B, 0.1f), c = numbers.Zeros(shape.C);
        torch.Tensor left = numbers.Own(shape.TransposeA ? a.Torch.t() : a.Torch.alias()), right = numbers.Own(shape.TransposeB ? b.Torch.t() : b.Torch.alias());
        yield return new Pair(
            $"Gemm {(shape.TransposeA ? 'T' : 'N')}{(shape.TransposeB ? 'T' : 'N')}", $"{shape.M} x {shape.N} x {shape.K}",
            new Side(() => gemm.Multiply(shape, a.Ds2, b.Ds2, c.Ds2)),
            new Side(() => c.Torch.addmm_(left, right, beta: 0)),
            () => [(c.Ds2, c.Torch)]);
    }

    /// <summary>A convolution.</summary>
    /// <param name="numbers">Makes the operands.</param>
    /// <param name="name">Its name in the model.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="inputGradient">Whether the backward pass goes on to the input.</param>
    public static IEnumerable<Pair> Convolution(Numbers numbers, string name, Conv2dShape shape, bool inputGradient)
    {
        Conv2d conv = Kernels.Ops.Conv2d.On(numbers.Engine);
        Both x = numbers.Random(shape.X, gradient: inputGradient), weight = numbers.Random(shape.Weight, 0.1f, gradient: true);
        Both bias = numbers.Random(new Shape(shape.K), gradient: true), dY = numbers.Random(shape.Y);
        Tensor y = numbers.Zero(shape.Y), dWeight = numbers.Zero(shape.Weight), dBias = numbers.Zero(new Shape(shape.K));
        Tensor? dX = inputGradient ? numbers.Zero(shape.X) : null;
        numbers.Workspace.Reserve(Math.Max(conv.ForwardWorkspace(shape), conv.BackwardWorkspace(shape)));
        var theirs = new Graph(
            () => functional.conv2d(x.Torch, weight.Torch, bias.Torch, [shape.StrideH, shape.StrideW], [shape.PadH, shape.PadW]),
            dY.Torch, inputGradient ? [weight.Torch, bias.Torch, x.Torch] : [weight.Torch, bias.Torch]);

        string size = $"{shape.X} {shape.R} x {shape.S}";
        yield return new Pair(
            $"{name} forward", size, new Side(() => conv.Forward(shape, x.Ds2, weight.Ds2, bias.Ds2, y, numbers.Workspace)), theirs.Forward, () => [(y, theirs.Output)]);
        yield return new Pair(
            $"{name} backward", size,
            new Side(() => conv.Backward(shape, x.Ds2, weight.Ds2, dY.Ds2, dX, dWeight, dBias, numbers.Workspace), () => Clear(dWeight, dBias)),
            theirs.Backward, () => theirs.GradientsBeside(dX is null ? [dWeight, dBias] : [dWeight, dBias, dX]));
    }

    /// <summary>A recurrent layer; two directions are summed, as the model does.</summary>
    public static IEnumerable<Pair> Gru(Numbers numbers, GruShape shape)
    {
        Gru gru = Kernels.Ops.Gru.On(numbers.Engine);
        float bound = 1 / MathF.Sqrt(shape.H);
        Both x = numbers.Random(shape.X, gradient: true), dY = numbers.Random(shape.Y);
        Both[][] weights = [.. Enumerable.Range(0, shape.Directions).Select(_ => Parameters().Select(size => numbers.Random(size, bound)).ToArray())];
        Tensor[][] gradients = [.. weights.Select(_ => Parameters().Select(numbers.Zero).ToArray())];
        GruWeights[] ours = [.. weights.Select(direction => Weights([.. direction.Select(both => both.Ds2)]))];
        GruWeights[] ourGradients = [.. gradients.Select(Weights)];
        Tensor hidden = numbers.Zero(shape.Hidden), gates = numbers.Zero(shape.Gates), candidates = numbers.Zero(shape.Hidden), dX = numbers.Zero(shape.X);
        Tensor y = shape.Directions == 1 ? hidden.Reshape(shape.Y) : numbers.Zero(shape.Y);
        IntTensor lengths = numbers.Integers(new Shape(shape.N), [.. Enumerable.Repeat(shape.T, shape.N)]);
        numbers.Workspace.Reserve(Math.Max(gru.ForwardWorkspace(shape), gru.BackwardWorkspace(shape)));

        TorchSharp.Modules.GRU module = numbers.Own(GRU(shape.I, shape.H, bidirectional: shape.Directions == 2));
        torch.Tensor[] theirParameters = [.. module.parameters()];
        using (torch.no_grad())
        {
            foreach ((torch.Tensor parameter, Both both) in theirParameters.Zip(weights.SelectMany(direction => direction)))
                parameter.copy_(both.Torch);
        }

        var theirs = new Graph(() => TorchModel.Recur(module, x.Torch, shape.H), dY.Torch, [x.Torch, .. theirParameters]);
        string size = $"[T {shape.T}, N {shape.N}, H {shape.H}]{(shape.Directions == 2 ? " x 2 directions" : "")}";
        yield return new Pair("Gru forward", size, new Side(Forward), theirs.Forward, () => [(y, theirs.Output)]);
        yield return new Pair(
            "Gru backward", size,
            new Side(
                () => gru.Backward(shape, x.Ds2, lengths, ours, hidden, gates, candidates, dY.Ds2, dX, ourGradients, numbers.Workspace),
                () =>
                {
                    Clear([.. gradients.SelectMany(direction => direction)]);
                    Forward();
                }),
            theirs.Backward, () => theirs.GradientsBeside([dX, .. gradients.SelectMany(direction => direction)]));

        void Forward() => gru.Forward(shape, x.Ds2, lengths, ours, y, hidden, gates, candidates, numbers.Workspace);
        Shape[] Parameters() => [shape.InputWeight, shape.RecurrentWeight, shape.Bias, shape.Bias];
        static GruWeights Weights(Tensor[] parts) => new(parts[0], parts[1], parts[2], parts[3]);
    }

    private static void Clear(params Tensor[] gradients)
    {
        foreach (Tensor gradient in gradients)
            gradient.Fill(0);
    }
}
