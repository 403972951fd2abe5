using Ds2.Kernels.Ops;
using TorchSharp;
using static TorchSharp.torch.nn;

namespace Ds2.Bench.Peers;

/// <summary>What moves more than it computes: normalisation, Hardtanh, the mask, the layout change, log-softmax and CTC.</summary>
internal static class PointwisePairs
{
    private const float Momentum = 0.1f;
    private const float Epsilon = 1e-5f;
    private const float ClipHigh = 20;

    /// <summary>Batch normalisation with the batch's statistics; all frames are valid, as libtorch has it.</summary>
    public static IEnumerable<Pair> Normalization(Numbers numbers, BatchNormShape shape)
    {
        BatchNorm norm = BatchNorm.On(numbers.Engine);
        var features = new Shape(shape.C);
        Both x = numbers.Random(shape.X, gradient: true), dY = numbers.Random(shape.X);
        Both weight = numbers.Random(features, gradient: true), bias = numbers.Random(features, gradient: true);
        Both runningMean = numbers.Zeros(features), runningVariance = numbers.Zeros(features);
        Tensor y = numbers.Zero(shape.X), dX = numbers.Zero(shape.X), dWeight = numbers.Zero(features), dBias = numbers.Zero(features);
        Tensor mean = numbers.Zero(features), inverseDeviation = numbers.Zero(features);
        IntTensor lengths = numbers.Integers(new Shape(shape.N), [.. Enumerable.Repeat(shape.T, shape.N)]);
        numbers.Workspace.Reserve(norm.WorkspaceFor(shape));

        // [T, N, C] is to libtorch a batch of T N rows.
        bool timeMajor = shape.Layout == BatchNormLayout.TimeMajor;
        torch.Tensor View(torch.Tensor tensor) => timeMajor ? tensor.view(-1, shape.C) : tensor;
        var theirs = new Graph(
            () => functional.batch_norm(View(x.Torch), runningMean.Torch, runningVariance.Torch, weight.Torch, bias.Torch, training: true, Momentum, Epsilon),
            numbers.Own(View(dY.Torch).alias()), [x.Torch, weight.Torch, bias.Torch]);

        yield return new Pair("BatchNorm forward", $"{shape.X}", new Side(Forward), theirs.Forward, () => [(y, theirs.Output), (runningVariance.Ds2, runningVariance.Torch)]);
        yield return new Pair(
            "BatchNorm backward", $"{shape.X}",
            new Side(
                () => norm.Backward(shape, x.Ds2, lengths, weight.Ds2, mean, inverseDeviation, dY.Ds2, dX, dWeight, dBias, numbers.Workspace),
                () =>
                {
                    Forward();
                    dWeight.Fill(0);
                    dBias.Fill(0);
                }),
            theirs.Backward, () => theirs.GradientsBeside(dX, dWeight, dBias));

        void Forward() => norm.Forward(
            shape, x.Ds2, lengths, weight.Ds2, bias.Ds2, runningMean.Ds2, runningVariance.Ds2, Momentum, Epsilon, y, mean, inverseDeviation, numbers.Workspace);
    }

    /// <summary>Hardtanh in place, as both models run it.</summary>
    public static IEnumerable<Pair> Clipping(Numbers numbers, Shape shape)
    {
        Kernels.Ops.Hardtanh hardtanh = Kernels.Ops.Hardtanh.On(numbers.Engine);
        Both y = numbers.Random(shape, 2 * ClipHigh), x = numbers.Random(shape, 2 * ClipHigh, gradient: true), dY = numbers.Random(shape);
        Tensor dX = numbers.Zero(shape);

        // On a copy, whose gradient costs nothing: TorchSharp 0.107's hardtanh that makes a new tensor does not clip.
        var theirs = new Graph(() => x.Torch.clone().hardtanh_(0, ClipHigh), dY.Torch, [x.Torch]);
        yield return new Pair(
            "Hardtanh forward", $"{shape}", new Side(() => hardtanh.Forward(y.Ds2, 0, ClipHigh, y.Ds2)), new Side(() => y.Torch.hardtanh_(0, ClipHigh)),
            () => [(y.Ds2, y.Torch)]);
        yield return new Pair(
            "Hardtanh backward", $"{shape}", new Side(() => hardtanh.Backward(x.Ds2, 0, ClipHigh, dY.Ds2, dX)), theirs.Backward, () => theirs.GradientsBeside(dX));
    }

    /// <summary>Padded frames zeroed in place; the shortest utterance has half the frames of the longest.</summary>
    public static IEnumerable<Pair> Mask(Numbers numbers, Shape shape)
    {
        LengthMask mask = LengthMask.On(numbers.Engine);
        Both x = numbers.Random(shape);
        int[] counts = [.. Enumerable.Range(0, shape[0]).Select(n => shape[3] - n * shape[3] / (2 * shape[0]))];
        IntTensor lengths = numbers.Integers(new Shape(shape[0]), counts);
        torch.Tensor padded = numbers.Own(
            torch.tensor([.. counts.SelectMany(count => Enumerable.Range(0, shape[3]).Select(t => t >= count))], [shape[0], 1, 1, shape[3]], torch.@bool));
        yield return new Pair(
            "LengthMask", $"{shape}", new Side(() => mask.Apply(x.Ds2, lengths)), new Side(() => x.Torch.masked_fill_(padded, 0)), () => [(x.Ds2, x.Torch)]);
    }

