using Ds2.Bench.Step;
using Ds2.Kernels.Engines.Host;
using Ds2.Kernels.Ops;
using Ds2.Runtime.Training;
using Ds2.Tests.Ops;
using Ds2.Tests.Reference;

namespace Ds2.Tests.Engines;

public sealed class HostEngineTests
{
    /// <remarks>How C is cut depends on the number of threads, what an element sums up in which order does not.</remarks>
    [TestCase(false, false)]
    [TestCase(false, true)]
    [TestCase(true, false)]
    public void Gemm_OnAnyNumberOfThreads_GivesTheSameBits(bool transposeA, bool transposeB)
    {
        var shape = new GemmShape(203, 301, 401, transposeA, transposeB);
        float[] a = Normal(shape.A.Length, seed: 1), b = Normal(shape.B.Length, seed: 2);
        float[] onOne = Multiply(1);
        foreach (int threads in (int[])[2, 3, 5, 16])
            foreach (int parts in (int[])[1, 2, 16])
                Compare.BitEqual(Multiply(threads, parts), onOne, $"{threads} threads, {parts} parts each");

        float[] Multiply(int threads, int parts = 1)
        {
            using var engine = new HostEngine(threads);
            engine.Workers.Width.Fix(parts);
            using Tensor left = engine.Allocate(shape.A), right = engine.Allocate(shape.B), product = engine.Allocate(shape.C);
            left.CopyFrom(a);
            right.CopyFrom(b);
            Gemm.On(engine).Multiply(shape, left, right, product);
            return product.ToArray();
        }
    }

    /// <remarks>How many threads work is a matter of time, of which no bit may depend.</remarks>
    [Test]
    public void Step_WhateverThreadsWork_GivesTheSameBits([Values] RecurrentPrecision precision)
    {
        var options = new StepOptions(
            new RunOptions { Model = new() { Channels = 4, Hidden = 100, Layers = 2, RecurrentPrecision = precision } }, Batch: 3, Frames: 90, Labels: 5, Steps: 2, Threads: 3);
        (float[] parameters, float[] gradients) = Train(parts: 1);
        foreach (int parts in (int[])[2, 4])
        {
            (float[] otherParameters, float[] otherGradients) = Train(parts);
            Compare.BitEqual(otherGradients, gradients, $"gradients, {parts} parts a thread");
            Compare.BitEqual(otherParameters, parameters, $"parameters, {parts} parts a thread");
        }

        (float[] Parameters, float[] Gradients) Train(int parts)
        {
            using var engine = new HostEngine(options.Threads);
            engine.Workers.Width.Fix(parts);
            using var step = new TrainingStep(options, engine);
            for (int i = 1; i <= options.Steps; i++)
                step.Run(i);
            Assert.That(step.LastGradientNorm, Is.Positive);
            return (step.Model.Parameters.Values.ToArray(), step.Model.Parameters.Gradients.ToArray());
        }
    }

    private static float[] Normal(int length, int seed) => Array.ConvertAll(Arrays.Normal(length, seed), x => (float)x);
}