    /// <summary>[N, C, F, T] to [T, N, C F] and back.</summary>
    public static IEnumerable<Pair> Layout(Numbers numbers, Shape shape)
    {
        TimeMajor timeMajor = TimeMajor.On(numbers.Engine);
        var sequence = new Shape(shape[3], shape[0], shape[1] * shape[2]);
        Both x = numbers.Random(shape), dY = numbers.Random(sequence);
        Tensor y = numbers.Zero(sequence), dX = numbers.Zero(shape);
        torch.Tensor? theirs = null;
        yield return new Pair(
            "Layout forward", $"{shape}", new Side(() => timeMajor.Forward(x.Ds2, y)),
            new Side(() => theirs = x.Torch.view(shape[0], shape[1] * shape[2], shape[3]).permute(2, 0, 1).contiguous()), () => [(y, theirs!)]);

        // Autograd gives a strided view here and leaves the copy to the next op: written out.
        yield return new Pair(
            "Layout backward", $"{shape}", new Side(() => timeMajor.Backward(dY.Ds2, dX)), new Side(() => theirs = dY.Torch.permute(1, 2, 0).contiguous()),
            () => [(dX, theirs!)]);
    }

    /// <summary>Log-softmax of the logits.</summary>
    public static IEnumerable<Pair> LogProbabilities(Numbers numbers, Shape shape)
    {
        Kernels.Ops.LogSoftmax logSoftmax = Kernels.Ops.LogSoftmax.On(numbers.Engine);
        Both x = numbers.Random(shape, gradient: true), dY = numbers.Random(shape);
        Tensor y = numbers.Zero(shape), dX = numbers.Zero(shape);
        logSoftmax.Forward(x.Ds2, y);
        var theirs = new Graph(() => functional.log_softmax(x.Torch, 2), dY.Torch, [x.Torch]);
        yield return new Pair("LogSoftmax forward", $"{shape}", new Side(() => logSoftmax.Forward(x.Ds2, y)), theirs.Forward, () => [(y, theirs.Output)]);
        yield return new Pair(
            "LogSoftmax backward", $"{shape}", new Side(() => logSoftmax.Backward(y, dY.Ds2, dX)), theirs.Backward, () => theirs.GradientsBeside(dX));
    }

    /// <summary>The loss from log-probabilities; its gradient with respect to the logits, so that libtorch's takes log-softmax's backward pass with it.</summary>
    public static IEnumerable<Pair> Loss(Numbers numbers, CtcShape shape)
    {
        Ctc ctc = Ctc.On(numbers.Engine);
        Kernels.Ops.LogSoftmax logSoftmax = Kernels.Ops.LogSoftmax.On(numbers.Engine);
        Both logits = numbers.Random(shape.LogProbabilities, gradient: true);
        Tensor logProbabilities = numbers.Zero(shape.LogProbabilities), losses = numbers.Zero(new Shape(shape.N)), alpha = numbers.Zero(shape.Alpha);
        Tensor dLogits = numbers.Zero(shape.LogProbabilities);
        logSoftmax.Forward(logits.Ds2, logProbabilities);
        int[][] texts = [.. Enumerable.Range(0, shape.N).Select(n => Enumerable.Range(0, shape.L).Select(i => 1 + (n + i) * 7 % (shape.C - 1)).ToArray())];
        IntTensor frames = numbers.Integers(new Shape(shape.N), [.. Enumerable.Repeat(shape.T, shape.N)]);
        IntTensor labels = numbers.Integers(shape.Labels, [.. texts.SelectMany(text => text)]);
        IntTensor labelCounts = numbers.Integers(new Shape(shape.N), [.. Enumerable.Repeat(shape.L, shape.N)]);
        numbers.Workspace.Reserve(ctc.BackwardWorkspace(shape));
        Forward();

        TorchTexts targets = numbers.Own(new TorchTexts(texts, shape.T));
        torch.Tensor theirLogProbabilities = numbers.Own(functional.log_softmax(logits.Torch, 2).detach());
        torch.Tensor? theirLosses = null;
        var theirs = new Graph(() => targets.Loss(functional.log_softmax(logits.Torch, 2), Reduction.Sum) / shape.N, null, [logits.Torch]);
        yield return new Pair(
            "Ctc forward", $"{shape.LogProbabilities} {shape.L} labels", new Side(Forward),
            new Side(() => theirLosses = targets.Loss(theirLogProbabilities, Reduction.None)), () => [(losses, theirLosses!)]);
        yield return new Pair(
            "Ctc backward", $"{shape.LogProbabilities} {shape.L} labels",
            new Side(() => ctc.Backward(shape, logProbabilities, frames, labels, labelCounts, losses, alpha, 1f / shape.N, dLogits, numbers.Workspace)),
            theirs.Backward, () => theirs.GradientsBeside(dLogits));

        void Forward() => ctc.Forward(shape, logProbabilities, frames, labels, labelCounts, losses, alpha);
    }
}
